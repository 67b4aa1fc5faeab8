//! A command that is to run in a container that runs already.

use std::time::Duration;

use super::{EnvName, Secret, SecretDelivery, SpecError, User, Variable, Workdir};

/// The variable by which the host knows the processes of an exec; it is the host's own.
pub(crate) const MARK: &str = "PORTREEVE_EXEC";

/// A command to run in a running container.
///
/// ```
/// use portreeve::ExecSpec;
/// let mut spec = ExecSpec::new(["sh", "-c", "echo hello"]);
/// spec.timeout = Some(std::time::Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Default)]
pub struct ExecSpec {
    /// Its words; at least one, free text without NUL.
    pub words: Vec<String>,
    /// Its plain variables, beside those of the container.
    pub env: Vec<Variable>,
    /// Secrets for its environment.
    pub secrets: Vec<Secret>,
    /// Its working directory; the container's own by default.
    pub workdir: Option<Workdir>,
    /// Its user; the container's own by default.
    pub user: Option<User>,
    /// Its standard input is the caller's; none by default.
    pub stdin: bool,
    /// It gets a terminal: one stream of output, and no end of input but the byte 4.
    pub terminal: bool,
    /// The time it may take; without end by default.
    pub timeout: Option<Duration>,
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// The size of a terminal that nobody looks at.
impl Default for WindowSize {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

impl ExecSpec {
    /// A command of these words, and all else as the container has it.
    pub fn new<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Checks what no single part can know.
    ///
    /// # Errors
    /// Says which: no word or an empty first one, a NUL, a name twice, a secret that is to be a file, a time of nothing.
    pub fn check(&self) -> Result<(), SpecError> {
        self.check_words()?;
        self.check_variables()?;
        match self.timeout {
            Some(time) if time.is_zero() => Err(SpecError::new("time-out", "0", "it is no time", "more than nothing")),
            _ => Ok(()),
        }
    }

    fn check_words(&self) -> Result<(), SpecError> {
        if self.words.first().is_none_or(String::is_empty) {
            return Err(SpecError::new("command", "", "it has no program", "a program, and its words"));
        }
        match self.words.iter().find(|word| word.contains('\0')) {
            Some(word) => Err(SpecError::new("word", word, "it holds a NUL", "text without NUL")),
            None => Ok(()),
        }
    }

    fn check_variables(&self) -> Result<(), SpecError> {
        let plain = self.env.iter().map(|variable| &variable.name);
        let mut seen = std::collections::BTreeSet::new();
        for name in plain.chain(self.secrets.iter().map(|secret| &secret.name)).map(EnvName::as_str) {
            if !seen.insert(name) {
                return Err(SpecError::new("variable", name, "it stands there twice", "a name once"));
            }
            if name == MARK {
                return Err(SpecError::new("variable", name, "it is the host's own", "another name"));
            }
        }
        match self.secrets.iter().find(|secret| secret.delivery != SecretDelivery::Environment) {
            Some(secret) => {
                let why = "a container that runs gets no more files";
                Err(SpecError::new("secret", secret.name.as_str(), why, "a secret for its environment"))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::SecretValue;
    use super::*;

    #[test]
    fn what_makes_no_sense_is_said() {
        let with = |change: &dyn Fn(&mut ExecSpec)| {
            let mut spec = ExecSpec::new(["env"]);
            change(&mut spec);
            spec.check().map_err(|error| error.what)
        };
        assert_eq!(with(&|_| {}), Ok(()));
        assert_eq!(with(&|spec| spec.words.clear()), Err("command"));
        assert_eq!(with(&|spec| spec.words = vec![String::new()]), Err("command"));
        assert_eq!(with(&|spec| spec.words.push("a\0".to_owned())), Err("word"));
        assert_eq!(with(&|spec| spec.env = vec!["A=1".parse().unwrap(), "A=2".parse().unwrap()]), Err("variable"));
        assert_eq!(with(&|spec| spec.env = vec!["PORTREEVE_EXEC=1".parse().unwrap()]), Err("variable"));
        assert_eq!(with(&|spec| spec.timeout = Some(Duration::ZERO)), Err("time-out"));
        let file = SecretDelivery::File("/run/secrets/A".parse().unwrap());
        let secret = Secret { name: "A".parse().unwrap(), value: SecretValue::new(*b"12345678"), delivery: file };
        assert_eq!(with(&|spec| spec.secrets.push(secret.clone())), Err("secret"));
    }
}
