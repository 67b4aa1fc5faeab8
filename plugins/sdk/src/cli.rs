//! What engines with a command line like Docker's do alike.
//!
//! The commands are those of the first-party grants files: a backend whose grants file has commands of the same names
//! and slots can pass its calls on to here.

use crate::{
    Arguments, ContainerSpec, ContainerStatus, Error, ExecSpec, HealthState, Image, ImageSummary, Label, LogOptions,
    NetworkSpec, Phrase, Plan, PodSpec, Result, Usage, classify, closing_words,
    engine::{self, Output},
    further_networks, inspect,
    logs::{self, Log},
    narration, undressed, usage,
};

/// An engine's client.
#[derive(Clone, Copy, Debug)]
pub struct Cli {
    phrases: &'static [Phrase],
    noise: &'static [&'static str],
    /// The slot for the command of a health check.
    health: &'static str,
}

/// `Loaded image: NAME`, `Loaded image ID: sha256:…`, and Podman's `Loaded image(s): NAME`.
fn loaded(line: &str) -> Option<&str> {
    let (what, name) = line.split_once(": ")?;
    what.starts_with("Loaded image").then_some(name.trim())
}

/// The arguments of a command that takes a container and nothing else.
fn of(name: &str) -> Arguments {
    Arguments::none().container(name)
}

impl Cli {
    /// A client whose errors mean what the phrases say.
    #[must_use]
    pub const fn new(phrases: &'static [Phrase]) -> Self {
        Self { phrases, noise: &[], health: "health.command" }
    }

