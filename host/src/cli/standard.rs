//! `standard`, and `verify --standard`: what is declared of a host.

use std::path::Path;

use clap::{Args, Subcommand};
use portreeve::Error;
use portreeve::standard::{BUILTIN, Standard, nearest_builtin};
use serde_json::{Value, json};

use super::arguments::Common;
use super::desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, plain_lines};
use super::text;

/// The largest standard, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// `standard …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a built-in example
    Show(Show),
    /// List the built-in examples
    #[command(visible_alias = "list")]
    Ls,
}

/// `standard show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Its name: server, workstation or gpu-host
    #[arg(value_name = "NAME")]
    name: String,
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        match self {
            Self::Show(show) => show.run(common),
            Self::Ls => list(common),
        }
    }
}

impl Show {
    fn run(self, common: &Common) -> Outcome {
        let text = builtin(&self.name)?;
        if common.json {
            show::json(&document(&self.name, text)?)?;
        } else {
            let mut out = Out::open();
            out.text(text)?;
            out.finish()?;
        }
        Ok(Status::OK)
    }
}

/// The example's file as JSON, and its name.
fn document(name: &str, text: &str) -> Result<Value, Failure> {
    let read: Value = toml::from_str(text).map_err(|error| Error::Config(error.to_string()))?;
    Ok(json!({ "name": name, "standard": read }))
}

fn builtin(name: &str) -> Result<&'static str, Failure> {
    let found = BUILTIN.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    found.ok_or_else(|| {
        let near = nearest_builtin(name).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Failure::Usage(format!("there is no example {name:?}{near}"))
    })
}

fn list(common: &Common) -> Outcome {
    if common.json {
        show::json(&BUILTIN.map(|(name, _)| name))?;
    } else {
        BUILTIN.iter().try_for_each(|(name, _)| show::line(name))?;
    }
    Ok(Status::OK)
}

/// `verify --standard FILE`.
pub(crate) fn verify(file: &Path, class: Option<&str>, common: &Common) -> Outcome {
    let shown = file.display().to_string();
    let text = text::of_file(file, FILE_MAX)?;
    let standard = Standard::parse(&text, &shown).map_err(|error| Error::Config(error.to_string()))?;
    standard.class_of(class).map_err(Failure::Usage)?;
    desk::open(common, async |desk| {
        let list = desk.portreeve.verify_standard(&standard, class).await?;
        desk.teller.finish();
        if desk.json {
            show::json(&list)?
        } else {
            show::line(&plain_lines(&list.to_string()))?
        }
        Ok(if list.holds() { Status::OK } else { Status::NO })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_a_document_too() {
        for (name, text) in BUILTIN {
            let document = document(name, text).unwrap();
            assert!(document["name"] == name && document["standard"].is_object(), "{document}");
        }
    }

    #[test]
    fn an_example_is_found_by_its_name() {
        assert!(builtin("server").unwrap().contains("[runtime]"));
        let Err(Failure::Usage(why)) = builtin("workstaton") else { panic!("there is none") };
        assert!(why.ends_with("did you mean `workstation`?"), "{why}");
    }
}
