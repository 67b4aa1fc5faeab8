//! `exec`: a command in a container that runs.

use std::env::var_os;
use std::time::Duration;

use clap::Args;
use portreeve::ExecSpec;
use portreeve::spec::{User, Workdir};
use serde_json::json;

use super::arguments::Common;
use super::attach::attach;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::progress::Tone;
use super::pump::Sink;
use super::{parse, secret, show};

/// `exec`.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// Hand it our standard input
    #[arg(long, short)]
    interactive: bool,
    /// Give it a terminal: the keys of ours are its own, and the size
    #[arg(long, short)]
    tty: bool,
    /// Set a variable: NAME=VALUE, or NAME for the value it has here
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Hand over a secret in its environment: NAME (from ours), NAME=file:PATH or NAME=fd:N
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// Its working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<Workdir>,
    /// Its user: USER[:GROUP]
    #[arg(long, short)]
    user: Option<User>,
    /// End it after so long, such as 30s or 5m
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    timeout: Option<Duration>,
    /// The container, and the words of the command: all of them its own, even where they begin with `-`
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["NAME", "WORDS"])]
    command: Vec<String>,
}

impl Exec {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        // Before there are threads: descriptors that secrets are read from are ours alone.
        let (name, spec) = self.spec()?;
        desk::open_with(common, Tone::of_foreground(common), async |desk, signals| {
            signals.guard(run(desk, &name, &spec)).await
        })
    }

    fn spec(self) -> Result<(String, ExecSpec), Failure> {
        let mut words = self.command.into_iter();
        let name = words.next().ok_or_else(|| Failure::Usage("a container is missing".to_owned()))?;
        let mut env = Vec::new();
        for text in &self.env {
            env.extend(parse::variable(text, |name| var_os(name))?);
        }
        let secrets = self.secret.iter().map(|option| secret::read(option, |name| var_os(name)));
        let spec = ExecSpec {
            words: words.collect(),
            env: parse::last_of_each(env),
            secrets: secrets.collect::<Result<_, _>>()?,
            workdir: self.workdir,
            user: self.user,
            stdin: self.interactive,
            terminal: self.tty,
            timeout: self.timeout,
        };
        spec.check().map_err(parse::wrong)?;
        Ok((name, spec))
    }
}

async fn run(desk: &Desk, name: &str, spec: &ExecSpec) -> Outcome {
    let mut sink = Sink::open(desk.json, spec.terminal)?;
    let mut stream = desk.portreeve.exec(name, spec).await?;
    desk.teller.finish();
    attach(&mut stream, &mut sink, spec.terminal).await?;
    let status = stream.finish().await?;
    if desk.json && !desk.dry_run {
        show::json(&json!({ "container": name, "status": status }))?;
    }
    Ok(Status::of_container(status))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    fn spec(words: &[&str]) -> Result<(String, ExecSpec), Failure> {
        let arguments = Arguments::try_parse_from(["portreeve", "exec"].iter().chain(words)).unwrap();
        let Command::Exec(exec) = arguments.command else { panic!("an exec") };
        exec.spec()
    }

    #[test]
    fn words_after_the_name_are_the_commands_own() {
        let (name, exec) =
            spec(&["-it", "-e", "A=1", "-e", "A=2", "--timeout", "1m", "web", "env", "-u", "--json"]).unwrap();
        assert_eq!((name.as_str(), exec.words), ("web", vec!["env".into(), "-u".into(), "--json".into()]));
        assert!(exec.stdin && exec.terminal);
        assert_eq!((exec.env[0].value.as_str(), exec.env.len()), ("2", 1));
        assert_eq!(exec.timeout, Some(Duration::from_secs(60)));
    }

    #[test]
    fn what_is_wrong_is_a_wrong_argument() {
        assert_eq!(spec(&["-e", "PORTREEVE_EXEC=x", "web", "env"]).unwrap_err().status().code(), 2);
        assert_eq!(spec(&["--secret", "T=value", "web", "env"]).unwrap_err().status().code(), 2);
        for words in [
            &["exec", "web"][..],
            &["exec", "--timeout", "0s", "web", "env"],
            &["exec", "--timeout", "x", "web", "env"],
        ] {
            let all = ["portreeve"].iter().chain(words);
            assert_eq!(Arguments::try_parse_from(all).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
