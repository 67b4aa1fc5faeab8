//! What each backend could ever run.

use maud::{Markup, html};

use super::super::{Audit, CommandSheet, LimitSheet, Listed, ProgramSheet, Sheet};
use super::words::{Said, badge, counted, digest, effect, number, size};
use crate::grants::{Part, Token};

/// The effects, the ones that alter something first.
const EFFECTS: [(&str, &str); 4] = [
    ("create", "makes something"),
    ("change", "changes something that is this install’s own"),
    ("remove", "takes something away"),
    ("read", "only looks"),
];

pub(super) fn section(audit: &Audit) -> Markup {
    html! {
        section #backends aria-labelledby="backends-title" {
            h2 #backends-title { "What the backends could ever run" }
            p { "A backend names one of the commands below and repeats facts of the caller’s request. The host writes the "
                "command line. There is no other way to the engine: what does not stand here can’t be run." }
            (legend())
            @if audit.backends.is_empty() { p.empty { "There is no backend." } }
            @for (index, listed) in audit.backends.iter().enumerate() {
                @match listed {
                    Listed::Whole(sheet) => (backend(sheet, index)),
                    Listed::Refused { name, why } => (refused(name, why)),
                }
            }
            @if let Some(sheet) = &audit.host { (host(sheet)) }
        }
    }
}

fn legend() -> Markup {
    let example = |optional, repeated, slot: &str| Token {
        parts: vec![Part::Text(format!("--{slot}=")), Part::Slot(slot.to_owned())],
        optional,
        repeated,
        text: String::new(),
    };
    html! {
        dl.legend aria-label="How to read a command line" {
            div { dt { span.line { (slot("image.id")) } } dd { "a slot: the host fills in a fact of the request" } }
            div { dt { span.line { (token(&example(true, false, "user"), false)) } } dd { "stands there only if the caller asked for it" } }
            div { dt { span.line { (token(&example(true, true, "label"), false)) } } dd { "once for each that the caller asked for" } }
            div { dt { (badge("danger", "!", "dangerous")) } dd { "widens what a container or the engine may do" } }
            div { dt { (badge("host", "◉", "host only")) } dd { "evidence: the host looks for itself, no backend can ask for it" } }
        }
    }
}

fn refused(name: &str, why: &str) -> Markup {
    html! {
        article.backend {
            h3 { (Said(name)) " " (badge("bad", "✕", "refused")) }
            p { "Nothing of this backend is loaded: " (Said(why)) }
        }
    }
}

fn backend(sheet: &Sheet, index: usize) -> Markup {
    let dangers: usize = sheet.commands.iter().map(|command| command.dangers.len()).sum();
    let id = format!("backend-{index}");
    html! {
        article.backend aria-labelledby=(id) {
            h3 id=(id) { (Said(&sheet.name)) " " (badge("plain", "◆", &sheet.standing)) }
            p { (counted(sheet.commands.len() as u64, "command line", "command lines")) ", of them "
                (by_effect(sheet)) ". "
                @match dangers {
                    0 => "No dangerous token.",
                    some => { (badge("danger", "!", &counted(some as u64, "dangerous token", "dangerous tokens"))) }
                }
            }
            dl.facts {
                div { dt { "Component" } dd { (digest(&sheet.digest)) " (" (size(sheet.bytes)) ")" } }
                div { dt { "Grants" } dd { (digest(&sheet.grants)) } }
                div { dt { "From" } dd { (Said(&sheet.origin)) } }
                div { dt { "WASI" } dd { (Said(&sheet.wasi)) } }
            }
            (commands(sheet))
            (reach(sheet))
        }
    }
}

/// What the host runs for no backend.
fn host(sheet: &Sheet) -> Markup {
    html! {
        article.backend aria-labelledby="host-title" {
            h3 #host-title { "The host itself " (badge("host", "◉", "no backend")) }
            p { "At its caller’s word (" code { "unit --check" } ") the host has units of systemd judged. No backend can ask "
                "for these; the journal tells of them under the name " code { (Said(&sheet.name)) } "." }
            (commands(sheet))
            div.reach { (programs(sheet)) }
        }
    }
}

fn by_effect(sheet: &Sheet) -> Markup {
    let count = |effect: &str| sheet.commands.iter().filter(|command| command.effect == effect).count() as u64;
    let said: Vec<String> = EFFECTS
        .iter()
        .map(|(effect, _)| (effect, count(effect)))
        .filter(|(_, count)| *count > 0)
        .map(|(effect, count)| format!("{} {effect}", number(count)))
        .collect();
    html! { (Said(&said.join(", "))) }
}

/// The command lines by effect.
fn commands(sheet: &Sheet) -> Markup {
    html! {
        table.commands role="table" {
            caption { "The command lines of " (Said(&sheet.name)) }
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { "Command" }
                th role="columnheader" scope="col" { "The command line that it becomes" }
            } }
            @for (name, what) in EFFECTS {
                @let rows: Vec<_> = sheet.commands.iter().filter(|command| command.effect == name).collect();
                @if !rows.is_empty() {
                    tbody role="rowgroup" {
                        tr.group role="row" { th role="rowheader" scope="rowgroup" colspan="2" {
                            (effect(name)) " " span.soft { (what) }
                        } }
                        @for row in rows { (command(row)) }
                    }
                }
            }
        }
    }
}

