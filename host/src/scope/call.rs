//! The calls of the API, and which effects each of them opens.

mod slots;

use crate::grants::{Effect, Object};
use crate::spec::NETWORKS_MAX;

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
    /// Take an image from an archive.
    ImageLoad,
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
    /// Run a command in a container.
    Exec,
    /// Copy a file into a container.
    CopyIn,
    /// Copy a file out of a container.
    CopyOut,
    /// Pause a container.
    Pause,
    /// End a container's pause.
    Unpause,
    /// List a container's processes.
    Top,
    /// Read what a container uses.
    Stats,
    /// Have a container asked whether it is well.
    Health,
    /// Hear of events; the host alone listens.
    Events,
    /// Make a volume where there is none.
    VolumeEnsure,
    /// Look at a volume.
    VolumeInspect,
    /// List our volumes.
    VolumeList,
    /// Remove a volume.
    VolumeRemove,
    /// Make a network where there is none.
    NetworkEnsure,
    /// Look at a network.
    NetworkInspect,
    /// List our networks.
    NetworkList,
    /// Remove a network.
    NetworkRemove,
    /// Make a pod where there is none.
    PodEnsure,
    /// Look at a pod.
    PodInspect,
    /// List our pods.
    PodList,
    /// Remove a pod.
    PodRemove,
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

