//! The page as a whole: as it reads for a small install, and that nothing can break out of it.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::grants::Grants;
use crate::journal::{Entry, JournalOptions, Kind, Record};

const GRANTS: &str = r#"
backend = "toy"
[programs.toy]
search = ["/usr/bin/toy"]
environment = ["HOME"]
[endpoint]
sockets = ["/run/toy.sock"]
[limits]
commands = 9
[commands.look]
purpose = "Look at one container"
effect = "read"
object = "container"
timeout = "30s"
argv = ["toy", "--host={engine.endpoint}", "inspect", "{container.id}"]
[commands.kill]
purpose = "Send a container a signal"
effect = "change"
object = "container"
timeout = "30s"
argv = ["toy", "--privileged", "kill", { token = "--signal={signal}", when = "signal" }, "{container.id}"]
[devices]
patterns = ["/dev/toy"]
"#;

/// Records as a journal would have them, with this text wherever a text can stand.
fn records(text: &str) -> Vec<Value> {
    let time = "2026-01-02T03:04:05.000000Z";
    let record = |seq: u32, more: Value| {
        let mut base = json!({ "seq": seq, "time": time, "pid": 1, "backend": text, "command": text, "name": text });
        base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        base
    };
    let call = "0123456789abcdef";
    vec![
        record(1, json!({ "kind": "verification", "why": text, "facts": { "fact": text } })),
        record(
            2,
            json!({ "kind": "intent", "call": call, "effect": "change", "program": text, "argv": ["toy", text, "b c"] }),
        ),
        record(3, json!({ "kind": "outcome", "call": call, "intent": 2, "status": 1, "duration_us": 81_400 })),
        record(4, json!({ "kind": "refusal", "call": call, "rule": text, "slot": text, "value": text, "why": text })),
        record(5, json!({ "kind": "fault", "why": text })),
        record(
            6,
            json!({ "kind": "intent", "effect": "read", "program": text, "argv": ["toy", text, "y".repeat(300)] }),
        ),
        record(
            7,
            json!({ "kind": "intent", "effect": "create", "argv": ["toy", "create"], "time": "2026-01-03T00:00:00Z" }),
        ),
        record(8, json!({ "kind": "outcome", "intent": 7, "why": "dry run" })),
    ]
}

fn tally(text: &str, keep: usize) -> Tally {
    let records = records(text).into_iter().map(|record| Ok(serde_json::from_value::<Record>(record).unwrap()));
    Tally::new(keep, None).read(records).unwrap()
}

fn toy() -> Sheet {
    let (name, standing, origin) = ("toy".to_owned(), "embedded".to_owned(), "embedded toy".to_owned());
    let digest = format!("sha256:{}", "ab".repeat(32));
    let granted = Sheet::granted(&Grants::parse(GRANTS, "toy.toml").unwrap());
    Sheet { name, standing, origin, grants: digest.clone(), digest, wasi: "none".to_owned(), bytes: 4321, ..granted }
}

fn audit(text: &str, keep: usize) -> Audit {
    let tally = tally(text, keep);
    let refused = Listed::Refused { name: text.to_owned(), why: text.to_owned() };
    Audit {
        version: "0.0.0",
        time: "2026-01-04T05:06:07Z".parse().unwrap(),
        install: Some("0011223344556677".to_owned()),
        state: text.to_owned(),
        backend: None,
        backends: vec![Listed::Whole(Box::new(toy())), refused],
        host: None,
        policy: Policy::home(),
        verified: None,
        counts: tally.counts,
        tally,
    }
}

/// The page without its style, a tag a line.
fn readable(html: &str) -> String {
    let (start, rest) = html.split_once("<style>").unwrap();
    let (_, rest) = rest.split_once("</style>").unwrap();
    format!("{start}{rest}").replace('<', "\n<").replace("\n</", "</")
}

#[test]
fn a_small_install_reads_so() {
    let mut audit = audit("text", 100);
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path().join("state")).unwrap();
    Journal::open(&state, JournalOptions::default()).unwrap().append(&Entry::new(Kind::Note)).unwrap();
    let report = Journal::verify(&state, None).unwrap();
    let head = report.head.to_string();
    audit.verified = Some(report);
    insta::assert_snapshot!("page", readable(&audit.html().replace(&head, "1:HEAD")));
}

#[test]
fn what_is_left_out_is_said() {
    let html = audit("text", 2).html();
    assert!(html.contains("Below are the newest 2 entries. 4 older ones are counted above and not shown"), "{html}");
    assert!(!audit("text", 100).html().contains("left out"));
}

