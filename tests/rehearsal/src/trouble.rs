//! What can go wrong, apart from how an engine says it: the words and exit statuses are the dialects'.

use std::io;

use crate::registry::Fetch;

/// Why a command fails.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The command line can't be read.
    Usage(String),
    UnknownCommand(String),
    /// A flag's value makes no sense to the engine.
    Invalid(String),
    BadName(String),
    NameTaken {
        name: String,
        id: String,
    },
    NoSuchContainer(String),
    NoSuchImage(String),
    NoSource(String),
    NoRuntime(String),
    /// `kill` of what does not run.
    NotRunning {
        typed: String,
        phase: &'static str,
    },
    /// `exec` in what does not run.
    NotExecutable,
    /// `exec` of what is not there.
    NoProgram(String),
    /// `cp` of what is not there, or to where nothing can be.
    NoPath {
        path: String,
        id: String,
    },
    /// `rm` without force of what runs.
    Running {
        id: String,
    },
    ImageInUse {
        image: String,
        container: String,
    },
    ManyTags {
        id: String,
        tags: String,
    },
    /// `start` failed, for this reason.
    Start {
        id: String,
        name: String,
        reason: StartTrouble,
    },
    Pull {
        reference: String,
        fetch: Fetch,
    },
    NoSuchVolume(String),
    /// A container is on a network already.
    OnNetwork {
        container: String,
        network: String,
    },
    /// The beginning of more names than one.
    ManyVolumes(String),
    VolumeTaken(String),
    BadVolumeName(String),
    VolumeInUse {
        name: String,
        users: Vec<String>,
    },
    NoSuchPod(String),
    PodTaken(String),
    NoSuchNetwork(String),
    NetworkTaken(String),
    NetworkInUse {
        name: String,
        id: String,
    },
    /// The daemon does not answer, or namespaces can't be made.
    Down,
    /// The daemon's socket refuses this user.
    Refused,
    /// The state directory fails.
    Io(io::Error),
}

/// Why a container does not start.
#[derive(Debug)]
pub(crate) enum StartTrouble {
    PortTaken {
        address: String,
        port: u16,
    },
    NoCommand(String),
    NoDevice(String),
    NoUser(String),
    /// The container whose network it shares does not run.
    NoNetwork(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
