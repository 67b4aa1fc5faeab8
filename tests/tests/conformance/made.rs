//! GPUs that are none: nodes in `/dev`, a CDI spec, and a Docker daemon whose toolkit hook is a small script. Made by root
//! for a second pass of the suite, and taken away after it; suites that run side by side take turns.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, makedev, mknodat};

/// Names a folder with the socket of the daemon, for the processes of the second pass.
pub(crate) const VARIABLE: &str = "PORTREEVE_TEST_GPUS";

const LOCK: &str = "/run/lock/portreeve-made-gpus";
const SPECS: &str = "/etc/cdi";
const SPEC: &str = "/etc/cdi/portreeve-made.yaml";
/// Name and number of each node. The kernel's own major number of NVIDIA's, and one that is commonly unified memory's.
const NODES: [(&str, u32, u32); 5] = [
    ("/dev/nvidia0", 195, 0),
    ("/dev/nvidia1", 195, 1),
    ("/dev/nvidia2", 195, 2),
    ("/dev/nvidiactl", 195, 255),
    ("/dev/nvidia-uvm", 511, 0),
];

/// Three GPUs. What is called `2` brings `1` with it: such a spec is found out.
const SPEC_TEXT: &str = r#"cdiVersion: "0.5.0"
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits: {deviceNodes: [{path: /dev/nvidia0}]}
- name: "1"
  containerEdits: {deviceNodes: [{path: /dev/nvidia1}]}
- name: "2"
  containerEdits: {deviceNodes: [{path: /dev/nvidia2}, {path: /dev/nvidia1}]}
- name: all
  containerEdits: {deviceNodes: [{path: /dev/nvidia0}, {path: /dev/nvidia1}, {path: /dev/nvidia2}]}
containerEdits:
  env: [NVIDIA_VISIBLE_DEVICES=void]
  deviceNodes: [{path: /dev/nvidiactl}]
"#;

/// Stands for the hook of NVIDIA's toolkit: it makes the nodes that the variable of Docker's device request names.
const HOOK: &str = r#"#!/bin/sh
set -eu
value() { sed -n "s/.*$1.*/\1/p" | head -1; }
state=$(cat)
pid=$(printf %s "$state" | value '"pid":\([0-9]*\)')
bundle=$(printf %s "$state" | value '"bundle":"\([^"]*\)"')
root=$(value '"root":{"path":"\([^"]*\)"' < "$bundle/config.json")
wanted=$(value '"NVIDIA_VISIBLE_DEVICES=\([^"]*\)"' < "$bundle/config.json")
case "$wanted" in all) wanted=0,1,2 ;; 2) wanted=2,1 ;; esac
for gpu in $(printf %s "$wanted" | tr , ' '); do
    nsenter --target "$pid" --mount mknod -m 666 "$root/dev/nvidia$gpu" c 195 "$gpu"
done
nsenter --target "$pid" --mount mknod -m 666 "$root/dev/nvidiactl" c 195 255
"#;

/// Made GPUs, until they are dropped.
pub(crate) struct Made {
    specs_were_there: bool,
    daemon: Option<Daemon>,
    /// Held until the rest is gone.
    _lock: File,
}

impl Made {
    /// Makes them, once nobody else has any; or says why not.
    pub(crate) fn make() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make device nodes".to_owned());
        }
        let lock = File::options().create(true).append(true).open(LOCK).map_err(|error| format!("{LOCK}: {error}"))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| format!("{LOCK}: {error}"))?;
        if Path::new(SPEC).exists() {
            // Left by one that was killed.
            clear();
        }
        if Path::new("/dev/nvidiactl").exists() {
            return Err("this machine has GPUs of its own".to_owned());
        }
        let specs_were_there = Path::new(SPECS).exists();
        let mut made = Self { specs_were_there, daemon: None, _lock: lock };
        fs::create_dir_all(SPECS).and_then(|()| fs::write(SPEC, SPEC_TEXT)).map_err(|error| error.to_string())?;
        for (path, major, minor) in NODES {
            node(path, major, minor).map_err(|error| format!("{path}: {error}"))?;
        }
        made.daemon = Daemon::start().inspect_err(|why| println!("NOT TESTED: GPUs on docker, for {why}")).ok();
        Ok(made)
    }

    /// The folder with the daemon's socket, where there is one.
    pub(crate) fn login(&self) -> Option<&Path> {
        self.daemon.as_ref().map(|daemon| daemon.folder.as_path())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.daemon = None;
        clear();
        if !self.specs_were_there {
            // Somebody else may have put something there meanwhile.
            let _not_empty = fs::remove_dir(SPECS);
        }
    }
}

