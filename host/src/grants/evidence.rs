//! Where the host looks for itself: commands of effect `read`, and where in their JSON the facts stand.

use super::command::{Command, Effect};
use super::error::GrantsError;
use super::reader::{Entry, Section};
use super::slot::Slot;
use super::store::StoreGrant;

macro_rules! evidence {
    ($(#[$doc:meta])* $name:ident { $($field:ident $key:literal $need:ident $about:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            /// The command that prints it: a JSON array of documents, or one.
            pub command: String,
            /// Texts of stderr, in lower case, that say that there is no such object.
            pub missing: Vec<String>,
            $(#[doc = $about] pub $field: evidence!(@type $need),)*
        }

        impl $name {
            /// The keys of places, and whether each must be there.
            #[cfg(test)]
            pub(super) const PLACES: &'static [(&'static str, bool)] = &[$(($key, evidence!(@needed $need)),)*];

            fn read(section: Section<'_>, commands: &[Command]) -> Result<Self, GrantsError> {
                section.only(&["command", "missing", $($key,)*])?;
                Ok(Self {
                    command: command(section.need("command")?, commands)?,
                    missing: section.texts("missing")?,
                    $($field: evidence!(@read $need section $key),)*
                })
            }
        }
    };
    (@needed required) => { true };
    (@needed optional) => { false };
    (@type required) => { String };
    (@type optional) => { Option<String> };
    (@read required $section:ident $key:literal) => { pointer($section.need($key)?)? };
    (@read optional $section:ident $key:literal) => { $section.get($key).map(pointer).transpose()? };
}

evidence! {
    /// How the host looks at an image. Each place is a JSON pointer (RFC 6901) into one document.
    ImageEvidence {
        id "id" required "Its local ID.",
        digests "digests" required "A list of `name@digest`.",
        tags "tags" optional "A list of `name:tag`.",
        size "size" optional "Its size in bytes.",
        labels "labels" optional "Its labels.",
        architecture "architecture" optional "Its architecture.",
        os "os" optional "Its operating system.",
        entrypoint "entrypoint" optional "The program that it starts.",
        words "words" optional "The words of its command.",
        env "env" optional "Its environment.",
        user "user" optional "Its user.",
        created "created" optional "When it was made.",
    }
}

evidence! {
    /// How the host looks at a container. Each place is a JSON pointer (RFC 6901) into one document.
    ContainerEvidence {
        id "id" required "Its ID.",
        name "name" required "Its name.",
        image "image" required "The ID of its image.",
        labels "labels" required "Its labels.",
        state "state" required "Its state.",
        exit_code "exit-code" optional "Its exit status.",
        pid "pid" optional "Its first process.",
        created "created" optional "When it was created.",
        ports "ports" optional "Its published ports.",
        ports_asked "ports-asked" optional "The ports that it is to publish, where it has none while it does not run.",
        mounts "mounts" optional "Its mounts.",
        env "env" optional "Its environment.",
        words "words" optional "The words of its command.",
        entrypoint "entrypoint" optional "Its entrypoint.",
        user "user" optional "Its user.",
        workdir "workdir" optional "Its working directory.",
        memory "memory" optional "Its memory limit in bytes.",
        devices "devices" optional "Its devices.",
        gpus "gpus" optional "The names of the GPUs that were asked for, where the engine keeps them.",
        network "network" optional "The mode of its network.",
        networks "networks" optional "The networks that it is on, by name.",
        pod "pod" optional "The ID of the pod that it is in, where the engine has pods of its own.",
        restart "restart" optional "Its restart policy.",
        restart_retries "restart-retries" optional "How often it is started again.",
        privileged "privileged" optional "Whether it has all of the host.",
        read_only "read-only" optional "Whether its root file system can't be written.",
        cap_add "cap-add" optional "Capabilities added.",
        cap_drop "cap-drop" optional "Capabilities taken away.",
        tmpfs "tmpfs" optional "File systems in memory, by their targets.",
        health "health" optional "Its health, a member of what the engine notes of its checks.",
        health_test "health-test" optional "The command of its health check.",
        health_interval "health-interval" optional "Nanoseconds between two checks.",
        health_timeout "health-timeout" optional "Nanoseconds after which one failed.",
        health_start_period "health-start-period" optional "Nanoseconds at the start in which failures don't count.",
        health_retries "health-retries" optional "How many checks must fail in a row.",
    }
}

