//! Could a command line ever come out of a grants file?

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

use super::Grants;
use super::binding::{Binding, Bindings};
use super::command::Command;
use super::matcher::Recognition;
use super::nearest::distance;
use super::program::EndpointGrant;
use super::slot::{Shape, Slot};
use super::template::Piece;
use crate::conceive::{Bounds, Candidate, Objection, Own};
use crate::policy::{Policy, below_home};
use crate::state::{InstallId, StateDir};

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
        /// Why not, where the token has the right form and no request leads to it.
        why: Option<String>,
    },
}

/// What is known of the host: the variables that sockets are named by, such as `{XDG_RUNTIME_DIR}`, and its install.
#[derive(Debug, Clone, Default)]
pub struct Variables {
    known: Vec<(String, String)>,
    install: Option<String>,
    own: Option<Own>,
    protected: Vec<PathBuf>,
}

impl Variables {
    /// Known values. A variable that is not among them stands for what it usually is: `/run/user/` and a number, or
    /// `/root` or a folder of `/home`.
    pub fn new<K: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (K, V)>) -> Self {
        let known = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { known, ..Self::default() }
    }

    /// The same on one install: what bears the labels of another one could not have come from it.
    #[must_use]
    pub fn on_install(self, install: &InstallId) -> Self {
        Self { install: Some(install.as_str().to_owned()), ..self }
    }

    /// The same on the install of a state directory: its key says which owner labels are its own, its place where the files
    /// lie that the host hands over.
    #[must_use]
    pub fn of_state(self, state: &StateDir) -> Self {
        let own = Own { key: state.key().clone(), folder: state.path().to_owned() };
        Self { own: Some(own), ..self.on_install(state.install()).with_state(state.path()) }
    }

    /// The same where a folder of the host's own, its state directory, is never mounted.
    #[must_use]
    pub fn with_state(mut self, folder: impl Into<PathBuf>) -> Self {
        self.protected.push(folder.into());
        self
    }

    /// The folders that no container gets to see here, beside those that none gets to see anywhere.
    fn protected(&self) -> Vec<PathBuf> {
        let home = self.get("HOME").map(Path::new);
        home.into_iter().flat_map(below_home).chain(self.protected.iter().cloned()).collect()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.known.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn may_be(&self, name: &str, path: &str) -> bool {
        self.get(name).map_or_else(|| is_usual(name, path), |value| value == path)
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
    /// Whether any command, with any values that some request could lead to, renders to exactly this command line,
    /// whatever the policy.
    ///
    /// A command line counts as reachable when the independent matcher recognises it, the renderer makes it again from
    /// the values found, a runtime or endpoint in it is a granted one, a call opens the command, and one well-formed
    /// request leads to all of the caller's values. Its first word may be the program's name or a granted path of it.
    #[must_use]
    pub fn explain(&self, argv: &[String]) -> Explanation {
        self.explain_with(argv, &Variables::default())
    }

    /// The same, where the host's variables are known.
    #[must_use]
    pub fn explain_with(&self, argv: &[String], variables: &Variables) -> Explanation {
        self.explain_within(argv, variables, &Policy::anything())
    }

    /// The same, within one policy.
    #[must_use]
    pub fn explain_within(&self, argv: &[String], variables: &Variables, policy: &Policy) -> Explanation {
        self.asked(argv, variables, policy, |question| question.answer())
    }

    /// The name of the command that a command line is reachable by, whatever the policy; which one would be nearest is not
    /// looked for.
    pub(super) fn reaching(&self, argv: &[String]) -> Option<String> {
        let reached = |question: &Question<'_>| question.reached().map(|command| command.name().to_owned());
        self.asked(argv, &Variables::default(), &Policy::anything(), reached)
    }

    fn asked<T>(
        &self,
        argv: &[String],
        variables: &Variables,
        policy: &Policy,
        answer: impl FnOnce(&Question<'_>) -> T,
    ) -> T {
        let bounds = Bounds {
            policy,
            protected: &variables.protected(),
            install: variables.install.as_deref(),
            own: variables.own.as_ref(),
            is_login: &|folder| variables.may_be("XDG_RUNTIME_DIR", folder),
        };
        answer(&Question { grants: self, argv: &self.by_name(argv), variables, bounds })
    }

    /// The same words, the program by its name where it is spelled by a granted path.
    fn by_name(&self, argv: &[String]) -> Vec<String> {
        let mut words = argv.to_vec();
        if let Some(first) = words.first_mut() {
            let is_at = |path: &std::path::PathBuf| path.as_os_str() == first.as_str();
            let program = self.programs().iter().find(|program| program.search().iter().any(is_at));
            *first = program.map_or_else(|| first.clone(), |program| program.name().to_owned());
        }
        words
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

/// A command line, and within what it is to be explained.
struct Question<'a> {
    grants: &'a Grants,
    argv: &'a [String],
    variables: &'a Variables,
    bounds: Bounds<'a>,
}

impl Question<'_> {
    fn reached(&self) -> Option<&Command> {
        self.grants.commands().iter().find(|command| self.attempt(command).is_ok())
    }

    fn answer(&self) -> Explanation {
        let mut nearest: Option<(Attempt, &Command)> = None;
        for command in self.grants.commands() {
            let attempt = match self.attempt(command) {
                Ok(bindings) => return Explanation::Reachable { command: command.name().to_owned(), bindings },
                Err(attempt) => attempt,
            };
            if nearest.as_ref().is_none_or(|(best, other)| self.is_nearer((&attempt, command), (best, other))) {
                nearest = Some((attempt, command));
            }
        }
        self.unreachable(nearest)
    }

    /// Whether it fits farther; where both differ at the same word, has more of the other words; and where they have as many,
    /// one that is more like it.
    fn is_nearer(&self, (one, command): (&Attempt, &Command), (best, other): (&Attempt, &Command)) -> bool {
        let fits = one.index.cmp(&best.index).then_with(|| self.kinship(command).cmp(&self.kinship(other)));
        match fits {
            Ordering::Equal => self.unlikeness(one, command) < self.unlikeness(best, other),
            order => order == Ordering::Greater,
        }
    }

    /// How many words behind the program a command has too, a flag by its name; its own words count before its flags.
    fn kinship(&self, command: &Command) -> (usize, usize) {
        let literals = || {
            command.template().elements.iter().filter_map(|element| match element.pieces.first() {
                Some(Piece::Text(text)) => Some(flag_of(text)),
                _ => None,
            })
        };
        let words = self.argv.iter().skip(1).take(KIN).map(|word| alias(flag_of(word)));
        let mut kin = (0, 0);
        for word in words.filter(|word| literals().any(|own| own == *word)) {
            let count = if word.starts_with('-') { &mut kin.1 } else { &mut kin.0 };
            *count += 1;
        }
        kin
    }

    /// How many letters of the word would have to change.
    fn unlikeness(&self, attempt: &Attempt, command: &Command) -> usize {
        let found = self.argv.get(attempt.index).map(String::as_str).unwrap_or_default();
        let expected = attempt.expected.in_words(command);
        // long words are no typing errors, and the cost grows with the square
        if found.len() > 64 || expected.len() > 64 { usize::MAX } else { distance(found, &expected) }
    }

    fn attempt(&self, command: &Command) -> Result<Bindings, Attempt> {
        let template = command.template();
        let found = template.search(self.argv).map_err(|difference| Attempt {
            index: difference.index,
            expected: Expected::Elements(difference.elements),
            why: None,
        })?;
        self.check_granted(command, &found)?;
        self.check_rendering(command, &found)?;
        let candidate = Candidate { grants: self.grants, command, found: found.bindings() };
        candidate.check(&self.bounds).map_err(|objection| self.objected(command, &found, objection))?;
        Ok(found.into_bindings())
    }

    fn check_granted(&self, command: &Command, found: &Recognition) -> Result<(), Attempt> {
        let scalar = |slot: Slot| found.bindings().get(slot).first().and_then(|value| value.field(""));
        let wrong = |slot: Slot, expected: &str| {
            Err(Attempt {
                index: found.token_of(command.template(), slot, 0),
                expected: Expected::Words(expected.to_owned()),
                why: None,
            })
        };
        if scalar(Slot::Runtime).is_some_and(|runtime| !self.grants.grants_runtime(runtime)) {
            return wrong(Slot::Runtime, "a granted runtime");
        }
        if scalar(Slot::EngineEndpoint).is_some_and(|endpoint| !self.grants.grants_endpoint(endpoint, self.variables)) {
            return wrong(Slot::EngineEndpoint, "a granted endpoint");
        }
        Ok(())
    }

    fn check_rendering(&self, command: &Command, found: &Recognition) -> Result<(), Attempt> {
        match command.template().render(&with_unrendered(found.bindings())) {
            Ok(rendered) if rendered == self.argv => Ok(()),
            Ok(rendered) => {
                let index = rendered.iter().zip(self.argv).take_while(|(a, b)| a == b).count();
                let expected = rendered.get(index).cloned().unwrap_or_else(|| "the end of the command line".to_owned());
                Err(Attempt { index, expected: Expected::Words(expected), why: None })
            }
            Err(error) => {
                let index = place(command, found, error.slot, &error.value);
                let why = format!("{}; {}", error.rule.as_str(), error.remedy);
                Err(Attempt { index, expected: Expected::Words(expected(command, error.slot)), why: Some(why) })
            }
        }
    }

    fn objected(&self, command: &Command, found: &Recognition, objection: Objection) -> Attempt {
        let Objection { slot, value, why } = objection;
        let slot = slot.or_else(|| slot_with(found.bindings(), &value));
        let index = slot.map(|slot| place(command, found, slot, &value)).unwrap_or_else(|| self.word_with(&value));
        let expected = slot.map_or_else(|| "a command that some call opens".to_owned(), |slot| expected(command, slot));
        Attempt { index, expected: Expected::Words(expected), why: Some(why) }
    }

    /// Where a value stands that is none of a slot's; the end, where it is nowhere.
    fn word_with(&self, value: &str) -> usize {
        let stands = |word: &String| !value.is_empty() && word.contains(value);
        self.argv.iter().position(stands).unwrap_or(self.argv.len())
    }

    fn unreachable(&self, nearest: Option<(Attempt, &Command)>) -> Explanation {
        // not even the program fits: no command is nearer than another
        let Some((attempt, command)) = nearest.filter(|(attempt, _)| attempt.index > 0) else {
            return self.no_program();
        };
        Explanation::Unreachable {
            nearest: Some(command.name().to_owned()),
            first_difference: attempt.index,
            expected: attempt.expected.in_words(command),
            found: self.argv.get(attempt.index).cloned(),
            why: attempt.why,
        }
    }

    fn no_program(&self) -> Explanation {
        Explanation::Unreachable {
            nearest: None,
            first_difference: 0,
            expected: "a granted program".to_owned(),
            found: self.argv.first().cloned(),
            why: None,
        }
    }
}

/// Words of a command line that tell which command it is most like.
const KIN: usize = 24;

/// A flag without its value; any other word as it is.
fn flag_of(word: &str) -> &str {
    word.split_once('=').filter(|(flag, _)| flag.starts_with("--")).map_or(word, |(flag, _)| flag)
}

/// What people write where engines have another word for it, or commands of the grants do it in parts.
fn alias(word: &str) -> &str {
    match word {
        "run" => "create",
        "-v" | "--volume" => "--mount",
        "-e" => "--env",
        "-p" => "--publish",
        "-l" => "--label",
        "-u" => "--user",
        "-w" => "--workdir",
        "-m" => "--memory",
        "-f" => "--follow",
        other => other,
    }
}

/// How far a command fits.
struct Attempt {
    index: usize,
    expected: Expected,
    why: Option<String>,
}

/// What would stand where a command line differs.
enum Expected {
    /// One of these elements of the command.
    Elements(Vec<usize>),
    /// This.
    Words(String),
}

impl Expected {
    fn in_words(&self, command: &Command) -> String {
        match self {
            Self::Elements(elements) => command.template().expectation(elements),
            Self::Words(words) => words.clone(),
        }
    }
}

/// The token that holds a value of a slot.
fn place(command: &Command, found: &Recognition, slot: Slot, value: &str) -> usize {
    let holds = |binding: &Binding| !value.is_empty() && binding.iter().any(|(_, text)| text == value);
    let number = found.bindings().get(slot).iter().position(holds).unwrap_or_default();
    found.token_of(command.template(), slot, number)
}

fn slot_with(bindings: &Bindings, value: &str) -> Option<Slot> {
    let holds = |binding: &Binding| binding.iter().any(|(_, text)| text == value);
    // A flag has no text: `host` is `network.host`.
    let is_flag = |slot: Slot| slot.shape() == Shape::Flag && slot.name().rsplit('.').next() == Some(value);
    let found = bindings.iter().find(|(slot, values)| values.iter().any(holds) || is_flag(*slot));
    found.filter(|_| !value.is_empty()).map(|(slot, _)| slot)
}

/// The element that a slot stands in, as people read it.
fn expected(command: &Command, slot: Slot) -> String {
    let element = command.template().elements.iter().find(|element| element.slots().contains(&slot));
    element.map(ToString::to_string).unwrap_or_default()
}

/// The renderer wants whole values: fields that a command line can't show get a name of their own.
fn with_unrendered(bindings: &Bindings) -> Bindings {
    let values = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)));
    values.map(|(slot, value)| (slot, completed(slot, value))).collect()
}

fn completed(slot: Slot, value: &Binding) -> Binding {
    Binding::fields(slot.fields().iter().map(|field| (field.name(), value.field(field.name()).unwrap_or("_"))))
}
