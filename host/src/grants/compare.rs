//! Two grants side by side: what a new version may do more, and what less.
//!
//! What can't be shown to be less counts as more: a command line with other words is another command.

use super::command::{Command, Timeout};
use super::limits::Limit;
use super::program::{EndpointGrant, ProgramGrant};
use super::template::{Presence, Template};
use super::{Grants, Wasi};

/// How a part of a grant compares with the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It allows the same.
    Same,
    /// It allows less, and nothing else.
    Narrowed,
    /// It allows more, or something else.
    Widened,
}

impl Verdict {
    /// As it is printed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Narrowed => "narrowed",
            Self::Widened => "widened",
        }
    }
}

/// One part of a grant, compared.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Change {
    /// Which part: `command create`, `limit memory-mib`, `devices` …
    pub subject: String,
    /// How it compares.
    pub verdict: Verdict,
    /// In what it differs; empty where it is the same.
    pub why: Vec<String>,
    /// As it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// As it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// What was found while a part is compared.
#[derive(Default)]
struct Findings(Vec<(Verdict, String)>);

impl Findings {
    fn add(&mut self, verdict: Verdict, why: impl Into<String>) {
        self.0.push((verdict, why.into()));
    }

    fn more(&mut self, why: impl Into<String>) {
        self.add(Verdict::Widened, why);
    }

    fn less(&mut self, why: impl Into<String>) {
        self.add(Verdict::Narrowed, why);
    }

    /// Values of a list whose order does not matter: those that came widen, those that went narrow.
    fn set<T: PartialEq + ToString>(&mut self, what: &str, old: &[T], new: &[T]) {
        let beyond = |one: &[T], other: &[T]| {
            one.iter().filter(|value| !other.contains(value)).map(ToString::to_string).collect::<Vec<_>>()
        };
        for value in beyond(new, old) {
            self.more(format!("{what} {value} came"));
        }
        for value in beyond(old, new) {
            self.less(format!("{what} {value} went"));
        }
    }

    fn concerning(self, subject: impl Into<String>) -> Change {
        let verdict = self.0.iter().map(|(verdict, _)| *verdict).max().unwrap_or(Verdict::Same);
        let why = self.0.into_iter().map(|(_, why)| why).collect();
        Change { subject: subject.into(), verdict, why, old: None, new: None }
    }
}

impl Grants {
    /// Compares this grant with a newer one: each command, and each other part that differs.
    #[must_use]
    pub fn compare(&self, new: &Self) -> Vec<Change> {
        let others = [
            self.compare_wasi(new),
            self.compare_endpoint(new),
            self.compare_runtimes(new),
            self.compare_evidence(new),
            self.compare_devices(new),
            self.compare_probes(new),
            self.compare_floors(new),
            self.compare_limits(new),
            self.compare_unit(new),
        ];
        let differing = others.into_iter().chain(self.compare_programs(new));
        let differing = differing.filter(|change| change.verdict != Verdict::Same);
        self.compare_commands(new).chain(differing).collect()
    }

