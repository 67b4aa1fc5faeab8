//! `run`: a container, from its image to its end.

use std::env::var_os;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portreeve::spec::{
    Cpus, GpuProfile, Gpus, HealthCheck, Label, Memory, Name, NetworkMode, Platform, Port, RestartPolicy, Signal,
    Ulimit, User, UserNamespace, Workdir,
};
use portreeve::{Condition, ContainerInfo, ContainerSpec, Error, Reference, Rule};
use serde_json::json;

use super::arguments::Common;
use super::attach::attach;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::progress::Tone;
use super::pump::Sink;
use super::signals::Signals;
use super::{name, parse, secret, show};

/// Between TERM and KILL, where nobody says otherwise.
const GRACE: Duration = Duration::from_secs(10);

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Pull {
    /// Where the engine does not hold it.
    Missing,
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Leave it running and print its ID
    #[arg(long, short)]
    detach: bool,
    /// Hand it our standard input
    #[arg(long, short, conflicts_with = "detach")]
    interactive: bool,
    /// Give it a terminal: the keys of ours are its own, and the size
    #[arg(long, short, conflicts_with = "detach")]
    tty: bool,
    /// Remove it when it ends
    #[arg(long, conflicts_with = "restart")]
    rm: bool,
    /// Its name; made up otherwise
    #[arg(long)]
    name: Option<Name>,
    /// Publish a port: [ADDRESS:][HOST:]PORT[/PROTOCOL]; on loopback unless an address is given
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<Port>,
    /// Mount a file or folder: SOURCE:TARGET[:ro]
    #[arg(long, short, value_name = "MOUNT")]
    volume: Vec<String>,
    /// Set a variable: NAME=VALUE, or NAME for the value it has here
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables of a file, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Hand over a secret: NAME (from the environment), NAME=file:PATH or NAME=fd:N; with ,as=file[:TARGET] as a file
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Hand over GPUs: `all`, or a list such as 0,1 of indices, UUIDs or GPU:INSTANCE
    #[arg(long, value_parser = parse::gpus, value_name = "MASK")]
    gpus: Option<Gpus>,
    /// What is asked of these GPUs: required or optional, memory=AMOUNT, cuda=VERSION, separated by commas
    #[arg(long, value_name = "PROFILE")]
    gpu_profile: Option<GpuProfile>,
    /// Limit its memory, such as 512m
    #[arg(long, short, value_name = "BYTES")]
    memory: Option<Memory>,
    /// Limit its processors, such as 1.5
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<Cpus>,
    /// Limit its processes
    #[arg(long, value_name = "NUMBER")]
    pids_limit: Option<NonZeroU32>,
    /// Its network: none, bridge, host, or a name; of names there may be several
    #[arg(long, visible_alias = "net")]
    network: Vec<NetworkMode>,
    /// The pod that it joins: it has the pod's network, and its ports are the pod's
    #[arg(long, conflicts_with_all = ["network", "publish", "hostname"])]
    pod: Option<Name>,
    /// Its working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<Workdir>,
    /// Its user: USER[:GROUP]
    #[arg(long, short)]
    user: Option<User>,
    /// The program to start instead of the image's
    #[arg(long, value_name = "PROGRAM", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    entrypoint: Option<String>,
    /// What happens when it ends: no, always, on-failure[:TIMES] or unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<RestartPolicy>,
    /// Label it: KEY=VALUE
    #[arg(long, short)]
    label: Vec<Label>,
    /// Its root file system can't be written
    #[arg(long)]
    read_only: bool,
    /// A file system in memory: TARGET[:size=64m]; `size=unlimited` leaves the bound to the engine
    #[arg(long, value_name = "TARGET")]
    tmpfs: Vec<String>,
    /// The size of its /dev/shm
    #[arg(long, value_name = "BYTES")]
    shm_size: Option<Memory>,
    /// A process limit: NAME=SOFT[:HARD]
    #[arg(long, value_name = "LIMIT")]
    ulimit: Vec<Ulimit>,
    /// Take a capability away, or ALL
    #[arg(long, value_name = "NAME", value_parser = parse::capability)]
    cap_drop: Vec<String>,
    /// Add a capability; a policy file has to allow it
    #[arg(long, value_name = "NAME", value_parser = parse::capability)]
    cap_add: Vec<String>,
    /// Its user namespace: auto, private, nomap, keep-id or host; the last two take a policy file
    #[arg(long, value_name = "MODE")]
    userns: Option<UserNamespace>,
    /// Another name on its networks, which must be named ones
    #[arg(long, value_name = "NAME")]
    network_alias: Vec<Name>,
    /// The platform that its image must be of, such as linux/amd64
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// How it is asked whether it is well: a JSON array of words, or text for its own /bin/sh
    #[arg(long, value_name = "COMMAND")]
    health_cmd: Option<String>,
    /// Between two checks
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, requires = "health_cmd")]
    health_interval: Option<Duration>,
    /// After which one counts as failed
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, requires = "health_cmd")]
    health_timeout: Option<Duration>,
    /// How many must fail in a row
    #[arg(long, value_name = "NUMBER", requires = "health_cmd")]
    health_retries: Option<u32>,
    /// At the start, in which failures don't count
    #[arg(long, value_name = "DURATION", value_parser = parse::duration, requires = "health_cmd")]
    health_start_period: Option<Duration>,
    /// With `-d`, wait until it is so: `healthy`, `log=TEXT` in a line of its log, or `port=NUMBER` for a listener there
    #[arg(long, value_name = "CONDITION", value_parser = parse::condition, requires = "detach")]
    wait: Option<Condition>,
    /// How long that is waited for; then the container is stopped and removed, where this run made it
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse::duration)]
    wait_timeout: Duration,
    /// Its host name
    #[arg(long)]
    hostname: Option<Name>,
    /// The signal that asks it to stop
    #[arg(long, value_name = "SIGNAL")]
    stop_signal: Option<Signal>,
    /// Seconds between being asked to stop and being killed
    #[arg(long, value_name = "SECONDS")]
    stop_timeout: Option<u32>,
    /// When the image is pulled
    #[arg(long, value_enum, default_value = "missing")]
    pull: Pull,
    /// The image, and the words of the container's command: all of them its own, even where they begin with `-`
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_names = ["IMAGE", "WORDS"])]
    command: Vec<String>,
}

