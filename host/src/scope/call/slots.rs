//! What a backend may fill into the commands of a call.

use super::Call;
use crate::grants::Slot;

/// What a container is made of.
const CREATION: &[Slot] = &[
    Slot::ContainerName,
    Slot::Word,
    Slot::Entrypoint,
    Slot::EnvPlain,
    Slot::EnvSecret,
    Slot::SecretFile,
    Slot::Label,
    Slot::Port,
    Slot::MountBind,
    Slot::MountVolume,
    Slot::MountVolumeRo,
    Slot::Tmpfs,
    Slot::TmpfsUnbounded,
    Slot::Gpu,
    Slot::Ulimit,
    Slot::CapDrop,
    Slot::CapAdd,
    Slot::Memory,
    Slot::Cpus,
    Slot::Pids,
    Slot::ShmSize,
    Slot::Restart,
    Slot::NetworkNone,
    Slot::NetworkBridge,
    Slot::NetworkHost,
    Slot::NetworkNamed,
    Slot::NetworkAlso,
    Slot::Alias,
    Slot::UserNamespace,
    Slot::Platform,
    Slot::HealthCommand,
    Slot::HealthShell,
    Slot::HealthInterval,
    Slot::HealthTimeout,
    Slot::HealthRetries,
    Slot::HealthStart,
    Slot::Hostname,
    Slot::Workdir,
    Slot::User,
    Slot::StopSignal,
    Slot::StopGrace,
    Slot::ReadOnly,
    Slot::Remove,
    Slot::Stdin,
    Slot::Terminal,
    Slot::Pod,
    Slot::PodName,
    // Once it is there.
    Slot::ContainerId,
];