    fn compare_commands<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = Change> + 'a {
        let known = self.commands().iter().map(|old| compare_command(Some(old), new.command(old.name())));
        let fresh = new.commands().iter().filter(|command| self.command(command.name()).is_none());
        known.chain(fresh.map(|command| compare_command(None, Some(command))))
    }

    fn compare_wasi(&self, new: &Self) -> Change {
        let mut found = Findings::default();
        match (self.wasi, new.wasi) {
            (Wasi::None, Wasi::Inert) => found.more("it may import an inert WASI"),
            (Wasi::Inert, Wasi::None) => found.less("it may not import WASI any more"),
            _ => {}
        }
        found.concerning("wasi")
    }

    fn compare_programs<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = Change> + 'a {
        let known = self.programs().iter().map(|old| compare_program(old.name(), Some(old), new.program(old.name())));
        let fresh = new.programs().iter().filter(|program| self.program(program.name()).is_none());
        known.chain(fresh.map(|program| compare_program(program.name(), None, Some(program))))
    }

    fn compare_endpoint(&self, new: &Self) -> Change {
        let sockets = |grants: &Self| grants.endpoint().map(EndpointGrant::sockets).unwrap_or_default().to_vec();
        let mut found = Findings::default();
        found.set("the socket", &sockets(self), &sockets(new));
        found.concerning("endpoint")
    }

    fn compare_runtimes(&self, new: &Self) -> Change {
        let runtimes = |grants: &Self| grants.runtimes().iter().map(|one| format!("{one:?}")).collect::<Vec<_>>();
        let mut found = Findings::default();
        if runtimes(self) != runtimes(new) {
            let kept = runtimes(new).iter().all(|one| runtimes(self).contains(one));
            let verdict = if kept { Verdict::Narrowed } else { Verdict::Widened };
            let names = |grants: &Self| {
                grants.runtimes().iter().map(|one| one.name().to_owned()).collect::<Vec<_>>().join(", ")
            };
            found.add(verdict, format!("{:?} became {:?}, or their places changed", names(self), names(new)));
        }
        found.concerning("runtimes")
    }

    /// Where the host looks decides what it believes: any change is one that an operator looks at.
    fn compare_evidence(&self, new: &Self) -> Change {
        let mut found = Findings::default();
        if self.evidence() != new.evidence() {
            found.more("the host looks for itself in another way");
        }
        found.concerning("evidence")
    }

    /// A unit runs without the host: any change of how it is written is one that an operator looks at.
    fn compare_unit(&self, new: &Self) -> Change {
        let mut found = Findings::default();
        if self.unit() != new.unit() {
            found.more("units of systemd are written in another way");
        }
        found.concerning("unit")
    }

    fn compare_devices(&self, new: &Self) -> Change {
        let mut found = Findings::default();
        found.set("the pattern", self.devices(), new.devices());
        found.concerning("devices")
    }

    fn compare_probes(&self, new: &Self) -> Change {
        let probes = |grants: &Self| grants.probes().iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut found = Findings::default();
        found.set("the probe", &probes(self), &probes(new));
        found.concerning("probes")
    }

    fn compare_floors(&self, new: &Self) -> Change {
        let floors = |grants: &Self| grants.floors().iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut found = Findings::default();
        found.set("the floor", &floors(self), &floors(new));
        found.concerning("floors")
    }

    fn compare_limits(&self, new: &Self) -> Change {
        let mut found = Findings::default();
        for limit in Limit::ALL {
            let (old, new) = (self.limits().value(*limit), new.limits().value(*limit));
            let why = format!("{} was {old} and is {new}", limit.name());
            match new.cmp(&old) {
                std::cmp::Ordering::Greater => found.more(why),
                std::cmp::Ordering::Less => found.less(why),
                std::cmp::Ordering::Equal => {}
            }
        }
        found.concerning("limits")
    }
}

fn compare_command(old: Option<&Command>, new: Option<&Command>) -> Change {
    let mut found = Findings::default();
    match (old, new) {
        (Some(old), Some(new)) => differences(&mut found, old, new),
        (None, Some(_)) => found.more("it is new"),
        (Some(_), None) => found.less("it is gone"),
        (None, None) => {}
    }
    let name = old.or(new).map(Command::name).unwrap_or_default();
    let line = |command: Option<&Command>| command.map(|command| command.template().to_string());
    Change { old: line(old), new: line(new), ..found.concerning(format!("command {name}")) }
}

