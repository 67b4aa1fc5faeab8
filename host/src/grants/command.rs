//! One command of a grants file.

use std::time::Duration;

use super::danger::{self, Danger};
use super::element;
use super::error::GrantsError;
use super::program::ProgramGrant;
use super::reader::{Entry, Section};
use super::rules;
use super::slot::{Origin, Slot};
use super::template::Template;

/// What a command does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Effect {
    /// It looks.
    Read,
    /// It makes one.
    Create,
    /// It changes one.
    Change,
    /// It takes one away.
    Remove,
}

impl Effect {
    pub(super) const WORDS: [(&'static str, Self); 4] =
        [("read", Self::Read), ("create", Self::Create), ("change", Self::Change), ("remove", Self::Remove)];

    /// As the file spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

/// The kind of thing that a command is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Object {
    /// The engine itself.
    Engine,
    /// An image.
    Image,
    /// A container.
    Container,
    /// A volume.
    Volume,
    /// A pod.
    Pod,
    /// A network.
    Network,
}

impl Object {
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("engine", Self::Engine),
        ("image", Self::Image),
        ("container", Self::Container),
        ("volume", Self::Volume),
        ("pod", Self::Pod),
        ("network", Self::Network),
    ];

    /// As the file spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Image => "image",
            Self::Container => "container",
            Self::Volume => "volume",
            Self::Pod => "pod",
            Self::Network => "network",
        }
    }

    /// Whether what is created of this kind carries an owner label.
    #[must_use]
    pub const fn is_owned(self) -> bool {
        matches!(self, Self::Container | Self::Volume | Self::Pod | Self::Network)
    }
}

/// How long a command may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeout {
    /// So long.
    After(Duration),
    /// As long as it likes; the caller ends it.
    None,
    /// The grace of the call and 30 seconds.
    Grace,
}

impl Timeout {
    /// The longest that a file may say.
    const MAX: Duration = Duration::from_secs(7 * 24 * 3600);

    fn read(entry: Entry<'_>) -> Result<Self, GrantsError> {
        match entry.text()? {
            "none" => Ok(Self::None),
            "grace" => Ok(Self::Grace),
            text => duration(text).map(Self::After).ok_or_else(|| {
                let error = entry.error(format!("`timeout` can't be {text:?}: it is a time such as 500ms, 30s, 5m or 2h, up to 168h, or none, or grace"));
                error.near(text, ["none", "grace"])
            }),
        }
    }

    /// The shorter of both, where they can be compared; else this one.
    pub(super) fn narrowed(self, other: Self) -> Self {
        match (self, other) {
            (Self::After(one), Self::After(two)) => Self::After(one.min(two)),
            (Self::None, Self::After(_) | Self::Grace) => other,
            _ => self,
        }
    }
}

/// As a file spells it.
impl std::fmt::Display for Timeout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Grace => f.write_str("grace"),
            Self::After(time) => match time.as_millis() {
                ms if ms % 3_600_000 == 0 => write!(f, "{}h", ms / 3_600_000),
                ms if ms % 60_000 == 0 => write!(f, "{}m", ms / 60_000),
                ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
                ms => write!(f, "{ms}ms"),
            },
        }
    }
}

/// What feeds the standard input of a command. Absent means nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stdin {
    /// Nothing: it is at its end.
    #[default]
    None,
    /// The caller, where it asks for that in its call.
    Caller,
}

impl Stdin {
    pub(super) const WORDS: [(&'static str, Self); 2] = [("none", Self::None), ("caller", Self::Caller)];

    /// As the file spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Caller => "caller",
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit_at)?;
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).filter(|time| *time <= Timeout::MAX)
}

/// One approved command: what it is for, what it does, and the command line that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    name: String,
    purpose: String,
    effect: Effect,
    object: Object,
    timeout: Timeout,
    template: Template,
    for_backends: bool,
    marked: Vec<String>,
    stdin: Stdin,
    unstarted: Vec<String>,
    absent: Vec<String>,
}

impl Command {
    pub(super) const KEYS: [&'static str; 11] = [
        "purpose",
        "effect",
        "object",
        "timeout",
        "argv",
        "match",
        "not-match",
        "dangerous",
        "stdin",
        "unstarted",
        "absent",
    ];