impl Run {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let detach = self.detach;
        let wait = self.wait.clone().map(|condition| (condition, self.wait_timeout));
        // Before there are threads: descriptors that secrets are read from are ours alone.
        let spec = self.spec()?;
        if detach {
            return desk::open_with(common, Tone::of(common), async |desk, signals| {
                detached(desk, signals, &spec, wait).await
            });
        }
        desk::open_with(common, Tone::of_foreground(common), async |desk, signals| {
            foreground(desk, signals, &spec).await
        })
    }

    /// Creates it, and leaves the start to `start`.
    pub(crate) fn create(self, common: &Common) -> Outcome {
        let meant = [("-d", self.detach), ("--wait", self.wait.is_some())];
        if let Some((option, _)) = meant.into_iter().find(|(_, given)| *given) {
            return Err(Failure::Usage(format!(
                "{option} is for what is started: `run {option}`, or `create` and `start`"
            )));
        }
        let spec = self.spec()?;
        desk::open_with(common, Tone::of(common), async |desk, signals| {
            match signals.unless(desk.portreeve.create(&spec)).await {
                Ok(container) => shown(desk, &container),
                Err(failure) => Err(undone(desk, &spec, failure).await),
            }
        })
    }

    /// The secrets' options, taken out: for whoever does not want their values.
    pub(crate) fn take_secrets(&mut self) -> Vec<String> {
        std::mem::take(&mut self.secret)
    }

    /// The only word, where nothing but one was given.
    pub(crate) fn only_word(&self) -> Option<&str> {
        match self.command.as_slice() {
            [word] => Some(word),
            _ => None,
        }
    }

    pub(crate) fn spec(self) -> Result<ContainerSpec, Failure> {
        let Self { command, name, .. } = &self;
        let (image, words) = command.split_first().ok_or_else(|| Failure::Usage("an image is missing".to_owned()))?;
        let image: Reference = image.parse().map_err(Error::from)?;
        let name = name.clone().map_or_else(name::fresh, Ok)?;
        let (words, env, health) = (words.to_vec(), self.env()?, self.health()?);
        let (network, further_networks) = self.networks()?;
        Ok(ContainerSpec {
            words,
            env,
            secrets: self
                .secret
                .iter()
                .map(|option| secret::read(option, |name| var_os(name)))
                .collect::<Result<_, _>>()?,
            mounts: self.volume.iter().map(|text| parse::mount(text)).collect::<Result<_, _>>()?,
            tmpfs: self.tmpfs.iter().map(|text| parse::tmpfs(text)).collect::<Result<_, _>>()?,
            entrypoint: self.entrypoint.into_iter().collect(),
            workdir: self.workdir,
            user: self.user,
            ports: self.publish,
            gpus: self.gpus.unwrap_or_default(),
            gpu_profile: self.gpu_profile,
            labels: self.label,
            memory: self.memory,
            cpus: self.cpus,
            pids: self.pids_limit,
            restart: self.restart,
            network,
            further_networks,
            pod: self.pod,
            stop_grace: self.stop_timeout,
            stop_signal: self.stop_signal,
            remove: self.rm,
            read_only: self.read_only,
            shm_size: self.shm_size,
            ulimits: self.ulimit,
            cap_drop: self.cap_drop,
            cap_add: self.cap_add,
            user_namespace: self.userns,
            aliases: self.network_alias,
            platform: self.platform,
            health,
            hostname: self.hostname,
            stdin: self.interactive,
            terminal: self.tty,
            ..ContainerSpec::new(image, name)
        })
    }

    /// The first network, and the further ones, which have names.
    fn networks(&self) -> Result<(Option<NetworkMode>, Vec<Name>), Failure> {
        let Some((first, rest)) = self.network.split_first() else { return Ok((None, Vec::new())) };
        let named = |mode: &NetworkMode| match mode {
            NetworkMode::Named(name) => Ok(name.clone()),
            mode => Err(Failure::Usage(format!("--network {mode}: it goes together with no other network"))),
        };
        let further = rest.iter().map(named).collect::<Result<Vec<_>, _>>()?;
        if !further.is_empty() {
            named(first)?;
        }
        Ok((Some(first.clone()), further))
    }

    fn health(&self) -> Result<Option<HealthCheck>, Failure> {
        let Some(text) = &self.health_cmd else { return Ok(None) };
        let words = parse::health_words(text).map_err(|why| Failure::Usage(format!("--health-cmd: {why}")))?;
        let check = HealthCheck::new(words).map_err(parse::wrong)?;
        Ok(Some(HealthCheck {
            interval: self.health_interval.unwrap_or(check.interval),
            timeout: self.health_timeout.unwrap_or(check.timeout),
            retries: self.health_retries.unwrap_or(check.retries),
            start_period: self.health_start_period.unwrap_or(check.start_period),
            ..check
        }))
    }

    /// Files first; an option of the same name stands in place of a file's line, and a later one of an earlier.
    fn env(&self) -> Result<Vec<portreeve::spec::Variable>, Failure> {
        let mut variables = Vec::new();
        for file in &self.env_file {
            variables.extend(parse::env_file(file, |name| var_os(name))?);
        }
        for text in &self.env {
            variables.extend(parse::variable(text, |name| var_os(name))?);
        }
        Ok(parse::last_of_each(variables))
    }
}