evidence! {
    /// How the host looks at a volume.
    VolumeEvidence {
        name "name" required "Its name.",
        labels "labels" required "Its labels.",
        driver "driver" required "Its driver.",
        options "options" required "The options that it was made with.",
        mountpoint "mountpoint" optional "Where its files are.",
        created "created" optional "When it was made.",
    }
}

evidence! {
    /// How the host reads what a container uses: of the output of a command that the backend asked for.
    UsageEvidence {
        cpu "cpu" required "Per cent of a core, a number or `1.5%`.",
        memory "memory" required "Memory in use: a number of bytes, or `1.5MiB / 2GiB`, of which this is the first.",
        memory_limit "memory-limit" optional "Memory limit: a number of bytes, or `1.5MiB / 2GiB`, of which this is the second.",
        pids "pids" required "Processes.",
    }
}

/// How the host hears of events: a command that goes on, and prints a JSON document a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventEvidence {
    /// The command; it has a token with `{events.since}`, so that no backend ever runs it.
    pub command: String,
    /// Where the container's ID stands.
    pub id: String,
    /// Where its name stands.
    pub name: String,
    /// Where its labels stand.
    pub labels: String,
    /// What the engine itself puts among them.
    pub own: Vec<String>,
    /// Where the engine's word for what happened stands.
    pub action: String,
    /// Where the time stands: RFC 3339, or a number of nanoseconds since the epoch.
    pub time: String,
    /// Where the exit status stands: a number, or its digits.
    pub exit_code: Option<String>,
    /// Where the health stands; without it, it follows the word after `: `.
    pub health: Option<String>,
    /// What happened, and the engine's word for it.
    pub words: Vec<(Happened, String)>,
}

/// What can happen to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is a key of the section")]
pub enum Happened {
    Created,
    Started,
    Died,
    Stopped,
    Removed,
    Paused,
    Unpaused,
    Health,
}

impl Happened {
    /// Every one, by the key of its word.
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("created", Self::Created),
        ("started", Self::Started),
        ("died", Self::Died),
        ("stopped", Self::Stopped),
        ("removed", Self::Removed),
        ("paused", Self::Paused),
        ("unpaused", Self::Unpaused),
        ("health-changed", Self::Health),
    ];
}

impl EventEvidence {
    /// The keys that must be there, and those that may.
    pub(super) const PLACES: [(&'static str, bool); 7] = [
        ("id", true),
        ("name", true),
        ("labels", true),
        ("action", true),
        ("time", true),
        ("exit-code", false),
        ("health", false),
    ];

    fn read(section: Section<'_>, commands: &[Command]) -> Result<Self, GrantsError> {
        let places = Self::PLACES.iter().map(|(key, _)| *key);
        let keys: Vec<&str> =
            ["command", "own"].into_iter().chain(places).chain(Happened::ALL.map(|(key, _)| key)).collect();
        section.only(&keys)?;
        let entry = section.need("command")?;
        let command = command(entry, commands)?;
        let hears = |it: &Command| it.name() == command && it.template().needs(Slot::EventsSince);
        if !commands.iter().any(hears) {
            return Err(entry.error(format!("`{command}` has no token with {{events.since}}")));
        }
        let word = |(key, happened)| {
            Ok(section.get(key).map(|entry| entry.text()).transpose()?.map(|word| (happened, word.to_owned())))
        };
        let words = Happened::ALL.into_iter().map(word).collect::<Result<Vec<_>, GrantsError>>()?;
        Ok(Self {
            command,
            id: pointer(section.need("id")?)?,
            name: pointer(section.need("name")?)?,
            labels: pointer(section.need("labels")?)?,
            own: section.texts("own")?,
            action: pointer(section.need("action")?)?,
            time: pointer(section.need("time")?)?,
            exit_code: section.get("exit-code").map(pointer).transpose()?,
            health: section.get("health").map(pointer).transpose()?,
            words: words.into_iter().flatten().collect(),
        })
    }
}

evidence! {
    /// How the host looks at a network.
    NetworkEvidence {
        id "id" required "Its ID.",
        name "name" required "Its name.",
        labels "labels" required "Its labels.",
        driver "driver" required "Its driver.",
        internal "internal" required "Whether it has no way out.",
        options "options" optional "The options that it was made with.",
        created "created" optional "When it was made.",
    }
}

evidence! {
    /// How the host looks at a pod of the engine's own.
    PodEvidence {
        id "id" required "Its ID.",
        name "name" required "Its name.",
        labels "labels" required "Its labels.",
        containers "containers" required "Its containers, each with an `Id`.",
        created "created" optional "When it was made.",
    }
}

/// The command that lists the IDs, or of volumes, networks and pods the names, of this install's objects, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListEvidence {
    /// The command.
    pub command: String,
}