fn differences(found: &mut Findings, old: &Command, new: &Command) {
    if let Some(at) = old.template().first_difference(new.template()) {
        let verdict = if omits(old.template(), new.template()) { Verdict::Narrowed } else { Verdict::Widened };
        let how = if verdict == Verdict::Narrowed { "leaves out what could stand" } else { "has another token" };
        found.add(verdict, format!("the command line {how} at place {at}"));
    }
    if (old.effect(), old.object()) != (new.effect(), new.object()) {
        let words = |command: &Command| format!("{} {}", command.effect().as_str(), command.object().as_str());
        found.more(format!("it counted as `{}` and counts as `{}`", words(old), words(new)));
    }
    match (old.is_for_backends(), new.is_for_backends()) {
        (false, true) => found.more("the backend may ask for it, which only the host did"),
        (true, false) => found.less("only the host may run it any more"),
        _ => {}
    }
    match (old.stdin(), new.stdin()) {
        (one, other) if other > one => found.more("its input is the caller's, and was none"),
        (one, other) if other < one => found.less("it has no input any more"),
        _ => {}
    }
    let why = || format!("its time was {} and is {}", old.timeout(), new.timeout());
    match (rank(old.timeout()), rank(new.timeout())) {
        (one, other) if other > one => found.more(why()),
        (one, other) if other < one => found.less(why()),
        _ => {}
    }
}

/// Whether `new` is `old` without some tokens that might be left out anyway: whatever it renders to, `old` could too.
fn omits(old: &Template, new: &Template) -> bool {
    let mut rest = old.elements.iter();
    let every_is_there = new.elements.iter().all(|wanted| {
        for element in rest.by_ref() {
            if element == wanted {
                return true;
            }
            if element.presence == Presence::Always {
                return false;
            }
        }
        false
    });
    every_is_there && rest.all(|element| element.presence != Presence::Always)
}

/// How long a time-out lets a command run, for comparing: the call's grace is at most an hour.
fn rank(timeout: Timeout) -> u128 {
    match timeout {
        Timeout::After(time) => time.as_millis(),
        Timeout::Grace => 3_630_000,
        Timeout::None => u128::MAX,
    }
}

fn compare_program(name: &str, old: Option<&ProgramGrant>, new: Option<&ProgramGrant>) -> Change {
    let mut found = Findings::default();
    match (old, new) {
        (Some(old), Some(new)) => program_differences(&mut found, old, new),
        (None, Some(_)) => found.more("it is new"),
        (Some(_), None) => found.less("it is gone"),
        (None, None) => {}
    }
    found.concerning(format!("program {name}"))
}

