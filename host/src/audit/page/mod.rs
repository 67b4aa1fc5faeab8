//! The page: one document that is read from the top, with a contents list of numbers, and needs nothing but itself.

mod backends;
mod journal;
mod policy;
mod refusals;
mod timeline;
mod words;

use maud::{DOCTYPE, Markup, html};

use self::words::{STYLE, Said, counted, moment, number};
use super::Audit;

/// Nothing is loaded, run or sent, whatever stands in the page.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The whole page.
pub(super) fn page(audit: &Audit) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { "Portreeve audit" @if let Some(install) = &audit.install { " of " (Said(install)) } }
                style { (STYLE) }
            }
            body {
                a.skip href="#contents" { "Skip to the contents" }
                (header(audit))
                main {
                    (contents(audit))
                    (backends::section(audit))
                    (policy::section(audit))
                    (refusals::section(audit))
                    (timeline::section(audit))
                    (journal::section(audit))
                }
                (footer(audit))
            }
        }
    }
}

fn header(audit: &Audit) -> Markup {
    html! {
        header {
            p.kicker { "Portreeve" }
            h1 { "Audit" @if let Some(backend) = &audit.backend { " of the backend " (Said(backend)) } }
            p.lead { "What each backend could ever run, what was refused, and what ran." }
            dl.facts {
                div { dt { "Install" } dd { @match &audit.install {
                    Some(install) => code { (Said(install)) },
                    None => "none yet: nothing was ever done here",
                } } }
                div { dt { "Made" } dd { (moment(audit.time)) } }
                div { dt { "By" } dd { "portreeve " (Said(audit.version)) } }
                @if !audit.state.is_empty() { div { dt { "State directory" } dd { code { (Said(&audit.state)) } } } }
            }
            (journal::verdict(audit))
        }
    }
}

/// The sections, each with its number.
fn contents(audit: &Audit) -> Markup {
    let (counts, (commands, dangers)) = (&audit.counts, audit.commands());
    let refused = audit.backends.len() - audit.sheets().count();
    let backends = match refused {
        0 => counted(commands as u64, "command line", "command lines"),
        some => format!("{} refused", number(some as u64)),
    };
    let marked = counted(dangers as u64, "dangerous token", "dangerous tokens");
    let kinds = counted(audit.tally.reasons.len() as u64, "kind", "kinds");
    let nonzero = format!("{} with another status than 0", number(counts.nonzero));
    let records = audit.verified.as_ref().map_or(0, |report| report.records);
    let findings = audit.verified.as_ref().map_or(0, |report| report.findings.len() as u64 + report.more_findings);
    html! {
        nav #contents aria-labelledby="contents-title" {
            h2 #contents-title { "Contents" }
            ol {
                (entry("backends", "Backends", &number(audit.backends.len() as u64), &format!("{backends}, {marked}")))
                (entry("policy", "Policy", audit.policy.origin(), "what callers may ask for"))
                (entry("refused", "Refused", &number(counts.refused), &kinds))
                (entry("ran", "Ran", &number(counts.ran()), &nonzero))
                (entry("journal", "Journal", &number(records), &match audit.is_intact() {
                    true if findings == 0 => "records, intact".to_owned(),
                    true => format!("records, intact, {}", counted(findings, "trace of a crash", "traces of crashes")),
                    false => format!("records, DAMAGED: {}", counted(findings, "finding", "findings")),
                }))
            }
        }
    }
}

fn entry(id: &str, title: &str, figure: &str, detail: &str) -> Markup {
    let long = figure.chars().count() > 12;
    html! {
        li { a href={ "#" (id) } {
            span.title { (title) }
            span.figure.long[long] { (Said(figure)) }
            span.detail { (Said(detail)) }
        } }
    }
}

fn footer(audit: &Audit) -> Markup {
    html! {
        footer {
            p { "Could some command line ever have come from a backend? " code { "portreeve policy explain -- WORDS…" }
                " answers for any. Every record: " code { "portreeve journal show" } "." }
            p { "This page is one file. It loads nothing, runs nothing and sends nothing. Secrets are known to backends and "
                "to the journal by name alone; no value of one is here. Text of whatever origin is shown as text: what can't "
                "be seen is written as " code { "\\u{…}" } "." }
            p { "portreeve " (Said(audit.version)) ", " (moment(audit.time)) }
        }
    }
}
