//! The closed catalogue of slots: one table, from which the type, the checks and the reference page are made.

use super::grammar::Grammar;

/// Where the value of a slot comes from, and so who may fill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The caller's request; a backend may only repeat it.
    Caller,
    /// The host itself; a backend can't fill it.
    Host,
    /// The host's own evidence commands; a command that has one is never run for a backend.
    Evidence,
}

impl Origin {
    /// As the reference page spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Host => "host",
            Self::Evidence => "evidence",
        }
    }
}

/// How often a slot may be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// One value.
    Scalar,
    /// There or not, without a value.
    Flag,
    /// Any number of values, each of one or more fields, in order.
    Repeated,
}

impl Shape {
    /// As the reference page spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Flag => "flag",
            Self::Repeated => "repeated",
        }
    }
}

/// One part of a slot's value. A scalar has a single one without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    grammar: Grammar,
}

impl Field {
    /// Its name in the braces of a template; empty for a scalar's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What its text may be.
    #[must_use]
    pub const fn grammar(&self) -> Grammar {
        self.grammar
    }

    /// Whether it stands in the command line. One that does not tells the host alone which thing is meant.
    #[must_use]
    pub const fn is_rendered(&self) -> bool {
        !matches!(self.grammar, Grammar::Unrendered)
    }
}

struct Entry {
    name: &'static str,
    origin: Origin,
    shape: Shape,
    fields: &'static [Field],
    doc: &'static str,
}

macro_rules! catalogue {
    ($($variant:ident $name:literal $origin:ident $shape:ident [$($field:literal $grammar:ident),*] $doc:literal;)*) => {
        /// A slot of a template: the only things of a command line that are not fixed by the operator's file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Slot {
            $(#[doc = $doc] $variant,)*
        }

        impl Slot {
            /// Every slot, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &Entry {
                        name: $name,
                        origin: Origin::$origin,
                        shape: Shape::$shape,
                        fields: &[$(Field { name: $field, grammar: Grammar::$grammar },)*],
                        doc: $doc,
                    },)*
                }
            }
        }
    };
}

