//! An engine, a folder of its user's, and hosts in processes of their own: what proofs about a whole process need.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use portreeve::demo::image::{BuiltinImage, ImageOptions};
use portreeve::demo::registry::Registry;
use portreeve::{BackendSource, Portreeve, PortreeveBuilder, Reference};
use tempfile::TempDir;

use crate::engines::{Answer, Engine, unique};

/// The name of the rehearsal engine here.
pub const REHEARSAL: &str = "rehearsal";

/// An engine and a folder: the same in every process that takes part.
#[derive(Clone, Debug)]
pub struct Berth {
    engine: Option<Engine>,
    folder: PathBuf,
}

impl Berth {
    /// In a process that was started at it.
    #[must_use]
    pub fn at(name: &str, folder: &Path) -> Self {
        let engine = Engine::ALL.into_iter().find(|engine| engine.name() == name);
        Self { engine, folder: folder.to_owned() }
    }

    /// `rehearsal`, or the engine's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.engine.map_or(REHEARSAL, Engine::name)
    }

    /// The backend that drives the engine. The rehearsal engine is called `podman` here.
    #[must_use]
    pub fn backend(&self) -> &'static str {
        self.engine.map_or("podman", Engine::backend)
    }

    /// The folder of the engine's user.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The state of the host.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The state of the rehearsal engine.
    #[must_use]
    pub fn rehearsal(&self) -> PathBuf {
        self.folder.join("rehearsal")
    }

    /// The engine's client; none where it lies where its grants say.
    #[must_use]
    pub fn link(&self) -> Option<PathBuf> {
        self.engine.is_none().then(|| self.folder.join("bin/podman"))
    }

    /// A host on this engine alone.
    pub fn builder(&self) -> PortreeveBuilder {
        let builder = Portreeve::builder().state_dir(self.state());
        match self.link() {
            None => builder.prefer(self.backend()),
            Some(link) => self.rehearsed(builder, embedded(&link)),
        }
    }

    /// A host on the rehearsal engine, with another backend.
    ///
    /// # Panics
    /// The grants name no program `podman`, or this is a real engine.
    pub fn builder_with(&self, source: BackendSource) -> PortreeveBuilder {
        let link = self.link().expect("only the rehearsal engine is driven by other backends");
        let source = source.with_program("podman", &link, &[portreeve_rehearsal::VARIABLE]).unwrap();
        self.rehearsed(Portreeve::builder().state_dir(self.state()), source)
    }

    fn rehearsed(&self, builder: PortreeveBuilder, source: BackendSource) -> PortreeveBuilder {
        let state = self.rehearsal().to_string_lossy().into_owned();
        builder.backend(source).variable(portreeve_rehearsal::VARIABLE, state)
    }

    /// A program as the engine's user, in an environment made from nothing.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        if let Some(engine) = self.engine {
            return engine.command(program);
        }
        let mut command = Command::new(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", &self.folder).env("LC_ALL", "C");
        command.env(portreeve_rehearsal::VARIABLE, self.rehearsal()).stdin(Stdio::null());
        command
    }

    /// The engine's own client.
    #[must_use]
    pub fn client(&self) -> Command {
        match (self.engine, self.link()) {
            (Some(engine), _) => engine.client(),
            (None, link) => self.command(link.unwrap_or_default()),
        }
    }

    /// Runs the engine's own client to its end.
    ///
    /// # Panics
    /// It can't be started.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> Answer {
        self.client().args(words).output().unwrap().into()
    }
}

/// A [`Berth`] with what belongs to it: its folder, this program where the engine's user can reach it, and a registry
/// with one image that no engine has seen. All of it is gone when it is dropped.
pub struct Harbour {
    berth: Berth,
    program: PathBuf,
    registry: Registry,
    image: BuiltinImage,
    repository: String,
    _folder: TempDir,
}

