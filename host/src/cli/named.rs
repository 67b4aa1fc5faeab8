//! What is alike for everything that an install makes under a name: volumes, networks, pods, containers.

use portreeve::{Error, Removed};
use serde::Serialize;
use serde_json::json;

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Table, plain};

impl Desk {
    /// Says what was made, or changed: the whole of it with `--json`, else its name. In a dry run there is nothing to say.
    pub(crate) fn told(&self, thing: &impl Serialize, name: &str) -> Result<(), Failure> {
        match (self.dry_run, self.json) {
            (true, _) => Ok(()),
            (false, true) => show::json(thing),
            (false, false) => show::line(name),
        }
    }

    /// Lists things by their names, in order: one document with `--json`, names alone with `--quiet`, else a table.
    pub(crate) fn list<T: Serialize>(
        &self,
        mut things: Vec<T>,
        name: impl Fn(&T) -> &str,
        table: impl FnOnce(&[T]) -> Table,
    ) -> Outcome {
        things.sort_by(|one, other| name(one).cmp(name(other)));
        if self.json {
            show::json(&things)?;
        } else if self.quiet {
            things.iter().try_for_each(|thing| show::line(&plain(name(thing))))?;
        } else {
            table(&things).print()?;
        }
        Ok(Status::OK)
    }

    /// Removes each of several things, and says what became of it.
    pub(crate) async fn remove(
        &self,
        names: &[String],
        remove: impl AsyncFn(&str) -> Result<Removed, Error>,
    ) -> Outcome {
        self.each(names, async |name| {
            let result = match remove(name).await? {
                Removed::Removed => "removed",
                Removed::Absent => "absent",
                _ => return Ok(()),
            };
            match (self.json, result) {
                (true, _) => show::json(&json!({ "name": name, "result": result })),
                (false, "absent") => {
                    self.teller.say(&format!("portreeve: there is no {}: nothing was removed", plain(name)));
                    Ok(())
                }
                (false, _) => show::line(name),
            }
        })
        .await
    }
}