async fn detached(
    desk: &Desk,
    signals: &mut Signals,
    spec: &ContainerSpec,
    wait: Option<(Condition, Duration)>,
) -> Outcome {
    let running = async {
        let container = desk.portreeve.run(spec).await?;
        match &wait {
            Some((condition, limit)) => awaited(desk, spec, condition, *limit).await,
            None => Ok(container),
        }
    };
    let container = match signals.unless(running).await {
        Ok(container) => container,
        Err(failure) => return Err(undone(desk, spec, failure).await),
    };
    shown(desk, &container)
}

/// Its ID, or all of it.
fn shown(desk: &Desk, container: &ContainerInfo) -> Outcome {
    match (desk.dry_run, desk.json) {
        (true, _) => {}
        (false, true) => show::json(container)?,
        (false, false) => show::line(&container.id)?,
    }
    Ok(Status::OK)
}

/// A container that does not become what is waited for is not left behind by the run that made it.
async fn awaited(
    desk: &Desk,
    spec: &ContainerSpec,
    condition: &Condition,
    limit: Duration,
) -> Result<ContainerInfo, Error> {
    let waited = desk.portreeve.wait_until(spec.name.as_str(), condition, limit).await;
    if waited.is_err()
        && let Err(error) = undo(desk, spec, false).await
    {
        let why = show::plain_lines(&error.to_string());
        desk.teller.say(&format!("portreeve: {} may have been left behind: {why}", spec.name));
    }
    waited
}

async fn foreground(desk: &Desk, signals: &mut Signals, spec: &ContainerSpec) -> Outcome {
    match attached(desk, signals, spec).await {
        Ok(status) => {
            if desk.json && !desk.dry_run {
                show::json(&json!({ "container": spec.name.as_str(), "status": status }))?;
            }
            Ok(Status::of_container(status))
        }
        Err(failure) => Err(undone(desk, spec, failure).await),
    }
}

/// The container's status. Whatever cuts this short drops the stream, and with it the engine's client.
async fn attached(desk: &Desk, signals: &mut Signals, spec: &ContainerSpec) -> Result<i32, Failure> {
    let mut sink = Sink::open(desk.json, spec.terminal)?;
    let mut stream = signals.unless(desk.portreeve.run_attached(spec)).await?;
    desk.teller.finish();
    signals.unless(attach(&mut stream, &mut sink, spec.terminal)).await?;
    signals.unless(stream.finish()).await
}

