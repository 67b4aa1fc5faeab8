//! A plain service: the engine's own commands, as the broker would run them.
//!
//! The container is created by each start, with `--rm`, and goes with its end: so nothing is ever removed by name, and a
//! container of somebody else's that has the name makes the start fail.

use super::syntax::{self, Word};
use super::{Command, Manager, Plan, UnitError, UnitFile, UnitOptions, UnitSecret};
use crate::spec::SecretDelivery;

pub(super) fn render(plan: &Plan, options: &UnitOptions) -> Result<Vec<UnitFile>, UnitError> {
    refuse_variables(plan)?;
    let mut file = syntax::File::default();
    plan.about(&mut file);
    if plan.create.is_none() {
        file.comment("It starts and stops the container that is there, and no other.");
    }
    plan.describe(&mut file)?;
    plan.start_limit(&mut file);
    service(plan, options, &mut file)?;
    file.section("Install");
    file.set("WantedBy", options.manager.wanted_by());
    Ok(vec![UnitFile { name: format!("{}.service", plan.name), text: file.render() }])
}

/// What a client hands on from its environment would have to stand in the unit.
fn refuse_variables(plan: &Plan) -> Result<(), UnitError> {
    let variable = plan.secrets.iter().find(|secret| secret.delivery == SecretDelivery::Environment);
    variable.map_or(Ok(()), |secret| {
        Err(UnitError::Unsupported(format!(
            "the secret {0}: a plain service hands secrets over as credentials, and those are files; say --secret {0},as=file",
            secret.name
        )))
    })
}

fn service(plan: &Plan, options: &UnitOptions, file: &mut syntax::File) -> Result<(), UnitError> {
    file.section("Service");
    file.set("Type", "exec");
    file.set("Environment", "LC_ALL=C HOME=%h");
    for secret in &plan.secrets {
        file.set("LoadCredential", credential(secret, options)?);
    }
    let secrets = &plan.secrets;
    for (_, make) in plan.network.iter().chain(&plan.volumes) {
        // One that is there already is no reason to fail: the container says what it needs.
        file.set("ExecStartPre", format!("-{}", line(make, secrets)?));
    }
    if let Some(create) = &plan.create {
        file.set("ExecStartPre", line(create, secrets)?);
    }
    file.set("ExecStart", line(&plan.start, secrets)?);
    if let Some(reload) = &plan.reload {
        file.set("ExecReload", line(reload, secrets)?);
    }
    file.set("ExecStop", line(&plan.stop, secrets)?);
    // A container that ended by the signal that asked it to did what it should.
    file.set("SuccessExitStatus", "143");
    plan.service_policy(file);
    Ok(())
}

fn credential(secret: &UnitSecret, options: &UnitOptions) -> Result<String, UnitError> {
    let named = options.credentials.iter().find(|(name, _)| *name == secret.name);
    let path = match named {
        None => options.manager.credential(&secret.name),
        Some((_, path)) => {
            let text = path.to_str().filter(|text| path.is_absolute() && !text.contains(':'));
            let wrong = || format!("the file of the secret {} has to be an absolute path without `:`", secret.name);
            syntax::value(text.ok_or_else(|| UnitError::Unsupported(wrong()))?)?
        }
    };
    Ok(format!("{}:{path}", syntax::value(&secret.name)?))
}

fn line(command: &Command, secrets: &[UnitSecret]) -> Result<String, UnitError> {
    let files = |word: &String| {
        secrets.iter().fold(Word::from(word.as_str()), |word, secret| match &secret.file {
            Some(path) => word.with_credential(path, &secret.name),
            None => word,
        })
    };
    let words: Vec<Word> = command.words.iter().map(files).collect();
    Ok(syntax::command_line(&command.program, &words)?)
}

impl Manager {
    /// As `systemctl` takes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }
}
