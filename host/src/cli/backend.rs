//! `backend`: what is there and what it may run; approving, comparing, revoking. No engine is asked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use portreeve::approval::Approvals;
use portreeve::journal::{Filter, Journal};
use portreeve::state::{StateDir, default_path};
use portreeve::{BackendInfo, BackendSource, Digest, Error, Standing};

use super::approve;
use super::arguments::Common;
use super::dossier::{page, size, told_changes};
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, Table, plain};

/// `backend …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the backends: embedded and approved
    List,
    /// Show what a backend may run: one that is there, or what a component file asks for
    Inspect {
        /// A backend's name, or a component (FILE.wasm)
        #[arg(value_name = "NAME|FILE.wasm")]
        what: PathBuf,
        /// For a component: show what would hold under this grants file
        #[arg(long, value_name = "FILE")]
        grants: Option<PathBuf>,
        /// For a component: print what it asks for as a draft of a grants file, to be read and corrected
        #[arg(long, conflicts_with = "grants")]
        draft: bool,
    },
    /// Approve a component, pinned by its digest together with its grant
    Approve(Approve),
    /// Compare what two backends may run, command by command
    Diff {
        /// A backend's name, or a component for what it asks for
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The same, newer
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// For a component as NEW: compare what would hold under this grants file
        #[arg(long, value_name = "FILE")]
        grants: Option<PathBuf>,
    },
    /// Take an approval back
    Revoke {
        /// The backend's name
        name: String,
    },
}

/// `backend approve`.
#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    pub(crate) file: PathBuf,
    /// What to grant it; otherwise the grant of the backend that has its name. Where there is none, each thing that it
    /// asks for is shown and asked about, at a terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) grants: Option<PathBuf>,
    /// Do not ask. Dangerous tokens that the grants file does not mark are refused
    #[arg(long, requires = "digest")]
    pub(crate) yes: bool,
    /// The component that is meant: sha256:…
    #[arg(long)]
    pub(crate) digest: Option<Digest>,
    /// With --yes: it may do more than the one that is approved
    #[arg(long, requires = "yes")]
    pub(crate) widen: bool,
    /// With --yes: it may take the name of an embedded backend
    #[arg(long, requires = "yes")]
    pub(crate) replace: bool,
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::List => list(common),
            Self::Inspect { what, grants: _, draft: true } => draft(&what),
            Self::Inspect { what, grants, draft: false } => inspect(common, &what, grants.as_deref()),
            Self::Approve(command) => approve::run(common, &command),
            Self::Diff { old, new, grants } => diff(common, &old, &new, grants.as_deref()),
            Self::Revoke { name } => revoke(common, &name),
        }
    }
}

/// The state directory.
pub(super) fn state_path(common: &Common) -> Result<PathBuf, Failure> {
    if let Some(path) = &common.state {
        return Ok(path.clone());
    }
    let value = |name| std::env::var_os(name);
    let root = rustix::process::geteuid().is_root();
    let path = default_path(value("XDG_STATE_HOME").as_deref(), value("HOME").as_deref(), root);
    Ok(path.map_err(Error::from)?)
}

/// The state directory, where there is one: looking makes none.
fn state(common: &Common) -> Result<Option<StateDir>, Failure> {
    let path = state_path(common)?;
    Ok(if path.exists() { Some(StateDir::open(path).map_err(Error::from)?) } else { None })
}

/// A backend that is there, or why an approved one does not hold.
enum Found {
    Whole(Box<BackendInfo>),
    Broken { name: String, why: String },
}

fn all(state: Option<&StateDir>) -> Result<Vec<Found>, Failure> {
    let approvals = state.map(Approvals::of);
    let approved = approvals.as_ref().map_or(Ok(Vec::new()), Approvals::names)?;
    let mut found = Vec::new();
    for source in BackendSource::embedded() {
        let info = BackendInfo::read(source)?;
        if !approved.contains(&info.name) {
            found.push(Found::Whole(Box::new(info)));
        }
    }
    for (name, approvals) in approved.into_iter().zip(approvals.iter().cycle()) {
        found.push(match approvals.read(&name).and_then(BackendInfo::read) {
            Ok(info) => Found::Whole(Box::new(info)),
            Err(error) => Found::Broken { name, why: error.to_string() },
        });
    }
    Ok(found)
}

