//! Whatever a guest asks for in whatever call: a permit holds facts of the call alone.

use std::sync::{Arc, OnceLock};

use super::Draw;
use crate::decision::{Grounds, Permit, Programs};
use crate::error::Error;
use crate::executor::{CheckedProgram, ProgramGrant};
use crate::grants::fuzzing::{shipped, visible};
use crate::grants::{Binding, Bindings, Effect, Grants, Origin, Recognition, Slot};
use crate::redaction::Redactor;
use crate::scope::{Argument, Ask, Call, Given, LogOptions, Scope, SecretFile};
use crate::spec::{ContainerSpec, Gpus, Name, Secret, SecretDelivery, SecretValue};

/// What texts of requests and of asks are made of.
pub(crate) const WORDS: &[&str] = &[
    "web",
    "app-db",
    "a",
    "-b",
    "sh",
    "--privileged",
    "example.org/app:1",
    "docker.io/library/alpine:3",
    "8080:80",
    "[::1]:1:2/udp",
    "0.0.0.0:80:80",
    "/srv/a:/data:ro",
    "/:/h",
    "cache:/c",
    "KEY=value",
    "A=",
    "team=x",
    "io.portreeve.owner=x",
    "nofile=1024:2048",
    "512m",
    "1.5",
    "0,1",
    "all",
    "GPU-00112233-4455-6677-8899-aabbccddeeff",
    "1000:1000",
    "SIGTERM",
    "on-failure:3",
    "host",
    "none",
    "mine",
    "/data",
    "KEY",
    "LD_PRELOAD",
    "NET_RAW",
    "127.0.0.1",
    "8080",
    "80",
    "tcp",
    "true",
    "false",
    "536870912",
    "1500",
    "10",
    "hunter2hunter2-x1",
    "aHVudGVyMmh1bnRlcjIteDE=",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
];
const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const SECRET: &[u8] = b"hunter2hunter2-x1";

/// An ask of whatever words.
pub fn decision(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let scope = scope(&mut draw);
    let grants = draw.pick(shipped());
    let ask = Ask { command: command(grants, &mut draw), arguments: arguments(&scope, &mut draw) };
    check(grants, &scope, &ask, &mut draw);
}

/// An ask as it comes through the guests' interface, and the errors that go and come there.
pub fn values(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    crate::sandbox::fuzzing::errors(&mut draw);
    let scope = scope(&mut draw);
    let grants = draw.pick(shipped());
    let command = command(grants, &mut draw);
    let ask = crate::sandbox::fuzzing::ask(command, &scope, &mut draw);
    check(grants, &scope, &ask, &mut draw);
}

fn command(grants: &Grants, draw: &mut Draw<'_>) -> String {
    match draw.byte() % 16 {
        0 => draw.text(),
        _ => draw.pick(grants.commands()).name().to_owned(),
    }
}

/// The facts of some call: such as the host makes them, and a few that fit no call.
fn scope(draw: &mut Draw<'_>) -> Scope {
    let call = *draw.pick(Call::ALL);
    let scope = match draw.byte() % 8 {
        0 => Scope::new(call),
        1 => Scope::of_image(call, &WORDS[6 + draw.below(2)].parse().unwrap(), draw.flag()),
        2 => {
            let labels: Vec<_> = draw.word(WORDS).parse().into_iter().collect();
            Scope::of_volume(call, &draw.word(WORDS), &labels)
        }
        3 | 4 => of_container(call, draw),
        _ => Scope::of_create(
            &spec(draw),
            &[SecretFile { name: "KEY".to_owned(), source: "/run/portreeve-secrets/1/KEY".to_owned() }],
        ),
    };
    let marks = [
        (Slot::ImageId, ID),
        (Slot::OwnerLabel, "o:n:m"),
        (Slot::InstallId, "i"),
        (Slot::SpecSeal, ID),
        (Slot::SecretNames, ""),
    ];
    let there = |scope: Scope, (slot, text): (Slot, &str)| scope.with_host(slot, Binding::scalar(text));
    marks.into_iter().fold(scope, there)
}

