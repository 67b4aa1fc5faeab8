//! A Docker daemon of a test's own, beside the machine's: one that may be taught, starved and killed.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long a daemon may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a daemon is started.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// A word for its folders and its bridge: at most eleven characters.
    pub name: &'a str,
    /// Scripts that it finds before all others, by their names.
    pub programs: &'a [(&'a str, &'a str)],
    /// Further runtimes, as `NAME=PROGRAM`.
    pub runtimes: &'a [&'a str],
    /// Its images and containers are on a disk of this size in memory, as mount(8) writes it.
    pub disk: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// One like any other.
    #[must_use]
    pub const fn named(name: &'a str) -> Self {
        Self { name, programs: &[], runtimes: &[], disk: None }
    }
}

/// A running daemon. It is gone when it is dropped, with all that it made.
#[derive(Debug)]
pub struct Daemon {
    child: Option<Child>,
    name: String,
    bridge: String,
    folder: PathBuf,
    data: PathBuf,
    runtimes: Vec<String>,
}

impl Daemon {
    /// Starts one, and waits until it answers.
    ///
    /// # Errors
    /// Why there is none: it takes root, Docker, and iproute2.
    pub fn start(options: &Options<'_>) -> Result<Self, String> {
        let name = crate::engines::unique(options.name);
        let mut daemon = Self {
            child: None,
            bridge: format!("pr-{}", options.name),
            folder: PathBuf::from(format!("/run/pr-{name}")),
            data: PathBuf::from(format!("/var/lib/pr-{name}")),
            runtimes: options.runtimes.iter().map(|runtime| format!("--add-runtime={runtime}")).collect(),
            name,
        };
        daemon.prepare(options)?;
        daemon.start_again()?;
        Ok(daemon)
    }

    /// The folder of its socket, `docker.sock`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its client, without a shell's environment.
    #[must_use]
    pub fn client(&self) -> Command {
        let mut client = Command::new("/usr/bin/docker");
        client.env_clear().env("HOME", "/root").env("LC_ALL", "C").stdin(Stdio::null());
        client.arg(format!("--host=unix://{}", self.folder.join("docker.sock").display()));
        client
    }

    /// The number of its process, to be killed by.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.child.as_ref().and_then(|child| Pid::from_raw(child.id().cast_signed()))
    }

    /// Starts it once more, after it was killed.
    ///
    /// # Errors
    /// It does not start, or does not answer.
    pub fn start_again(&mut self) -> Result<(), String> {
        if let Some(mut child) = self.child.take() {
            child.wait().map_err(|error| error.to_string())?;
        }
        for stale in ["pid", "exec/containerd/containerd.pid"] {
            // Where nobody reaps what was killed, its number would still count as that of a running one.
            let _absent = fs::remove_file(self.folder.join(stale));
        }
        self.child = Some(self.command()?.spawn().map_err(|error| format!("dockerd: {error}"))?);
        self.answers()
    }

    fn prepare(&self, options: &Options<'_>) -> Result<(), String> {
        let wrong = |error: io::Error| error.to_string();
        fs::create_dir_all(self.folder.join("bin")).map_err(wrong)?;
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o700)).map_err(wrong)?;
        for (name, script) in options.programs {
            let program = self.folder.join("bin").join(name);
            fs::write(&program, script).map_err(wrong)?;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
        }
        // The machine's own configuration is for the machine's own daemon.
        fs::write(self.folder.join("daemon.json"), "{}").map_err(wrong)?;
        fs::create_dir_all(&self.data).map_err(wrong)?;
        if let Some(size) = options.disk {
            let words = ["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"].map(str::to_owned);
            run(Command::new("mount").args(words).arg(&self.data))?;
        }
        // A daemon without a bridge takes away `docker0`, which is the machine's own daemon's.
        run(Command::new("ip").args(["link", "add", &self.bridge, "type", "bridge"]))
    }

    fn command(&self) -> Result<Command, String> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"));
        let at = |option: &str, name: &str| format!("--{option}={}", self.folder.join(name).display());
        let mut command = Command::new("/usr/sbin/dockerd");
        command.env("PATH", format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", self.folder.display()));
        command.arg(format!("--host=unix://{}", self.folder.join("docker.sock").display()));
        command.args([at("config-file", "daemon.json"), at("exec-root", "exec"), at("pidfile", "pid")]);
        command.arg(format!("--data-root={}", self.data.display())).arg(format!("--bridge={}", self.bridge));
        command.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false", "--group=root"]);
        command.arg(format!("--containerd-namespace={}", self.name));
        command.arg(format!("--containerd-plugins-namespace={}-plugins", self.name)).args(&self.runtimes);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.map_err(|error| error.to_string())?);
        Ok(command)
    }

    fn answers(&self) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut client = self.client();
            client.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
            if client.status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("dockerd does not answer: {}", log.lines().next_back().unwrap_or_default()))
    }

    /// What a daemon that was killed left running: its own containerd, and what holds its containers.
    fn end_the_rest(&self) {
        let own = self.folder.join("exec");
        let belongs = |pid: &str| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).any(|word| Path::new(&*String::from_utf8_lossy(word)).starts_with(&own))
        };
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|pid| belongs(pid)).and_then(|pid| pid.parse().ok()) else { continue };
            let _gone = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

/// The last of them first.
fn mounts_below(folders: &[&PathBuf]) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let places = mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).map(PathBuf::from);
    places.filter(|place| folders.iter().any(|folder| place.starts_with(folder))).collect()
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // A bridge that one that was killed left.
    if output.status.success() || said.contains("File exists") { Ok(()) } else { Err(said) }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It ends its containers and its containerd; killed, it would leave them.
        let _gone = self.pid().map(|pid| kill_process(pid, Signal::TERM));
        let _status = self.child.as_mut().map(Child::wait);
        self.end_the_rest();
        let _absent = run(Command::new("ip").args(["link", "delete", &self.bridge]));
        // What a daemon mounts in its folders and can't take away once it was killed; the disk.
        for mounted in mounts_below(&[&self.folder, &self.data]) {
            let _absent = run(Command::new("umount").arg("--lazy").arg(mounted));
        }
        for folder in [&self.folder, &self.data] {
            if let Err(error) = fs::remove_dir_all(folder) {
                eprintln!("{}: {error}", folder.display());
            }
        }
    }
}