fn command(command: &CommandSheet) -> Markup {
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                span.name { (Said(&command.name)) }
                @if command.evidence_only { " " (badge("host", "◉", "host only")) }
                @else if command.evidence { " " (badge("host", "◉", "host too")) }
                span.purpose { (Said(&command.purpose)) }
                span.soft { (Said(command.object)) ", " (Said(&command.time)) }
            }
            td role="cell" {
                (line(command))
                @if !command.dangers.is_empty() { (dangers(command)) }
            }
        }
    }
}

fn line(command: &CommandSheet) -> Markup {
    let dangerous = |token: &Token| command.dangers.iter().any(|(danger, _)| *danger == token.text);
    html! {
        code.line {
            @for (index, one) in command.tokens.iter().enumerate() {
                @if index > 0 { " " }
                @if index == 0 { b { (token(one, false)) } } @else { (token(one, dangerous(one))) }
            }
        }
    }
}

fn dangers(command: &CommandSheet) -> Markup {
    html! {
        ul.dangers { @for (token, why) in &command.dangers {
            li { (badge("danger", "!", "dangerous")) " " code { (Said(token)) } " " (Said(why)) }
        } }
    }
}

fn token(token: &Token, dangerous: bool) -> Markup {
    html! {
        span.token.optional[token.optional].perilous[dangerous] {
            @if token.optional { span.bracket { "[" } }
            @for part in &token.parts {
                @match part {
                    Part::Text(text) => (Said(text)),
                    Part::Slot(name) => (slot(name)),
                }
            }
            @if token.optional { span.bracket { "]" } }
            @if token.repeated { span.bracket { "…" } }
        }
    }
}

fn slot(name: &str) -> Markup {
    html! { var.slot { "‹" (Said(name)) "›" } }
}

/// What else it can have looked at, and under which bounds it lives.
fn reach(sheet: &Sheet) -> Markup {
    html! {
        div.reach {
            (programs(sheet))
            (list("Engine endpoint", "The daemon is addressed by the first of these sockets that is there and safe.",
                "none: no daemon is addressed", &sheet.endpoint))
            (pairs("OCI runtimes", "May be named when the engine’s first can’t work here.", &runtimes(sheet)))
            (list("Devices", "May be looked at; none is opened.", "none", &sheet.devices))
            (list("Log reads", "Output of these commands is handed on, redacted.", "none", &sheet.log_reads))
            (pairs("Probes", "The host looks, and tells the backend.", &sheet.probes))
            @if sheet.registry {
                div { h4 { "Registries" } p { "The host’s own client may ask a registry for a manifest, to hash it." } }
            }
            (pairs("What does not hold", "Asked for or granted, not both.", &sheet.dropped))
            (list("Imports", "All that its code can call.", "none", &sheet.imports))
        }
        (limits(&sheet.limits))
    }
}

fn programs(sheet: &Sheet) -> Markup {
    html! {
        @for program in &sheet.programs { div {
            h4 { "Program " (Said(&program.name)) }
            ul { @for path in &program.search { li { code { (Said(path)) } } } }
            (handed_on(program))
        } }
    }
}

fn handed_on(program: &ProgramSheet) -> Markup {
    html! {
        p { "Environment handed on: "
            @if program.environment.is_empty() { "none" }
            @for (index, name) in program.environment.iter().enumerate() {
                @if index > 0 { ", " } code { (Said(name)) }
            }
            ". All else is cleared; the host sets " code { "PATH" } " and " code { "LC_ALL" } "."
        }
        @if let Some(pin) = &program.sha256 { p { "Pinned to " (digest(pin)) } }
        @if program.wrapper { p { (badge("warn", "!", "wrapper")) " it may be a script" } }
    }
}

fn runtimes(sheet: &Sheet) -> Vec<(String, String)> {
    sheet.runtimes.iter().map(|(name, paths)| (name.clone(), paths.join(", "))).collect()
}

fn list(title: &str, what: &str, none: &str, items: &[String]) -> Markup {
    html! {
        div {
            h4 { (title) }
            @if items.is_empty() { p.soft { (none) } } @else {
                p.soft { (what) }
                ul { @for item in items { li { code { (Said(item)) } } } }
            }
        }
    }
}

fn pairs(title: &str, what: &str, items: &[(String, String)]) -> Markup {
    html! {
        @if !items.is_empty() { div {
            h4 { (title) }
            p.soft { (what) }
            dl.pairs { @for (name, value) in items { div { dt { code { (Said(name)) } } dd { (Said(value)) } } } }
        } }
    }
}

fn limits(limits: &[LimitSheet]) -> Markup {
    let changed = limits.iter().filter(|limit| limit.value != limit.default).count();
    html! {
        details {
            summary { "Limits that it lives under" span.soft { " " (match changed {
                0 => "all as by default".to_owned(),
                some => format!("{} other than by default", number(some as u64)),
            }) } }
            table.figures role="table" {
                caption { "Limits" }
                thead role="rowgroup" { tr role="row" {
                    th role="columnheader" scope="col" { "Limit" }
                    th.number role="columnheader" scope="col" { "Value" }
                    th role="columnheader" scope="col" { "What it bounds" }
                } }
                tbody role="rowgroup" { @for limit in limits { tr role="row" {
                    th role="rowheader" scope="row" { code { (limit.name) } }
                    td.number role="cell" { (number(limit.value))
                        @if limit.value != limit.default { " " (badge("warn", "≠", "not the default")) } }
                    td role="cell" { (limit.what) }
                } } }
            }
        }
    }
}