fn of_container(call: Call, draw: &mut Draw<'_>) -> Scope {
    let scope = Scope::of_container(call, WORDS[draw.below(2)], ID);
    match draw.byte() % 4 {
        0 => scope.with_grace(u32::from(draw.byte())),
        1 => scope.with_signal(&draw.word(WORDS)),
        2 => scope.with_force(draw.flag()),
        _ => scope.with_log_options(&LogOptions {
            follow: draw.flag(),
            tail: draw.flag().then(|| u64::from(draw.byte())),
            since: draw.flag().then(|| draw.word(&["1h30m", "1700000000"])),
            timestamps: draw.flag(),
        }),
    }
}

/// A container such as a caller may ask for.
fn spec(draw: &mut Draw<'_>) -> ContainerSpec {
    let mut spec = ContainerSpec::new(WORDS[6].parse().unwrap(), WORDS[draw.below(2)].parse().unwrap());
    for _ in 0..draw.below(8) {
        let word = draw.word(WORDS);
        match draw.byte() % 13 {
            0 => spec.words.push(word.replace('\0', "")),
            1 => spec.env.extend(word.parse().ok()),
            2 => spec.mounts.extend(word.parse().ok()),
            3 => spec.ports.extend(word.parse().ok()),
            4 => spec.labels.extend(word.parse().ok()),
            5 => spec.gpus = word.parse().unwrap_or(Gpus::None),
            6 => spec.memory = word.parse().ok(),
            7 => spec.user = word.parse().ok(),
            8 => spec.network = word.parse().ok(),
            9 => spec.ulimits.extend(word.parse().ok()),
            10 => spec.read_only = draw.flag(),
            11 => spec.further_networks.extend(word.parse::<Name>().ok()),
            _ => spec.secrets.extend(secret(&word, draw)),
        }
    }
    spec
}

fn secret(name: &str, draw: &mut Draw<'_>) -> Option<Secret> {
    let delivery =
        if draw.flag() { SecretDelivery::Environment } else { SecretDelivery::File("/data".parse().unwrap()) };
    Some(Secret { name: name.parse().ok()?, value: SecretValue::new(SECRET), delivery })
}

/// Arguments: some repeat facts of the call, as an honest backend would.
fn arguments(scope: &Scope, draw: &mut Draw<'_>) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = if draw.flag() { honest(scope) } else { Vec::new() };
    for _ in 0..draw.below(4) {
        let slot = if draw.byte().is_multiple_of(16) { draw.text() } else { draw.pick(Slot::ALL).name().to_owned() };
        arguments.push(Argument { slot, given: given(draw) });
    }
    if draw.byte().is_multiple_of(4) && !arguments.is_empty() {
        arguments.remove(draw.below(arguments.len()));
    }
    arguments
}

/// Each fact of the caller's, and the object of the call, once.
pub(crate) fn honest(scope: &Scope) -> Vec<Argument> {
    let fields = |value: &Binding| value.iter().map(|(name, text)| (known(name), text.to_owned())).collect::<Vec<_>>();
    let given = |value: &Binding| match fields(value).as_slice() {
        [] => Given::Flag,
        [(_, text)] => Given::Text(text.clone()),
        fields => Given::Fields(fields.to_vec()),
    };
    let facts = scope.caller().iter().filter(|(slot, _)| *slot != Slot::Word);
    let mut arguments: Vec<Argument> = facts
        .flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)))
        .map(|(slot, value)| Argument { slot: slot.name().to_owned(), given: given(value) })
        .collect();
    let words = scope.caller().get(Slot::Word);
    if !words.is_empty() {
        let words = words.iter().filter_map(|word| word.field("word")).map(str::to_owned).collect();
        arguments.push(Argument { slot: Slot::Word.name().to_owned(), given: Given::Words(words) });
    }
    if let Some(name) = scope.subject() {
        arguments.push(Argument { slot: Slot::ContainerId.name().to_owned(), given: Given::Text(name.to_owned()) });
    }
    arguments
}

