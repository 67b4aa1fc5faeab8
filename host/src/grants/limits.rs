//! Limits that a backend lives under, where a grants file says other than the default.

use std::collections::BTreeMap;

use super::error::GrantsError;
use super::reader::{Entry, Section};

macro_rules! limits {
    ($($variant:ident $name:literal $default:literal $min:literal $max:literal $doc:literal;)*) => {
        /// One limit.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Limit {
            $(#[doc = $doc] $variant,)*
        }

        impl Limit {
            /// Every limit, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its key in `[limits]`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What holds where the file does not say.
            #[must_use]
            pub const fn default(self) -> u64 {
                match self { $(Self::$variant => $default,)* }
            }

            /// The least and the most that a file may say.
            #[must_use]
            pub const fn bounds(self) -> (u64, u64) {
                match self { $(Self::$variant => ($min, $max),)* }
            }

            /// What it bounds, and in which unit.
            #[must_use]
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => $doc,)* }
            }
        }
    };
}

limits! {
    DeadlineMs "deadline-ms" 10_000 10 600_000 "Time that a call may spend in the backend's own code, in milliseconds.";
    MemoryMib "memory-mib" 64 1 1024 "Memory of an instance, in MiB.";
    TableElements "table-elements" 20_000 100 1_000_000 "Elements of its tables.";
    Instances "instances" 64 1 1000 "Core instances, memories and tables of a component.";
    Handles "handles" 1000 10 100_000 "Resources that it holds at once.";
    HostcallMib "hostcall-mib" 16 1 256 "What one call of the host may hand over, in MiB.";
    Commands "commands" 64 1 10_000 "Commands that it may run in one call.";
    OutputMib "output-mib" 16 1 1024 "Output of one command that it gets, in MiB.";
    LineBytes "line-bytes" 65_536 256 1_048_576 "The longest line of a stream, in bytes.";
    DeviceChecks "device-checks" 256 0 65_536 "Device nodes that it may have looked at in one call.";
    Traps "traps" 10 1 1000 "Traps in a row on one endpoint, after which it is quarantined.";
    NarrationBytes "narration-bytes" 65_536 0 16_777_216 "What it may say in one call, in bytes.";
}

/// The limits of a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits(BTreeMap<Limit, u64>);

impl Limits {
    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        let names: Vec<_> = Limit::ALL.iter().map(|limit| limit.name()).collect();
        section.only(&names)?;
        let given = Limit::ALL.iter().filter_map(|limit| Some((*limit, section.get(limit.name())?)));
        given.map(|(limit, entry)| Ok((limit, bounded(limit, entry)?))).collect::<Result<_, _>>().map(Self)
    }

    /// The value that holds: the file's, else the default.
    #[must_use]
    pub fn value(&self, limit: Limit) -> u64 {
        self.given(limit).unwrap_or_else(|| limit.default())
    }

    /// The file's value, where it has one.
    #[must_use]
    pub fn given(&self, limit: Limit) -> Option<u64> {
        self.0.get(&limit).copied()
    }

    /// The lower of both for each limit that the request gives.
    pub(super) fn narrowed(&self, request: &Self) -> Self {
        let mut limits = self.clone();
        for (limit, asked) in &request.0 {
            limits.0.insert(*limit, self.value(*limit).min(*asked));
        }
        limits
    }
}

fn bounded(limit: Limit, entry: Entry<'_>) -> Result<u64, GrantsError> {
    let (least, most) = limit.bounds();
    let value = entry.number()?;
    let fits = (least..=most).contains(&value);
    if fits { Ok(value) } else { Err(entry.error(format!("`{}` is a number from {least} to {most}", limit.name()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_lie_within_their_bounds() {
        for limit in Limit::ALL {
            let (least, most) = limit.bounds();
            assert!((least..=most).contains(&limit.default()), "{}", limit.name());
        }
    }

    #[test]
    fn a_request_never_raises() {
        let grant = Limits(BTreeMap::from([(Limit::Commands, 10)]));
        let request = Limits(BTreeMap::from([(Limit::Commands, 100), (Limit::MemoryMib, 8), (Limit::Handles, 90_000)]));
        let narrow = grant.narrowed(&request);
        assert_eq!(narrow.value(Limit::Commands), 10);
        assert_eq!(narrow.value(Limit::MemoryMib), 8);
        assert_eq!(narrow.value(Limit::Handles), Limit::Handles.default());
    }
}
