//! Whether the record can be believed.

use maud::{Markup, html};

use super::super::Audit;
use super::timeline::span;
use super::words::{Said, badge, counted, digest, number};
use crate::journal::{Finding, Severity, VerifyReport};

/// How many numbers of unfinished intents are shown.
const UNFINISHED: usize = 40;
/// How many findings are shown.
const FINDINGS: usize = 200;

/// The first thing that an auditor has to know.
pub(super) fn verdict(audit: &Audit) -> Markup {
    let Some(report) = &audit.verified else {
        return html! { p.verdict.none { (badge("plain", "○", "no journal")) " Nothing was ever recorded here." } };
    };
    html! {
        @if report.is_intact() {
            p.verdict.good { (badge("ok", "✓", "journal intact")) " "
                (counted(report.records, "record", "records")) ", each sealed and chained to the one before it." }
        } @else {
            p.verdict.ill { (badge("bad", "✕", "journal DAMAGED")) " Someone or something changed it. "
                a href="#journal" { "What was found" } "." }
        }
    }
}

pub(super) fn section(audit: &Audit) -> Markup {
    html! {
        section #journal aria-labelledby="journal-title" {
            h2 #journal-title { "The journal" }
            p { "Each intent is recorded before its command runs. A record bears a seal under the install’s key and the hash of "
                "the one before it, so that an edited, removed, reordered or cut one shows." }
            @match &audit.verified {
                None => p.empty { "There is none yet." },
                Some(report) => { (facts(audit, report)) (findings(report)) (unfinished(report)) (limits(report)) }
            }
        }
    }
}

fn facts(audit: &Audit, report: &VerifyReport) -> Markup {
    html! {
        dl.facts {
            div { dt { "Verification" } dd { @if report.is_intact() { (badge("ok", "✓", "intact")) }
                @else { (badge("bad", "✕", "DAMAGED")) } } }
            div { dt { "Records" } dd { (number(report.records)) " in " (counted(report.segments.into(), "segment", "segments"))
                @if report.first > 1 { ", from record " (number(report.first)) " on: older ones were pruned" } } }
            div { dt { "Time" } dd { (span(audit)) } }
            div { dt { "Head" } dd { (digest(&report.head.to_string())) } }
            @if audit.counts.foreign > 0 {
                div { dt { "Not this install’s" } dd { (badge("bad", "✕", &counted(audit.counts.foreign, "line", "lines"))) } }
            }
            @if report.repairs > 0 { div { dt { "Crashes repaired" } dd { (number(report.repairs)) } } }
            @if audit.counts.faults > 0 { div { dt { "Faults of backends" } dd { (number(audit.counts.faults)) } } }
        }
    }
}

fn findings(report: &VerifyReport) -> Markup {
    let left = report.findings.len().saturating_sub(FINDINGS) as u64 + report.more_findings;
    html! {
        @if !report.findings.is_empty() {
            h3 { "What was found" }
            ul.plainlist { @for finding in report.findings.iter().take(FINDINGS) { li { (found(finding)) } } }
            @if left > 0 { p.note { "and " (number(left)) " more: " code { "portreeve journal verify" } } }
        }
    }
}

fn found(finding: &Finding) -> Markup {
    html! {
        @match finding.severity {
            Severity::Damage => (badge("bad", "✕", "damage")),
            Severity::Crash => (badge("warn", "!", "crash")),
        }
        " " (Said(&finding.to_string()))
    }
}

fn unfinished(report: &VerifyReport) -> Markup {
    let numbers: Vec<_> = report.unfinished.iter().take(UNFINISHED).map(ToString::to_string).collect();
    let left = report.unfinished.len().saturating_sub(UNFINISHED) as u64;
    html! {
        @if !report.unfinished.is_empty() {
            p { (badge("warn", "?", "no outcome")) " "
                (counted(report.unfinished.len() as u64, "command was", "commands were"))
                " running, or about to, when a process ended: records " (Said(&numbers.join(", ")))
                @if left > 0 { " and " (number(left)) " more" } "." }
        }
    }
}

/// What the seal can't show.
fn limits(report: &VerifyReport) -> Markup {
    html! {
        p { "Keep the head elsewhere. With it, "
            code { "portreeve journal verify --head " (Said(&report.head.to_string())) }
            " tells whether the journal of a later day continues this one. Without it, someone with the rights of the same user "
            "could have read the key and written everything anew: no seal on the same machine can show that." }
    }
}
