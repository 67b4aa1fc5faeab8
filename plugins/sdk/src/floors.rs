//! Floors: versions below which something has a known hole. They stand in the grants, and the host tells them.

use crate::{Finding, Probes, Version};

/// The fact by which the host tells them: `NAME VERSION ADVISORY`, one a line.
const FACT: &str = "host.floors";

/// The floors of this call.
#[derive(Clone, Copy, Debug)]
pub struct Floors<'a>(Probes<'a>);

impl<'a> Floors<'a> {
    /// Those of the grants.
    #[must_use]
    pub fn of(probes: Probes<'a>) -> Self {
        Self(probes)
    }

    /// The floor of this name, and what is wrong below it.
    #[must_use]
    pub fn floor(&self, name: &str) -> Option<(Version, &'a str)> {
        self.0.lines(FACT).find_map(|line| {
            let (version, advisory) = line.strip_prefix(name)?.strip_prefix(' ')?.split_once(' ')?;
            Some((Version::find(version)?, advisory))
        })
    }

    /// A finding on a version that something says of itself: fine, or a warning with the advisory. Nothing where there is
    /// no floor, or no version can be made out.
    #[must_use]
    pub fn judge(
        &self,
        id: &str,
        floor: &str,
        what: &str,
        version: &str,
        remedy: impl FnOnce() -> String,
    ) -> Option<Finding> {
        let (least, advisory) = self.floor(floor)?;
        let Some(found) = Version::find(version) else {
            return Some(Finding::info(id, format!("{what} of no known version"), advisory));
        };
        if found >= least {
            return Some(Finding::ok(id, format!("{what} {found}, {least} or later is asked for")));
        }
        let seen = format!("{what} {found} is older than {least}");
        Some(Finding::warning(id, seen, advisory).mended_by(remedy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Probe, Severity};

    #[test]
    fn below_the_floor_is_a_warning_with_the_advisory() {
        let content = "runc 1.2.8 CVE-2025-31133: a container may get out\ntoolkit 1.17.8 CVE-2025-23266\n";
        let probes = [Probe { name: FACT.into(), found: true, content: content.into() }];
        let floors = Floors::of(Probes(&probes));
        let judge = |version: &str| floors.judge("runtime.version", "runc", "runc", version, || "mend".into()).unwrap();
        let old = judge("runc version 1.1.5+ds1\nspec: 1.0.2");
        assert_eq!((old.severity, old.why.as_str()), (Severity::Warning, "CVE-2025-31133: a container may get out"));
        assert_eq!((old.seen.as_str(), old.remedy.as_deref()), ("runc 1.1.5 is older than 1.2.8", Some("mend")));
        assert_eq!(judge("1.2.8").severity, Severity::Ok);
        assert_eq!(judge("unknown").severity, Severity::Info);
        assert_eq!(floors.judge("x", "crun", "crun", "1.0.0", String::new), None);
        assert_eq!(floors.floor("run"), None);
    }
}