catalogue! {
    ContainerName "container.name" Caller Scalar ["" Name] "The name of the container that is created.";
    ImageReference "image.reference" Caller Scalar ["" ImageReference] "The image that the caller asked for, with its registry.";
    Memory "memory" Caller Scalar ["" Bytes] "Memory limit in bytes.";
    Cpus "cpus" Caller Scalar ["" Cores] "Processor limit in cores.";
    Pids "pids" Caller Scalar ["" Positive] "Limit on processes.";
    Workdir "workdir" Caller Scalar ["" InsidePath] "Working directory inside the container.";
    User "user" Caller Scalar ["" User] "User and group inside the container.";
    Restart "restart" Caller Scalar ["" Restart] "What the engine does when the container ends.";
    NetworkNone "network.none" Caller Flag [] "No network but loopback.";
    NetworkBridge "network.bridge" Caller Flag [] "The engine's own bridge, or its rootless stand-in.";
    NetworkHost "network.host" Caller Flag [] "The host's network.";
    NetworkNamed "network.named" Caller Scalar ["" NetworkName] "A named network that the container joins.";
    NetworkAlso "network.also" Caller Scalar ["" Id] "A further named network, by the ID that the host verified: a container that was created just now joins it.";
    Alias "alias" Caller Repeated ["name" Hostname] "Another name of the container on its network.";
    Hostname "hostname" Caller Scalar ["" Hostname] "The host name inside.";
    StopSignal "stop-signal" Caller Scalar ["" Signal] "The signal that asks the container to stop.";
    StopGrace "stop-grace" Caller Scalar ["" Seconds] "Seconds between that signal and KILL, kept in the container.";
    ShmSize "shm-size" Caller Scalar ["" Bytes] "Size of `/dev/shm` in bytes.";
    Entrypoint "entrypoint" Caller Scalar ["" Entrypoint] "The program to start instead of the image's.";
    Platform "platform" Caller Scalar ["" Platform] "Operating system and architecture.";
    UserNamespace "userns" Caller Scalar ["" UserNamespace] "The user namespace.";
    HealthCommand "health.command" Caller Scalar ["" JsonWords] "The command of a health check, as a JSON array of words.";
    HealthShell "health.shell" Caller Scalar ["" ShellWords] "The same for an engine that runs it by a shell alone; a template has one of the two.";
    HealthInterval "health.interval" Caller Scalar ["" Milliseconds] "Time between two health checks.";
    HealthTimeout "health.timeout" Caller Scalar ["" Milliseconds] "Time after which a health check failed.";
    HealthRetries "health.retries" Caller Scalar ["" Count] "How many health checks must fail in a row.";
    HealthStart "health.start-period" Caller Scalar ["" Milliseconds] "Time at the start in which failures don't count.";
    Seconds "seconds" Caller Scalar ["" Seconds] "The grace of this stop, in seconds.";
    Signal "signal" Caller Scalar ["" Signal] "The signal to send.";
    Tail "tail" Caller Scalar ["" Tail] "How many of the last lines.";
    Since "since" Caller Scalar ["" Time] "The first moment wanted.";
    Until "until" Caller Scalar ["" Time] "The last moment wanted.";
    InsidePath "inside.path" Caller Scalar ["" InsidePath] "A path inside a container, to copy from or to.";
    VolumeName "volume.name" Caller Scalar ["" Name] "The volume of the call.";
    NetworkName "network.name" Caller Scalar ["" NetworkName] "The network of the call.";
    PodName "pod.name" Caller Scalar ["" Name] "The name of the pod that is created, or whose network a container is created to hold.";
    Pod "pod" Caller Scalar ["" Name] "The pod that a container joins.";
    Follow "follow" Caller Flag [] "Goes on while the container runs.";
    Timestamps "timestamps" Caller Flag [] "Each line begins with its time.";
    Force "force" Caller Flag [] "By force.";
    Remove "remove" Caller Flag [] "The engine removes the container when it ends.";
    ReadOnly "read-only" Caller Flag [] "The image's file system can't be written.";
    Stdin "stdin" Caller Flag [] "Standard input stays open.";
    Terminal "terminal" Caller Flag [] "It gets a terminal.";
    Internal "internal" Caller Flag [] "The network has no way out.";
    Label "label" Caller Repeated ["key" LabelKey, "value" Text] "A label of the caller's.";
    Port "port" Caller Repeated ["address" Address, "host" HostPort, "container" Port, "protocol" Protocol] "A published port; an empty `host` leaves the choice to the engine.";
    MountBind "mount.bind" Caller Repeated ["source" HostPath, "target" InsidePath, "readonly" Boolean] "A file or folder of the host, as the policy resolved it.";
    MountVolume "mount.volume" Caller Repeated ["source" Name, "target" InsidePath] "A named volume that the container may write to.";
    MountVolumeRo "mount.volume.ro" Caller Repeated ["source" Name, "target" InsidePath] "A named volume that the container may only read.";
    Tmpfs "tmpfs" Caller Repeated ["target" InsidePath, "size" Bytes] "A file system in memory, with its size in bytes.";
    TmpfsUnbounded "tmpfs.unbounded" Caller Repeated ["target" InsidePath] "A file system in memory whose size is left to the engine.";
    SecretFile "secret.file" Caller Repeated ["name" Unrendered, "source" SecretPath, "target" InsidePath] "A secret that the container reads as a file; its source is the host's own.";
    EnvPlain "env.plain" Caller Repeated ["name" EnvName, "value" EnvValue] "A variable whose value is no secret.";
    EnvSecret "env.secret" Caller Repeated ["name" SecretName] "A secret by its name; the value travels in the child's environment.";
    Gpu "gpu" Caller Repeated ["id" Gpu] "A GPU, or `all`.";
    Ulimit "ulimit" Caller Repeated ["name" UlimitName, "soft" UlimitValue, "hard" UlimitValue] "A process limit.";
    CapDrop "cap.drop" Caller Repeated ["name" Capability] "A capability taken away.";
    CapAdd "cap.add" Caller Repeated ["name" OneCapability] "A capability added; one at a time.";
    Word "word" Caller Repeated ["word" Word] "A word of the container's own command: free text.";
    ContainerId "container.id" Host Scalar ["" Id] "The container of the call, by the ID that the host verified.";
    PodId "pod.id" Host Scalar ["" Id] "The pod of the call, by the ID that the host verified.";
    PodHolder "pod.holder" Host Scalar ["" Id] "The container that holds the network of the pod that a container joins, by the ID that the host verified.";
    NetworkId "network.id" Host Scalar ["" Id] "The network of the call, by the ID that the host verified.";
    ImageId "image.id" Host Scalar ["" ImageId] "The image that the host verified, by its local ID.";
    OwnerLabel "owner.label" Host Scalar ["" Mark] "The owner label of what is created.";
    InstallId "install.id" Host Scalar ["" Mark] "This install.";
    SpecSeal "spec.seal" Host Scalar ["" Seal] "The seal of the spec.";
    SecretNames "secret.names" Host Scalar ["" EnvNames] "The names of the container's secrets, joined by commas; may be empty.";
    EngineEndpoint "engine.endpoint" Host Scalar ["" Endpoint] "The granted socket of the engine's daemon that the host checked.";
    Runtime "runtime" Host Scalar ["" Runtime] "The granted OCI runtime that works on this machine.";
    LimitNofile "limit.nofile" Host Scalar ["" Count] "Open files, soft and hard, within the host's own limit; left out where the caller asked for `nofile`.";
    LimitNproc "limit.nproc" Host Scalar ["" Count] "Processes, soft and hard, within the host's own limit; left out where the caller asked for `nproc`.";
    RegistryLoopback "registry.loopback" Host Flag [] "The image's registry is on a loopback address.";
    ExchangeFile "exchange.file" Host Scalar ["" HostPath] "A file of the exchange folder, as the host resolved it.";
    ExchangeNew "exchange.new" Host Scalar ["" HostPath] "A path of the exchange folder where nothing is yet, for the engine to write to.";
    ExecMark "exec.mark" Host Scalar ["" Mark] "The word by which the host knows the processes of this exec.";
    Query "query" Evidence Repeated ["name" Name] "A name or ID that the host asks about.";
    EventsSince "events.since" Evidence Scalar ["" Time] "The moment from which the host wants to hear of events.";
    ImageQuery "image.query" Evidence Scalar ["" ImageQuery] "An image that the host asks about, by reference or ID.";
}

