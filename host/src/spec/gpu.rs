//! GPU masks.

use std::fmt;
use std::str::FromStr;

use super::SpecError;

const EXPECTED: &str = "none, all, or a list such as 0,1 with indices, GPU-… or MIG-… UUIDs, or i:j";

/// One GPU, by the names that NVIDIA's CDI specs and container toolkit use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Gpu {
    /// The n-th.
    Index(u32),
    /// A MIG instance of the n-th.
    Mig(u32, u32),
    /// `GPU-…` or `MIG-…`.
    Uuid(String),
}

impl FromStr for Gpu {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = || SpecError::new("GPU", text, "it is neither an index nor a UUID", EXPECTED);
        if let Some(rest) = text.strip_prefix("GPU-").or_else(|| text.strip_prefix("MIG-")) {
            let uuid = is_uuid(rest).then(|| Self::Uuid(text.to_owned()));
            return uuid.ok_or_else(wrong);
        }
        let digits = text.strip_prefix("GPU").unwrap_or(text);
        match digits.split_once(':') {
            Some((gpu, instance)) => Ok(Self::Mig(index(gpu).ok_or_else(wrong)?, index(instance).ok_or_else(wrong)?)),
            None => index(digits).map(Self::Index).ok_or_else(wrong),
        }
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let parts: Vec<&str> = text.split('-').collect();
    parts.len() == lengths.len()
        && parts.iter().zip(lengths).all(|(part, length)| {
            part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
}

/// At most 4 digits, none of them a leading zero.
fn index(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    (plain && text.len() <= 4).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Gpus {
    /// As a caller writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::All => f.write_str("all"),
            Self::Mask(gpus) => {
                let gpus: Vec<String> = gpus.iter().map(Gpu::to_string).collect();
                f.write_str(&gpus.join(","))
            }
        }
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Mig(gpu, instance) => write!(f, "{gpu}:{instance}"),
            Self::Uuid(uuid) => f.write_str(uuid),
        }
    }
}

/// The GPUs that a container gets: exactly these, and no other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gpus {
    /// None.
    #[default]
    None,
    /// All that the engine knows of.
    All,
    /// These.
    Mask(Vec<Gpu>),
}

impl FromStr for Gpus {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "none" => return Ok(Self::None),
            "all" => return Ok(Self::All),
            _ => {}
        }
        let list = text.strip_prefix("device=").unwrap_or(text);
        let gpus = list.split(',').map(str::parse).collect::<Result<Vec<Gpu>, _>>()?;
        let mut seen = gpus.clone();
        seen.sort();
        seen.dedup();
        if seen.len() != gpus.len() {
            return Err(SpecError::new("GPU mask", text, "it names a GPU twice", EXPECTED));
        }
        Ok(Self::Mask(gpus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_mask() {
        let mask: Gpus = "0,GPU1,1:0,GPU-5f3c1a52-7c5f-4f1a-9d4e-0123456789ab".parse().unwrap();
        let Gpus::Mask(gpus) = mask else { panic!("a mask") };
        let names: Vec<String> = gpus.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["0", "1", "1:0", "GPU-5f3c1a52-7c5f-4f1a-9d4e-0123456789ab"]);
        assert_eq!("none".parse::<Gpus>().unwrap(), Gpus::None);
        assert_eq!("all".parse::<Gpus>().unwrap(), Gpus::All);
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for bad in ["", "0,", "0,0", "0,GPU0", "-1", "01", "ALL", "all,0", "GPU-xyz", "0:", "99999", "\"0\""] {
            assert!(bad.parse::<Gpus>().is_err(), "{bad:?}");
        }
    }
}