/// The command by which the engine hands out an image whole, as a tar archive on its standard output.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportEvidence {
    /// The command; its `{image.query}` is the image's ID.
    pub command: String,
    /// Texts of stderr, in lower case, that say that what the engine keeps of a layer is not what it unpacked.
    pub damaged: Vec<String>,
}

/// Where the bytes of a manifest come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestEvidence {
    /// The host's own bounded client may ask the registry.
    pub registry: bool,
    /// The command that prints it, byte by byte; its `{image.query}` is `name@digest`.
    pub command: Option<String>,
    /// Folders of the engine's own in which it keeps them as they came.
    pub stores: Vec<StoreGrant>,
}

/// All that the host may look at for itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvidenceGrant {
    /// Images.
    pub image: Option<ImageEvidence>,
    /// Containers.
    pub container: Option<ContainerEvidence>,
    /// The list of this install's containers.
    pub containers: Option<ListEvidence>,
    /// Volumes.
    pub volume: Option<VolumeEvidence>,
    /// The list of this install's volumes.
    pub volumes: Option<ListEvidence>,
    /// What a container uses.
    pub stats: Option<UsageEvidence>,
    /// The processes of a container: a table with headings.
    pub top: Option<ListEvidence>,
    /// Events.
    pub events: Option<EventEvidence>,
    /// Pods.
    pub pod: Option<PodEvidence>,
    /// The list of this install's pods.
    pub pods: Option<ListEvidence>,
    /// Networks.
    pub network: Option<NetworkEvidence>,
    /// The list of this install's networks.
    pub networks: Option<ListEvidence>,
    /// Manifests; without the section, nowhere.
    pub manifest: ManifestEvidence,
    /// The content of images.
    pub export: Option<ExportEvidence>,
    /// An image by its ID; its `{image.query}` is the ID. Missing texts and places are those of `image`.
    pub held: Option<ListEvidence>,
}

impl EvidenceGrant {
    pub(super) const KEYS: [&'static str; 15] = [
        "held",
        "networks",
        "image",
        "container",
        "containers",
        "volume",
        "volumes",
        "stats",
        "top",
        "events",
        "pod",
        "pods",
        "network",
        "manifest",
        "export",
    ];

    pub(super) fn read(section: Section<'_>, commands: &[Command]) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        let part = |key: &str| section.get(key).map(|entry| entry.section()).transpose();
        let listed = |key: &str| part(key)?.map(|section| list(section, commands)).transpose();
        Ok(Self {
            image: part("image")?.map(|section| ImageEvidence::read(section, commands)).transpose()?,
            container: part("container")?.map(|section| ContainerEvidence::read(section, commands)).transpose()?,
            containers: listed("containers")?,
            volume: part("volume")?.map(|section| VolumeEvidence::read(section, commands)).transpose()?,
            volumes: listed("volumes")?,
            stats: part("stats")?.map(|section| UsageEvidence::read(section, commands)).transpose()?,
            top: listed("top")?,
            events: part("events")?.map(|section| EventEvidence::read(section, commands)).transpose()?,
            pod: part("pod")?.map(|section| PodEvidence::read(section, commands)).transpose()?,
            pods: listed("pods")?,
            network: part("network")?.map(|section| NetworkEvidence::read(section, commands)).transpose()?,
            networks: listed("networks")?,
            manifest: part("manifest")?
                .map_or(Ok(ManifestEvidence::default()), |section| manifest(section, commands))?,
            export: part("export")?.map(|section| export(section, commands)).transpose()?,
            held: part("held")?.map(|section| held(section, commands)).transpose()?,
        })
    }

