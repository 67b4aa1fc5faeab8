//! The real engines of this machine, each as a user that tests can run as.
//!
//! `.ci/engines start` installs and starts all three. Where one is missing, tests leave it out and say so; where
//! `PORTREEVE_TEST_ENGINES` names it, as in CI, that is a failure instead.
//!
//! Podman without root needs an ordinary user. A test process that is root uses the account [`TEST_USER`]: what it
//! starts by [`Engine::command`] runs as that user, in an environment made from nothing.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The ordinary user that CI makes for Podman without root.
pub const TEST_USER: &str = "portreeve-ci";

/// The socket at which Docker is expected.
pub const DOCKER_SOCKET: &str = "/run/docker.sock";

/// The variable that names, separated by spaces, the engines that must be there.
pub const REQUIRED: &str = "PORTREEVE_TEST_ENGINES";

/// What an engine's client finds its own helpers by.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long an engine may take to show that it works: a first start makes its storage.
const PATIENCE: Duration = Duration::from_secs(60);

/// A real engine, as one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Podman as root.
    PodmanRoot,
    /// Podman as an ordinary user.
    PodmanRootless,
    /// Docker's daemon at [`DOCKER_SOCKET`], as root.
    Docker,
}

impl Engine {
    /// Every engine that tests know.
    pub const ALL: [Self; 3] = [Self::PodmanRoot, Self::PodmanRootless, Self::Docker];

    /// The engines that work here; for each other one, the reason is printed.
    ///
    /// # Panics
    /// An engine that `PORTREEVE_TEST_ENGINES` names does not work.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::ALL.into_iter().filter(|engine| engine.works_or_is_left_out()).collect()
    }

    /// `podman-root`, `podman-rootless` or `docker`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PodmanRoot => "podman-root",
            Self::PodmanRootless => "podman-rootless",
            Self::Docker => "docker",
        }
    }

    /// The name of the backend that drives it.
    #[must_use]
    pub const fn backend(self) -> &'static str {
        match self {
            Self::PodmanRoot | Self::PodmanRootless => "podman",
            Self::Docker => "docker",
        }
    }

    /// Why tests can't use it; none if they can. Found out once.
    #[must_use]
    pub fn skip_reason(self) -> Option<&'static str> {
        static REASONS: [OnceLock<Option<String>>; 3] = [const { OnceLock::new() }; 3];
        let reason = REASONS.get(self as usize)?;
        reason.get_or_init(|| self.probe().err()).as_deref()
    }

    /// A command that runs as the engine's user, with an environment of `PATH`, `HOME`, `LC_ALL` and, without root,
    /// `XDG_RUNTIME_DIR`, in the user's home, without input.
    ///
    /// # Panics
    /// The engine can't be used at all: see [`Engine::skip_reason`].
    #[must_use]
    pub fn command(self, program: impl AsRef<OsStr>) -> Command {
        self.account().unwrap_or_else(|why| panic!("{}: {why}", self.name())).command(program)
    }

    /// The engine's own client, by its absolute path and at its socket, without a shell's environment: what a test asks
    /// when it wants to know the truth.
    #[must_use]
    pub fn client(self) -> Command {
        match self {
            Self::PodmanRoot | Self::PodmanRootless => self.command("/usr/bin/podman"),
            Self::Docker => {
                let mut docker = self.command("/usr/bin/docker");
                docker.arg(format!("--host=unix://{DOCKER_SOCKET}"));
                docker
            }
        }
    }

    /// Runs the engine's own client to its end.
    ///
    /// # Panics
    /// It can't be started.
    #[must_use]
    pub fn ask(self, words: &[&str]) -> Answer {
        let output = self.client().args(words).output();
        Answer::from(output.unwrap_or_else(|error| panic!("{}: {error}", self.name())))
    }

    /// What a `create` or `run` by hand needs on this machine besides its own words: a runtime that works under
    /// the machine's cgroups, and process limits within those of the test itself.
    #[must_use]
    pub fn create_flags(self) -> Vec<String> {
        let runtime = Path::new("/usr/sbin/runc").exists().then(|| "--runtime=runc".to_owned());
        let limits = || limits().into_iter().map(|(name, limit)| format!("--ulimit={name}={limit}:{limit}"));
        match self {
            Self::PodmanRoot => runtime.into_iter().chain(limits()).collect(),
            Self::PodmanRootless => runtime.into_iter().collect(),
            Self::Docker => Vec::new(),
        }
    }

    /// What a `pull` by hand needs for a registry that speaks plain HTTP on a loopback port.
    #[must_use]
    pub const fn pull_flags(self) -> &'static [&'static str] {
        match self {
            Self::PodmanRoot | Self::PodmanRootless => &["--tls-verify=false"],
            Self::Docker => &[],
        }
    }

    /// A new folder that belongs to the engine's user, mode 700, gone when it is dropped.
    ///
    /// # Errors
    /// It can't be made.
    pub fn folder(self) -> io::Result<TempDir> {
        let account = self.account().map_err(io::Error::other)?;
        let folder = tempfile::Builder::new().prefix("portreeve-test-").tempdir_in(&account.home)?;
        chown(folder.path(), Some(account.uid), Some(account.gid))?;
        Ok(folder)
    }

    /// A copy of a program in `folder`, where the engine's user can reach it although the checkout may lie in another
    /// user's home.
    ///
    /// # Errors
    /// It can't be copied.
    pub fn install(self, program: &Path, folder: &TempDir) -> io::Result<PathBuf> {
        let account = self.account().map_err(io::Error::other)?;
        let copy = folder.path().join(program.file_name().unwrap_or(OsStr::new("program")));
        fs::copy(program, &copy)?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
        chown(&copy, Some(account.uid), Some(account.gid))?;
        Ok(copy)
    }

    /// Removes a container by force when it is dropped, whatever became of the test.
    #[must_use]
    pub fn remove_at_end(self, name: impl Into<String>) -> Removal {
        Removal { engine: self, name: name.into() }
    }

    fn works_or_is_left_out(self) -> bool {
        let Some(reason) = self.skip_reason() else { return true };
        let required = std::env::var(REQUIRED).unwrap_or_default();
        assert!(
            !required.split_whitespace().any(|name| name == self.name()),
            "{} must work here: {reason}",
            self.name()
        );
        eprintln!("\n*** {} IS NOT TESTED: {reason} (`.ci/engines start` provides it)\n", self.name());
        false
    }

    fn probe(self) -> Result<(), String> {
        self.account()?;
        let program = PathBuf::from(self.client().get_program());
        if !program.exists() {
            return Err(format!("there is no {}", program.display()));
        }
        let answer = in_time(self.client().args(self.question()))?;
        match answer.status {
            0 if self == Self::Docker && answer.stdout.trim() != "Engine" => Err("docker is not Docker".to_owned()),
            0 => Ok(()),
            status => Err(format!("its client ended with {status}: {}", answer.stderr.trim())),
        }
    }

    /// What only a working engine answers.
    const fn question(self) -> &'static [&'static str] {
        match self {
            Self::PodmanRoot | Self::PodmanRootless => &["ps", "--quiet"],
            Self::Docker => &["version", "--format", "{{(index .Server.Components 0).Name}}"],
        }
    }

    fn account(self) -> Result<Account, String> {
        let own = Account::of_this_process()?;
        match (self, own.uid) {
            (Self::PodmanRoot | Self::Docker, 0) => Ok(own),
            (Self::PodmanRoot | Self::Docker, _) => Err("the tests do not run as root".to_owned()),
            (Self::PodmanRootless, 0) => Account::named(TEST_USER),
            (Self::PodmanRootless, _) => Ok(own),
        }
    }
}