/// The most networks that a container joins beside its first one.
const JOINS: u32 = NETWORKS_MAX as u32 - 1;

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
        Self::ImageLoad,
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
        Self::Exec,
        Self::CopyIn,
        Self::CopyOut,
        Self::Pause,
        Self::Unpause,
        Self::Top,
        Self::Stats,
        Self::Health,
        Self::Events,
        Self::VolumeEnsure,
        Self::VolumeInspect,
        Self::VolumeList,
        Self::VolumeRemove,
        Self::NetworkEnsure,
        Self::NetworkInspect,
        Self::NetworkList,
        Self::NetworkRemove,
        Self::PodEnsure,
        Self::PodInspect,
        Self::PodList,
        Self::PodRemove,
    ];

    /// The kind of object that it is about, for messages: what is not there when it says that something is not.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Pull | Self::ImagePresent | Self::ImageInspect | Self::ImageRemove => "image",
            Self::Start | Self::RunToCompletion | Self::Stop | Self::Kill | Self::Remove | Self::Wait => "container",
            Self::Inspect | Self::Logs | Self::Exec | Self::Pause | Self::Unpause | Self::Health => "container",
            Self::Top | Self::Stats => "container",
            Self::CopyIn | Self::CopyOut => "file",
            Self::VolumeInspect | Self::VolumeRemove => "volume",
            Self::NetworkInspect | Self::NetworkRemove => "network",
            Self::PodInspect | Self::PodRemove => "pod",
            _ => "object",
        }
    }

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
            Self::ImageLoad => "image-load",
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
            Self::Exec => "exec",
            Self::CopyIn => "copy-in",
            Self::CopyOut => "copy-out",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Top => "top",
            Self::Stats => "stats",
            Self::Health => "health",
            Self::Events => "events",
            Self::VolumeEnsure => "volume-ensure",
            Self::VolumeInspect => "volume-inspect",
            Self::VolumeList => "volume-list",
            Self::VolumeRemove => "volume-remove",
            Self::NetworkEnsure => "network-ensure",
            Self::NetworkInspect => "network-inspect",
            Self::NetworkList => "network-list",
            Self::NetworkRemove => "network-remove",
            Self::PodEnsure => "pod-ensure",
            Self::PodInspect => "pod-inspect",
            Self::PodList => "pod-list",
            Self::PodRemove => "pod-remove",
        }
    }

    /// Whether it only ends or takes away: what a backend may be called for even while it is quarantined.
    pub(crate) fn cleans_up(self) -> bool {
        let of_containers = matches!(self, Self::Stop | Self::Kill | Self::Remove);
        let of_others = matches!(self, Self::ImageRemove | Self::VolumeRemove | Self::NetworkRemove | Self::PodRemove);
        of_containers || of_others
    }

    /// Whether what changes something must render every fact of the caller's, as a creation does.
    pub(crate) fn is_exact(self) -> bool {
        matches!(self, Self::Exec | Self::CopyIn | Self::CopyOut)
    }

    /// The table: what a backend may cause in this call. What does not stand here is refused.
    pub(crate) fn allowances(self) -> &'static [Allowance] {
        use Effect::{Change, Create, Read, Remove};
        use Object::{Container, Engine, Image, Network, Pod, Volume};
        match self {
            Self::Describe | Self::Explain | Self::Events => &[],
            Self::Detect | Self::Preflight => const { &[allow(Read, Engine, READS)] },
            Self::Pull | Self::ImageLoad => const { &[allow(Read, Image, READS), allow(Create, Image, 1)] },
            Self::ImagePresent | Self::ImageInspect | Self::ImageList => const { &[allow(Read, Image, READS)] },
            Self::ImageRemove => const { &[allow(Read, Image, READS), allow(Remove, Image, 1)] },
            Self::Create => const { &[allow(Create, Container, 1), allow(Change, Network, JOINS)] },
            Self::Start | Self::RunToCompletion | Self::Kill | Self::Pause | Self::Unpause | Self::Health => {
                const { &[allow(Read, Container, READS), allow(Change, Container, 1)] }
            }
            Self::Exec | Self::CopyIn | Self::CopyOut => const { &[allow(Change, Container, 1)] },
            Self::Stop => const { &[allow(Read, Container, READS), allow(Change, Container, 3)] },
            Self::Remove => const { &[allow(Read, Container, READS), allow(Remove, Container, 1)] },
            Self::Wait | Self::Inspect | Self::List | Self::Logs | Self::Top | Self::Stats => {
                const { &[allow(Read, Container, READS)] }
            }
            Self::VolumeEnsure => const { &[allow(Read, Volume, READS), allow(Create, Volume, 1)] },
            Self::VolumeInspect | Self::VolumeList => const { &[allow(Read, Volume, READS)] },
            Self::VolumeRemove => const { &[allow(Read, Volume, READS), allow(Remove, Volume, 1)] },
            Self::NetworkEnsure => const { &[allow(Read, Network, READS), allow(Create, Network, 1)] },
            Self::NetworkInspect | Self::NetworkList => const { &[allow(Read, Network, READS)] },
            Self::NetworkRemove => const { &[allow(Read, Network, READS), allow(Remove, Network, 1)] },
            Self::PodEnsure => const { &[allow(Read, Pod, READS), allow(Create, Pod, 1)] },
            Self::PodInspect | Self::PodList => const { &[allow(Read, Pod, READS)] },
            Self::PodRemove => const { &[allow(Read, Pod, READS), allow(Remove, Pod, 1)] },
        }
    }

    /// The allowance for an effect on a kind of object, where the call opens it.
    pub(crate) fn allowance(self, effect: Effect, object: Object) -> Option<&'static Allowance> {
        self.allowances().iter().find(|allowance| allowance.effect == effect && allowance.object == object)
    }

    fn slot_names(self) -> String {
        match self.slots() {
            [] => "none".to_owned(),
            slots => slots.iter().map(|slot| format!("`{slot}`")).collect::<Vec<_>>().join(", "),
        }
    }

    /// The table in Markdown, as `host/docs/calls.md` has it.
    #[must_use]
    pub fn table() -> String {
        let mut text = String::from("| call | opens | at most | slots that a backend may fill |\n|---|---|---|---|\n");
        for call in Self::ALL {
            let rows = call.allowances();
            if rows.is_empty() {
                text.push_str(&format!("| `{}` | nothing | | {} |\n", call.name(), call.slot_names()));
            }
            for row in rows {
                text.push_str(&format!(
                    "| `{}` | {} {} | {} | {} |\n",
                    call.name(),
                    row.effect.as_str(),
                    row.object.as_str(),
                    row.most,
                    call.slot_names()
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
        let more = [Call::VolumeInspect, Call::VolumeList, Call::Top, Call::Stats, Call::Events];
        let groups = [Call::NetworkInspect, Call::NetworkList, Call::PodInspect, Call::PodList];
        let more = more.into_iter().chain(groups);
        for call in looking.into_iter().chain(more) {
            assert!(call.allowances().iter().all(|allowance| allowance.effect == Effect::Read), "{call:?}");
        }
    }

    #[test]
    fn whatever_only_takes_away_is_allowed_in_a_quarantine() {
        for call in Call::ALL {
            let removes = call.allowances().iter().any(|allowance| allowance.effect == Effect::Remove);
            assert_eq!(call.cleans_up(), removes || matches!(call, Call::Stop | Call::Kill), "{call:?}");
        }
    }

    #[test]
    fn nothing_but_create_creates_a_container_and_at_most_one() {
        for call in Call::ALL {
            let allowance = call.allowance(Effect::Create, Object::Container);
            assert_eq!(allowance.map(|allowance| allowance.most), (*call == Call::Create).then_some(1), "{call:?}");
        }
    }

    /// What the table says a backend may fill is what the facts of such a call are.
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
    fn networks_and_pods_are_made_and_removed_by_calls_of_their_own_alone() {
        let kinds = [
            (Object::Network, Call::NetworkEnsure, Call::NetworkRemove),
            (Object::Pod, Call::PodEnsure, Call::PodRemove),
        ];
        for (call, (object, makes, removes)) in Call::ALL.iter().flat_map(|call| kinds.map(|kind| (call, kind))) {
            let most = |effect| call.allowance(effect, object).map(|allowance| allowance.most);
            assert_eq!(most(Effect::Create), (*call == makes).then_some(1), "{call:?}");
            assert_eq!(most(Effect::Remove), (*call == removes).then_some(1), "{call:?}");
            let joins = object == Object::Network && *call == Call::Create;
            assert_eq!(most(Effect::Change), joins.then_some(JOINS), "{call:?}");
        }
    }

    #[test]
    fn the_documented_table_is_the_real_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/calls.md");
        let page = std::fs::read_to_string(path).unwrap();
        if std::env::var_os("PORTREEVE_REGENERATE").is_some() {
            let before = page.split_once("| call |").unwrap().0;
            std::fs::write(path, format!("{before}{}", Call::table())).unwrap();
            return;
        }
        assert!(page.contains(&Call::table()), "host/docs/calls.md should contain:\n{}", Call::table());
    }
}
