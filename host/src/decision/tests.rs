//! What an operator is told when an ask is refused: rule, slot, value, and the narrowest change that would allow it.

use std::fmt::Write as _;

use super::*;
use crate::scope::{Call, Given};
use crate::spec::ContainerSpec;

const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");

/// No program is there: what is decided ends before one is needed.
struct NoPrograms;

impl Programs for NoPrograms {
    fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
        Err(Error::Unavailable(name.to_owned()))
    }

    fn variable(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

fn create() -> Scope {
    let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
    spec.mounts = vec!["/srv/a,readonly=false:/data:ro".parse().unwrap()];
    spec.memory = Some("1m".parse().unwrap());
    let mark = |slot, text: &str| (slot, Binding::scalar(text));
    let facts = [
        mark(Slot::ImageId, &"a".repeat(64)),
        mark(Slot::OwnerLabel, "o"),
        mark(Slot::InstallId, "i"),
        mark(Slot::SpecSeal, &"c".repeat(64)),
        mark(Slot::SecretNames, ""),
    ];
    facts.into_iter().fold(Scope::of_create(&spec, &[]), |scope, (slot, fact)| scope.with_host(slot, fact))
}

fn text(slot: &str, value: &str) -> Argument {
    Argument { slot: slot.to_owned(), given: Given::Text(value.to_owned()) }
}

fn mount() -> Argument {
    let fields = [("source", "/srv/a,readonly=false"), ("target", "/data"), ("readonly", "true")];
    let given = Given::Fields(fields.map(|(name, value)| (name, value.to_owned())).to_vec());
    Argument { slot: "mount.bind".to_owned(), given }
}

fn memory() -> Argument {
    Argument { slot: "memory".to_owned(), given: Given::Number(1 << 20) }
}

/// What is refused, and how often the call had an effect before.
fn cases() -> Vec<(&'static str, Scope, &'static str, Vec<Argument>, u32)> {
    let stop = || Scope::of_container(Call::Stop, "web", &"a".repeat(64)).with_grace(10);
    let name = || text("container.name", "web");
    vec![
        ("a command that is not granted", create(), "commit", vec![], 0),
        ("a command of the host's own", Scope::of_container(Call::Inspect, "web", "a"), "look", vec![], 0),
        ("an effect that is not open", Scope::of_container(Call::Logs, "web", "a"), "remove", vec![], 0),
        ("an effect that is used up", stop(), "stop", vec![], 3),
        ("no slot", stop(), "stop", vec![text("container.nane", "web")], 0),
        ("a slot of the host's", create(), "create", vec![text("owner.label", "mine")], 0),
        ("a slot of another command", stop(), "stop", vec![text("signal", "KILL")], 0),
        ("a value that nobody asked for", stop(), "stop", vec![text("container.id", "web-db")], 0),
        ("a fact that is left out", create(), "create", vec![name(), mount()], 0),
        ("a value that the token can't hold", create(), "create", vec![name(), mount(), memory()], 0),
    ]
}

#[test]
fn a_refusal_names_rule_slot_value_and_the_narrowest_change() {
    let grants = Grants::parse(PODMAN, "podman.toml").unwrap();
    let redactor = Redactor::builder().build();
    let mut told = String::new();
    for (what, scope, command, arguments, times) in cases() {
        let grounds = Grounds { grants: &grants, scope: &scope, programs: &NoPrograms, redactor: &redactor };
        let ask = Ask { command: command.to_owned(), arguments };
        let Err(Error::Refused(refusal)) = grounds.decide(&ask, |_, _| times) else { panic!("{what} is not refused") };
        assert!(refusal.remedy.is_some() && refusal.command.as_deref() == Some(command), "{what}: {refusal:?}");
        writeln!(told, "{what}\n    {refusal}").unwrap();
    }
    // the lines of a file move; that they are the right ones is seen apart
    let lines = regex_automata::meta::Regex::new("podman.toml:[0-9]+").unwrap();
    let places: Vec<_> =
        lines.find_iter(&told).filter_map(|found| told.get(found.range())).map(str::to_owned).collect();
    assert!(places.contains(&grants.place("stop")) && places.contains(&grants.place("remove")), "{places:?}");
    let told = places.iter().fold(told.clone(), |told, place| told.replace(place, "podman.toml:LINE"));
    insta::assert_snapshot!(told);
}

#[test]
fn a_place_is_a_commands_line() {
    let grants = Grants::parse(PODMAN, "podman.toml").unwrap();
    for command in grants.commands() {
        let line: usize = grants.place(command.name()).strip_prefix("podman.toml:").unwrap().parse().unwrap();
        let heading = format!("[commands.{}]", command.name());
        assert_eq!(PODMAN.lines().nth(line - 1), Some(heading.as_str()));
    }
    assert_eq!(grants.place("nonesuch"), "podman.toml");
}

#[test]
fn a_child_gets_granted_constants_and_the_hosts_own_values_of_granted_names() {
    struct Home;
    impl Programs for Home {
        fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
            NoPrograms.checked(name)
        }

        fn variable(&self, name: &str) -> Option<&[u8]> {
            ["HOME", "GOGC", "EDITOR"].contains(&name).then_some(b"the host's")
        }
    }
    let grants = Grants::parse(PODMAN, "podman.toml").unwrap();
    let (scope, redactor) = (create(), Redactor::builder().build());
    let grounds = Grounds { grants: &grants, scope: &scope, programs: &Home, redactor: &redactor };
    let environment = grounds.environment(grants.command("stop").unwrap(), &Bindings::default()).unwrap();
    let [_, path] = host_defaults();
    let plain = |name: &str, value: &str| (name.to_owned(), EnvValue::plain(value));
    assert_eq!(environment, [plain("GOGC", "400"), plain("HOME", "the host's"), plain("LC_ALL", "C"), path]);
}
