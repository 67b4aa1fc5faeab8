//! Units of systemd for containers: rendered from the very command lines that the host decides on. Pure.
//!
//! A unit runs without the host: its engine is started by systemd. So what a unit may do is decided when it is written: the
//! image is proved and pinned, the policy is asked, and each command line in it is one that the broker would run.

mod plain;
mod quadlet;
pub mod syntax;

pub use syntax::SyntaxError;

use std::path::PathBuf;
use std::time::Duration;

use crate::grants::{Grants, GrantsError, UnitGrant};
use crate::spec::{RestartPolicy, SecretDelivery};

/// The table of what the host itself may run to have a unit judged, in the language of backends' grants.
///
/// # Errors
/// It is built in, and a test loads it.
pub fn checks() -> Result<Grants, GrantsError> {
    Grants::parse(include_str!("../../units/checks.toml"), "units/checks.toml")
}

/// Whose service manager runs a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Manager {
    /// The machine's.
    #[default]
    System,
    /// A user's own.
    User,
}

impl Manager {
    fn wanted_by(self) -> &'static str {
        match self {
            Self::System => "multi-user.target",
            Self::User => "default.target",
        }
    }

    /// Where a credential is looked for unless the caller names a file.
    fn credential(self, name: &str) -> String {
        match self {
            Self::System => format!("/etc/credstore/{name}"),
            Self::User => format!("%E/credstore/{name}"),
        }
    }
}

/// What a unit is to be.
#[derive(Debug, Clone, Default)]
pub struct UnitOptions {
    /// Whose service manager runs it.
    pub manager: Manager,
    /// A plain service even where the engine has a generator of its own.
    pub plain: bool,
    /// The signal that has the container read its configuration again.
    pub reload: Option<crate::spec::Signal>,
    /// Files that credentials are loaded from, by the secret's name.
    pub credentials: Vec<(String, PathBuf)>,
}

/// A file of a unit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct UnitFile {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A command line that was decided on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) program: String,
    /// Without the program.
    pub(crate) words: Vec<String>,
}

/// A secret as a unit hands it over: never its value.
#[derive(Debug, Clone)]
pub(crate) struct UnitSecret {
    pub(crate) name: String,
    pub(crate) delivery: SecretDelivery,
    /// Where the host itself would put its file.
    pub(crate) file: Option<String>,
}

/// All that a unit is made of.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) backend: String,
    pub(crate) name: String,
    /// `name@digest`, as it was proved.
    pub(crate) image: String,
    /// The engine's ID of it.
    pub(crate) image_id: String,
    /// None where the container is there already.
    pub(crate) create: Option<Command>,
    /// How many of the last words of `create` are the container's own.
    pub(crate) own_words: usize,
    pub(crate) start: Command,
    pub(crate) stop: Command,
    pub(crate) reload: Option<Command>,
    /// Named volumes, each with the command that makes it.
    pub(crate) volumes: Vec<(String, Command)>,
    /// A named network, with the command that makes it.
    pub(crate) network: Option<(String, Command)>,
    /// A pod to be, with the command that makes it.
    pub(crate) pod: Option<(String, Command)>,
    /// The container that holds the network of the pod that it is in.
    pub(crate) holder: Option<String>,
    pub(crate) secrets: Vec<UnitSecret>,
    pub(crate) restart: Option<RestartPolicy>,
    pub(crate) grace: Duration,
    pub(crate) grant: UnitGrant,
}

/// Why a unit can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// A text that no unit file can hold.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// What this kind of unit can't do.
    #[error("{0}")]
    Unsupported(String),
}

/// The files of a unit.
pub(crate) fn render(plan: &Plan, options: &UnitOptions) -> Result<Vec<UnitFile>, UnitError> {
    match &plan.grant.quadlet {
        Some(quadlet) if plan.create.is_some() && !options.plain => quadlet::render(plan, quadlet, options),
        _ => plain::render(plan, options),
    }
}

impl Plan {
    /// The first lines of each file.
    fn about(&self, file: &mut syntax::File) {
        file.comment(&format!("Written by portreeve {}, for {}.", env!("CARGO_PKG_VERSION"), self.backend));
        file.comment(&format!("The image was proved to be {}; the engine holds it as {}.", self.image, self.image_id));
    }

    fn describe(&self, file: &mut syntax::File) -> Result<(), UnitError> {
        file.section("Unit");
        file.set("Description", syntax::value(&format!("Container {} of {}", self.name, self.image))?);
        file.set("Wants", "network-online.target");
        let holder = self.holder.as_ref().map(|holder| format!("{holder}.service"));
        let after = ["network-online.target".to_owned()].into_iter().chain(self.grant.after.iter().cloned());
        file.set("After", after.chain(holder.clone()).collect::<Vec<_>>().join(" "));
        // Its network goes with the holder.
        holder.into_iter().for_each(|holder| file.set("BindsTo", holder));
        Ok(())
    }

    /// How the service manager starts it again and how long it waits for its end.
    fn service_policy(&self, file: &mut syntax::File) {
        let restart = match self.restart {
            Some(RestartPolicy::No) => "no",
            Some(RestartPolicy::Always | RestartPolicy::UnlessStopped) => "always",
            None | Some(RestartPolicy::OnFailure(_)) => "on-failure",
        };
        file.set("Restart", restart);
        file.set("TimeoutStartSec", "300");
        file.set("TimeoutStopSec", (self.grace.as_secs() + BEYOND_GRACE).to_string());
    }

    /// At most so many starts, where the caller said so.
    fn start_limit(&self, file: &mut syntax::File) {
        if let Some(RestartPolicy::OnFailure(Some(times))) = self.restart {
            file.set("StartLimitIntervalSec", "infinity");
            file.set("StartLimitBurst", times.saturating_add(1).to_string());
        }
    }
}

/// Seconds that an engine gets beyond the grace of its container.
const BEYOND_GRACE: u64 = 30;

#[cfg(test)]
mod tests;