fn program_differences(found: &mut Findings, old: &ProgramGrant, new: &ProgramGrant) {
    let places =
        |grant: &ProgramGrant| grant.search().iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    found.set("the place", &places(old), &places(new));
    if places(old) != places(new) && found.0.is_empty() {
        found.more("its places are looked at in another order");
    }
    found.set("the variable", old.environment(), new.environment());
    match (old.wrapper(), new.wrapper()) {
        (false, true) => found.more("it may be a script"),
        (true, false) => found.less("it may not be a script any more"),
        _ => {}
    }
    match (old.sha256(), new.sha256()) {
        (None, Some(_)) => found.less("its file is pinned"),
        (Some(_), None) => found.more("its file is not pinned any more"),
        (Some(one), Some(other)) if one != other => found.more("another file is pinned"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
backend = "x"
[programs.x]
search = ["/usr/bin/x"]
environment = ["HOME"]
[devices]
patterns = ["/dev/nvidia0"]
[limits]
commands = 10
[probes.release]
kind = "file"
path = "/etc/os-release"
calls = ["detect"]
[commands.c]
purpose = "p"
effect = "change"
object = "container"
timeout = "10s"
argv = ["x", "do", { token = "--memory={memory}", when = "memory" }, "{container.id}"]
[commands.d]
purpose = "p"
effect = "read"
object = "container"
timeout = "10s"
argv = ["x", "look", "{container.id}"]
"#;

    fn compared(change: impl Fn(&str) -> String) -> Vec<Change> {
        let grants = |text: &str| Grants::parse(text, "x").unwrap();
        grants(FILE).compare(&grants(&change(FILE)))
    }

    /// What one change of the file does to one part, the rest being the same.
    fn verdict(subject: &str, from: &str, to: &str) -> Verdict {
        assert!(FILE.contains(from), "{from}");
        let changes = compared(|text| text.replacen(from, to, 1));
        for change in changes.iter().filter(|change| change.subject != subject) {
            assert_eq!(change.verdict, Verdict::Same, "{change:?}");
        }
        let change = changes.into_iter().find(|change| change.subject == subject).unwrap();
        assert_eq!(change.verdict == Verdict::Same, change.why.is_empty(), "{change:?}");
        change.verdict
    }

    #[test]
    fn a_grant_is_the_same_as_itself() {
        let changes = compared(str::to_owned);
        assert_eq!(changes.len(), 2);
        assert!(changes.iter().all(|change| change.verdict == Verdict::Same), "{changes:?}");
    }

    #[test]
    fn what_allows_less_is_narrowed() {
        for (subject, from, to) in [
            ("command c", "{ token = \"--memory={memory}\", when = \"memory\" }, ", ""),
            ("command c", "timeout = \"10s\"", "timeout = \"9s\""),
            ("program x", "environment = [\"HOME\"]", "environment = []"),
            ("devices", "\"/dev/nvidia0\"", ""),
            ("limits", "commands = 10", "commands = 9"),
            ("probes", "[probes.release]\nkind = \"file\"\npath = \"/etc/os-release\"\ncalls = [\"detect\"]\n", ""),
        ] {
            assert_eq!(verdict(subject, from, to), Verdict::Narrowed, "{subject}: {to}");
        }
        let gone = compared(|text| text.split("[commands.d]").next().unwrap().to_owned());
        let gone = gone.into_iter().find(|change| change.subject == "command d").unwrap();
        assert_eq!((gone.verdict, gone.new), (Verdict::Narrowed, None));
    }

    #[test]
    fn what_allows_more_or_something_else_is_widened() {
        for (subject, from, to) in [
            ("command c", "\"do\"", "\"undo\""),
            ("command c", "\"do\", ", "\"do\", \"--privileged\", "),
            ("command c", "\"do\", ", ""),
            ("command c", "\"do\", ", "\"do\", { token = \"--force\", when = \"force\" }, "),
            ("command c", "{ token = \"--memory={memory}\", when = \"memory\" }", "\"--memory={memory}\""),
            ("command c", "effect = \"change\"", "effect = \"read\""),
            ("command c", "object = \"container\"", "object = \"image\""),
            ("command c", "timeout = \"10s\"", "timeout = \"none\""),
            ("program x", "\"/usr/bin/x\"", "\"/usr/bin/y\""),
            ("program x", "\"/usr/bin/x\"", "\"/usr/bin/y\", \"/usr/bin/x\""),
            ("program x", "[\"HOME\"]", "[\"HOME\"]\nwrapper = true"),
            ("devices", "\"/dev/nvidia0\"", "\"/dev/nvidia[0-9]*\""),
            ("limits", "commands = 10", "commands = 11"),
            ("probes", "/etc/os-release", "/etc/hostname"),
            ("wasi", "backend = \"x\"", "backend = \"x\"\nwasi = \"inert\""),
            ("endpoint", "[limits]", "[endpoint]\nsockets = [\"/run/x.sock\"]\n[limits]"),
        ] {
            assert_eq!(verdict(subject, from, to), Verdict::Widened, "{subject}: {to}");
        }
    }

    #[test]
    fn a_pin_narrows_and_its_loss_widens() {
        let pinned =
            |digit: &str| FILE.replace("[\"HOME\"]", &format!("[\"HOME\"]\nsha256 = \"{}\"", digit.repeat(64)));
        let grants = |text: &str| Grants::parse(text, "x").unwrap();
        let verdict = |old: &str, new: &str| {
            grants(old).compare(&grants(new)).into_iter().find(|change| change.subject == "program x").unwrap().verdict
        };
        assert_eq!(verdict(FILE, &pinned("0")), Verdict::Narrowed);
        assert_eq!(verdict(&pinned("0"), FILE), Verdict::Widened);
        assert_eq!(verdict(&pinned("0"), &pinned("1")), Verdict::Widened);
    }
}