impl Call {
    /// The facts of the call that a backend may name; the host adds its own.
    #[must_use]
    pub fn slots(self) -> &'static [Slot] {
        use Slot::*;
        match self {
            Self::Describe | Self::Detect | Self::Preflight | Self::ImageList | Self::List | Self::VolumeList => &[],
            Self::Events => &[],
            // The archive is the host's own copy.
            Self::ImageLoad => &[],
            Self::NetworkList | Self::PodList => &[],
            Self::Pull | Self::ImagePresent | Self::ImageInspect => &[ImageReference],
            Self::ImageRemove => &[ImageReference, Force],
            Self::Create => CREATION,
            Self::Explain => match CREATION {
                [asked @ .., ContainerId] => asked,
                all => all,
            },
            Self::Start | Self::RunToCompletion | Self::Wait | Self::Inspect => &[ContainerId],
            Self::Pause | Self::Unpause | Self::Top | Self::Stats | Self::Health => &[ContainerId],
            Self::Stop => &[ContainerId, Seconds],
            Self::Kill => &[ContainerId, Signal],
            Self::Remove => &[ContainerId, Force],
            Self::VolumeEnsure => &[VolumeName, Label],
            Self::VolumeInspect | Self::VolumeRemove => &[VolumeName],
            Self::NetworkEnsure => &[NetworkName, Internal, Label],
            Self::NetworkInspect => &[NetworkName],
            Self::NetworkRemove => &[NetworkName, NetworkId],
            Self::PodEnsure => &[PodName, Label],
            Self::PodInspect => &[PodName],
            Self::PodRemove => &[PodId],
            Self::Logs => &[ContainerId, Follow, Timestamps, Tail, Since],
            Self::Exec => &[ContainerId, Word, EnvPlain, Workdir, User, Stdin, Terminal],
            Self::CopyIn | Self::CopyOut => &[ContainerId, InsidePath],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn the_slots_of_a_call_are_those_of_its_scope() {
        use crate::scope::{LogOptions, Scope, SecretFile};
        let reference = "127.0.0.1:5000/some/app:1".parse().unwrap();
        let one = |call| Scope::of_container(call, "web", "a");
        let logs = LogOptions { follow: true, tail: Some(1), since: Some("1".to_owned()), timestamps: true };
        let mut exec = crate::spec::ExecSpec::new(["a"]);
        (exec.env, exec.workdir) = (vec!["A=b".parse().unwrap()], Some("/w".parse().unwrap()));
        (exec.user, exec.stdin, exec.terminal) = (Some("1".parse().unwrap()), true, true);
        let copy = |call| Scope::of_copy(call, "web", "a", "/x", &"/y".parse().unwrap());
        let file = SecretFile { name: "KEY".to_owned(), source: "/x".to_owned() };
        let network = crate::spec::NetworkSpec {
            internal: true,
            labels: vec!["a=b".parse().unwrap()],
            ..crate::spec::NetworkSpec::new("n".parse().unwrap())
        };
        let scopes = vec![
            Scope::new(Call::List),
            Scope::of_image(Call::Pull, &reference, false),
            Scope::of_image(Call::ImageRemove, &reference, true),
            Scope::of_volume(Call::VolumeEnsure, "v", &["a=b".parse().unwrap()]),
            Scope::of_volume(Call::VolumeInspect, "v", &[]),
            Scope::of_network_ensure(&network),
            Scope::of_pod(Call::PodEnsure, "p", &["a=b".parse().unwrap()]),
            Scope::of_pod(Call::PodInspect, "p", &[]),
            Scope::of_pod_id("p", "a"),
            Scope::of_network(Call::NetworkInspect, "n", None),
            Scope::of_network(Call::NetworkRemove, "n", Some("a")),
            one(Call::Start),
            one(Call::Pause),
            one(Call::Health),
            Scope::new(Call::Events),
            one(Call::Stop).with_grace(1),
            one(Call::Kill).with_signal("SIGTERM"),
            one(Call::Remove).with_force(true),
            one(Call::Logs).with_log_options(&logs),
            Scope::of_exec("web", "a", "m", &exec),
            copy(Call::CopyIn),
            copy(Call::CopyOut),
            Scope::of_create(&everything(), &[file]).holding("p"),
        ];
        for scope in scopes {
            let mut facts: Vec<Slot> = scope.caller().iter().map(|(slot, _)| slot).collect();
            let by_id = [Slot::ContainerId, Slot::NetworkId, Slot::PodId];
            facts.extend(by_id.into_iter().filter(|slot| !scope.host().get(*slot).is_empty()));
            // one network at a time, a health check in one spelling, and what is a fact once the container is there
            let modes = [Slot::NetworkNone, Slot::NetworkBridge, Slot::NetworkHost, Slot::NetworkNamed];
            let apart = [Slot::HealthShell, Slot::NetworkAlso, Slot::ContainerId];
            let is_apart = |slot: &&Slot| modes.contains(slot) || apart.contains(slot);
            facts.extend(scope.call().slots().iter().filter(is_apart));
            facts.sort();
            facts.dedup();
            let mut told = scope.call().slots().to_vec();
            told.sort();
            assert_eq!(facts, told, "{:?}", scope.call());
        }
    }

    /// A request with something of everything.
    fn everything() -> crate::spec::ContainerSpec {
        use crate::spec::*;
        let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
        spec.words = vec!["a".to_owned()];
        spec.entrypoint = vec!["b".to_owned()];
        spec.env = vec!["A=b".parse().unwrap()];
        let secret = |name: &str, delivery| Secret {
            name: name.parse().unwrap(),
            value: SecretValue::new(*b"12345678"),
            delivery,
        };
        spec.secrets = vec![
            secret("TOKEN", SecretDelivery::Environment),
            secret("KEY", SecretDelivery::File("/run/secrets/KEY".parse().unwrap())),
        ];
        spec.labels = vec!["a=b".parse().unwrap()];
        spec.ports = vec!["8080:80".parse().unwrap()];
        spec.mounts = vec!["/srv/a:/a".parse().unwrap(), "v:/v".parse().unwrap(), "w:/w:ro".parse().unwrap()];
        spec.tmpfs = vec![Tmpfs { target: "/t".parse().unwrap(), size: Some(Memory::from_bytes(1)) }];
        spec.tmpfs.push(Tmpfs { target: "/u".parse().unwrap(), size: None });
        spec.cap_add = vec!["NET_ADMIN".to_owned()];
        spec.user_namespace = Some(UserNamespace::Auto);
        spec.aliases = vec!["db".parse().unwrap()];
        spec.platform = Some("linux/amd64".parse().unwrap());
        spec.health = Some(HealthCheck::new(vec!["a".to_owned()]).unwrap());
        spec.gpus = Gpus::All;
        spec.ulimits = vec!["nofile=1".parse().unwrap()];
        spec.cap_drop = vec!["ALL".to_owned()];
        (spec.memory, spec.shm_size) = (Some(Memory::from_bytes(1)), Some(Memory::from_bytes(1)));
        (spec.cpus, spec.pids) = (Some("1".parse().unwrap()), NonZeroU32::new(1));
        spec.restart = Some(RestartPolicy::No);
        spec.network = Some(NetworkMode::Host);
        spec.hostname = Some("h".parse().unwrap());
        spec.pod = Some("p".parse().unwrap());
        spec.workdir = Some("/w".parse().unwrap());
        spec.user = Some("1".parse().unwrap());
        (spec.stop_signal, spec.stop_grace) = (Some("TERM".parse().unwrap()), Some(1));
        (spec.read_only, spec.remove) = (true, true);
        (spec.stdin, spec.terminal) = (true, true);
        spec
    }
}
