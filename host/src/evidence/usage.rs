//! What a container uses, and its processes: read by the host from what the engine printed for the backend's command.

use serde_json::Value;

use super::document::documents;
use crate::grants::UsageEvidence;

/// The most rows of a table of processes that are kept.
const ROWS: usize = 10_000;

/// One reading of what a container uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time in use, in thousandths of a core.
    pub cpu: u64,
    /// Memory in use, in bytes.
    pub memory: u64,
    /// Memory limit, in bytes; none where it has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Processes.
    pub pids: u64,
}

impl Usage {
    /// From what the engine printed: one document, or a list with one.
    ///
    /// # Errors
    /// When it has no such numbers.
    pub(crate) fn read(output: &str, grant: &UsageEvidence) -> Result<Self, String> {
        let documents = documents(output.as_bytes())?;
        let [document] = documents.as_slice() else { return Err("the engine printed no single reading".to_owned()) };
        let at = |pointer: &str| document.pointer(pointer).map(plain).unwrap_or_default();
        let need = |what: &str, pointer: &str, read: fn(&str) -> Option<u64>| {
            let text = at(pointer);
            read(&text).ok_or_else(|| format!("the engine's reading has no {what} at {pointer}"))
        };
        Ok(Self {
            cpu: need("processor time", &grant.cpu, thousandths)?,
            memory: need("memory", &grant.memory, |text| bytes(part(text, 0)))?,
            memory_limit: grant.memory_limit.as_deref().and_then(|pointer| bytes(part(&at(pointer), 1))),
            pids: need("number of processes", &grant.pids, |text| text.trim().parse().ok())?,
        })
    }
}

/// A number or a text, as text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Of `A / B` the first or the second; a number alone is both.
fn part(text: &str, which: usize) -> &str {
    match text.split_once('/') {
        None => text,
        Some((first, second)) => [first, second].get(which).copied().unwrap_or_default(),
    }
}

/// Per cent of a core, as thousandths of one; parts of a thousandth are cut off.
fn thousandths(text: &str) -> Option<u64> {
    scaled(text.trim().trim_end_matches('%'), 10)
}

/// An amount with a unit of powers of 1000 (`kB`) or 1024 (`KiB`), or none; parts of a byte are cut off.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e').unwrap_or(text.len());
    let (amount, unit) = text.split_at_checked(digits)?;
    let (kilo, letter) = match unit.trim().strip_suffix("iB") {
        Some(letter) => (1024_u64, letter),
        None => (1000, unit.trim().trim_end_matches('B')),
    };
    let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| letter.eq_ignore_ascii_case(known))?;
    scaled(amount.trim(), kilo.checked_pow(u32::try_from(power).ok()?)?)
}

/// A decimal number times a whole one, cut to a whole one. Small floats are printed with an exponent.
fn scaled(text: &str, factor: u64) -> Option<u64> {
    if text.contains(['e', 'E']) {
        let number: f64 = text.parse().ok()?;
        return (number.is_finite() && (0.0..1e15).contains(&number)).then(|| whole(number, factor));
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) {
        return None;
    }
    let decimals: String = decimals.chars().take(9).collect();
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let number: u128 = format!("{whole}{decimals}").parse().ok()?;
    u64::try_from(number.checked_mul(factor.into())? / scale).ok()
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bounds are checked before"
)]
fn whole(number: f64, factor: u64) -> u64 {
    (number * factor as f64) as u64
}

/// The processes of a container: headings, and a row for each.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Processes {
    /// The headings, as the engine spells them.
    pub titles: Vec<String>,
    /// As many cells in each row as there are headings; the last one may have spaces.
    pub rows: Vec<Vec<String>>,
}

impl Processes {
    /// From a table whose cells are apart by spaces; the last cell of a row is the rest of its line.
    ///
    /// # Errors
    /// When there is no heading, or a row with fewer cells.
    pub(crate) fn read(output: &str) -> Result<Self, String> {
        let mut lines = output.lines().filter(|line| !line.trim().is_empty());
        let titles: Vec<String> = lines.next().into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect();
        if titles.is_empty() {
            return Err("the engine printed no table of processes".to_owned());
        }
        let row = |line| cells(line, titles.len()).ok_or_else(|| "a process has fewer cells than headings".to_owned());
        let rows = lines.take(ROWS).map(row).collect::<Result<_, _>>()?;
        Ok(Self { titles, rows })
    }

    /// Whether a process of this number is among them.
    pub(crate) fn has(&self, pid: u32) -> bool {
        let pid = pid.to_string();
        self.rows.iter().any(|row| row.contains(&pid))
    }
}

fn cells(line: &str, count: usize) -> Option<Vec<String>> {
    let (mut cells, mut rest) = (Vec::with_capacity(count), line.trim());
    while cells.len() + 1 < count {
        let (cell, behind) = rest.split_once(char::is_whitespace)?;
        cells.push(cell.to_owned());
        rest = behind.trim_start();
    }
    cells.push(rest.to_owned());
    (!rest.is_empty()).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Usage, String> {
        let grants = Grants::parse(include_str!("../../../plugins/podman/grants.toml"), "podman").unwrap();
        Usage::read(text, grants.evidence().stats.as_ref().unwrap())
    }

    #[test]
    fn numbers_and_texts_of_both_engines() {
        let podman = read(r#"{"cpu":0.08819,"memory":368640,"limit":67108864,"pids":1}"#).unwrap();
        assert_eq!(podman, Usage { cpu: 0, memory: 368_640, memory_limit: Some(67_108_864), pids: 1 });
        let docker =
            read(r#"{"cpu":"150.55%","memory":"836KiB / 64MiB","limit":"836KiB / 64MiB","pids":"2"}"#).unwrap();
        assert_eq!(docker, Usage { cpu: 1505, memory: 836 << 10, memory_limit: Some(64 << 20), pids: 2 });
        for bad in ["", "{}", "[]", r#"{"cpu":-1,"memory":1,"pids":1}"#, r#"{"cpu":1,"memory":"x","pids":1}"#, "no"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_have_units() {
        for (text, expected) in [
            ("0", 0),
            ("626.7kB", 626_700),
            ("1.5MiB", 3 << 19),
            ("23.54GiB", 25_275_882_536),
            ("12B", 12),
            ("1e3", 1000),
        ] {
            assert_eq!(bytes(text), Some(expected), "{text}");
        }
        for bad in ["", "kB", "1.5XB", "-1", "1,5MB", "99999999999999999999PB", "--"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_table_has_as_many_cells_as_headings() {
        let text = "HPID  HUSER  ELAPSED   COMMAND\n16577 1001   5m22.03s  /bin/p sleep 1000 \n";
        let table = Processes::read(text).unwrap();
        assert_eq!(table.rows, [["16577", "1001", "5m22.03s", "/bin/p sleep 1000"]]);
        assert!(table.has(16577) && !table.has(165));
        assert!(Processes::read("").is_err() && Processes::read("A B\nx\n").is_err());
    }

    proptest! {
        #[test]
        fn nothing_is_too_odd_to_be_read(text in "\\PC{0,40}") {
            let _ = (bytes(&text), thousandths(&text), Processes::read(&text), read(&text));
        }
    }
}
