//! The host's own hard limits, as facts for templates.
//!
//! An engine cannot give a container more than its own limits allow, and one that asks for more fails to start it, so
//! the limits that a template names are derived from these (getrlimit(2)).

use rustix::process::{Resource, Rlimit, getrlimit};

/// Processes: the most that is asked for, since engines lower their own limit to this before they start a container.
pub(crate) const NPROC_CEILING: u64 = 32_768;

/// Open files: the most that is asked for, the kernel's default for `fs.nr_open` (proc_sys_fs(5)).
pub(crate) const NOFILE_CEILING: u64 = 1_048_576;

/// One limit; `None` is "unlimited".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// The limit in force.
    pub(crate) soft: Option<u64>,
    /// How far an unprivileged process may raise it.
    pub(crate) hard: Option<u64>,
}

impl Limit {
    /// Whether a limit as a caller writes it, -1 for none, lies within the hard one.
    pub(crate) fn allows(self, asked: i64) -> bool {
        self.hard.is_none_or(|hard| u64::try_from(asked).is_ok_and(|asked| asked <= hard))
    }

    /// The hard limit, at most `ceiling`: what may be asked for, as both the soft and the hard limit of a container.
    pub(crate) fn within(self, ceiling: u64) -> u64 {
        self.hard.map_or(ceiling, |hard| hard.min(ceiling))
    }
}

impl From<Rlimit> for Limit {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

/// The limits of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostLimits {
    /// Open files (`RLIMIT_NOFILE`).
    pub(crate) nofile: Limit,
    /// Processes of this user (`RLIMIT_NPROC`).
    pub(crate) nproc: Limit,
}

impl HostLimits {
    /// Reads both limits; getrlimit(2) can't fail for them.
    pub(crate) fn read() -> Self {
        Self { nofile: getrlimit(Resource::Nofile).into(), nproc: getrlimit(Resource::Nproc).into() }
    }

    /// Open files that a container may be given.
    pub(crate) fn container_nofile(self) -> u64 {
        self.nofile.within(NOFILE_CEILING)
    }

    /// Processes that a container may be given.
    pub(crate) fn container_nproc(self) -> u64 {
        self.nproc.within(NPROC_CEILING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_reports() {
        let limits = HostLimits::read();
        let text = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = text.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let words: Vec<_> = line.split_whitespace().collect();
        let parse = |word: &str| word.parse::<u64>().ok();
        assert_eq!((limits.nofile.soft, limits.nofile.hard), (parse(words[3]), parse(words[4])));
    }

    #[test]
    fn a_caller_asks_within_the_hard_limit() {
        let limit = Limit { soft: Some(10), hard: Some(100) };
        assert!(limit.allows(0) && limit.allows(100));
        assert!(!limit.allows(101) && !limit.allows(-1) && !limit.allows(i64::MAX));
        assert!(Limit { hard: None, ..limit }.allows(-1));
    }

    #[test]
    fn what_is_asked_for_stays_within_hard_limit_and_ceiling() {
        let limit = |hard| Limit { soft: Some(10), hard };
        assert_eq!(limit(Some(20_000)).within(NOFILE_CEILING), 20_000);
        assert_eq!(limit(Some(96_000)).within(NPROC_CEILING), NPROC_CEILING);
        assert_eq!(limit(None).within(NPROC_CEILING), NPROC_CEILING);
    }
}
