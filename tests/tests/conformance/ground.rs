//! Where behaviours are tried: an engine, a folder of its user's, and how a host is pointed at it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use portreeve::{BackendSource, Portreeve, PortreeveBuilder};
use portreeve_tests::engines::{Answer, Engine};

/// An engine to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The rehearsal engine, called `podman`.
    RehearsalPodman,
    /// The rehearsal engine, called `docker`.
    RehearsalDocker,
    /// The rehearsal engine, called `docker` and Podman in truth.
    RehearsalMasquerade,
    /// A real one.
    Real(Engine),
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::RehearsalPodman,
        Self::RehearsalDocker,
        Self::RehearsalMasquerade,
        Self::Real(Engine::PodmanRoot),
        Self::Real(Engine::PodmanRootless),
        Self::Real(Engine::Docker),
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RehearsalPodman => "rehearsal-podman",
            Self::RehearsalDocker => "rehearsal-docker",
            Self::RehearsalMasquerade => "rehearsal-masquerade",
            Self::Real(engine) => engine.name(),
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The backend that drives it.
    pub(crate) const fn backend(self) -> &'static str {
        match self {
            Self::RehearsalPodman => "podman",
            Self::RehearsalDocker | Self::RehearsalMasquerade => "docker",
            Self::Real(engine) => engine.backend(),
        }
    }

    pub(crate) fn is_podman(self) -> bool {
        self.backend() == "podman"
    }

    pub(crate) const fn is_real(self) -> bool {
        matches!(self, Self::Real(_))
    }

    pub(crate) fn is_rootless(self) -> bool {
        self == Self::Real(Engine::PodmanRootless)
    }
}

/// An engine and a folder. The same in every process that takes part.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    pub(crate) folder: PathBuf,
}

impl Ground {
    pub(crate) fn new(kind: Kind, folder: &Path) -> Self {
        let ground = Self { kind, folder: folder.to_owned() };
        if !kind.is_real() {
            ground.prepare_rehearsal();
        }
        ground
    }

    /// Puts this very program in the engine's place, in a folder that only its user can write. A copy of this ground's own:
    /// a link that another ground makes or removes would change the file's status, which hosts look at.
    fn prepare_rehearsal(&self) {
        let own = std::env::current_exe().unwrap();
        fs::create_dir_all(self.rehearsal()).unwrap();
        let [podman, docker] = ["podman", "docker"].map(|name| self.folder.join(name));
        if !podman.exists() {
            fs::copy(&own, &podman).unwrap();
            // A link by name would show whose it is.
            fs::hard_link(&podman, &docker).unwrap();
        }
        if self.kind == Kind::RehearsalMasquerade {
            self.rehearse("mode", "masquerade");
        }
    }

    /// The rehearsal engine's state.
    pub(crate) fn rehearsal(&self) -> PathBuf {
        self.folder.join("rehearsal")
    }

    /// Tells the rehearsal engine how to be, or how to misbehave.
    pub(crate) fn rehearse(&self, file: &str, words: &str) {
        fs::write(self.rehearsal().join(file), words).unwrap();
    }

    /// A folder with a socket that stands for a daemon's; nobody listens.
    pub(crate) fn login(&self) -> PathBuf {
        let folder = self.folder.join("login");
        let path = folder.join("docker.sock");
        if !path.exists() {
            fs::create_dir_all(&folder).unwrap();
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        }
        folder
    }

    /// A host on this engine alone.
    pub(crate) fn builder(&self, state: &Path) -> PortreeveBuilder {
        if self.kind.is_real() {
            return Portreeve::builder().state_dir(state).prefer(self.kind.backend());
        }
        let backend = self.kind.backend();
        self.builder_with(backend, &self.folder.join(backend), &self.login(), state)
    }

    /// A host whose only backend has this program, and looks for its daemon's socket in this folder.
    pub(crate) fn builder_with(&self, backend: &str, program: &Path, login: &Path, state: &Path) -> PortreeveBuilder {
        let builder = Portreeve::builder().state_dir(state).backend(with_program(backend, program));
        let builder = if backend == "docker" { builder.variable("XDG_RUNTIME_DIR", text(login)) } else { builder };
        if self.kind.is_real() {
            return builder;
        }
        builder.variable(portreeve_rehearsal::VARIABLE, text(&self.rehearsal()))
    }

    /// The engine's own client: the truth.
    pub(crate) fn client(&self) -> Command {
        if let Kind::Real(engine) = self.kind {
            return engine.client();
        }
        let mut command = Command::new(self.folder.join(self.kind.backend()));
        command.env_clear().env(portreeve_rehearsal::VARIABLE, self.rehearsal()).env(BY_HAND, "1");
        command.stdin(Stdio::null());
        command
    }

    /// Runs the engine's own client to its end.
    pub(crate) fn ask(&self, words: &[&str]) -> Answer {
        // A client lives too briefly for its collector of garbage to be worth its time.
        self.client().env("GOGC", "off").args(words).output().unwrap().into()
    }
}

/// Marks what a test runs by itself among the calls that the rehearsal engine notes.
pub(crate) const BY_HAND: &str = "BY_HAND";

/// A backend of this build, with the grant that an operator would give it for an engine in another place.
pub(crate) fn with_program(backend: &str, program: &Path) -> BackendSource {
    let variables = ["PORTREEVE_REHEARSAL"];
    // Only the one that has such a program can be given another.
    let given = |source: BackendSource| source.with_program(backend, program, &variables).ok();
    BackendSource::embedded().into_iter().find_map(given).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
