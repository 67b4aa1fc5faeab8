//! What engines with a command line like Docker's do alike.
//!
//! The commands are those of the first-party grants files: a backend whose grants file has commands of the same names
//! and slots can pass its calls on to here.

mod containers;
mod images;
mod networks;
mod pods;
mod volumes;

use crate::{
    Arguments, Error, Phrase, Result, classify, closing_words,
    engine::{self, Output},
    inspect, narration, undressed,
};

/// An engine's client.
#[derive(Clone, Copy, Debug)]
pub struct Cli {
    phrases: &'static [Phrase],
    noise: &'static [&'static str],
    /// The slot for the command of a health check.
    health: &'static str,
}

impl Cli {
    /// A client whose errors mean what the phrases say.
    #[must_use]
    pub const fn new(phrases: &'static [Phrase]) -> Self {
        Self { phrases, noise: &[], health: "health.command" }
    }

    /// Pieces of warnings that nobody needs to hear.
    #[must_use]
    pub const fn without(self, noise: &'static [&'static str]) -> Self {
        Self { noise, ..self }
    }

    /// A client that runs health checks by a shell alone: its `create` has the slot `health.shell`.
    #[must_use]
    pub const fn with_health_in_a_shell(self) -> Self {
        Self { health: "health.shell", ..self }
    }

    /// Runs a command that has to end well.
    ///
    /// # Errors
    /// The engine's failure by its phrases, or the host's.
    pub fn run(&self, command: &str, arguments: Arguments) -> Result<Output> {
        self.check(engine::run(command, arguments)?)
    }

    /// Takes an output whose command ended well.
    ///
    /// # Errors
    /// The engine's failure by its phrases.
    pub fn check(&self, output: Output) -> Result<Output> {
        if output.status == 0 { Ok(output) } else { Err(classify(self.phrases, &output)) }
    }

    /// Tells the last of what a command that ended well had to say beside its result.
    fn tell(&self, output: &Output) {
        let words = closing_words(&output.stderr);
        let heard = words.lines().filter(|line| !self.noise.iter().any(|noise| line.contains(noise)));
        heard.for_each(|line| narration::warning(&undressed(line)));
    }

    /// Whether a command that creates made something. An engine that says that there is one already made none.
    fn made(&self, command: &str, arguments: Arguments) -> Result<bool> {
        match self.run(command, arguments) {
            Ok(_) => Ok(true),
            Err(Error::Conflict(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a command lists, a name or an ID a line.
    fn names(&self, command: &str) -> Result<Vec<String>> {
        let output = self.run(command, Arguments::none())?;
        Ok(inspect::lines(&output.stdout).map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;

    pub(super) const CLIENT: Cli = Cli::new(&[Phrase::not_found("no such")]).without(&["shared mount"]);

    pub(super) fn image() -> Image {
        Image { reference: "r/a:1".into(), name: "r/a".into(), tag: Some("1".into()), digest: None }
    }
}
