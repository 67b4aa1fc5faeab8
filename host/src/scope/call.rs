//! The calls of the API, and which effects each of them opens.

use crate::grants::{Effect, Object};

/// A call of the API. Everything that a backend may cause during it follows from the table below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    /// Who a backend is.
    Describe,
    /// Whether its engine works.
    Detect,
    /// Whether an intention can work.
    Preflight,
    /// Which command would create a container.
    Explain,
    /// Bring an image.
    Pull,
    /// Whether an image is held.
    ImagePresent,
    /// Look at an image.
    ImageInspect,
    /// List the images.
    ImageList,
    /// Remove an image.
    ImageRemove,
    /// Create a container.
    Create,
    /// Start a container.
    Start,
    /// Start a container, its output attached.
    RunToCompletion,
    /// Stop a container.
    Stop,
    /// Send a container a signal.
    Kill,
    /// Remove a container.
    Remove,
    /// Wait for a container's end.
    Wait,
    /// Look at a container.
    Inspect,
    /// List our containers.
    List,
    /// Read a container's log.
    Logs,
    /// Make a volume where there is none.
    VolumeEnsure,
    /// Look at a volume.
    VolumeInspect,
    /// List our volumes.
    VolumeList,
    /// Remove a volume.
    VolumeRemove,
}

/// An effect that a call opens, on a kind of object, so many times at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) effect: Effect,
    pub(crate) object: Object,
    pub(crate) most: u32,
}

const fn allow(effect: Effect, object: Object, most: u32) -> Allowance {
    Allowance { effect, object, most }
}

/// Looking is bounded like all else.
const READS: u32 = 64;

impl Call {
    /// All calls, for the generated documentation and the tests.
    pub const ALL: &'static [Self] = &[
        Self::Describe,
        Self::Detect,
        Self::Preflight,
        Self::Explain,
        Self::Pull,
        Self::ImagePresent,
        Self::ImageInspect,
        Self::ImageList,
        Self::ImageRemove,
        Self::Create,
        Self::Start,
        Self::RunToCompletion,
        Self::Stop,
        Self::Kill,
        Self::Remove,
        Self::Wait,
        Self::Inspect,
        Self::List,
        Self::Logs,
        Self::VolumeEnsure,
        Self::VolumeInspect,
        Self::VolumeList,
        Self::VolumeRemove,
    ];

    /// Its name in the journal and in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Detect => "detect",
            Self::Preflight => "preflight",
            Self::Explain => "explain",
            Self::Pull => "pull",
            Self::ImagePresent => "image-present",
            Self::ImageInspect => "image-inspect",
            Self::ImageList => "image-list",
            Self::ImageRemove => "image-remove",
            Self::Create => "create",
            Self::Start => "start",
            Self::RunToCompletion => "run-to-completion",
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Remove => "remove",
            Self::Wait => "wait",
            Self::Inspect => "inspect",
            Self::List => "list",
            Self::Logs => "logs",
            Self::VolumeEnsure => "volume-ensure",
            Self::VolumeInspect => "volume-inspect",
            Self::VolumeList => "volume-list",
            Self::VolumeRemove => "volume-remove",
        }
    }

    /// Whether it only ends or takes away: what a backend may be called for even while it is quarantined.
    pub(crate) fn cleans_up(self) -> bool {
        matches!(self, Self::Stop | Self::Kill | Self::Remove | Self::ImageRemove)
    }

    /// The table: what a backend may cause in this call. What does not stand here is refused.
    pub(crate) fn allowances(self) -> &'static [Allowance] {
        use Effect::{Change, Create, Read, Remove};
        use Object::{Container, Engine, Image, Volume};
        match self {
            Self::Describe | Self::Explain => &[],
            Self::Detect | Self::Preflight => const { &[allow(Read, Engine, READS)] },
            Self::Pull => const { &[allow(Read, Image, READS), allow(Create, Image, 1)] },
            Self::ImagePresent | Self::ImageInspect | Self::ImageList => const { &[allow(Read, Image, READS)] },
            Self::ImageRemove => const { &[allow(Read, Image, READS), allow(Remove, Image, 1)] },
            Self::Create => const { &[allow(Create, Container, 1)] },
            Self::Start | Self::RunToCompletion | Self::Kill => {
                const { &[allow(Read, Container, READS), allow(Change, Container, 1)] }
            }
            Self::Stop => const { &[allow(Read, Container, READS), allow(Change, Container, 3)] },
            Self::Remove => const { &[allow(Read, Container, READS), allow(Remove, Container, 1)] },
            Self::Wait | Self::Inspect | Self::List | Self::Logs => const { &[allow(Read, Container, READS)] },
            Self::VolumeEnsure => const { &[allow(Read, Volume, READS), allow(Create, Volume, 1)] },
            Self::VolumeInspect | Self::VolumeList => const { &[allow(Read, Volume, READS)] },
            Self::VolumeRemove => const { &[allow(Read, Volume, READS), allow(Remove, Volume, 1)] },
        }
    }

    /// The allowance for an effect on a kind of object, where the call opens it.
    pub(crate) fn allowance(self, effect: Effect, object: Object) -> Option<&'static Allowance> {
        self.allowances().iter().find(|allowance| allowance.effect == effect && allowance.object == object)
    }

    /// The table in Markdown, as `host/docs/calls.md` has it.
    #[must_use]
    pub fn table() -> String {
        let mut text = String::from("| call | opens | at most |\n|---|---|---|\n");
        for call in Self::ALL {
            let rows = call.allowances();
            if rows.is_empty() {
                text.push_str(&format!("| `{}` | nothing | |\n", call.name()));
            }
            for row in rows {
                text.push_str(&format!(
                    "| `{}` | {} {} | {} |\n",
                    call.name(),
                    row.effect.as_str(),
                    row.object.as_str(),
                    row.most
                ));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_never_changes_anything() {
        let looking =
            [Call::Detect, Call::Preflight, Call::Inspect, Call::List, Call::Logs, Call::Wait, Call::ImageList];
        for call in looking.into_iter().chain([Call::VolumeInspect, Call::VolumeList]) {
            assert!(call.allowances().iter().all(|allowance| allowance.effect == Effect::Read), "{call:?}");
        }
    }

    #[test]
    fn nothing_but_create_creates_a_container_and_at_most_one() {
        for call in Call::ALL {
            let allowance = call.allowance(Effect::Create, Object::Container);
            assert_eq!(allowance.map(|allowance| allowance.most), (*call == Call::Create).then_some(1), "{call:?}");
        }
    }

    #[test]
    fn a_volume_is_made_and_removed_by_calls_of_its_own_alone() {
        for call in Call::ALL {
            let most = |effect| call.allowance(effect, Object::Volume).map(|allowance| allowance.most);
            assert_eq!(most(Effect::Create), (*call == Call::VolumeEnsure).then_some(1), "{call:?}");
            assert_eq!(most(Effect::Remove), (*call == Call::VolumeRemove).then_some(1), "{call:?}");
            assert_eq!(most(Effect::Change), None, "{call:?}");
        }
    }

    #[test]
    fn the_documented_table_is_the_real_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/calls.md");
        let page = std::fs::read_to_string(path).unwrap();
        assert!(page.contains(&Call::table()), "host/docs/calls.md should contain:\n{}", Call::table());
    }
}