    pub(super) fn read(section: Section<'_>, programs: &[ProgramGrant]) -> Result<Self, GrantsError> {
        section.only(&Self::KEYS)?;
        check_name(&section)?;
        let template = template(section.need("argv")?, programs)?;
        let for_backends = template.slots().all(|slot| slot.origin() != Origin::Evidence);
        let command = Self {
            name: section.name().to_owned(),
            purpose: section.need("purpose")?.text()?.to_owned(),
            effect: section.need("effect")?.choice(&Effect::WORDS)?,
            object: section.need("object")?.choice(&Object::WORDS)?,
            timeout: Timeout::read(section.need("timeout")?)?,
            for_backends,
            template,
            marked: section.texts("dangerous")?,
            stdin: section.get("stdin").map_or(Ok(Stdin::None), |entry| entry.choice(&Stdin::WORDS))?,
            unstarted: section.texts("unstarted")?,
            absent: section.texts("absent")?,
        };
        command.check(&section)?;
        command.check_marks(&section)?;
        command.run_examples(&section)?;
        Ok(command)
    }

    /// Whether it joins a container that was created just now to a further network.
    #[must_use]
    pub fn joins(&self) -> bool {
        (self.effect, self.object) == (Effect::Change, Object::Network)
    }

    fn check(&self, section: &Section<'_>) -> Result<(), GrantsError> {
        if self.effect == Effect::Create && self.object.is_owned() && !self.template.needs(Slot::OwnerLabel) {
            return Err(section.error(format!(
                "`{}` creates a {} without {{owner.label}}",
                self.name,
                self.object.as_str()
            )));
        }
        self.check_join(section)?;
        if self.stdin == Stdin::Caller && (self.effect != Effect::Change || !self.template.has(Slot::Stdin)) {
            return Err(section.error(format!(
                "`{}` takes the caller's input: its effect is change, and a token of it stands when = \"stdin\"",
                self.name
            )));
        }
        if self.effect != Effect::Read && !self.for_backends {
            return Err(
                section.error(format!("`{}` has a slot of evidence commands, and their effect is read", self.name))
            );
        }
        Ok(())
    }

    fn check_join(&self, section: &Section<'_>) -> Result<(), GrantsError> {
        let joins = self.joins();
        let whole = [Slot::NetworkAlso, Slot::ContainerId].iter().all(|slot| self.template.needs(*slot));
        if joins == self.template.has(Slot::NetworkAlso) && (whole || !joins) {
            return Ok(());
        }
        let what = if joins { "changes a network" } else { "has the slot `network.also`" };
        let rule = "what changes a network joins {container.id} to {network.also}, and nothing else has that slot";
        Err(section.error(format!("`{}` {what}: {rule}", self.name)))
    }

    /// A mark that marks nothing is a slip of the pen.
    fn check_marks(&self, section: &Section<'_>) -> Result<(), GrantsError> {
        let dangers = self.dangers();
        for mark in section.get("dangerous").map_or(Ok(Vec::new()), |entry| entry.list())? {
            let text = mark.text()?;
            if !dangers.iter().any(|danger| danger.written == text) {
                let what = format!("`{text}` is no dangerous token of `{}`", self.name);
                return Err(mark.error(what).near(text, dangers.iter().map(|danger| danger.written.as_str())));
            }
        }
        Ok(())
    }

    /// `match` and `not-match`: command lines that this command renders to, or must not.
    fn run_examples(&self, section: &Section<'_>) -> Result<(), GrantsError> {
        for (key, wanted) in [("match", true), ("not-match", false)] {
            for example in section.get(key).map_or(Ok(Vec::new()), |entry| entry.list())? {
                if self.template.recognise(&example.texts()?).is_some() != wanted {
                    let verb = if wanted { "does not match" } else { "matches" };
                    return Err(example.error(format!("`{}` {verb} this example", self.name)));
                }
            }
        }
        Ok(())
    }

    /// The same, with the shorter time-out.
    pub(super) fn shortened(self, timeout: Timeout) -> Self {
        Self { timeout: self.timeout.narrowed(timeout), ..self }
    }

    /// The same, fed by no more than this.
    pub(super) fn fed_by(self, stdin: Stdin) -> Self {
        Self { stdin: self.stdin.min(stdin), ..self }
    }

    /// The same, closed to backends.
    pub(super) fn for_evidence_alone(self) -> Self {
        Self { for_backends: false, ..self }
    }