impl Slot {
    /// The slot of this name, as templates spell it.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|slot| slot.name() == name)
    }

    /// The slot whose name is nearest to a word that is none.
    pub(crate) fn nearest(word: &str) -> Option<Self> {
        super::nearest::nearest(word, Self::ALL.iter().map(|slot| slot.name())).and_then(Self::by_name)
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// Where its value comes from.
    #[must_use]
    pub const fn origin(self) -> Origin {
        self.entry().origin
    }

    /// How often it may be filled.
    #[must_use]
    pub const fn shape(self) -> Shape {
        self.entry().shape
    }

    /// The parts of its value; none for a flag.
    #[must_use]
    pub const fn fields(self) -> &'static [Field] {
        self.entry().fields
    }

    /// What it is, in a sentence.
    #[must_use]
    pub const fn doc(self) -> &'static str {
        self.entry().doc
    }

    /// The field of this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for slot in Slot::ALL {
            assert_eq!(Slot::by_name(slot.name()), Some(*slot), "{slot}");
        }
        assert_eq!(Slot::by_name("container"), None);
    }

    #[test]
    fn shapes_and_fields_agree() {
        for slot in Slot::ALL {
            match slot.shape() {
                Shape::Flag => assert!(slot.fields().is_empty(), "{slot}"),
                Shape::Scalar => assert_eq!(slot.fields().iter().map(Field::name).collect::<Vec<_>>(), [""], "{slot}"),
                Shape::Repeated => assert!(slot.fields().iter().all(|field| !field.name().is_empty()), "{slot}"),
            }
        }
    }
}