/// The backends that could be used: an approved one takes an embedded one's name. One that is not what was approved can
/// run nothing; it is an error where it is asked for.
pub(super) fn usable(common: &Common) -> Result<Vec<BackendSource>, Failure> {
    let state = state(common)?;
    let approvals = state.as_ref().map(Approvals::of);
    let approved = approvals.as_ref().map_or(Ok(Vec::new()), Approvals::names)?;
    let mut sources = Vec::new();
    for source in BackendSource::embedded() {
        if !approved.contains(&source.name()?) {
            sources.push(source);
        }
    }
    for (name, approvals) in approved.iter().zip(approvals.iter().cycle()) {
        match approvals.read(name) {
            Ok(source) => sources.push(source),
            Err(error) if common.backend.as_ref() == Some(name) => return Err(error.into()),
            Err(_) => {}
        }
    }
    Ok(sources)
}

/// Of a backend that is none any more its records are asked for all the same; a name that no record bears either was
/// mistyped.
pub(super) fn check_recorded(common: &Common, state: Option<&StateDir>) -> Result<(), Failure> {
    let Some(name) = common.backend.as_deref() else { return Ok(()) };
    let mut known = names(state)?;
    if known.contains(name) {
        return Ok(());
    }
    known.extend(recorded(state)?);
    if known.contains(name) {
        return Ok(());
    }
    let known = known.into_iter().collect::<Vec<_>>().join(", ");
    let why = format!("neither is there such a backend nor does the journal know it; there are: {known}");
    Err(Error::Backend { name: name.to_owned(), why }.into())
}

/// The embedded backends, the approved ones, and what the host runs for itself.
fn names(state: Option<&StateDir>) -> Result<BTreeSet<String>, Failure> {
    let host = portreeve::units::checks().map_err(|error| Error::Config(error.to_string()))?;
    let mut names = BTreeSet::from([host.backend().to_owned()]);
    for source in BackendSource::embedded() {
        names.insert(source.name()?);
    }
    names.extend(state.map_or(Ok(Vec::new()), |state| Approvals::of(state).names())?);
    Ok(names)
}

/// The backends that records name. A line that is not ours is told of where the journal is read.
fn recorded(state: Option<&StateDir>) -> Result<BTreeSet<String>, Failure> {
    let Some(state) = state else { return Ok(BTreeSet::new()) };
    let records = Journal::read(state, Filter::default()).map_err(|error| Error::State(error.to_string()))?;
    Ok(records.filter_map(|record| record.ok()?.backend).collect())
}

/// The state directory that was named, where it is there.
pub(super) fn named_state(common: &Common) -> Result<Option<StateDir>, Failure> {
    if common.state.is_some() { state(common) } else { Ok(None) }
}

fn list(common: &Common) -> Outcome {
    let backends = all(state(common)?.as_ref())?;
    if common.json {
        show::json(&backends.iter().map(document).collect::<Vec<_>>())?;
    } else if common.quiet {
        backends.iter().try_for_each(|backend| show::line(&plain(name_of(backend))))?;
    } else {
        table(&backends).print()?;
    }
    let broken = backends.iter().any(|backend| matches!(backend, Found::Broken { .. }));
    Ok(if broken { Status::FAILED } else { Status::OK })
}

fn name_of(backend: &Found) -> &str {
    match backend {
        Found::Whole(info) => &info.name,
        Found::Broken { name, .. } => name,
    }
}

fn document(backend: &Found) -> serde_json::Value {
    match backend {
        Found::Whole(info) => serde_json::json!(info),
        Found::Broken { name, why } => serde_json::json!({ "name": name, "standing": "refused", "problem": why }),
    }
}

fn table(backends: &[Found]) -> Table {
    let mut table = Table::new(&["NAME", "STATE", "DIGEST", "SIZE", "COMMANDS", "ORIGIN"]);
    for backend in backends {
        match backend {
            Found::Whole(info) => table.row([
                info.name.clone(),
                info.standing.as_str().to_owned(),
                info.digest.clone(),
                size(info),
                info.commands.len().to_string(),
                if info.standing == Standing::Embedded { String::new() } else { info.origin.clone() },
            ]),
            Found::Broken { name, why } => {
                let nothing = String::new;
                table.row([name.clone(), "refused".to_owned(), nothing(), nothing(), nothing(), why.clone()]);
            }
        }
    }
    table
}

