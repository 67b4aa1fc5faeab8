//! Could a command line ever come out of a grants file?

use super::Grants;
use super::binding::Bindings;
use super::command::Command;
use super::program::EndpointGrant;
use super::slot::Slot;

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// A command renders to exactly this.
    Reachable {
        /// The command's name.
        command: String,
        /// With these values.
        bindings: Bindings,
    },
    /// None does.
    Unreachable {
        /// The name of the command that comes nearest; none where no program fits.
        nearest: Option<String>,
        /// The first token that differs from it, counted from 0.
        first_difference: usize,
        /// What would stand there.
        expected: String,
        /// What does; nothing where the command line ends too early.
        found: Option<String>,
    },
}

/// The host's variables that sockets are named by: what `{XDG_RUNTIME_DIR}` stands for.
#[derive(Debug, Clone, Default)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// Known values. A variable that is not among them stands for what it usually is: `/run/user/` and a number, or
    /// `/root` or a folder of `/home`.
    pub fn new<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    fn may_be(&self, name: &str, path: &str) -> bool {
        let known = self.0.iter().find(|(known, _)| known == name);
        known.map_or_else(|| is_usual(name, path), |(_, value)| value == path)
    }
}

fn is_usual(name: &str, path: &str) -> bool {
    let user_folder = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let home = |rest: &str| !rest.is_empty() && !rest.contains('/');
    match name {
        "XDG_RUNTIME_DIR" => path.strip_prefix("/run/user/").is_some_and(user_folder),
        "HOME" => path == "/root" || path.strip_prefix("/home/").is_some_and(home),
        _ => false,
    }
}

impl Grants {
    /// Whether any command, with any values of its slots, renders to exactly this command line.
    ///
    /// A command line counts as reachable when the independent matcher recognises it, the renderer makes it again from
    /// the values found, and a runtime or endpoint in it is a granted one.
    #[must_use]
    pub fn explain(&self, argv: &[String]) -> Explanation {
        self.explain_with(argv, &Variables::default())
    }

    /// The same, where the host's variables are known.
    #[must_use]
    pub fn explain_with(&self, argv: &[String], variables: &Variables) -> Explanation {
        let mut nearest: Option<(Attempt, &Command)> = None;
        for command in self.commands() {
            let attempt = match self.attempt(command, argv, variables) {
                Ok(bindings) => return Explanation::Reachable { command: command.name().to_owned(), bindings },
                Err(attempt) => attempt,
            };
            if nearest.as_ref().is_none_or(|(best, _)| attempt.index > best.index) {
                nearest = Some((attempt, command));
            }
        }
        unreachable_explanation(nearest, argv)
    }

    fn attempt(&self, command: &Command, argv: &[String], variables: &Variables) -> Result<Bindings, Attempt> {
        let template = command.template();
        let found = template
            .search(argv)
            .map_err(|difference| Attempt { index: difference.index, expected: difference.expected.join(" or ") })?;
        let bindings = found.into_bindings();
        self.check_host_facts(&bindings, argv, variables)?;
        match template.render(&with_unrendered(&bindings)) {
            Ok(rendered) if rendered == argv => Ok(bindings),
            Ok(rendered) => {
                Err(Attempt::at(rendered.iter().zip(argv).take_while(|(a, b)| a == b).count(), "another spelling"))
            }
            Err(error) => Err(Attempt::at(holding(argv, &error.value), &error.remedy)),
        }
    }

    fn check_host_facts(&self, bindings: &Bindings, argv: &[String], variables: &Variables) -> Result<(), Attempt> {
        let scalar = |slot: Slot| bindings.get(slot).first().and_then(|value| value.field(""));
        if let Some(runtime) = scalar(Slot::Runtime).filter(|runtime| !self.grants_runtime(runtime)) {
            return Err(Attempt::at(holding(argv, runtime), "a granted runtime"));
        }
        if let Some(endpoint) = scalar(Slot::EngineEndpoint).filter(|it| !self.grants_endpoint(it, variables)) {
            return Err(Attempt::at(holding(argv, endpoint), "a granted endpoint"));
        }
        Ok(())
    }

    fn grants_runtime(&self, text: &str) -> bool {
        self.runtimes()
            .iter()
            .any(|runtime| runtime.name() == text || runtime.search().iter().any(|path| path.as_os_str() == text))
    }

    fn grants_endpoint(&self, text: &str, variables: &Variables) -> bool {
        let path = text.strip_prefix("unix://").unwrap_or_default();
        let sockets = self.endpoint().map(EndpointGrant::sockets).unwrap_or_default();
        sockets.iter().any(|socket| names_socket(socket, path, variables))
    }
}

fn names_socket(socket: &str, path: &str, variables: &Variables) -> bool {
    match socket.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        Some((name, rest)) => path.strip_suffix(rest).is_some_and(|folder| variables.may_be(name, folder)),
        None => socket == path,
    }
}

/// How far a command fits.
struct Attempt {
    index: usize,
    expected: String,
}

impl Attempt {
    fn at(index: usize, expected: &str) -> Self {
        Self { index, expected: expected.to_owned() }
    }
}

/// The token that holds a value.
fn holding(argv: &[String], value: &str) -> usize {
    argv.iter().position(|token| !value.is_empty() && token.contains(value)).unwrap_or_default()
}

/// The renderer wants whole values: fields that a command line can't show get a name of their own.
fn with_unrendered(bindings: &Bindings) -> Bindings {
    let values = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)));
    values.map(|(slot, value)| (slot, completed(slot, value))).collect()
}

fn completed(slot: Slot, value: &super::Binding) -> super::Binding {
    super::Binding::fields(slot.fields().iter().map(|field| (field.name(), value.field(field.name()).unwrap_or("_"))))
}

fn unreachable_explanation(nearest: Option<(Attempt, &Command)>, argv: &[String]) -> Explanation {
    let (attempt, command) = nearest
        .map_or_else(|| (Attempt::at(0, "a granted command"), None), |(attempt, command)| (attempt, Some(command)));
    // not even the program fits: no command is nearer than another
    let command = command.filter(|_| attempt.index > 0);
    let expected = if command.is_some() { attempt.expected } else { "a granted program".to_owned() };
    Explanation::Unreachable {
        nearest: command.map(|command| command.name().to_owned()),
        first_difference: attempt.index,
        expected,
        found: argv.get(attempt.index).cloned(),
    }
}
