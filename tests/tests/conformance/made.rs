//! GPUs that are none: nodes in `/dev`, a CDI spec, and a Docker daemon whose toolkit hook is a small script. Made by root
//! for a second pass of the suite, and taken away after it; suites that run side by side take turns.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use portreeve_tests::daemon::{self, Daemon};
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
        made.daemon = start_daemon().inspect_err(|why| println!("NOT TESTED: GPUs on docker, for {why}")).ok();
        Ok(made)
    }

    /// The folder with the daemon's socket, where there is one.
    pub(crate) fn login(&self) -> Option<&Path> {
        self.daemon.as_ref().map(Daemon::folder)
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

/// A daemon looks for the hook when it starts, and the machine's own has long been started.
fn start_daemon() -> Result<Daemon, String> {
    let options = daemon::Options { runtimes: &["nvidia=runc"], ..daemon::Options::named("gpus") };
    let hook = ("nvidia-container-runtime-hook", HOOK);
    Daemon::start(&daemon::Options { programs: &[hook], ..options })
}
