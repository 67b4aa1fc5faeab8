//! `unit`: a unit of systemd, for a container to be, or for a container or pod that is there.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use portreeve::spec::{Name, Secret, SecretValue, Signal};
use portreeve::units::{Manager, UnitFile, UnitOptions};
use portreeve::{ContainerSpec, Error};

use super::arguments::Common;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::run::Run;
use super::show::{self, Out, plain_lines};
use super::{name, secret};

/// Whose service manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// The machine's.
    System,
    /// A user's own.
    User,
}

/// `unit`.
#[derive(Debug, Args)]
pub(crate) struct Unit {
    /// Whose service manager runs it; otherwise the machine's for root, and the user's own for anybody else
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// A plain service, even where the engine has a generator of its own
    #[arg(long)]
    plain: bool,
    /// Write the files into this folder, each whole or not at all; otherwise they are printed
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Have it judged by systemd's own programs, where they are installed
    #[arg(long)]
    check: bool,
    /// The signal that has the container read its configuration again
    #[arg(long, value_name = "SIGNAL")]
    reload_signal: Option<Signal>,
    #[command(flatten)]
    run: Run,
}

impl Unit {
    pub(crate) fn run(mut self, common: &Common) -> Outcome {
        let mut options = self.options();
        let secrets = self.secrets(&mut options)?;
        let only = self.run.only_word().and_then(|word| word.parse::<Name>().ok());
        let Self { output, check, run, .. } = self;
        let spec = run.spec().map(|spec| ContainerSpec { secrets, ..spec });
        desk::open(common, async |desk| {
            let files = files(desk, only.as_ref(), spec, &options).await?;
            let judged = if check { Some(desk.portreeve.check_unit(&files, options.manager).await?) } else { None };
            match &output {
                Some(folder) if !desk.dry_run => place(desk, folder, &files)?,
                _ => print(desk, &files)?,
            }
            judged.map_or(Ok(Status::OK), |judged| tell(desk, &judged))
        })
    }

    fn options(&self) -> UnitOptions {
        let manager = match self.scope {
            Some(Scope::System) => Manager::System,
            Some(Scope::User) => Manager::User,
            None if rustix::process::geteuid().is_root() => Manager::System,
            None => Manager::User,
        };
        UnitOptions { manager, plain: self.plain, reload: self.reload_signal.clone(), credentials: Vec::new() }
    }

    /// The secrets without their values: a unit never holds one, and none is read. What stands for them is made up.
    fn secrets(&mut self, options: &mut UnitOptions) -> Result<Vec<Secret>, Failure> {
        let mut secrets = Vec::new();
        for option in self.run.take_secrets() {
            let (name, file, delivery) = secret::named(&option)?;
            options.credentials.extend(file.map(|file| (name.to_string(), file)));
            let stand_in = format!("{}-{}", name::fresh()?, name::fresh()?);
            secrets.push(Secret { name, value: SecretValue::new(stand_in.into_bytes()), delivery });
        }
        Ok(secrets)
    }
}

/// A name of ours is the container or the pod that is there; any other word is an image.
async fn files(
    desk: &Desk,
    only: Option<&Name>,
    spec: Result<ContainerSpec, Failure>,
    options: &UnitOptions,
) -> Result<Vec<UnitFile>, Failure> {
    if let Some(name) = only {
        match desk.portreeve.unit_of(name.as_str(), options).await {
            Err(Error::NotFound { .. }) => {}
            found => return Ok(found?),
        }
        match desk.portreeve.unit_of_pod(name.as_str(), options).await {
            Err(Error::NotFound { .. }) => {}
            found => return Ok(found?),
        }
        // What others made is there: no image was meant, and none is asked for.
        if let Err(error @ Error::Refused(_)) = desk.portreeve.inspect(name.as_str()).await {
            return Err(error.into());
        }
    }
    Ok(desk.portreeve.unit(&spec?, options).await?)
}

fn print(desk: &Desk, files: &[UnitFile]) -> Result<(), Failure> {
    if desk.json {
        return show::json(&files);
    }
    let mut out = Out::open();
    for (at, file) in files.iter().enumerate() {
        if files.len() > 1 {
            out.line(&format!("{}# ---- {}", if at > 0 { "\n" } else { "" }, file.name))?;
        }
        out.text(&plain_lines(&file.text))?;
    }
    out.finish()
}

/// Each file is there whole or not at all; the folder is made where there is none.
fn place(desk: &Desk, folder: &Path, files: &[UnitFile]) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::Output(error).during(&folder.display().to_string()))?;
    for file in files {
        let path = folder.join(&file.name);
        written(folder, &path, &file.text)
            .map_err(|error| Failure::Output(error).during(&path.display().to_string()))?;
        if desk.json { show::json(&path.display().to_string())? } else { show::line(&path.display().to_string())? }
    }
    Ok(())
}

fn written(folder: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    // A link, a folder or a device in its place is not ours to replace.
    if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(std::io::Error::other("there is something that is no file"));
    }
    let temporary = folder.join(format!(".portreeve-{}-{}", std::process::id(), fs_name(path)));
    let whole = fs::OpenOptions::new().write(true).create_new(true).open(&temporary).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if whole.is_err() {
        // The failure to write is the one to tell.
        let _gone = fs::remove_file(&temporary);
    }
    whole
}

fn fs_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// What the judges said goes to standard error, for the files are the result; a bad unit is a failure.
fn tell(desk: &Desk, judged: &portreeve::UnitCheck) -> Outcome {
    for line in &judged.said {
        desk.teller.say(&format!("portreeve: {}: {}", judged.by, show::plain(line)));
    }
    match judged.good {
        Some(true) => {
            if !desk.quiet && !desk.json {
                desk.teller.say(&format!("portreeve: {} finds nothing wrong", judged.by));
            }
            Ok(Status::OK)
        }
        Some(false) => Err(Error::Config(format!("{} finds the unit wrong", judged.by)).into()),
        None => Err(Error::Unsupported(format!("{} is not here to judge the unit; install it", judged.by)).into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    fn parsed(words: &[&str]) -> Unit {
        let arguments = Arguments::try_parse_from(["portreeve", "unit"].iter().chain(words)).unwrap();
        let Command::Unit(unit) = arguments.command else { panic!("a unit") };
        *unit
    }

    #[test]
    fn secrets_are_named_and_never_read() {
        let mut unit = parsed(&["--secret", "TOKEN=file:/nonesuch/token,as=file", "--secret", "KEY", "alpine"]);
        let mut options = unit.options();
        let secrets = unit.secrets(&mut options).unwrap();
        assert_eq!(options.credentials, [("TOKEN".to_owned(), PathBuf::from("/nonesuch/token"))]);
        assert_eq!(secrets.iter().map(|secret| secret.name.as_str()).collect::<Vec<_>>(), ["TOKEN", "KEY"]);
        let mut unit = parsed(&["--secret", "TOKEN=fd:3", "alpine"]);
        assert_eq!(unit.secrets(&mut options).unwrap_err().status().code(), 2);
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.service");
        written(folder.path(), &path, "one").unwrap();
        written(folder.path(), &path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        std::os::unix::fs::symlink("a.service", folder.path().join("b.service")).unwrap();
        assert!(written(folder.path(), &folder.path().join("b.service"), "x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
