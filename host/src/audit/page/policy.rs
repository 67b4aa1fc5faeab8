//! What callers may ask for.

use maud::{Markup, html};
use toml::Value;

use super::super::Audit;
use super::words::{Said, badge};
use crate::policy::{BELOW_HOME, Policy, SYSTEM};

/// The keys of a policy file for people. A key that is not here is shown by its name.
const KEYS: &[(&str, &str)] = &[
    ("images.registries", "Registries that images may come from"),
    ("images.tags", "Images named by a tag, which can move"),
    ("images.demand", "What must be shown of an image"),
    ("ports.addresses", "Addresses that ports may be published on"),
    ("mounts.roots", "Folders of the host that may be mounted, and all below"),
    ("mounts.protected", "Folders that may not be mounted, beside those always protected"),
    ("gpus.allow", "GPUs"),
    ("networks.allow", "Networks"),
    ("capabilities.add", "Capabilities that may be added"),
    ("namespaces.user", "User namespaces that may be asked for"),
    ("volumes.allow", "Volumes of this install that may be made and mounted"),
    ("copies.largest", "The largest copy into or out of a container, in bytes"),
    ("redaction.rule", "Redaction rules beside the built-in ones"),
    ("secrets.unmaskable", "Secrets too short or too common to be masked in output"),
];

pub(super) fn section(audit: &Audit) -> Markup {
    let policy = &audit.policy;
    html! {
        section #policy aria-labelledby="policy-title" {
            h2 #policy-title { "The ceilings of the policy" }
            p { "What callers may ask for, whichever backend serves them. Origin: " b { (Said(policy.origin())) }
                @if policy.origin() == "home" { ", built in: it holds where no file is named" } "." }
            @let keys = keys(policy);
            @if keys.is_empty() {
                p.note { (badge("warn", "!", "as text")) " It can’t be shown as a table; below it stands as a file would say it." }
            } @else { (ceilings(&keys)) }
            details {
                summary { "Never mounted, whatever a policy says" }
                p { "Nor anything below them, nor a folder that contains one of them, by whatever name: " code { "/" }
                    ", the state directory of this install, engines’ sockets, and" }
                (columns("Of the system", SYSTEM))
                (columns("Below a user’s home folder", BELOW_HOME))
            }
            details open[keys.is_empty()] {
                summary { "The same as a policy file would say it" }
                pre tabindex="0" { code { (lines(&policy.to_toml())) } }
            }
        }
    }
}

fn ceilings(keys: &[(String, Value)]) -> Markup {
    html! {
        table.figures role="table" {
            caption { "Ceilings" }
            thead role="rowgroup" { tr role="row" {
                th role="columnheader" scope="col" { "What" }
                th role="columnheader" scope="col" { "Ceiling" }
                th role="columnheader" scope="col" { "In a policy file" }
            } }
            tbody role="rowgroup" { @for (key, value) in keys { tr role="row" {
                th role="rowheader" scope="row" { (Said(label(key))) }
                td role="cell" { (allowed(value)) }
                td role="cell" { code { (Said(key)) } }
            } } }
        }
    }
}

/// Every key of the policy as a file would say it, so that none that is added later goes missing here.
fn keys(policy: &Policy) -> Vec<(String, Value)> {
    let table: toml::Table = toml::from_str(&policy.to_toml()).unwrap_or_default();
    let mut keys: Vec<_> = table.into_iter().flat_map(|(section, body)| leaves(&section, body)).collect();
    keys.sort_by_key(|(key, _)| KEYS.iter().position(|(known, _)| known == key).unwrap_or(KEYS.len()));
    keys
}

fn leaves(path: &str, value: Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(table) => {
            table.into_iter().flat_map(|(key, value)| leaves(&format!("{path}.{key}"), value)).collect()
        }
        leaf => vec![(path.to_owned(), leaf)],
    }
}

fn label(key: &str) -> &str {
    KEYS.iter().find(|(known, _)| *known == key).map_or(key, |(_, label)| label)
}

fn allowed(value: &Value) -> Markup {
    match value {
        Value::Array(items) if items.is_empty() => badge("plain", "∅", "none"),
        Value::Array(items) if items.iter().any(|item| item.as_str() == Some("*")) => badge("warn", "∗", "any"),
        Value::Array(items) => html! {
            ul.inline { @for item in items { li { code { (Said(&text(item))) } } } }
        },
        Value::Boolean(true) => badge("warn", "✓", "allowed"),
        Value::Boolean(false) => badge("ok", "∅", "not allowed"),
        Value::String(word) => stance(word),
        other => html! { (Said(&text(other))) },
    }
}

fn stance(word: &str) -> Markup {
    match word {
        "allow" => badge("warn", "✓", "allowed"),
        "warn" => badge("warn", "!", "allowed, with a warning"),
        "refuse" => badge("ok", "∅", "refused"),
        "manifest" => badge("ok", "✓", "its manifest, hashed by the host"),
        "claimed" => badge("warn", "!", "nothing: the engine’s word is enough"),
        other => html! { (Said(other)) },
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn columns(title: &str, paths: &[&str]) -> Markup {
    let mut paths = paths.to_vec();
    paths.sort_unstable();
    paths.dedup();
    html! {
        h3.small { (title) }
        ul.columns { @for path in paths { li { code { (Said(path)) } } } }
    }
}

fn lines(text: &str) -> Markup {
    html! { @for line in text.trim_end().lines() { (Said(line)) "\n" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_policy_has_words() {
        for (key, _) in keys(&Policy::home()) {
            assert_ne!(label(&key), key, "give {key} words for people");
        }
        // Redaction rules are said only where there are some.
        assert_eq!(keys(&Policy::home()).len() + 1, KEYS.len());
    }
}