    /// Its name: what a backend asks for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in the operator's words.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// What it does.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        self.effect
    }

    /// What it does it to.
    #[must_use]
    pub const fn object(&self) -> Object {
        self.object
    }

    /// How long it may run.
    #[must_use]
    pub const fn timeout(&self) -> Timeout {
        self.timeout
    }

    /// What feeds its standard input.
    #[must_use]
    pub const fn stdin(&self) -> Stdin {
        self.stdin
    }

    /// Whether the last line of standard error says that the engine never started what it was to run in a container.
    #[must_use]
    pub fn is_unstarted(&self, line: &str) -> bool {
        holds_any(line, &self.unstarted)
    }

    /// Whether the last line of what was printed says that there is no such program in the container.
    #[must_use]
    pub fn is_absent(&self, line: &str) -> bool {
        holds_any(line, &self.absent)
    }

    /// The command line that it becomes.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// Whether a backend may ask for it. The host's own evidence commands may not be asked for.
    #[must_use]
    pub const fn is_for_backends(&self) -> bool {
        self.for_backends
    }

    /// Tokens that an operator should think twice about.
    #[must_use]
    pub fn dangers(&self) -> Vec<Danger> {
        danger::of_command(&self.template, self.effect)
    }

    /// Whether the file says of this token that it is dangerous: `dangerous = ["--privileged"]`.
    #[must_use]
    pub fn marks(&self, danger: &Danger) -> bool {
        self.marked.contains(&danger.written)
    }
}

fn check_name(section: &Section<'_>) -> Result<(), GrantsError> {
    let name = section.name();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(fits) {
        return Err(section.error("a command's name is of lower-case letters, digits and `-`, at most 64"));
    }
    Ok(())
}

fn template(argv: Entry<'_>, programs: &[ProgramGrant]) -> Result<Template, GrantsError> {
    let entries = argv.list()?;
    let elements = entries.iter().copied().map(element::element).collect::<Result<_, _>>()?;
    let template = Template { elements };
    check_program(argv, entries.first().copied(), &template, programs)?;
    rules::check(&template).map_err(|(index, what)| entries.get(index).unwrap_or(&argv).error(what))?;
    Ok(template)
}

fn check_program(
    argv: Entry<'_>,
    first: Option<Entry<'_>>,
    template: &Template,
    programs: &[ProgramGrant],
) -> Result<(), GrantsError> {
    let first = first.ok_or_else(|| argv.error("`argv` is empty: it begins with a program of [programs]"))?;
    let names = || programs.iter().map(ProgramGrant::name);
    let is_word = first.is_text() && template.elements.first().is_some_and(|element| element.fixed().is_some());
    if is_word && names().any(|name| name == template.program()) {
        return Ok(());
    }
    Err(first.error("`argv` begins with the name of a program of [programs]").near(template.program(), names()))
}

fn holds_any(line: &str, texts: &[String]) -> bool {
    let line = line.to_ascii_lowercase();
    texts.iter().any(|text| line.contains(&text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_and_a_bound() {
        assert_eq!(duration("2h"), Some(Duration::from_secs(7200)));
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        for bad in ["", "5", "s", "0s", "-1s", "1d", "169h", "99999999999999999999s", "1.5s"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn times_are_printed_as_they_are_read() {
        for text in ["500ms", "30s", "90s", "5m", "2h", "168h"] {
            assert_eq!(Timeout::After(duration(text).unwrap()).to_string(), text);
        }
        assert_eq!((Timeout::None.to_string(), Timeout::Grace.to_string()), ("none".to_owned(), "grace".to_owned()));
    }

    #[test]
    fn a_request_never_adds_an_input() {
        assert_eq!(Stdin::None.min(Stdin::Caller), Stdin::None);
        assert_eq!(Stdin::WORDS.map(|(word, stdin)| word == stdin.as_str()), [true; 2]);
    }

    #[test]
    fn a_request_only_shortens() {
        let (long, short) = (Timeout::After(Duration::from_secs(9)), Timeout::After(Duration::from_secs(1)));
        assert_eq!(long.narrowed(short), short);
        assert_eq!(short.narrowed(long), short);
        assert_eq!(short.narrowed(Timeout::None), short);
        assert_eq!(Timeout::None.narrowed(short), short);
        assert_eq!(Timeout::Grace.narrowed(Timeout::None), Timeout::Grace);
    }
}