fn inspect(common: &Common, what: &Path, grants: Option<&Path>) -> Outcome {
    let backend = BackendInfo::read(source(common, what, grants)?)?;
    if common.json {
        show::json(&backend)?;
    } else {
        let mut out = Out::open();
        out.text(&page(&backend))?;
        out.finish()?;
    }
    Ok(Status::OK)
}

fn draft(what: &Path) -> Outcome {
    if !is_file(what) {
        return Err(Failure::Usage("--draft goes with a component (FILE.wasm), not with a name".to_owned()));
    }
    let mut out = Out::open();
    out.text(&of_file(what, None)?.draft()?)?;
    out.finish()?;
    Ok(Status::OK)
}

fn is_file(what: &Path) -> bool {
    what.extension().is_some_and(|extension| extension == "wasm") || what.components().count() > 1
}

fn source(common: &Common, what: &Path, grants: Option<&Path>) -> Result<BackendSource, Failure> {
    if is_file(what) {
        return of_file(what, grants);
    }
    if grants.is_some() {
        return Err(Failure::Usage("--grants goes with a component (FILE.wasm), not with a name".to_owned()));
    }
    of_name(common, what)
}

/// A component under a grants file, or by itself.
pub(super) fn of_file(path: &Path, grants: Option<&Path>) -> Result<BackendSource, Failure> {
    Ok(match grants {
        Some(grants) => BackendSource::files(path, grants)?,
        None => BackendSource::file(path)?,
    })
}

/// An approved one, or else an embedded one.
fn of_name(common: &Common, name: &Path) -> Result<BackendSource, Failure> {
    let text = name.display().to_string();
    if let Some(state) = state(common)? {
        let approvals = Approvals::of(&state);
        if approvals.names()?.contains(&text) {
            return Ok(approvals.read(&text)?);
        }
    }
    for source in BackendSource::embedded() {
        if source.name()? == text {
            return Ok(source);
        }
    }
    let why = "there is no such backend; `portreeve backend list` shows them".to_owned();
    Err(Error::Backend { name: text, why }.into())
}

fn diff(common: &Common, old: &Path, new: &Path, grants: Option<&Path>) -> Outcome {
    let (old, new) = (source(common, old, None)?, source(common, new, grants)?);
    let (was, is) = (BackendInfo::read(old.clone())?, BackendInfo::read(new.clone())?);
    let changes = old.compare(new)?;
    if common.json {
        let side =
            |info: &BackendInfo| serde_json::json!({ "name": info.name, "digest": info.digest, "grants": info.grants });
        show::json(&serde_json::json!({ "old": side(&was), "new": side(&is), "changes": changes }))?;
    } else {
        let mut out = Out::open();
        out.text(&told_changes(&changes))?;
        out.finish()?;
    }
    Ok(Status::OK)
}

fn revoke(common: &Common, name: &str) -> Outcome {
    let revoked = match state(common)? {
        Some(state) => Approvals::of(&state).revoke(name)?,
        None => false,
    };
    if !revoked {
        let why = "nothing is approved under this name; an embedded backend can't be revoked".to_owned();
        return Err(Error::Backend { name: name.to_owned(), why }.into());
    }
    if common.json {
        show::json(&serde_json::json!({ "name": name, "result": "revoked" }))?;
    } else {
        show::line(&plain(name))?;
    }
    Ok(Status::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> (tempfile::TempDir, Common) {
        let folder = tempfile::tempdir().unwrap();
        let state = Some(folder.path().join("state"));
        (folder, Common { state, ..Common::default() })
    }

    #[test]
    fn a_name_that_is_none_and_a_file_that_is_none_are_told_apart() {
        let (_folder, common) = common();
        let message = |what: &str| format!("{:?}", inspect(&common, Path::new(what), None).unwrap_err());
        assert!(message("nonesuch").contains("there is no such backend"));
        assert!(message("./nonesuch").contains("Io"));
        assert!(message("nonesuch.wasm").contains("Io"));
    }

    #[test]
    fn looking_makes_no_state() {
        let (_folder, common) = common();
        assert_eq!(list(&common).unwrap(), Status::OK);
        assert!(revoke(&common, "nonesuch").is_err());
        assert!(!common.state.unwrap().exists());
    }

    #[test]
    fn a_grants_file_goes_with_a_component() {
        let (_folder, common) = common();
        let failure = inspect(&common, Path::new("podman"), Some(Path::new("x.toml"))).unwrap_err();
        assert!(matches!(failure, Failure::Usage(_)));
    }
}
