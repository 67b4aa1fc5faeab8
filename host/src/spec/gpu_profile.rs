//! What a workload asks of its GPUs beside their names.

use std::fmt;
use std::str::FromStr;

use super::{Memory, SpecError};

const EXPECTED: &str = "required or optional, memory=AMOUNT, cuda=MAJOR.MINOR, separated by commas";

/// A version of CUDA, as its releases are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion(pub u32, pub u32);

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl FromStr for CudaVersion {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let number = |text: &str| {
            let plain = !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            plain.then(|| text.parse().ok()).flatten()
        };
        let version = text.split_once('.').and_then(|(major, minor)| Some(Self(number(major)?, number(minor)?)));
        version.ok_or_else(|| SpecError::new("CUDA version", text, "it is none", "MAJOR.MINOR, such as 12.4"))
    }
}

/// What a workload asks of each of its GPUs; judged by a preflight from what can be known of them. Parsed from
/// `required,memory=8g,cuda=12.4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuProfile {
    /// Without such GPUs nothing is created; otherwise a container gets none then, and that is said. Default: true.
    pub required: bool,
    /// The least memory of each.
    pub memory: Option<Memory>,
    /// The least version of CUDA that the driver must serve.
    pub cuda: Option<CudaVersion>,
}

impl Default for GpuProfile {
    fn default() -> Self {
        Self { required: true, memory: None, cuda: None }
    }
}

impl FromStr for GpuProfile {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut profile = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            let topic = if key == "optional" { "required" } else { key };
            if seen.contains(&topic) {
                return Err(SpecError::new("GPU profile", text, format!("it says {topic} twice"), EXPECTED));
            }
            seen.push(topic);
            match (key, value) {
                ("required", "") => profile.required = true,
                ("optional", "") => profile.required = false,
                ("memory", amount) => profile.memory = Some(amount.parse()?),
                ("cuda", version) => profile.cuda = Some(version.parse()?),
                _ => return Err(SpecError::new("GPU profile", text, format!("{part:?} is no part of one"), EXPECTED)),
            }
        }
        Ok(profile)
    }
}

/// As a backend is told: `required=true memory=8589934592 cuda=12.4`.
impl fmt::Display for GpuProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "required={}", self.required)?;
        if let Some(memory) = self.memory {
            write!(f, " memory={}", memory.bytes())?;
        }
        self.cuda.map_or(Ok(()), |cuda| write!(f, " cuda={cuda}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_and_told() {
        for (text, told) in [
            ("required,memory=8g,cuda=12.4", "required=true memory=8589934592 cuda=12.4"),
            ("optional", "required=false"),
            ("cuda=11.8", "required=true cuda=11.8"),
        ] {
            assert_eq!(text.parse::<GpuProfile>().unwrap().to_string(), told);
        }
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for bad in [
            "",
            "memory=",
            "cuda=12",
            "cuda=12.x",
            "required,optional",
            "memory=1g,memory=2g",
            "required=1",
            "vram=8g",
            "cuda=1.2,",
        ] {
            assert!(bad.parse::<GpuProfile>().is_err(), "{bad:?}");
        }
    }
}