#[test]
fn a_journal_that_was_changed_is_said_first() {
    let folder = tempfile::tempdir().unwrap();
    let state = StateDir::open(folder.path().join("state")).unwrap();
    let journal = Journal::open(&state, JournalOptions::default()).unwrap();
    for why in ["one", "two", "three"] {
        journal.append(&Entry { why: Some(why), ..Entry::new(Kind::Note) }).unwrap();
    }
    let file = folder.path().join("state/journal/00000001.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("two", "tvo")).unwrap();
    let audit = Audit::gather(Some(&state), Vec::new(), Policy::home(), None, EVENTS).unwrap();
    assert!(!audit.is_intact());
    assert_eq!((audit.counts.records, audit.counts.foreign), (2, 1));
    let html = audit.html();
    let verdict = html.find("journal DAMAGED").unwrap();
    assert!(verdict < html.find("id=\"contents\"").unwrap() && html.contains("record 2 was edited"), "{html}");
}

#[test]
fn without_an_install_there_is_a_page_too() {
    let audit = Audit::gather(None, Vec::new(), Policy::deny_all(), None, EVENTS).unwrap();
    let html = audit.html();
    assert!(html.contains("none yet") && html.contains("There is no backend.") && audit.is_intact());
}

#[test]
fn what_the_host_runs_for_no_backend_is_there_too() {
    let html = Audit::gather(None, Vec::new(), Policy::home(), None, EVENTS).unwrap().html();
    assert!(html.contains("The host itself") && html.contains("systemd-analyze"), "{html}");
    let one = Audit::gather(None, Vec::new(), Policy::home(), Some("podman"), EVENTS).unwrap();
    assert!(one.host.is_none() && !one.html().contains("The host itself"));
}

/// Each tag with the names and values of its attributes, as a reader of HTML would see them.
fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let end = after.find(|c: char| c.is_whitespace() || c == '>').unwrap();
        let (name, mut inner) = after.split_at(end);
        let mut attributes = Vec::new();
        loop {
            inner = inner.trim_start();
            if let Some(behind) = inner.strip_prefix('>') {
                rest = behind;
                break;
            }
            let stop = inner.find(|c: char| c.is_whitespace() || c == '>' || c == '=').unwrap();
            let (attribute, behind) = inner.split_at(stop);
            let (value, behind) = match behind.strip_prefix("=\"") {
                Some(quoted) => quoted.split_once('"').unwrap(),
                None => ("", behind),
            };
            attributes.push((attribute.to_owned(), value.to_owned()));
            inner = behind;
        }
        tags.push((name.to_owned(), attributes));
    }
    tags
}

/// The tags and the names of their attributes, and all values that are ours.
fn structure(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut tags = tags(html);
    let attributes = tags.iter_mut().flat_map(|(_, attributes)| attributes);
    attributes.filter(|(name, _)| name == "title").for_each(|(_, value)| value.clear());
    tags
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let html = audit("https://evil.example/x.js", 100).html();
    for (name, attributes) in tags(&html) {
        let known = !["script", "link", "img", "iframe", "object", "embed", "base", "form"].contains(&name.as_str());
        assert!(known, "<{name}>");
        for (attribute, value) in attributes {
            let inert =
                !attribute.starts_with("on") && !["src", "srcset", "action", "ping"].contains(&attribute.as_str());
            assert!(inert, "{attribute}={value}");
            assert!(attribute != "href" || value.starts_with('#'), "{value}");
        }
    }
    let style = include_str!("page/style.css");
    for reference in ["url(", "@import", "image-set", "<", "http"] {
        assert!(!style.contains(reference), "{reference}");
    }
    assert!(
        html.contains(r#"http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"#)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Neither a record nor a backend of whatever text adds a tag, an attribute, or a character that steers.
    #[test]
    fn nothing_breaks_out(text in r#"([<>&"'/=!-]|script|style|title|\PC|\pC|--><b>|]]>){1,5}"#) {
        let mut hostile = audit(&text, 100);
        let mut benign = audit("x", 100);
        for (audit, text) in [(&mut hostile, text.as_str()), (&mut benign, "x")] {
            audit.install = Some(text.to_owned());
            audit.backend = Some(text.to_owned());
            audit.policy.registries = crate::policy::Names::Only([text.to_owned()].into());
            let Some(Listed::Whole(sheet)) = audit.backends.first_mut() else { unreachable!() };
            for part in [&mut sheet.name, &mut sheet.standing, &mut sheet.origin, &mut sheet.digest, &mut sheet.grants, &mut sheet.wasi] {
                text.clone_into(part);
            }
            for list in [&mut sheet.imports, &mut sheet.devices, &mut sheet.endpoint, &mut sheet.log_reads] {
                *list = vec![text.to_owned()];
            }
            sheet.probes = vec![(text.to_owned(), text.to_owned())];
            sheet.dropped.clone_from(&sheet.probes);
            sheet.runtimes = vec![(text.to_owned(), vec![text.to_owned()])];
            sheet.programs[0].environment = vec![text.to_owned()];
            sheet.programs[0].sha256 = Some(text.to_owned());
            for command in &mut sheet.commands {
                (command.name, command.purpose) = (text.to_owned(), text.to_owned());
                command.dangers.push((text.to_owned(), text.to_owned()));
                command.tokens[0].parts = vec![crate::grants::Part::Slot(text.to_owned()), crate::grants::Part::Text(text.to_owned())];
            }
        }
        // A policy that can't be read back is shown as text: the one part whose tags may differ.
        let readable = toml::from_str::<toml::Table>(&hostile.policy.to_toml()).is_ok() && text != "*";
        if !readable {
            hostile.policy = Policy::home();
            benign.policy = Policy::home();
        }
        let (one, two) = (hostile.html(), benign.html());
        prop_assert!(!one.chars().any(|letter| crate::journal::steers(letter) && letter != '\n'));
        prop_assert_eq!(structure(&one), structure(&two));
    }
}
