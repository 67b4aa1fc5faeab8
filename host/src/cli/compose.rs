//! `compose`: projects of several services, out of a compose file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use portreeve::Error;
use portreeve::compose::{Finding, Inputs, Project, Verdict};
use serde_json::json;

use super::arguments::Common;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, plain};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// Names that are looked for where no file is named, the preferred first.
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// `compose …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say of each key of a compose file whether it is supported, refused by the policy or unknown
    Check(Check),
}

/// Which file, and what it is read with.
#[derive(Debug, Clone, Args)]
pub(crate) struct Source {
    /// The project's name; otherwise the file's, or its folder's
    #[arg(long, short, value_name = "NAME")]
    project_name: Option<String>,
    /// Bring the services of this profile too
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
}

/// `compose check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    source: Source,
    /// Tell of what is supported too
    #[arg(long)]
    all: bool,
    /// The compose file; otherwise compose.yaml or docker-compose.yaml in this folder
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Check(check) => check.run(common),
        }
    }
}

/// A compose file, and what it was read as.
pub(crate) struct Loaded {
    pub(crate) file: String,
    pub(crate) project: Project,
}

impl Source {
    pub(crate) fn load(&self, file: Option<&Path>) -> Result<Loaded, Failure> {
        let file = file.map_or_else(found, |file| Ok(file.to_owned()))?;
        let shown = file.display().to_string();
        let text = bounded(&file)?;
        let absolute = std::path::absolute(&file).map_err(|error| Failure::Output(error).during(&shown))?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        let own = variables(&folder.join(".env"))?;
        let variable = |name: &str| std::env::var(name).ok().or_else(|| own.get(name).cloned());
        let env_file = |path: &Path| bounded(path).map_err(|failure| failure.message().unwrap_or_default());
        let inputs = Inputs {
            folder,
            project: self.project_name.as_deref(),
            variable: &variable,
            env_file: &env_file,
            profiles: &self.profile,
        };
        let project = Project::read(&text, &shown, &inputs).map_err(Error::Config)?;
        Ok(Loaded { file: shown, project })
    }
}

fn found() -> Result<PathBuf, Failure> {
    let there = NAMES.iter().map(PathBuf::from).find(|name| name.is_file());
    there.ok_or_else(|| Failure::Usage(format!("there is none of {} here; name a file", NAMES.join(", "))))
}

fn bounded(path: &Path) -> Result<String, Failure> {
    let named = |error: std::io::Error| Failure::Output(error).during(&path.display().to_string());
    let mut text = String::new();
    std::fs::File::open(path).map_err(named)?.take(FILE_MAX + 1).read_to_string(&mut text).map_err(named)?;
    if text.len() as u64 > FILE_MAX {
        return Err(Failure::Usage(format!("{} is larger than {FILE_MAX} bytes", path.display())));
    }
    Ok(text)
}

/// The variables of a file beside the compose file; none where there is no such file.
fn variables(path: &Path) -> Result<BTreeMap<String, String>, Failure> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let read = portreeve::compose::env_lines(&bounded(path)?, &|_| None);
    let read = read.map_err(|why| Error::Config(format!("{}: {why}", path.display())))?;
    Ok(read.into_iter().map(|variable| (variable.name.to_string(), variable.value)).collect())
}

impl Check {
    fn run(self, common: &Common) -> Outcome {
        let loaded = RefCell::new(self.source.load(self.file.as_deref())?);
        desk::open(common, async |desk| {
            let mut loaded = loaded.borrow_mut();
            desk.portreeve.check_compose(&mut loaded.project);
            tell(desk, &loaded, self.all)
        })
    }
}

fn tell(desk: &Desk, loaded: &Loaded, all: bool) -> Outcome {
    let Loaded { file, project } = loaded;
    let shown: Vec<&Finding> = project.findings.iter().filter(|one| all || one.verdict != Verdict::Supported).collect();
    if desk.json {
        show::json(&json!({ "file": file, "project": project.name, "findings": project.findings }))?;
    } else {
        let mut out = Out::open();
        for finding in &shown {
            out.line(&plain(&line(file, finding)))?;
        }
        let count = |verdict| project.findings.iter().filter(|one| one.verdict == verdict).count();
        let counted = [Verdict::Supported, Verdict::Refused, Verdict::Unsupported, Verdict::Unknown, Verdict::Invalid];
        let counted = counted.map(|verdict| format!("{} {}", count(verdict), verdict.as_str()));
        out.line(&format!("{}: {}", plain(&project.name), counted.join(", ")))?;
        out.finish()?;
    }
    Ok(if project.problems().next().is_none() { Status::OK } else { Status::NO })
}

fn line(file: &str, finding: &Finding) -> String {
    let why = finding.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{file}:{}:{}: {} {}{why}", finding.line, finding.column, finding.verdict.as_str(), finding.key)
}