/// A field's name as the catalogue has it.
fn known(name: &str) -> &'static str {
    let fields = Slot::ALL.iter().flat_map(|slot| slot.fields());
    fields.map(crate::grants::Field::name).find(|field| *field == name).unwrap_or_default()
}

fn given(draw: &mut Draw<'_>) -> Given {
    match draw.byte() % 6 {
        0 => Given::Flag,
        1 => Given::Number(draw.word(WORDS).parse().unwrap_or_else(|_| u64::from(draw.byte()))),
        2 => Given::Words((0..draw.below(4)).map(|_| draw.word(WORDS)).collect()),
        3 => {
            let fields: Vec<&str> =
                Slot::ALL.iter().flat_map(|slot| slot.fields()).map(crate::grants::Field::name).collect();
            Given::Fields(
                (0..draw.below(5)).map(|_| (known(fields[draw.below(fields.len())]), draw.word(WORDS))).collect(),
            )
        }
        _ => Given::Text(draw.word(WORDS)),
    }
}

/// A program that is everywhere: what is decided ends with one that was checked.
struct Env;

impl Programs for Env {
    fn checked(&self, name: &str) -> Result<Arc<CheckedProgram>, Error> {
        static ENV: OnceLock<Option<Arc<CheckedProgram>>> = OnceLock::new();
        let found = ENV.get_or_init(|| {
            let search = vec!["/usr/bin/env".into(), "/bin/true".into()];
            let grant = ProgramGrant { name: name.to_owned(), search, sha256: None, wrapper: false };
            CheckedProgram::resolve(&grant).ok().map(Arc::new)
        });
        found.clone().ok_or_else(|| Error::Unavailable(name.to_owned()))
    }

    fn variable(&self, _: &str) -> Option<&[u8]> {
        Some(b"x")
    }
}

fn redactor() -> &'static Redactor {
    static REDACTOR: OnceLock<Redactor> = OnceLock::new();
    REDACTOR.get_or_init(|| Redactor::builder().secret("KEY", SECRET).unwrap().build())
}

fn check(grants: &Grants, scope: &Scope, ask: &Ask, draw: &mut Draw<'_>) {
    let spent = u32::from(draw.byte().is_multiple_of(4));
    let grounds = Grounds { grants, scope, programs: &Env, redactor: redactor() };
    match grounds.decide(ask, |_, _| spent) {
        Ok(permit) => is_of_the_call(grants, scope, &permit, spent),
        Err(Error::Refused(refusal)) => assert!(refusal.remedy.is_some(), "{refusal:?}"),
        Err(Error::Unavailable(_)) => {}
        Err(other) => panic!("{other:?}"),
    }
}

/// The command is opened by the call, and its every value a fact of it.
fn is_of_the_call(grants: &Grants, scope: &Scope, permit: &Permit, spent: u32) {
    let command = grants.command(permit.command()).unwrap();
    assert!(command.is_for_backends());
    let allowance = scope.call().allowance(command.effect(), command.object()).unwrap();
    assert!(spent < allowance.most);
    let found = command.template().recognise(permit.argv()).map(Recognition::into_bindings).unwrap();
    let (caller, host) = (visible(scope.caller()), visible(scope.host()));
    for (slot, values) in found.iter() {
        let facts = if slot.origin() == Origin::Caller { caller.get(slot) } else { host.get(slot) };
        assert!(values.iter().all(|value| facts.contains(value)), "{slot}: {values:?} of {facts:?}");
    }
    if command.effect() == Effect::Create {
        let of_caller: Bindings = found
            .iter()
            .filter(|(slot, _)| slot.origin() == Origin::Caller)
            .flat_map(|(slot, values)| values.iter().map(move |value| (slot, value.clone())))
            .collect();
        assert_eq!(of_caller, caller, "nothing more than was asked for, and nothing less");
    }
    for word in permit.argv() {
        assert_eq!(redactor().find_secret(word.as_bytes()), None, "{word}");
    }
}
