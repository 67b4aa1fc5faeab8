//! Memory, processors and process limits.

use std::fmt;
use std::str::FromStr;

use super::{SpecError, is_made_of};

/// An amount of memory in bytes; parsed from `512m`, `2g`, `1048576`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u64);

impl Memory {
    /// An amount in bytes.
    #[must_use]
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The amount in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Memory {
    type Err = SpecError;

    /// Units as `docker run --memory` has them: `b`, `k`, `m`, `g`, powers of 1024, in either case.
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong =
            |why: &str| SpecError::new("amount of memory", text, why, "a number of bytes, or one with b, k, m or g");
        let lower = text.to_ascii_lowercase();
        let digits = lower.trim_end_matches(['b', 'k', 'm', 'g']);
        let factor: u64 = match lower.get(digits.len()..).unwrap_or_default() {
            "" | "b" => 1,
            "k" | "kb" => 1 << 10,
            "m" | "mb" => 1 << 20,
            "g" | "gb" => 1 << 30,
            _ => return Err(wrong("its unit is unknown")),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("it is no number"));
        }
        let amount = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        amount.filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| wrong("it is nothing, or too much"))
    }
}

/// Processor time in thousandths of a core; parsed from `1.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(u64);

impl Cpus {
    /// In thousandths of a core; none of 0, which engines read as no limit.
    #[must_use]
    pub fn from_thousandths(thousandths: u64) -> Option<Self> {
        (thousandths > 0).then_some(Self(thousandths))
    }

    /// In thousandths of a core.
    #[must_use]
    pub fn thousandths(self) -> u64 {
        self.0
    }
}

impl FromStr for Cpus {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = || {
            SpecError::new(
                "number of cores",
                text,
                "it is no such number",
                "a number such as 2 or 1.5, at most 3 decimals",
            )
        };
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 || whole.len() > 5 {
            return Err(wrong());
        }
        let thousandths: u64 = format!("{whole}{part:0<3}").parse().map_err(|_| wrong())?;
        Self::from_thousandths(thousandths).ok_or_else(wrong)
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1000, self.0 % 1000);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A limit of `setrlimit(2)`, as `--ulimit` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile`, `nproc` …
    pub name: String,
    /// The soft limit; -1 means none.
    pub soft: i64,
    /// The hard limit; -1 means none.
    pub hard: i64,
}

impl FromStr for Ulimit {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong =
            |why: &str| SpecError::new("process limit", text, why, "NAME=SOFT[:HARD], such as nofile=1024:2048");
        let (name, values) = text.split_once('=').ok_or_else(|| wrong("it has no value"))?;
        if name.is_empty() || !is_made_of(name, b"") {
            return Err(wrong("its name is not of letters"));
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= -1);
        match (number(soft), number(hard)) {
            (Some(soft), Some(hard)) => Ok(Self { name: name.to_ascii_lowercase(), soft, hard }),
            _ => Err(wrong("its value is no number from -1 on")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_dockers_units() {
        for (text, bytes) in [("1", 1), ("512m", 512 << 20), ("2G", 2 << 30), ("64kb", 64 << 10)] {
            assert_eq!(text.parse::<Memory>().unwrap().bytes(), bytes);
        }
        for bad in ["", "0", "m", "-1", "1x", "1.5g", "99999999999g", "1mm"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn cores_print_as_they_are_read() {
        for text in ["1", "1.5", "0.25", "0.001"] {
            assert_eq!(text.parse::<Cpus>().unwrap().to_string(), text);
        }
        for bad in ["", "0", ".5", "1.", "1.0001", "-1", "1e3"] {
            assert!(bad.parse::<Cpus>().is_err(), "{bad:?}");
        }
    }
}
