//! Which compose file is read, and with what: where it is found, its variables, its profiles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use portreeve::Error;
use portreeve::compose::{Finding, Inputs, Project};

use crate::cli::exit::Failure;
use crate::cli::text;

/// The largest file that is read, in bytes.
pub(super) const FILE_MAX: u64 = 1 << 20;
/// Names that are looked for where no file is named, the preferred first.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// What docker reads on top of these.
const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"];

/// Which file, and what it is read with.
#[derive(Debug, Clone, Args)]
pub(super) struct Source {
    /// The project's name; otherwise the file's, or its folder's
    #[arg(long, short, value_name = "NAME")]
    pub(super) project_name: Option<String>,
    /// Bring the services of this profile too
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
}

/// The same, where it stands before the command.
#[derive(Debug, Args)]
pub(super) struct SourceBefore {
    /// The project's name
    #[arg(long = "project-name", short = 'p', id = "project-before", value_name = "NAME")]
    pub(super) project_name: Option<String>,
    /// Bring the services of this profile too
    #[arg(long = "profile", id = "profile-before", value_name = "NAME")]
    profile: Vec<String>,
}

/// A compose file, and what it was read as.
pub(super) struct Loaded {
    pub(super) file: String,
    pub(super) project: Project,
}

/// A variable that compose itself goes by, where it is set.
fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Source {
    pub(super) fn add(&mut self, before: SourceBefore) {
        self.project_name = self.project_name.take().or(before.project_name);
        self.profile.extend(before.profile);
    }

    /// The profiles that were asked for, or those of the environment.
    fn profiles(&self) -> Vec<String> {
        if !self.profile.is_empty() {
            return self.profile.clone();
        }
        let all = set("COMPOSE_PROFILES").unwrap_or_default();
        all.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn load(&self, file: Option<&Path>) -> Result<Loaded, Failure> {
        let (file, read) = self.read(file)?;
        let project = read.map_err(|finding| Error::Config(line(&file, &finding)))?;
        Ok(Loaded { file, project })
    }

    /// The same, or the bare project that is named, where no file is and none is here: its containers tell the rest.
    pub(super) fn load_or_name(&self, file: Option<&Path>) -> Result<Loaded, Failure> {
        let name = self.name().filter(|_| file.is_none() && set("COMPOSE_FILE").is_none() && here().is_none());
        match name {
            Some(name) => Ok(Loaded { file: format!("the project {name}"), project: Project::of_name(&name)? }),
            None => self.load(file),
        }
    }

    fn name(&self) -> Option<String> {
        self.project_name.clone().or_else(|| set("COMPOSE_PROJECT_NAME"))
    }

    /// The file's name, and what was read or why nothing was.
    pub(super) fn read(&self, file: Option<&Path>) -> Result<(String, Result<Project, Finding>), Failure> {
        let file = file.map_or_else(found, |file| Ok(file.to_owned()))?;
        let shown = file.display().to_string();
        let text = text::of_file(&file, FILE_MAX)?;
        let absolute = std::path::absolute(&file).map_err(|error| Failure::Output(error).during(&shown))?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        let own = variables(&folder.join(".env"))?;
        let variable = |name: &str| std::env::var(name).ok().or_else(|| own.get(name).cloned());
        let env_file = |path: &Path| {
            let text = path.try_exists().unwrap_or(true).then(|| text::of_file(path, FILE_MAX)).transpose();
            text.map_err(|failure| failure.message().unwrap_or_default())
        };
        let (project, profiles) = (self.name(), self.profiles());
        let inputs = Inputs {
            folder,
            project: project.as_deref(),
            variable: &variable,
            env_file: &env_file,
            profiles: &profiles,
        };
        Ok((shown, Project::read(&text, &inputs)))
    }
}

/// The preferred file of this folder.
fn here() -> Option<PathBuf> {
    NAMES.iter().map(PathBuf::from).find(|name| name.is_file())
}

/// The file of the environment, or of this folder. What docker would read with it is not left out in silence.
fn found() -> Result<PathBuf, Failure> {
    if let Some(named) = set("COMPOSE_FILE") {
        let several = named.contains(':');
        let one = || Failure::Usage(format!("COMPOSE_FILE names several files ({named}); one is read: merge them"));
        return if several { Err(one()) } else { Ok(named.into()) };
    }
    let there =
        here().ok_or_else(|| Failure::Usage(format!("there is none of {} here; name a file", NAMES.join(", "))))?;
    match OVERRIDES.iter().find(|name| Path::new(name).exists()) {
        Some(other) => Err(Failure::Usage(format!(
            "{other} would change {}, and is not read: merge them, or name the one to read by --file",
            there.display()
        ))),
        None => Ok(there),
    }
}

/// The variables of a file beside the compose file; none where there is no such file.
fn variables(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let read = portreeve::compose::env_lines(&text::of_file(path, FILE_MAX)?, &|name| std::env::var(name).ok());
    let read = read.map_err(|why| Error::Config(format!("{}: {why}", path.display())))?;
    Ok(read.into_iter().map(|variable| (variable.name.to_string(), variable.value)).collect())
}

/// A finding as a line of text.
pub(super) fn line(file: &str, finding: &Finding) -> String {
    format!("{file}:{finding}")
}