/// A run that was cut short leaves nothing behind: what it made is removed, what it only started is stopped, what others
/// made and started goes on.
async fn undone(desk: &Desk, spec: &ContainerSpec, failure: Failure) -> Failure {
    // What the library could not do, it undid itself.
    let cut_short =
        matches!(failure, Failure::Interrupted(_) | Failure::Late(_) | Failure::Closed | Failure::Output(_));
    if cut_short
        && !desk.dry_run
        // What is late already waits for nobody's grace.
        && let Err(error) = undo(desk, spec, !matches!(failure, Failure::Late(_))).await
    {
        let why = show::plain_lines(&error.to_string());
        desk.teller.say(&format!("portreeve: {} may have been left behind: {why}", spec.name));
    }
    failure
}

/// Gently: it gets to end by itself, whatever an engine does before it removes by force.
async fn undo(desk: &Desk, spec: &ContainerSpec, gently: bool) -> Result<(), Error> {
    let name = spec.name.as_str();
    desk.settled().await;
    let container = match desk.portreeve.inspect(name).await {
        Err(Error::NotFound { .. } | Error::NoEngine(_)) => return Ok(()),
        Err(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs => return Ok(()),
        found => found?,
    };
    let made = desk.portreeve.made(&container);
    let grace = spec.stop_grace.map_or(GRACE, |seconds| Duration::from_secs(seconds.into()));
    if gently && made || !made && desk.portreeve.started(&container) {
        gone_is_well(desk.portreeve.stop(name, grace).await)?;
    }
    if made { gone_is_well(desk.portreeve.remove(name, true).await) } else { Ok(()) }
}

/// What another call took away meanwhile is not left behind.
fn gone_is_well<T>(done: Result<T, Error>) -> Result<(), Error> {
    match done {
        Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    fn spec(words: &[&str]) -> Result<ContainerSpec, Failure> {
        let arguments = Arguments::try_parse_from(["portreeve", "run"].iter().chain(words)).unwrap();
        let Command::Run(run) = arguments.command else { panic!("a run") };
        run.spec()
    }

    #[test]
    fn words_after_the_image_are_the_containers_own() {
        let spec = spec(&["--name", "a", "alpine", "--json", "-x", "--", "--rm", "sh"]).unwrap();
        assert_eq!(spec.words, ["--json", "-x", "--", "--rm", "sh"]);
        assert!(!spec.remove);
    }

    #[test]
    fn an_unknown_option_before_the_image_is_no_image() {
        let error = Arguments::try_parse_from(["portreeve", "run", "--bogus", "alpine"]).unwrap_err();
        assert!(error.to_string().contains("unexpected argument '--bogus'"), "{error}");
        assert!(Arguments::try_parse_from(["portreeve", "run", "-d"]).is_err());
    }

    #[test]
    fn dockers_options_become_a_spec() {
        let words = "--rm --name web -p 8080:80 -v /srv:/data:ro -e A=1 -e B=2 -e A=3 --gpus all -m 512m --cpus 1.5 --pids-limit 9 \
                     --network none -w /x -u 1:2 --entrypoint /bin/sh --label k=v --read-only --tmpfs /tmp --stop-timeout 3 \
                     --pull=missing alpine:3 -c true";
        let spec = spec(&words.split_whitespace().collect::<Vec<_>>()).unwrap();
        insta::assert_debug_snapshot!("spec", spec);
    }

    #[test]
    fn of_named_networks_there_may_be_several() {
        let both = spec(&["--network", "back", "--net", "front", "alpine"]).unwrap();
        assert_eq!(both.network, Some(NetworkMode::Named("back".parse().unwrap())));
        assert_eq!(both.further_networks.iter().map(Name::as_str).collect::<Vec<_>>(), ["front"]);
        for words in
            [["--network", "none", "--network", "back", "alpine"], ["--network", "back", "--network", "host", "alpine"]]
        {
            assert!(
                matches!(spec(&words), Err(Failure::Usage(why)) if why.contains("with no other network")),
                "{words:?}"
            );
        }
    }

    #[test]
    fn a_name_is_made_up_where_none_is_given() {
        assert!(spec(&["alpine"]).unwrap().name.as_str().split('-').count() == 3);
    }

    #[test]
    fn what_is_wrong_is_a_wrong_argument() {
        for words in
            [&["UPPER"][..], &["--secret", "T=value", "alpine"], &["-v", "x", "alpine"], &["-e", "1", "alpine"]]
        {
            assert_eq!(spec(words).unwrap_err().status().code(), 2, "{words:?}");
        }
        for words in [["--pull", "always"], ["--rm", "--restart=no"], ["-p", "x"], ["--pids-limit", "0"]] {
            let all = ["portreeve", "run"].into_iter().chain(words).chain(["alpine"]);
            assert_eq!(Arguments::try_parse_from(all).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
