//! What ran: by day, by call, each command with how it ended.

use std::collections::HashMap;

use jiff::civil::Date;
use maud::{Markup, html};

use super::super::{Audit, Day, Ending, Event, What};
use super::words::{Said, argv, badge, clock, counted, date, day, duration, effect, length, moment, number, quoted};
use crate::journal::{CallId, Effect, Kind};

/// A command line of more characters than that is folded.
const FOLD: usize = 220;
/// What a folded one shows.
const FOLDED: usize = 3;

/// Events that belong together: those of one call, or one alone.
struct Group<'a> {
    call: Option<CallId>,
    events: Vec<&'a Event>,
}

pub(super) fn section(audit: &Audit) -> Markup {
    let (counts, tally) = (&audit.counts, &audit.tally);
    let days = by_day(audit);
    html! {
        section #ran aria-labelledby="ran-title" {
            h2 #ran-title { "What ran" }
            @if counts.permitted == 0 { p.empty { "No command was ever permitted." } } @else {
                p { (counted(counts.ran(), "command", "commands")) " ran: "
                    (number(counts.create)) " create, " (number(counts.change)) " change, "
                    (number(counts.remove)) " remove, " (number(counts.read)) " read. "
                    (number(counts.nonzero)) " ended with another status than 0; a look at what is not there does."
                    @if counts.unfinished > 0 { " " (counted(counts.unfinished, "was", "were")) " not seen to the end." }
                    @if counts.dry > 0 { " " (counted(counts.dry, "more was", "more were")) " rendered in a dry run, and not run." }
                }
                (chart(audit))
            }
            @if tally.left_out > 0 {
                p.note { (badge("warn", "!", "left out")) " Below are the newest " (number(tally.events.len() as u64))
                    " entries. " (number(tally.left_out)) " older ones are counted above and not shown; "
                    code { "portreeve journal show" } " has all." }
            }
            @for (index, (date, groups)) in days.iter().rev().enumerate() { (one_day(*date, groups, index == 0)) }
        }
    }
}