    /// The commands that it needs.
    pub fn commands(&self) -> impl Iterator<Item = &str> {
        let looked = [
            self.image.as_ref().map(|it| &it.command),
            self.container.as_ref().map(|it| &it.command),
            self.volume.as_ref().map(|it| &it.command),
            self.pod.as_ref().map(|it| &it.command),
            self.network.as_ref().map(|it| &it.command),
            self.events.as_ref().map(|it| &it.command),
        ];
        let held = self.held.as_ref().map(|it| &it.command);
        let bytes = [self.manifest.command.as_ref(), self.export.as_ref().map(|it| &it.command), held];
        let listed = [&self.containers, &self.volumes, &self.networks, &self.pods]
            .map(|list| list.as_ref().map(|it| &it.command));
        looked.into_iter().chain(listed).chain(bytes).flatten().map(String::as_str)
    }
}

fn list(section: Section<'_>, commands: &[Command]) -> Result<ListEvidence, GrantsError> {
    section.only(&["command"])?;
    Ok(ListEvidence { command: command(section.need("command")?, commands)? })
}

fn held(section: Section<'_>, commands: &[Command]) -> Result<ListEvidence, GrantsError> {
    section.only(&["command"])?;
    Ok(ListEvidence { command: command_of_image(section.need("command")?, commands)? })
}

fn manifest(section: Section<'_>, commands: &[Command]) -> Result<ManifestEvidence, GrantsError> {
    section.only(&["registry", "command", "stores"])?;
    let store = |entry: Entry<'_>| StoreGrant::read(entry.section()?);
    let stores = section.get("stores").map_or(Ok(Vec::new()), |entry| entry.list())?;
    Ok(ManifestEvidence {
        registry: section.get("registry").map_or(Ok(false), |entry| entry.boolean())?,
        command: section.get("command").map(|entry| command_of_image(entry, commands)).transpose()?,
        stores: stores.into_iter().map(store).collect::<Result<_, _>>()?,
    })
}

fn export(section: Section<'_>, commands: &[Command]) -> Result<ExportEvidence, GrantsError> {
    section.only(&["command", "damaged"])?;
    let command = command_of_image(section.need("command")?, commands)?;
    Ok(ExportEvidence { command, damaged: section.texts("damaged")? })
}

/// A command that can be told which image is meant.
fn command_of_image(entry: Entry<'_>, commands: &[Command]) -> Result<String, GrantsError> {
    let name = command(entry, commands)?;
    let asks = commands.iter().any(|command| command.name() == name && command.template().needs(Slot::ImageQuery));
    if asks { Ok(name) } else { Err(entry.error(format!("`{name}` has no token with {{image.query}}"))) }
}

fn command(entry: Entry<'_>, commands: &[Command]) -> Result<String, GrantsError> {
    let name = entry.text()?;
    let names = commands.iter().map(Command::name);
    let found = commands.iter().find(|command| command.name() == name);
    let found = found.ok_or_else(|| entry.error(format!("there is no command `{name}`")).near(name, names))?;
    if found.effect() != Effect::Read {
        return Err(entry.error(format!("`{name}` is of effect {}: evidence only reads", found.effect().as_str())));
    }
    Ok(name.to_owned())
}

fn pointer(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    // RFC 6901: `~` is written `~0`, `/` within a name `~1`
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    if text.starts_with('/') && escapes && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!("`{}` is a JSON pointer such as /Config/Labels", entry.key)))
}
