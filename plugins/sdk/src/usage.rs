//! What a container uses, as the first-party grants have engines print it: one JSON object of four members.
//!
//! The host reads the same bytes by the places that its grants name, and believes no other numbers: parts of a byte and of
//! a thousandth are cut off here as there.

use serde_json::Value;

use crate::{Result, Usage, inspect};

/// Reads `{"cpu": …, "memory": …, "limit": …, "pids": …}`: numbers, or texts such as `1.5%` and `1.5MiB / 2GiB`.
///
/// # Errors
/// [`crate::Error::Engine`], where there are no such numbers.
pub fn read(stdout: &str) -> Result<Usage> {
    let document = inspect::first(stdout)?;
    let at = |key: &str| document.get(key).map(plain).unwrap_or_default();
    let unread = |what: &str| inspect::unexpected(&format!("printed no {what}"));
    Ok(Usage {
        cpu: scaled(at("cpu").trim().trim_end_matches('%'), 10).ok_or_else(|| unread("processor time"))?,
        memory: bytes(half(&at("memory"), 0)).ok_or_else(|| unread("memory"))?,
        memory_limit: bytes(half(&at("limit"), 1)).unwrap_or(0),
        pids: at("pids").trim().parse().map_err(|_| unread("number of processes"))?,
    })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn half(text: &str, which: usize) -> &str {
    match text.split_once('/') {
        None => text,
        Some((first, second)) => {
            if which == 0 {
                first
            } else {
                second
            }
        }
    }
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (amount, unit) = text.split_at(digits);
    let (kilo, letter) = match unit.trim().strip_suffix("iB") {
        Some(letter) => (1024_u64, letter),
        None => (1000, unit.trim().trim_end_matches('B')),
    };
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| letter.eq_ignore_ascii_case(known))?;
    scaled(amount.trim(), kilo.pow(power as u32))
}

/// A decimal number times a whole one; small floats are printed with an exponent.
fn scaled(text: &str, factor: u64) -> Option<u64> {
    if text.contains(['e', 'E']) {
        let number: f64 = text.parse().ok()?;
        return (0.0..1e15).contains(&number).then_some((number * factor as f64) as u64);
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let decimals = decimals.get(..decimals.len().min(9)).unwrap_or_default();
    let number: u128 = [whole, decimals].concat().parse().ok()?;
    u64::try_from(number.checked_mul(factor.into())? / 10_u128.pow(decimals.len() as u32)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_of_both_engines() {
        let usage = |text| read(text).map(|usage| (usage.cpu, usage.memory, usage.memory_limit, usage.pids)).ok();
        assert_eq!(
            usage(r#"{"cpu":0.08819,"memory":368640,"limit":67108864,"pids":1}"#),
            Some((0, 368_640, 64 << 20, 1))
        );
        let docker = r#"{"cpu":"150.55%","memory":"836KiB / 64MiB","limit":"836KiB / 64MiB","pids":"2"}"#;
        assert_eq!(usage(docker), Some((1505, 836 << 10, 64 << 20, 2)));
        assert_eq!(usage(r#"{"cpu":2e-3,"memory":"626.7kB","pids":0}"#), Some((0, 626_700, 0, 0)));
        for bad in ["{}", r#"{"cpu":-1,"memory":1,"pids":1}"#, r#"{"cpu":1,"memory":"1XB","pids":1}"#] {
            assert_eq!(usage(bad), None, "{bad}");
        }
    }
}