fn clear() {
    for (path, ..) in NODES {
        let _absent = fs::remove_file(path);
    }
    let _absent = fs::remove_file(SPEC);
}

fn node(path: &str, major: u32, minor: u32) -> std::io::Result<()> {
    mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
}

/// The bridge of that daemon; nothing is ever attached to it.
const BRIDGE: &str = "pr-made-gpus";

fn bridge(words: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").arg("link").args(words).output().map_err(|error| format!("ip: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    // One that was killed left its own.
    if output.status.success() || said.contains("File exists") { Ok(()) } else { Err(format!("ip link: {said}")) }
}

/// A Docker daemon of our own: one looks for the hook when it starts, and the machine's own has long been started.
struct Daemon {
    child: Child,
    folder: PathBuf,
    data: PathBuf,
}

impl Daemon {
    fn start() -> Result<Self, String> {
        let name = portreeve_tests::engines::unique("gpus");
        let (folder, data) = (PathBuf::from(format!("/run/pr-{name}")), PathBuf::from(format!("/var/lib/pr-{name}")));
        let wrong = |error: std::io::Error| error.to_string();
        fs::create_dir_all(folder.join("bin")).map_err(wrong)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(wrong)?;
        let hook = folder.join("bin/nvidia-container-runtime-hook");
        File::create(&hook).and_then(|mut file| file.write_all(HOOK.as_bytes())).map_err(wrong)?;
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
        let at = |option: &str, path: &Path| format!("--{option}={}", path.display());
        let socket = folder.join("docker.sock");
        let (log, config) = (File::create(folder.join("log")).map_err(wrong)?, folder.join("daemon.json"));
        // The machine's own configuration is for the machine's own daemon.
        fs::write(&config, "{}").map_err(wrong)?;
        let mut command = Command::new("/usr/sbin/dockerd");
        command.env("PATH", format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", folder.display()));
        command.arg(format!("--host=unix://{}", socket.display())).arg(at("config-file", &config));
        command.args([
            at("data-root", &data),
            at("exec-root", &folder.join("exec")),
            at("pidfile", &folder.join("pid")),
        ]);
        // A daemon without a bridge takes away `docker0`, which is the machine's own daemon's.
        bridge(&["add", BRIDGE, "type", "bridge"])?;
        command.arg(format!("--bridge={BRIDGE}"));
        command.args(["--iptables=false", "--ip-forward=false", "--ip-masq=false", "--group=root"]);
        command
            .args([format!("--containerd-namespace={name}"), format!("--containerd-plugins-namespace={name}-plugins")]);
        command.arg("--add-runtime=nvidia=runc").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().map_err(wrong)?;
        let daemon = Self { child, folder, data };
        daemon.answers(&socket)?;
        Ok(daemon)
    }

    fn answers(&self, socket: &Path) -> Result<(), String> {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let mut client = Command::new("/usr/bin/docker");
            client.env_clear().env("HOME", "/root").arg(format!("--host=unix://{}", socket.display())).arg("version");
            if client.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("dockerd does not answer: {}", log.lines().next_back().unwrap_or_default()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            // It ends its containers and its containerd; killed, it would leave them.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _status = self.child.wait();
        let _absent = bridge(&["delete", BRIDGE]);
        for folder in [&self.folder, &self.data] {
            if let Err(error) = fs::remove_dir_all(folder) {
                eprintln!("{}: {error}", folder.display());
            }
        }
    }
}
