//! Containers: what they are made of, and all that is done with them.

use crate::{
    Arguments, ContainerSpec, ContainerStatus, ExecSpec, HealthState, LogOptions, Plan, Result, Usage,
    cli::Cli,
    further_networks, inspect,
    logs::{self, Log},
    usage,
};

/// The arguments of a command that takes a container and nothing else.
fn of(name: &str) -> Arguments {
    Arguments::none().container(name)
}

impl Cli {
    fn creation(&self, spec: &ContainerSpec) -> Result<Arguments> {
        Ok(Arguments::of_spec(spec)?.renamed("health.command", self.health))
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
    /// As [`Arguments::of_spec`] and [`Cli::run`]; [`Error::Engine`](crate::Error::Engine) where no ID was printed.
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
    /// As [`Cli::run`]; [`Error::Engine`](crate::Error::Engine) where no status was printed.
    pub fn container_wait(&self, name: &str) -> Result<i32> {
        let output = self.run("wait", of(name))?;
        output.stdout.trim().parse().map_err(|_| inspect::unexpected("printed no exit status"))
    }

    /// `inspect`.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`](crate::Error::Engine) where the output can't be read.
    pub fn container_inspect(&self, name: &str) -> Result<ContainerStatus> {
        let output = self.run("inspect", of(name))?;
        Ok(inspect::container(&inspect::first(&output.stdout)?))
    }

    /// `list`.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn container_list(&self) -> Result<Vec<String>> {
        self.names("list")
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
    /// As [`Cli::run`]; [`Error::Engine`](crate::Error::Engine) where the output can't be read.
    pub fn container_stats(&self, name: &str) -> Result<Usage> {
        usage::read(&self.run("stats", of(name))?.stdout)
    }

    /// What `inspect` tells of its health.
    ///
    /// # Errors
    /// As [`Cli::run`]; [`Error::Engine`](crate::Error::Engine) where the output can't be read.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Argument, ContainerOption, Error, Extension, Gpus, Value,
        cli::tests::{CLIENT, image},
        narration,
        stage::Stage,
    };

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
    fn health_is_asked_for_and_then_looked_at() {
        let health = r#"[{"State":{"Health":{"Status":"unhealthy"}}}]"#;
        let stage = Stage::new().command("health-run", 1, "unhealthy\n", "").command("inspect", 0, health, "");
        let (state, seen) = stage.play(|| CLIENT.container_health_run("web"));
        assert_eq!(state, Ok(HealthState::Unhealthy));
        assert_eq!(seen.asks.iter().map(|ask| ask.0.as_str()).collect::<Vec<_>>(), ["health-run", "inspect"]);
    }

    #[test]
    fn a_health_check_goes_to_the_slot_of_the_engine() {
        let check =
            crate::HealthCheck { words: vec!["x".into()], interval: 1, timeout: 1, retries: 1, start_period: 0 };
        let spec = container(vec![ContainerOption::Health(check)]);
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
    fn a_list_has_an_id_a_line() {
        let stage = Stage::new().command("list", 0, "a\n\nb\n", "");
        assert_eq!(stage.play(|| CLIENT.container_list()).0, Ok(vec!["a".to_owned(), "b".to_owned()]));
    }
}
