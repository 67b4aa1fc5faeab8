//! The renderer against the matcher, over values that bytes choose.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is how a target says that something does not hold"
)]

use std::sync::OnceLock;

use super::matcher::Patterns;
use super::slot::Shape;
use super::{Binding, Bindings, Command, Grammar, Grants, Recognition, Slot, Template};
use crate::fuzzing::Draw;

const SHIPPED: [&str; 2] =
    [include_str!("../../../plugins/podman/grants.toml"), include_str!("../../../plugins/docker/grants.toml")];

/// Texts of which each grammar takes some, and some that break what separates values.
const TEXTS: &[&str] = &[
    "",
    "web",
    "app-db",
    "0",
    "80",
    "8080",
    "65535",
    "1048576",
    "1.5",
    "-1",
    "all",
    "true",
    "false",
    "tcp",
    "udp",
    "no",
    "on-failure:3",
    "unless-stopped",
    "127.0.0.1",
    "[::1]",
    "[2001:db8::1]",
    "docker.io/library/busybox:1.36",
    "[::1]:5000/a/b-c:x",
    "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "localhost:5000/a@sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    "/srv/data",
    "/srv/a b",
    "/srv/a:b",
    "/srv/a,readonly=false",
    "/run/portreeve-secrets/1/key",
    "/data",
    "KEY",
    "discovery.type",
    "a=b",
    "a,b",
    "\"x\"",
    "--privileged",
    "-v=/:/h",
    "a\nb",
    "SIGTERM",
    "9",
    "10",
    "1h30m",
    "2026-01-01T00:00:00Z",
    "linux/amd64",
    "keep-id",
    "1000ms",
    "unix:///run/docker.sock",
    "runc",
    "/usr/bin/crun",
    "1000:1000",
    "nofile",
    "NET_RAW",
    "ALL",
    "GPU-00112233-4455-6677-8899-aabbccddeeff",
    "0:1",
    "team",
    "org.example/x",
    "io.portreeve.owner",
    "install:nonce:MAC",
    "KEY,OTHER",
];

/// The shipped files.
pub(crate) fn shipped() -> &'static [Grants] {
    static LOADED: OnceLock<Vec<Grants>> = OnceLock::new();
    LOADED.get_or_init(|| SHIPPED.iter().map(|text| Grants::parse(text, "grants.toml").unwrap()).collect())
}

/// A grants file of whatever text: it is read or refused, and what is read holds the promises of the language.
pub fn grants(text: &str) {
    match Grants::parse(text, "grants.toml") {
        Err(error) => assert!(error.to_string().contains("grants.toml"), "{error}"),
        Ok(grants) => {
            assert_eq!(Grants::parse(text, "grants.toml").as_ref(), Ok(&grants));
            let mut draw = Draw::new(text.as_bytes());
            grants.commands().iter().for_each(|command| there_and_back(command.template(), &mut draw));
        }
    }
}

/// A command of the shipped files with whatever values: what renders is recognised with the same values, and what it is
/// changed into is not.
pub fn templates(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let commands: Vec<&Command> = shipped().iter().flat_map(|grants| grants.commands()).collect();
    there_and_back(draw.pick(&commands).template(), &mut draw);
}

fn there_and_back(template: &Template, draw: &mut Draw<'_>) {
    let bindings = bindings(template, draw);
    let Ok(argv) = template.render(&bindings) else { return };
    let values = visible(&bindings);
    let found = template.recognise(&argv).map(Recognition::into_bindings);
    assert_eq!(found.as_ref(), Some(&values), "{argv:?}");
    for _ in 0..4 {
        let mutated = mutated(&argv, draw);
        let Some(found) = template.recognise(&mutated).map(Recognition::into_bindings) else { continue };
        assert!(mutated == argv || found != values, "{argv:?} and {mutated:?} are the same");
        // what is recognised otherwise is a rendering of just that, or of nothing
        if let Ok(rendered) = template.render(&whole(&found)) {
            assert_eq!(rendered, mutated);
        }
    }
}

fn bindings(template: &Template, draw: &mut Draw<'_>) -> Bindings {
    let mut bindings = Bindings::new();
    for slot in template.slots().collect::<std::collections::BTreeSet<_>>() {
        let count = match slot.shape() {
            _ if template.needs(slot) => 1,
            Shape::Repeated => draw.below(4),
            Shape::Scalar | Shape::Flag => draw.below(2),
        };
        for _ in 0..count {
            let fields: Vec<_> =
                slot.fields().iter().map(|field| (field.name(), value(field.grammar(), draw))).collect();
            bindings.insert(slot, Binding::fields(fields));
        }
    }
    bindings
}

/// A text of this kind, most of the time.
fn value(grammar: Grammar, draw: &mut Draw<'_>) -> String {
    let fit: Vec<&str> = TEXTS.iter().copied().filter(|text| Patterns::is_match(grammar, text)).collect();
    match (draw.byte() % 8, fit.is_empty()) {
        (0, _) => draw.text(),
        (1, _) | (_, true) => (*draw.pick(TEXTS)).to_owned(),
        (2, false) => format!("{}{}", draw.pick(&fit), draw.text()),
        (_, false) => (*draw.pick(&fit)).to_owned(),
    }
}

/// What a command line can show of them.
pub(crate) fn visible(bindings: &Bindings) -> Bindings {
    let values = bindings.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)));
    let rendered = |slot: Slot, value: &Binding| {
        let shown = slot.fields().iter().filter(|field| field.is_rendered());
        Binding::fields(shown.map(|field| (field.name(), value.field(field.name()).unwrap().to_owned())))
    };
    values.map(|(slot, value)| (slot, rendered(slot, value))).collect()
}

/// Bindings with whatever was not rendered, under some name.
pub(super) fn whole(visible: &Bindings) -> Bindings {
    let values = visible.iter().flat_map(|(slot, values)| values.iter().map(move |value| (slot, value)));
    let completed = |slot: Slot, value: &Binding| {
        let text = |name| value.field(name).unwrap_or("NAME").to_owned();
        Binding::fields(slot.fields().iter().map(|field| (field.name(), text(field.name()))))
    };
    values.map(|(slot, value)| (slot, completed(slot, value))).collect()
}

/// A command line that differs in one place, or in none.
fn mutated(argv: &[String], draw: &mut Draw<'_>) -> Vec<String> {
    let mut argv = argv.to_vec();
    let (at, other) = (draw.below(argv.len()), draw.below(argv.len()));
    let cut = draw.below(argv[at].len() + 1);
    let cut = (0..=cut).rev().find(|cut| argv[at].is_char_boundary(*cut)).unwrap_or_default();
    match draw.byte() % 10 {
        0 => argv.swap(at, other),
        1 => argv.insert(at, argv[other].clone()),
        2 => drop(argv.remove(at)),
        3 => {
            let tail = argv[at].split_off(cut);
            argv.insert(at + 1, tail);
        }
        4 if at + 1 < argv.len() => {
            let next = argv.remove(at + 1);
            argv[at].push_str(&next);
        }
        5 => argv[at].truncate(cut),
        6 => argv[at].insert_str(cut, &draw.text()),
        7 => argv[at].make_ascii_uppercase(),
        8 => argv.insert(at, draw.word(TEXTS)),
        _ => argv[at] = draw.word(TEXTS),
    }
    argv
}
