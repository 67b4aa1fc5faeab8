//! What was refused, and why.

use maud::{Markup, html};

use super::super::{Audit, Event, Reason, Times, What};
use super::words::{Said, badge, clock, counted, date, moment, number, quoted};

/// How many refusals are listed one by one.
const LISTED: usize = 200;

pub(super) fn section(audit: &Audit) -> Markup {
    let (tally, counts) = (&audit.tally, &audit.counts);
    html! {
        section #refused aria-labelledby="refused-title" {
            h2 #refused-title { "What was refused, and why" }
            @if counts.refused == 0 { p.empty { "Nothing was refused." } } @else {
                p { (counted(counts.refused, "ask was", "asks were")) " refused. Nothing ran for any of them." }
                (reasons(audit))
                @if tally.other_refusals > 0 {
                    p.note { (counted(tally.other_refusals, "refusal", "refusals")) " of further kinds are not listed here; "
                        code { "portreeve journal show --decision refused" } " has all." }
                }
                (one_by_one(audit))
            }
        }
    }
}

fn reasons(audit: &Audit) -> Markup {
    let mut reasons: Vec<_> = audit.tally.reasons.iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse((times.count, times.seq)));
    html! {
        table.figures role="table" {
            caption { "Refusals by reason, the most frequent first" }
            thead role="rowgroup" { tr role="row" {
                th.number role="columnheader" scope="col" { "Times" }
                th role="columnheader" scope="col" { "Why" }
                th role="columnheader" scope="col" { "What was asked" }
                th role="columnheader" scope="col" { "Last" }
            } }
            tbody role="rowgroup" { @for (reason, times) in reasons { (row(reason, times)) } }
        }
    }
}

fn row(reason: &Reason, times: &Times) -> Markup {
    html! {
        tr role="row" {
            td.number.strong role="cell" { (number(times.count)) span.unit { " ×" } }
            th role="rowheader" scope="row" { (Said(&reason.why)) " " (badge("bad", "✕", rule(reason))) }
            td role="cell" { (asked(reason, times)) }
            td.soft role="cell" { (moment(times.last)) }
        }
    }
}

fn rule(reason: &Reason) -> &str {
    if reason.rule.is_empty() { "refused" } else { &reason.rule }
}

fn asked(reason: &Reason, times: &Times) -> Markup {
    let by = if reason.backend.is_empty() { "a caller" } else { &reason.backend };
    html! {
        "by " (Said(by))
        @if !reason.command.is_empty() { ", command " code { (Said(&reason.command)) } }
        @if !reason.slot.is_empty() { ", slot " code { (Said(&reason.slot)) } }
        @if !times.values.is_empty() {
            ul.inline { @for value in &times.values { li { code { (quoted(value)) } } } }
        }
    }
}

fn one_by_one(audit: &Audit) -> Markup {
    let refused = |event: &&Event| matches!(event.what, What::Refused { .. });
    let shown: Vec<_> = audit.tally.events.iter().rev().filter(refused).take(LISTED).collect();
    let left = audit.counts.refused.saturating_sub(shown.len() as u64);
    html! {
        @if !shown.is_empty() { details {
            summary { "One by one, the newest first"
                span.soft { " " (number(shown.len() as u64)) " shown" @if left > 0 { ", " (number(left)) " older left out" } } }
            ol.plainlist { @for event in shown { li { (refusal(event)) } } }
        } }
    }
}

fn refusal(event: &Event) -> Markup {
    let What::Refused { rule, slot, value, why } = &event.what else { return html! {} };
    html! {
        span.soft { "#" (event.seq) " " (date(event.time)) " " (clock(event.time)) } " "
        @if !event.name.is_empty() { b { (Said(&event.name)) } ": " }
        (Said(why)) " "
        span.soft { "[" (Said(rule)) @if !slot.is_empty() { ", slot " (Said(slot)) }
            @if !value.is_empty() { ", value " code { (quoted(value)) } } "]" }
    }
}