    /// Pieces of warnings that nobody needs to hear.
    #[must_use]
    pub const fn without(self, noise: &'static [&'static str]) -> Self {
        Self { noise, ..self }
    }

    /// A client that runs health checks by a shell alone: its `create` has the slot `health.shell`.
    #[must_use]
    pub const fn with_health_in_a_shell(self) -> Self {
        Self { health: "health.shell", ..self }
    }

    fn creation(&self, spec: &ContainerSpec) -> Result<Arguments> {
        Ok(Arguments::of_spec(spec)?.renamed("health.command", self.health))
    }

    /// Runs a command that has to end well.
    ///
    /// # Errors
    /// The engine's failure by its phrases, or the host's.
    pub fn run(&self, command: &str, arguments: Arguments) -> Result<Output> {
        self.check(engine::run(command, arguments)?)
    }

    /// Takes an output whose command ended well.
    ///
    /// # Errors
    /// The engine's failure by its phrases.
    pub fn check(&self, output: Output) -> Result<Output> {
        if output.status == 0 { Ok(output) } else { Err(classify(self.phrases, &output)) }
    }

    /// Tells the last of what a command that ended well had to say beside its result.
    fn tell(&self, output: &Output) {
        let words = closing_words(&output.stderr);
        let heard = words.lines().filter(|line| !self.noise.iter().any(|noise| line.contains(noise)));
        heard.for_each(|line| narration::warning(&undressed(line)));
    }

    /// `image-inspect`.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where the output can't be read.
    pub fn image_inspect(&self, image: &Image) -> Result<ImageSummary> {
        let output = self.run("image-inspect", Arguments::none().image(image))?;
        Ok(inspect::image(&inspect::first(&output.stdout)?))
    }

    /// Whether `image-inspect` finds the image.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::NotFound`].
    pub fn image_present(&self, image: &Image) -> Result<bool> {
        match self.run("image-inspect", Arguments::none().image(image)) {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `image-remove`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn image_remove(&self, image: &Image, force: bool) -> Result<()> {
        self.run("image-remove", Arguments::none().image(image).flag_if("force", force)).map(drop)
    }

    /// `image-load`: the archive is the host's own copy, and the host fills in its place. Of what the engine says that it
    /// loaded, the names and the ID are told.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn image_load(&self) -> Result<ImageSummary> {
        let output = self.run("image-load", Arguments::none())?;
        let mut image = ImageSummary { id: String::new(), digests: vec![], tags: vec![], size: 0 };
        for name in inspect::lines(&output.stdout).filter_map(loaded) {
            match name.strip_prefix("sha256:") {
                Some(_) => image.id = name.into(),
                None => image.tags.push(name.into()),
            }
        }
        Ok(image)
    }

    /// What [`Cli::container_create`] would run.
    ///
    /// # Errors
    /// As [`Arguments::of_spec`].
    pub fn explain(&self, spec: &ContainerSpec) -> Result<Plan> {
        Ok(Plan { command: "create".into(), arguments: self.creation(spec)?.into_vec() })
    }

    /// `create`, and `network-connect` for each further network. What the engine says beside the ID is told as a warning.
    ///
    /// # Errors
    /// As [`Arguments::of_spec`] and [`Cli::run`]; [`Error::Engine`] where no ID was printed.
    pub fn container_create(&self, spec: &ContainerSpec) -> Result<String> {
        let output = self.run("create", self.creation(spec)?)?;
        self.tell(&output);
        for network in further_networks(spec) {
            self.run("network-connect", Arguments::of_connection(spec, network))?;
        }
        inspect::id(&output.stdout)
    }

    /// `start`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_start(&self, name: &str) -> Result<()> {
        self.run("start", of(name)).map(drop)
    }

    /// `start-attached`.
    ///
    /// # Errors
    /// What the host says where it did not run the command.
    pub fn container_run_to_completion(&self, name: &str) -> Result<Log> {
        logs::open("start-attached", of(name))
    }

    /// `stop`, with the grace in seconds. What the engine says on standard error is told as a warning.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_stop(&self, name: &str, grace: u32) -> Result<()> {
        let output = self.run("stop", of(name).seconds(grace))?;
        self.tell(&output);
        Ok(())
    }

    /// `kill`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_kill(&self, name: &str, signal: &str) -> Result<()> {
        self.run("kill", of(name).text("signal", signal)).map(drop)
    }

    /// `remove`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_remove(&self, name: &str, force: bool) -> Result<()> {
        self.run("remove", of(name).flag_if("force", force)).map(drop)
    }

    /// `wait`.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where no status was printed.
    pub fn container_wait(&self, name: &str) -> Result<i32> {
        let output = self.run("wait", of(name))?;
        output.stdout.trim().parse().map_err(|_| inspect::unexpected("printed no exit status"))
    }

    /// `inspect`.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where the output can't be read.
    pub fn container_inspect(&self, name: &str) -> Result<ContainerStatus> {
        let output = self.run("inspect", of(name))?;
        Ok(inspect::container(&inspect::first(&output.stdout)?))
    }

    /// `list`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_list(&self) -> Result<Vec<String>> {
        let output = self.run("list", Arguments::none())?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }

    /// `exec`.
    ///
    /// # Errors
    /// What the host says where it did not run the command.
    pub fn container_exec(&self, name: &str, spec: &ExecSpec) -> Result<Log> {
        logs::open("exec", Arguments::of_exec(name, spec))
    }

    /// `copy-in`. The file is the host's to fill.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_copy_in(&self, name: &str, target: &str) -> Result<()> {
        self.run("copy-in", of(name).text("inside.path", target)).map(drop)
    }

    /// `copy-out`. The file is the host's to fill.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_copy_out(&self, name: &str, source: &str) -> Result<()> {
        self.run("copy-out", of(name).text("inside.path", source)).map(drop)
    }

    /// `logs`.
    ///
    /// # Errors
    /// What the host says where it did not run the command.
    pub fn container_logs(&self, name: &str, options: &LogOptions) -> Result<Log> {
        let mut arguments = of(name).flag_if("follow", options.follow).flag_if("timestamps", options.timestamps);
        if let Some(tail) = options.tail {
            arguments = arguments.number("tail", tail);
        }
        if let Some(since) = &options.since {
            arguments = arguments.text("since", since);
        }
        logs::open("logs", arguments)
    }

    /// `pause`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_pause(&self, name: &str) -> Result<()> {
        self.run("pause", of(name)).map(drop)
    }

    /// `unpause`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_unpause(&self, name: &str) -> Result<()> {
        self.run("unpause", of(name)).map(drop)
    }

    /// `top`: the lines of its table, the heading first.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_top(&self, name: &str) -> Result<Vec<String>> {
        let output = self.run("top", of(name))?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }

    /// `stats`, as [`usage::read`] takes it.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where the output can't be read.
    pub fn container_stats(&self, name: &str) -> Result<Usage> {
        usage::read(&self.run("stats", of(name))?.stdout)
    }

    /// What `inspect` tells of its health.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`] where the output can't be read.
    pub fn container_health(&self, name: &str) -> Result<HealthState> {
        let output = self.run("inspect", of(name))?;
        Ok(inspect::health(&inspect::first(&output.stdout)?))
    }

    /// `health-run`, by which the engine asks the container now, and what `inspect` tells then. One that is not well is no
    /// error.
    ///
    /// # Errors
    /// What the host says where it did not run a command, and as [`Cli::container_health`].
    pub fn container_health_run(&self, name: &str) -> Result<HealthState> {
        crate::engine::run("health-run", of(name))?;
        self.container_health(name)
    }

    /// `volume-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`].
    pub fn volume_ensure(&self, name: &str, labels: &[Label]) -> Result<bool> {
        match self.run("volume-create", Arguments::none().volume(name).labels(labels)) {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `volume-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_exists(&self, name: &str) -> Result<bool> {
        Ok(self.volume_list()?.iter().any(|known| known == name))
    }

    /// `volume-list`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_list(&self) -> Result<Vec<String>> {
        let output = self.run("volume-list", Arguments::none())?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }

    /// `volume-remove`. By force, one that is not there is no error; one that is in use is, always.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn volume_remove(&self, name: &str, force: bool) -> Result<()> {
        match self.run("volume-remove", Arguments::none().volume(name)) {
            Err(Error::NotFound(_)) if force => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// `pod-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`].
    pub fn pod_ensure(&self, spec: &PodSpec) -> Result<bool> {
        match self.run("pod-create", Arguments::none().pod_name(&spec.name).labels(&spec.labels)) {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `pod-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_exists(&self, name: &str) -> Result<bool> {
        Ok(self.pod_list()?.iter().any(|known| known == name))
    }

    /// `pod-list`, which prints names.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_list(&self) -> Result<Vec<String>> {
        let output = self.run("pod-list", Arguments::none())?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }

    /// `pod-remove`. Never by force: the host removes the containers of a pod first.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_remove(&self, name: &str) -> Result<()> {
        self.run("pod-remove", Arguments::none().pod_id(name)).map(drop)
    }

    /// `network-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`].
    pub fn network_ensure(&self, spec: &NetworkSpec) -> Result<bool> {
        let arguments = Arguments::none().network_name(&spec.name).flag_if("internal", spec.internal);
        match self.run("network-create", arguments.labels(&spec.labels)) {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether `network-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_exists(&self, name: &str) -> Result<bool> {
        Ok(self.network_list()?.iter().any(|known| known == name))
    }

    /// `network-list`, which prints names.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_list(&self) -> Result<Vec<String>> {
        let output = self.run("network-list", Arguments::none())?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }

    /// `network-remove`, of the network that the arguments name: by its name, or by its ID.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn network_remove(&self, network: Arguments) -> Result<()> {
        self.run("network-remove", network).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, ContainerOption, Extension, Gpus, Value, stage::Stage};

    const CLIENT: Cli = Cli::new(&[Phrase::not_found("no such")]).without(&["shared mount"]);

    fn image() -> Image {
        Image { reference: "r/a:1".into(), name: "r/a".into(), tag: Some("1".into()), digest: None }
    }

    fn container(options: Vec<ContainerOption>) -> ContainerSpec {
        ContainerSpec {
            image: image(),
            name: "web".into(),
            words: vec![],
            env: vec![],
            mounts: vec![],
            ports: vec![],
            gpus: Gpus::None,
            labels: vec![],
            options,
        }
    }

    fn web() -> Argument {
        Argument { slot: "container.id".into(), value: Value::Container("web".into()) }
    }

    #[test]
    fn an_image_that_is_not_there_is_no_error() {
        let stage = Stage::new().command("image-inspect", 1, "[]", "Error: No such image: r/a:1");
        assert_eq!(stage.play(|| CLIENT.image_present(&image())).0, Ok(false));
        let stage = Stage::new().command("image-inspect", 1, "[]", "disk on fire");
        assert!(matches!(stage.play(|| CLIENT.image_present(&image())).0, Err(Error::Engine(_))));
    }

    #[test]
    fn a_stop_gives_the_container_and_the_grace() {
        let (result, seen) = Stage::new().command("stop", 0, "web\n", "").play(|| CLIENT.container_stop("web", 7));
        assert_eq!(result, Ok(()));
        let seconds = Argument { slot: "seconds".into(), value: Value::Number(7) };
        assert_eq!(seen.asks, [("stop".to_owned(), vec![web(), seconds])]);
    }

    #[test]
    fn a_warning_beside_a_result_is_told_and_noise_is_not() {
        let stderr =
            "time=\"x\" level=warning msg=\"\\\"/\\\" is not a shared mount\"\ntime=\"x\" level=warning msg=\"late\"\n";
        let (_, seen) = Stage::new().command("stop", 0, "", stderr).play(|| CLIENT.container_stop("web", 1));
        assert_eq!(seen.said, [(narration::Level::Warning, "late".to_owned())]);
    }

    #[test]
    fn a_wait_gives_the_status() {
        let wait = |stdout| Stage::new().command("wait", 0, stdout, "").play(|| CLIENT.container_wait("web")).0;
        assert_eq!(wait("137\n"), Ok(137));
        assert!(matches!(wait("soon\n"), Err(Error::Engine(_))));
    }

    #[test]
    fn logs_are_opened_and_returned_with_what_was_asked() {
        let options =
            LogOptions { follow: true, tail: Some(5), since: Some("2026-01-01T00:00:00Z".into()), timestamps: false };
        let (log, seen) =
            Stage::new().command("logs", 0, "hello\n", "").play(|| CLIENT.container_logs("web", &options));
        assert_eq!(log.unwrap().read(3).unwrap(), b"hel");
        let slots: Vec<_> = seen.asks[0].1.iter().map(|argument| argument.slot.as_str()).collect();
        assert_eq!(slots, ["container.id", "follow", "tail", "since"]);
    }

    #[test]
    fn a_copy_names_the_container_and_the_path_inside() {
        let stage = Stage::new().command("copy-in", 0, "", "").command("copy-out", 0, "", "");
        let (_, seen) = stage.play(|| {
            CLIENT.container_copy_in("web", "/a").unwrap();
            CLIENT.container_copy_out("web", "/b").unwrap();
        });
        let path = |path: &str| Argument { slot: "inside.path".into(), value: Value::Text(path.into()) };
        let expected =
            [("copy-in".to_owned(), vec![web(), path("/a")]), ("copy-out".to_owned(), vec![web(), path("/b")])];
        assert_eq!(seen.asks, expected);
    }

    #[test]
    fn force_is_given_only_when_it_is_wanted() {
        for (force, expected) in [(false, 1), (true, 2)] {
            let stage = Stage::new().command("remove", 0, "", "");
            let (_, seen) = stage.play(|| CLIENT.container_remove("web", force));
            assert_eq!(seen.asks[0].1.len(), expected);
        }
    }

    #[test]
    fn a_loaded_image_is_told_by_name_or_id() {
        for (said, id, tags) in [
            ("Loaded image: r/a:1\n", "", &["r/a:1"][..]),
            ("Getting image source signatures\nLoaded image: sha256:c5\n", "sha256:c5", &[]),
            ("Loaded image ID: sha256:c5\n", "sha256:c5", &[]),
        ] {
            let loaded = Stage::new().command("image-load", 0, said, "").play(|| CLIENT.image_load()).0.unwrap();
            assert_eq!((loaded.id.as_str(), loaded.tags), (id, tags.iter().map(ToString::to_string).collect()));
        }
    }

    #[test]
    fn a_volume_is_made_with_its_labels_or_is_there() {
        let label = Label { key: "a".into(), value: "b".into() };
        let stage = Stage::new().command("volume-create", 0, "data\n", "");
        let (made, seen) = stage.play(|| CLIENT.volume_ensure("data", std::slice::from_ref(&label)));
        assert_eq!(made, Ok(true));
        let name = Argument { slot: "volume.name".into(), value: Value::Volume("data".into()) };
        let label = Argument { slot: "label".into(), value: Value::Label(label) };
        assert_eq!(seen.asks, [("volume-create".to_owned(), vec![name, label])]);
        const THERE: &[Phrase] = &[Phrase::conflict("already exists")];
        let there = Cli::new(THERE);
        let stage = Stage::new().command("volume-create", 125, "", "Error: volume already exists");
        assert_eq!(stage.play(|| there.volume_ensure("data", &[])).0, Ok(false));
    }

    #[test]
    fn a_volume_that_is_not_there_is_removed_by_force_alone() {
        let remove = |force| {
            let stage = Stage::new().command("volume-remove", 1, "", "Error: no such volume");
            stage.play(|| CLIENT.volume_remove("data", force)).0
        };
        assert_eq!(remove(true), Ok(()));
        assert!(matches!(remove(false), Err(Error::NotFound(_))));
    }

    #[test]
    fn a_volume_is_there_by_its_whole_name() {
        let exists =
            |name| Stage::new().command("volume-list", 0, "data\nb\n", "").play(|| CLIENT.volume_exists(name)).0;
        assert_eq!((exists("data"), exists("dat")), (Ok(true), Ok(false)));
    }

    #[test]
    fn health_is_asked_for_and_then_looked_at() {
        let health = r#"[{"State":{"Health":{"Status":"unhealthy"}}}]"#;
        let stage = Stage::new().command("health-run", 1, "unhealthy\n", "").command("inspect", 0, health, "");
        let (state, seen) = stage.play(|| CLIENT.container_health_run("web"));
        assert_eq!(state, Ok(HealthState::Unhealthy));
        assert_eq!(seen.asks.iter().map(|ask| ask.0.as_str()).collect::<Vec<_>>(), ["health-run", "inspect"]);
    }

    #[test]
    fn a_health_check_goes_to_the_slot_of_the_engine() {
        let image = image();
        let check =
            crate::HealthCheck { words: vec!["x".into()], interval: 1, timeout: 1, retries: 1, start_period: 0 };
        let options = vec![crate::ContainerOption::Health(check)];
        let (name, gpus) = ("web".into(), crate::Gpus::None);
        let (words, env, mounts, ports, labels) = (vec![], vec![], vec![], vec![], vec![]);
        let spec = ContainerSpec { image, name, words, env, mounts, ports, gpus, labels, options };
        for (client, slot) in [(CLIENT, "health.command"), (CLIENT.with_health_in_a_shell(), "health.shell")] {
            let plan = client.explain(&spec).unwrap();
            assert!(plan.arguments.iter().any(|argument| argument.slot == slot), "{slot}");
        }
    }

    #[test]
    fn a_table_of_processes_comes_line_by_line() {
        let stage = Stage::new().command("top", 0, "PID CMD\n1 sleep 1\n", "");
        assert_eq!(
            stage.play(|| CLIENT.container_top("web")).0,
            Ok(vec!["PID CMD".to_owned(), "1 sleep 1".to_owned()])
        );
    }

    #[test]
    fn a_container_joins_further_networks_once_it_is_created() {
        let also = |name: &str| Extension { name: "network.also".into(), value: name.into() };
        let options = vec![
            ContainerOption::Alias("db".into()),
            ContainerOption::Extension(also("back")),
            ContainerOption::Extension(also("front")),
        ];
        let spec = container(options);
        let id = "a".repeat(64);
        let stage = Stage::new().command("create", 0, &format!("{id}\n"), "").command("network-connect", 0, "", "");
        let (created, seen) = stage.command("network-connect", 0, "", "").play(|| CLIENT.container_create(&spec));
        assert_eq!(created, Ok(id.clone()));
        assert_eq!(seen.commands(), ["create", "network-connect", "network-connect"]);
        let slot = |slot: &str, value| Argument { slot: slot.into(), value };
        let joins = |name: &str| {
            let network = slot("network.also", Value::Network(name.into()));
            vec![
                slot("container.id", Value::Container(spec.name.clone())),
                network,
                slot("alias", Value::Text("db".into())),
            ]
        };
        assert_eq!((&seen.asks[1].1, &seen.asks[2].1), (&joins("back"), &joins("front")));
        assert!(!seen.asks[0].1.iter().any(|argument| argument.slot == "network.also"));
        let failing =
            Stage::new().command("create", 0, &format!("{id}\n"), "").command("network-connect", 1, "", "Error: no");
        assert!(failing.play(|| CLIENT.container_create(&spec)).0.is_err());
    }

    #[test]
    fn a_network_is_made_as_it_is_wanted_or_is_there() {
        let label = Label { key: "a".into(), value: "b".into() };
        let spec = NetworkSpec { name: "back".into(), internal: true, labels: vec![label.clone()] };
        let stage = Stage::new().command("network-create", 0, "back\n", "");
        let (made, seen) = stage.play(|| CLIENT.network_ensure(&spec));
        assert_eq!(made, Ok(true));
        let slot = |slot: &str, value| Argument { slot: slot.into(), value };
        let expected = [
            slot("network.name", Value::Network("back".into())),
            slot("internal", Value::Flag),
            slot("label", Value::Label(label)),
        ];
        assert_eq!(seen.asks, [("network-create".to_owned(), expected.to_vec())]);
        const THERE: &[Phrase] = &[Phrase::conflict("already exists")];
        let stage = Stage::new().command("network-create", 125, "", "Error: network already exists");
        assert_eq!(stage.play(|| Cli::new(THERE).network_ensure(&spec)).0, Ok(false));
    }

    #[test]
    fn a_network_is_there_by_its_whole_name() {
        let exists =
            |name| Stage::new().command("network-list", 0, "back\nb\n", "").play(|| CLIENT.network_exists(name)).0;
        assert_eq!((exists("back"), exists("bac")), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_pod_is_made_by_its_name_and_removed_by_its_id() {
        let spec = PodSpec { name: "web".into(), ports: Vec::new(), labels: Vec::new() };
        let (made, seen) = Stage::new().command("pod-create", 0, "00\n", "").play(|| CLIENT.pod_ensure(&spec));
        let slot = |slot: &str| vec![Argument { slot: slot.into(), value: Value::Pod("web".into()) }];
        assert_eq!((made, seen.asks), (Ok(true), vec![("pod-create".to_owned(), slot("pod.name"))]));
        let (removed, seen) = Stage::new().command("pod-remove", 0, "00\n", "").play(|| CLIENT.pod_remove("web"));
        assert_eq!((removed, seen.asks), (Ok(()), vec![("pod-remove".to_owned(), slot("pod.id"))]));
    }

    #[test]
    fn a_list_has_an_id_a_line() {
        let stage = Stage::new().command("list", 0, "a\n\nb\n", "");
        assert_eq!(stage.play(|| CLIENT.container_list()).0, Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
