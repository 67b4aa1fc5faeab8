//! What the host saw before the call.

use serde_json::Value;

use crate::{
    Arguments, Error, Probe, Result,
    engine::{self, Output},
    inspect,
};

/// The probes of a call, by name.
#[derive(Clone, Copy, Debug)]
pub struct Probes<'a>(pub &'a [Probe]);

impl<'a> Probes<'a> {
    /// What a probe saw, where there was anything to see.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<&'a str> {
        let probe = self.0.iter().find(|probe| probe.name == name)?;
        probe.found.then_some(probe.content.trim())
    }

    /// The value of a `key=value` word in what a probe saw.
    #[must_use]
    pub fn word(&self, name: &str, key: &str) -> Option<&'a str> {
        word(self.content(name)?, key)
    }

    /// The lines of what a probe saw; none where it saw nothing.
    pub fn lines(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.content(name).unwrap_or_default().lines()
    }

    /// A number that a probe saw.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.content(name)?.parse().ok()
    }

    /// What a command printed that the host ran before the call, as a probe of the command's own name; or why it did not
    /// run. Nothing where the grants have no such probe.
    #[must_use]
    pub fn output(&self, command: &str) -> Option<Result<Output>> {
        let probe = self.0.iter().find(|probe| probe.name == command)?;
        inspect::document(&probe.content).ok().map(|document| gathered(&document))
    }

    /// The same; where the grants have no such probe, the command is run now.
    ///
    /// # Errors
    /// What the host says where it did not run the command.
    pub fn run(&self, command: &str) -> Result<Output> {
        self.output(command).unwrap_or_else(|| engine::run(command, Arguments::none()))
    }
}

/// `{status, stdout, stderr}`, or `{error, why}`.
fn gathered(document: &Value) -> Result<Output> {
    let text = |pointer| inspect::text(document, pointer).to_owned();
    match inspect::text(document, "/error") {
        "" => {
            let status = document.pointer("/status").and_then(Value::as_i64);
            let status = status.and_then(|status| i32::try_from(status).ok()).unwrap_or(-1);
            Ok(Output { status, stdout: text("/stdout"), stderr: text("/stderr"), truncated: false })
        }
        "timeout" => Err(Error::Timeout(text("/why"))),
        "unsupported" => Err(Error::Unsupported(text("/why"))),
        _ => Err(Error::Unavailable(text("/why"))),
    }
}

/// The value of a `key=value` word in a text.
pub(crate) fn word<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_the_host_ran_is_not_run_again() {
        let probe = |name: &str, content: &str| Probe { name: name.into(), found: true, content: content.into() };
        let ran = r#"{"status":1,"stdout":"out","stderr":"err"}"#;
        let all = [probe("info", ran), probe("ping", r#"{"error":"timeout","why":"it hangs"}"#), probe("gone", "")];
        let stage = crate::stage::Stage::new().command("version", 0, "1.2", "").command("gone", 0, "here", "");
        let ((), seen) = stage.play(|| {
            let info = Probes(&all).run("info").unwrap();
            assert_eq!((info.status, info.stdout.as_str(), info.stderr.as_str()), (1, "out", "err"));
            assert_eq!(Probes(&all).run("ping").err(), Some(Error::Timeout("it hangs".into())));
            assert_eq!(Probes(&all).run("gone").unwrap().stdout, "here");
            assert_eq!(Probes(&all).run("version").unwrap().stdout, "1.2");
        });
        assert_eq!(seen.commands(), ["gone", "version"]);
    }

    #[test]
    fn a_probe_is_read_by_name_and_key() {
        let seen = |name: &str, found, content: &str| Probe { name: name.into(), found, content: content.into() };
        let all = [seen("user", true, "uid=1000 rootless=true\n"), seen("n", true, "0\n"), seen("gone", false, "x")];
        let probes = Probes(&all);
        assert_eq!(probes.word("user", "rootless"), Some("true"));
        assert_eq!(probes.word("user", "root"), None);
        assert_eq!(probes.number("n"), Some(0));
        assert_eq!(probes.content("gone"), None);
        assert_eq!(probes.lines("absent").count(), 0);
    }
}