/// What an engine's client answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit status; 128 and the signal's number when a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let by_signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        let status = output.status.code().unwrap_or_else(by_signal);
        Self { status, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

/// See [`Engine::remove_at_end`].
#[derive(Debug)]
pub struct Removal {
    engine: Engine,
    name: String,
}

impl Drop for Removal {
    fn drop(&mut self) {
        let answer = self.engine.ask(&["rm", "--force", &self.name]);
        if answer.status != 0 {
            eprintln!("{} can't remove {}: {}", self.engine.name(), self.name, answer.stderr.trim());
        }
    }
}

/// A name that no other test, in this process or another, has.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{prefix}-{}-{}-{count}", since.as_millis(), std::process::id())
}

/// A user to run as.
#[derive(Clone, Debug)]
struct Account {
    uid: u32,
    gid: u32,
    home: PathBuf,
    runtime: Option<PathBuf>,
}

impl Account {
    fn of_this_process() -> Result<Self, String> {
        let uid = fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?.uid();
        Self::find(|_, candidate| candidate == uid).ok_or(format!("/etc/passwd has no user {uid}"))
    }

    fn named(name: &str) -> Result<Self, String> {
        Self::find(|candidate, _| candidate == name).ok_or(format!("there is no user {name}"))
    }

    fn find(is_it: impl Fn(&str, u32) -> bool) -> Option<Self> {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let &[name, _, uid, gid, _, home, _] = fields.as_slice() else { return None };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            is_it(name, uid).then(|| Self { uid, gid, home: home.into(), runtime: runtime_folder(uid) })
        })
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", PATH).env("HOME", &self.home).env("LC_ALL", "C");
        command.envs(self.runtime.as_ref().map(|folder| ("XDG_RUNTIME_DIR", folder)));
        command.current_dir(&self.home).stdin(Stdio::null());
        if Self::of_this_process().is_ok_and(|own| own.uid != self.uid) {
            // The standard library also gives up the supplementary groups.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }
}

fn runtime_folder(uid: u32) -> Option<PathBuf> {
    (uid != 0).then(|| PathBuf::from(format!("/run/user/{uid}")))
}

/// The hard limits of this process that Podman, as root, would otherwise ask to exceed.
fn limits() -> Vec<(&'static str, u64)> {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let hard = |title: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(title))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let named = [("nofile", hard("Max open files"), 1_048_576), ("nproc", hard("Max processes"), 32_768)];
    named.into_iter().filter_map(|(name, hard, most)| Some((name, hard?.min(most)))).collect()
}

fn in_time(command: &mut Command) -> Result<Answer, String> {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if Instant::now() > until {
            // Ended already, if it can't be killed.
            let _ = child.kill();
            return Err(format!("its client did not answer within {PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.wait_with_output().map(Answer::from).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
