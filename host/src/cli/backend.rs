//! `backend`: what is loaded, and what it may run. Nothing is compiled and no engine is asked.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use portreeve::{BackendInfo, BackendSource, Error};

use super::arguments::Common;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, Table, bytes, plain};

/// `backend …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the backends
    List,
    /// Show what a backend may run: an embedded one, or what a component file asks for
    Inspect {
        /// A backend's name, or a component (FILE.wasm)
        #[arg(value_name = "NAME|FILE.wasm")]
        what: PathBuf,
    },
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::List => list(common),
            Self::Inspect { what } => inspect(common, &what),
        }
    }
}

fn embedded() -> Result<Vec<BackendInfo>, Failure> {
    Ok(BackendSource::embedded().into_iter().map(BackendInfo::read).collect::<Result<_, Error>>()?)
}

fn list(common: &Common) -> Outcome {
    let backends = embedded()?;
    if common.json {
        show::json(&backends)?;
    } else if common.quiet {
        backends.iter().try_for_each(|backend| show::line(&plain(&backend.name)))?;
    } else {
        let mut table = Table::new(&["NAME", "DIGEST", "SIZE", "COMMANDS", "ORIGIN"]);
        for backend in &backends {
            let commands = backend.commands.len().to_string();
            table.row([backend.name.clone(), backend.digest.clone(), size(backend), commands, "embedded".to_owned()]);
        }
        table.print()?;
    }
    Ok(Status::OK)
}

fn inspect(common: &Common, what: &Path) -> Outcome {
    let is_file = what.extension().is_some_and(|extension| extension == "wasm") || what.components().count() > 1;
    let backend = if is_file { of_file(what)? } else { of_name(what)? };
    if common.json {
        show::json(&backend)?;
    } else {
        let mut out = Out::open();
        out.text(&words(&backend, is_file))?;
        out.finish()?;
    }
    Ok(Status::OK)
}

fn of_file(path: &Path) -> Result<BackendInfo, Failure> {
    let shown = path.display().to_string();
    let component = std::fs::read(path).map_err(|source| Error::Io { what: shown.clone(), source })?;
    Ok(BackendInfo::of_component(&shown, component)?)
}

fn of_name(name: &Path) -> Result<BackendInfo, Failure> {
    let found = embedded()?.into_iter().find(|backend| name == Path::new(&backend.name));
    let missing = || Error::Backend {
        name: name.display().to_string(),
        why: "there is no such backend; `portreeve backend list` shows them".to_owned(),
    };
    Ok(found.ok_or_else(missing)?)
}

fn size(backend: &BackendInfo) -> String {
    bytes(u64::try_from(backend.bytes).unwrap_or(u64::MAX))
}

/// A page for an auditor.
fn words(backend: &BackendInfo, is_file: bool) -> String {
    let mut text = format!("{}\n  digest   {}\n  size     {}\n", plain(&backend.name), backend.digest, size(backend));
    text.push_str(&format!("  wasi     {}\n", wasi(&backend.imports)));
    section(&mut text, "imports", &backend.imports);
    section(&mut text, "exports", &backend.exports);
    section(&mut text, "devices that it may look at", &backend.devices);
    section(&mut text, "asked for and not granted", &backend.dropped);
    let heading = if is_file { "asks for; nothing of it holds without a grant" } else { "may run" };
    text.push_str(&format!("\n{heading}\n"));
    for command in &backend.commands {
        let (name, effect, object) = (plain(&command.name), plain(&command.effect), plain(&command.object));
        text.push_str(&format!(
            "\n  {name}: {effect} {object}. {}\n    {}\n",
            plain(&command.purpose),
            plain(&command.line)
        ));
    }
    text
}

fn wasi(imports: &[String]) -> &'static str {
    if imports.iter().any(|import| import.starts_with("wasi:")) { "imported" } else { "none" }
}

fn section(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    lines.iter().for_each(|line| text.push_str(&format!("  {}\n", plain(line))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedded_backend_reads_as_a_page() {
        for backend in embedded().unwrap() {
            let page = words(&backend, false);
            assert!(
                page.contains("wasi     none")
                    && page.contains("may run")
                    && page.contains("  create: create container."),
                "{page}"
            );
            assert!(!page.contains("not granted"), "{page}");
        }
    }

    #[test]
    fn a_name_that_is_none_and_a_file_that_is_none_are_told_apart() {
        let common = Common::default();
        let message = |what: &str| format!("{:?}", inspect(&common, Path::new(what)).unwrap_err());
        assert!(message("nonesuch").contains("there is no such backend"));
        assert!(message("./nonesuch").contains("Io"));
        assert!(message("nonesuch.wasm").contains("Io"));
    }
}