/// Calls by the day on which they began, each with its events in order.
fn by_day(audit: &Audit) -> Vec<(Date, Vec<Group<'_>>)> {
    let mut days: Vec<(Date, Vec<Group<'_>>)> = Vec::new();
    let mut places: HashMap<CallId, (usize, usize)> = HashMap::new();
    for event in &audit.tally.events {
        if let Some((day, group)) = event.call.and_then(|call| places.get(&call)).copied()
            && let Some(group) = days.get_mut(day).and_then(|(_, groups)| groups.get_mut(group))
        {
            group.events.push(event);
            continue;
        }
        let date = date(event.time);
        if days.last().is_none_or(|(last, _)| *last != date) {
            days.push((date, Vec::new()));
        }
        let at = days.len() - 1;
        if let Some((_, groups)) = days.last_mut() {
            event.call.map(|call| places.insert(call, (at, groups.len())));
            groups.push(Group { call: event.call, events: vec![event] });
        }
    }
    days
}

/// A bar for each day.
fn chart(audit: &Audit) -> Markup {
    let days = &audit.tally.days;
    let most = days.values().map(|day| day.permitted + day.refused + day.faults).max().unwrap_or(1).max(1);
    let rows = |newest: bool| days.iter().rev().enumerate().filter(move |(index, _)| (*index < 14) == newest);
    html! {
        @if days.len() > 1 {
            table.chart role="table" {
                caption { "Commands and refusals by day (UTC), the newest first" }
                (chart_head())
                tbody role="rowgroup" { @for (_, (date, day)) in rows(true) { (bar(*date, day, most)) } }
            }
            @if days.len() > 14 { details {
                summary { "Earlier days" span.soft { " " (number(days.len() as u64 - 14)) } }
                table.chart role="table" {
                    caption { "Commands and refusals by day (UTC), earlier" }
                    (chart_head())
                    tbody role="rowgroup" { @for (_, (date, day)) in rows(false) { (bar(*date, day, most)) } }
                }
            } }
        }
    }
}

fn chart_head() -> Markup {
    html! { thead role="rowgroup" { tr role="row" {
        th role="columnheader" scope="col" { "Day" }
        th role="columnheader" scope="col" { "Permitted and refused" }
    } } }
}

fn bar(date: Date, day: &Day, most: u64) -> Markup {
    let width = |amount: u64| format!("width:{}%", (amount.saturating_mul(60) / most).max(u64::from(amount > 0)));
    html! {
        tr role="row" {
            th role="rowheader" scope="row" { (date) }
            td role="cell" {
                @if day.permitted > 0 { span.bar.permitted style=(width(day.permitted)) {} }
                @if day.refused + day.faults > 0 { span.bar.denied style=(width(day.refused + day.faults)) {} }
                span.soft { (number(day.permitted)) " permitted"
                    @if day.refused > 0 { ", " (number(day.refused)) " refused" }
                    @if day.faults > 0 { ", " (counted(day.faults, "fault", "faults")) } }
            }
        }
    }
}

fn one_day(date: Date, groups: &[Group<'_>], open: bool) -> Markup {
    let events = || groups.iter().flat_map(|group| &group.events);
    let count = |wanted: fn(&What) -> bool| events().filter(|event| wanted(&event.what)).count() as u64;
    let ran = count(|what| matches!(what, What::Ran { .. }));
    let refused = count(|what| matches!(what, What::Refused { .. }));
    html! {
        details.day open[open] {
            summary {
                h3 { (day(date)) }
                span.soft { (counted(groups.len() as u64, "call", "calls")) ", " (counted(ran, "command", "commands"))
                    @if refused > 0 { ", " (number(refused)) " refused" } "; newest first, UTC" }
            }
            ol.calls { @for group in groups.iter().rev() { (one_call(group)) } }
        }
    }
}

fn one_call(group: &Group<'_>) -> Markup {
    let first = group.events.first();
    let part = |part: fn(&Event) -> &str| {
        group.events.iter().map(|event| part(event)).find(|text| !text.is_empty()).unwrap_or_default()
    };
    let (backend, name) = (part(|event| &event.backend), part(|event| &event.name));
    html! {
        li.call {
            p.head {
                @if let Some(first) = first { (clock(first.time)) " " }
                @if !backend.is_empty() { b { (Said(backend)) } " " }
                @if !name.is_empty() { span.object { (Said(name)) } " " }
                @if let Some(call) = group.call { span.soft { "call " code { (Said(&call.to_string())) } } }
            }
            ul.events { @for event in &group.events { li { (one(event)) } } }
        }
    }
}

fn one(event: &Event) -> Markup {
    match &event.what {
        What::Ran { effect: does, program, argv, more, ending } => html! {
            div.what { (effect(word(*does))) " " span.name { (Said(&event.command)) } }
            div.said { (command_line(program, argv, *more)) }
            div.end { (ended(ending.as_ref(), *does)) " " span.soft { "#" (event.seq) } }
        },
        What::Refused { rule, slot, value, why } => html! {
            div.what { (badge("bad", "✕", "refused")) " " span.name { (Said(&event.command)) } }
            div.said { (Said(why)) span.soft { " [" (Said(rule)) @if !slot.is_empty() { ", slot " (Said(slot)) }
                @if !value.is_empty() { ", value " code { (quoted(value)) } } "]" } }
            div.end { span.soft { "#" (event.seq) } }
        },
        What::Said { kind, why, facts } => html! {
            div.what { (kind_badge(*kind)) }
            div.said { (Said(why))
                @if !facts.is_empty() { dl.known { @for (name, value) in facts {
                    div { dt { (Said(name)) } dd { code { (Said(value)) } } }
                } } } }
            div.end { span.soft { "#" (event.seq) } }
        },
    }
}

const fn word(effect: Option<Effect>) -> &'static str {
    match effect {
        Some(Effect::Create) => "create",
        Some(Effect::Change) => "change",
        Some(Effect::Remove) => "remove",
        Some(Effect::Read) | None => "read",
    }
}

/// The whole line; a long one is folded behind its beginning.
fn command_line(program: &str, words: &[String], more: usize) -> Markup {
    let title = format!("executed: {program}");
    if length(words) <= FOLD && more == 0 {
        return html! { code.line title=(Said(&title)) { (argv(words, more)) } };
    }
    let start = words.get(..FOLDED.min(words.len())).unwrap_or_default();
    html! {
        details.line {
            summary { code.line { (argv(start, 0)) " …" } span.soft { " all " (number((words.len() + more) as u64)) " words" } }
            code.line title=(Said(&title)) { (argv(words, more)) }
        }
    }
}

/// A look that finds nothing ends with another status than 0, too: nothing to stop at.
const fn weight(effect: Option<Effect>) -> &'static str {
    if matches!(effect, Some(Effect::Read)) { "plain" } else { "warn" }
}

fn ended(ending: Option<&Ending>, effect: Option<Effect>) -> Markup {
    let Some(ending) = ending else { return badge("warn", "?", "no outcome") };
    html! {
        @match ending.status {
            Some(0) => (badge("ok", "✓", "0")),
            Some(status) => (badge(weight(effect), "≠", &format!("status {status}"))),
            None if ending.is_dry() => (badge("plain", "◌", "dry run")),
            None => (badge("warn", "?", if ending.why.is_empty() { "no status" } else { &ending.why })),
        }
        @if let Some(time) = ending.duration_us { " " span.soft { (duration(time)) } }
    }
}

fn kind_badge(kind: Kind) -> Markup {
    match kind {
        Kind::Verification => badge("host", "◉", "host looked"),
        Kind::Fault => badge("bad", "✕", "backend fault"),
        Kind::Damage => badge("bad", "✕", "damage"),
        Kind::Prune => badge("plain", "−", "pruned"),
        Kind::Note => badge("plain", "i", "note"),
        _ => badge("plain", "i", "other"),
    }
}

/// From when to when the journal tells.
pub(super) fn span(audit: &Audit) -> Markup {
    html! {
        @if let (Some(first), Some(last)) = (audit.tally.first, audit.tally.last) { (moment(first)) " to " (moment(last)) }
    }
}
