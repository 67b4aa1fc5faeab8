//! What guests can send through the interface, from bytes.

use super::bindings::portreeve::backend::types as wit;
use super::convert;
use crate::digest::Digest;
use crate::error::{Error, Fault, FaultKind, Refusal, Rule};
use crate::fuzzing::Draw;
use crate::fuzzing::WORDS;
use crate::grants::Slot;
use crate::scope::{Argument, Ask, Given, Scope};

/// An ask as the interface carries it: facts of the call, and whatever else.
pub(crate) fn ask(command: String, scope: &Scope, draw: &mut Draw<'_>) -> Ask {
    let mut arguments: Vec<wit::Argument> =
        if draw.flag() { crate::fuzzing::honest(scope).into_iter().map(sent).collect() } else { Vec::new() };
    for _ in 0..draw.below(4) {
        let slot = if draw.byte().is_multiple_of(16) { draw.text() } else { draw.pick(Slot::ALL).name().to_owned() };
        arguments.push(wit::Argument { slot, value: value(draw) });
    }
    convert::ask(command, arguments)
}

/// As a backend would say it.
fn sent(argument: Argument) -> wit::Argument {
    let Argument { slot, given } = argument;
    let value = match given {
        Given::Flag => wit::Value::Flag,
        Given::Number(number) => wit::Value::Number(number),
        Given::Text(text) => match slot.as_str() {
            "env.secret" => wit::Value::Env(wit::Env::Secret(text)),
            _ => wit::Value::Text(text),
        },
        Given::Words(words) => wit::Value::Words(words),
        Given::Fields(fields) => record(&slot, &fields),
    };
    wit::Argument { slot, value }
}

fn record(slot: &str, fields: &[(&'static str, String)]) -> wit::Value {
    let field =
        |name: &str| fields.iter().find(|(known, _)| *known == name).map(|(_, text)| text.clone()).unwrap_or_default();
    match slot {
        "label" => wit::Value::Label(wit::Label { key: field("key"), value: field("value") }),
        "env.plain" => wit::Value::Env(wit::Env::Plain(wit::Variable { name: field("name"), value: field("value") })),
        "secret.file" => wit::Value::Env(wit::Env::SecretFile(field("name"))),
        "tmpfs" => wit::Value::Tmpfs(wit::Tmpfs { target: field("target"), size: field("size").parse().ok() }),
        "ulimit" => wit::Value::Ulimit(wit::Ulimit {
            name: field("name"),
            soft: field("soft").parse().unwrap_or(-1),
            hard: field("hard").parse().unwrap_or(-1),
        }),
        "port" => wit::Value::Port(wit::Port {
            address: field("address").trim_matches(['[', ']']).to_owned(),
            host: field("host").parse().unwrap_or_default(),
            container: field("container").parse().unwrap_or_default(),
            protocol: if field("protocol") == "udp" { wit::Protocol::Udp } else { wit::Protocol::Tcp },
        }),
        _ => wit::Value::Mount(wit::Mount {
            source: match slot {
                "mount.bind" => wit::MountSource::Path(field("source")),
                _ => wit::MountSource::Volume(field("source")),
            },
            target: field("target"),
            read_only: field("readonly") == "true",
        }),
    }
}

/// Any value of any case.
fn value(draw: &mut Draw<'_>) -> wit::Value {
    let mut text = || draw.word(WORDS);
    let (one, two) = (text(), text());
    let number = u64::from_le_bytes(std::array::from_fn(|_| draw.byte()));
    let flag = draw.flag();
    let variable = || wit::Variable { name: one.clone(), value: two.clone() };
    match draw.byte() % 17 {
        0 => wit::Value::Container(one),
        1 => wit::Value::Image(wit::Image { reference: one, name: two, tag: None, digest: None }),
        2 => wit::Value::Port(wit::Port {
            address: one,
            host: number as u16,
            container: (number >> 16) as u16,
            protocol: if flag { wit::Protocol::Sctp } else { wit::Protocol::Tcp },
        }),
        3 => wit::Value::Mount(wit::Mount { source: wit::MountSource::Path(one), target: two, read_only: flag }),
        4 => wit::Value::Mount(wit::Mount { source: wit::MountSource::Volume(one), target: two, read_only: flag }),
        5 => wit::Value::Env(wit::Env::Plain(variable())),
        6 => wit::Value::Env(wit::Env::Secret(one)),
        7 => wit::Value::Env(wit::Env::SecretFile(one)),
        8 => wit::Value::Gpu(one),
        9 => wit::Value::Label(wit::Label { key: one, value: two }),
        10 => wit::Value::Volume(one),
        11 => wit::Value::Network(one),
        12 => wit::Value::Ulimit(wit::Ulimit { name: one, soft: number as i64, hard: (number >> 8) as i64 }),
        13 => wit::Value::Tmpfs(wit::Tmpfs { target: one, size: flag.then_some(number) }),
        14 => wit::Value::Number(number),
        15 => wit::Value::Words(vec![one, two]),
        _ => wit::Value::Extension(wit::Extension { name: one, value: two }),
    }
}

/// Of an error a guest learns no text of the host's, and of a guest's error no text goes on that was not cleaned.
pub(crate) fn errors(draw: &mut Draw<'_>) {
    const HIDDEN: &str = "/srv/hidden";
    let refusal = Refusal::new(Rule::Policy, HIDDEN).value(HIDDEN).remedy(HIDDEN);
    let hidden = || HIDDEN.to_owned();
    let error = match draw.byte() % 8 {
        0 => Error::Refused(refusal),
        1 => Error::Timeout(hidden()),
        2 => Error::Unavailable(hidden()),
        3 => Error::Unsupported(hidden()),
        4 => Error::Config(hidden()),
        5 => Error::Digest(hidden()),
        6 => Error::NotFound { kind: "object", name: hidden() },
        _ => Error::Cancelled,
    };
    assert!(!format!("{:?}", convert::for_guest(error)).contains(HIDDEN));
    let said = format!("said-by-a-guest {}", draw.text());
    let failed = ("remove".to_owned(), i32::from(draw.byte()));
    let known = convert::Known { about: "object", asked: None, failed: Some(&failed) };
    let told = convert::from_guest(guests(draw.byte(), &said), known, |_| "[clean]".to_owned(), |_, _| fault());
    assert!(!format!("{told:?}").contains("said-by-a-guest"), "{told:?}");
}

fn fault() -> Fault {
    Fault { backend: "x".to_owned(), digest: Digest::sha256(b""), kind: FaultKind::Untrue, why: String::new() }
}

fn guests(case: u8, said: &str) -> wit::Error {
    let said = said.to_owned();
    match case % 11 {
        0 => wit::Error::Refused(wit::Refusal { command: Some(said.clone()), slot: Some(said) }),
        1 => wit::Error::NotFound(said),
        2 => wit::Error::Conflict(said),
        3 => wit::Error::Digest(said),
        4 => wit::Error::Unauthorised(said),
        5 => wit::Error::Unavailable(said),
        6 => wit::Error::Engine(wit::EngineFailure { status: i32::from(case), message: said }),
        7 => wit::Error::Unsupported(said),
        8 => wit::Error::Invalid(said),
        9 => wit::Error::Timeout(said),
        _ => wit::Error::Extension(wit::Extension { name: said.clone(), value: said }),
    }
}