impl Harbour {
    /// Opens one at an engine, or at the rehearsal engine.
    ///
    /// # Errors
    /// Its folder can't be made, or the registry can't listen.
    pub async fn open(engine: Option<Engine>) -> io::Result<Self> {
        let own = std::env::current_exe()?;
        let (folder, program) = match engine {
            Some(engine) => {
                let folder = engine.folder()?;
                let program = engine.install(&own, &folder)?;
                (folder, program)
            }
            None => (rehearsal_folder(&own)?, own),
        };
        let berth = Berth { engine, folder: folder.path().to_owned() };
        let repository = unique("voyage");
        let options = ImageOptions {
            files: [("nonce".to_owned(), repository.clone().into_bytes())].into(),
            ..ImageOptions::default()
        };
        let (image, registry) = (BuiltinImage::build(&options)?, Registry::start().await?);
        registry.publish(&repository, "latest", &image);
        Ok(Self { berth, program, registry, image, repository, _folder: folder })
    }

    /// The engine and the folder.
    #[must_use]
    pub fn berth(&self) -> &Berth {
        &self.berth
    }

    /// This program, where the engine's user can reach it.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The image, by the digest of its index.
    ///
    /// # Panics
    /// Never: the registry names it well.
    #[must_use]
    pub fn reference(&self) -> Reference {
        self.registry.reference(&self.repository, &self.image.index()).parse().unwrap()
    }

    /// A name for a container that is removed when this is dropped.
    #[must_use]
    pub fn container(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.repository)
    }

    /// The words that start a role of [`crate::voyage`] here.
    #[must_use]
    pub fn role(&self, role: &str, words: &[&str]) -> Vec<String> {
        let reference = self.reference().to_string();
        let folder = self.berth.folder.display().to_string();
        let fixed = [role, self.berth.name(), &folder, &reference];
        fixed.iter().chain(words).map(ToString::to_string).collect()
    }

    /// Plays a role in a process of its own, and gives what it said last.
    ///
    /// # Panics
    /// It failed.
    #[must_use]
    pub fn play(&self, role: &str, words: &[&str]) -> String {
        let output = self.berth.command(&self.program).args(self.role(role, words)).output().unwrap();
        said(role, &output)
    }
}

/// What a process said on its standard output.
///
/// # Panics
/// It failed.
#[must_use]
pub fn said(what: &str, output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{what}: {}: {}{}", output.status, text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

impl Drop for Harbour {
    /// Removes the containers that were made from the image, and the image.
    fn drop(&mut self) {
        let id = self.image.config().to_string().trim_start_matches("sha256:").to_owned();
        let made =
            self.berth.ask(&["ps", "--all", "--quiet", "--no-trunc", &format!("--filter=name={}", self.repository)]);
        for container in made.stdout.lines() {
            let _gone = self.berth.ask(&["rm", "--force", container]);
        }
        // It may never have been pulled.
        let _gone = self.berth.ask(&["rmi", "--force", &id]);
    }
}

/// This very program, as an engine that finds its state in the same folder.
fn rehearsal_folder(own: &Path) -> io::Result<TempDir> {
    // Beside the build: on the same file system, and no folder of everybody's.
    let folder = tempfile::Builder::new().prefix("voyage-").tempdir_in(own.parent().unwrap_or(Path::new("/tmp")))?;
    fs::create_dir_all(folder.path().join("bin"))?;
    fs::create_dir_all(folder.path().join("rehearsal"))?;
    let link = folder.path().join("bin/podman");
    fs::hard_link(own, &link).or_else(|_| fs::copy(own, &link).map(drop))?;
    Ok(folder)
}

/// The backend of this build that drives `podman`, with another program in its place.
fn embedded(link: &Path) -> BackendSource {
    let variables = &[portreeve_rehearsal::VARIABLE];
    let mut adapted =
        BackendSource::embedded().into_iter().filter_map(|source| source.with_program("podman", link, variables).ok());
    adapted.next().expect("the backend podman is part of this build")
}
