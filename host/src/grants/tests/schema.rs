//! The published JSON Schema of a grants file: made from the code, current, and true of the shipped files.

use std::path::Path;

use regex_automata::meta::Regex;
use serde_json::{Map, Value, json};

use super::page::REGENERATE;
use super::*;
use crate::grants::{command, element, evidence, floor, load, probe, program, unit};

#[test]
fn the_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/grants.schema.json");
    let right = format!("{:#}\n", schema());
    if std::env::var_os(REGENERATE).is_some() {
        std::fs::write(&path, &right).unwrap();
        return;
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(published == right, "docs/grants.schema.json is not what the code says: run this test with {REGENERATE}=1");
}

#[test]
fn the_shipped_files_are_valid() {
    for text in [PODMAN, DOCKER] {
        let file: Value = toml::from_str(text).unwrap();
        assert_eq!(violation(&schema(), &file), None);
    }
}

/// What the loader refuses for its form, the schema refuses too.
#[test]
fn what_is_malformed_is_not_valid() {
    let text = r#"backend = "x"
[programs.x]
search = ["/usr/bin/x"]
[commands.c]
purpose = "p"
timeout = "1s"
effect = "read"
object = "image"
argv = ["x", { token = "--memory={memory}", when = "memory" }]
"#;
    let valid = |text: &str| violation(&schema(), &toml::from_str(text).unwrap()).is_none();
    assert!(valid(text) && Grants::parse(text, "x").is_ok());
    for (from, to) in [
        ("backend = \"x\"", "backend = \"X\""),
        ("backend = \"x\"\n", "backend = \"x\"\nwasi = \"innert\"\n"),
        ("[programs.x]", "[program.x]"),
        ("search", "serch"),
        ("\"/usr/bin/x\"", "\"usr/bin/x\""),
        ("\"1s\"", "\"1 s\""),
        ("\"read\"", "\"reed\""),
        ("object = \"image\"\n", ""),
        ("when = \"memory\"", "when = \"memry\""),
        ("when = \"memory\"", "each = \"memory\""),
        ("when = \"memory\"", "when = \"memory\", join = \",\""),
        ("token = ", "tokn = "),
        ("[commands.c]", "[commands.C]"),
        ("[commands.c]", "[limits]\nmemory-mib = 99999\n[commands.c]"),
        ("[commands.c]", "[probes.p]\nkind = \"user\"\npath = \"/x\"\ncalls = [\"detect\"]\n[commands.c]"),
        ("[commands.c]", "[evidence.image]\ncommand = \"c\"\nid = \"Id\"\ndigests = \"/D\"\n[commands.c]"),
    ] {
        let broken = text.replacen(from, to, 1);
        assert!(broken != text && !valid(&broken) && Grants::parse(&broken, "x").is_err(), "{from} as {to}");
    }
}

fn schema() -> Value {
    let properties = load::KEYS.map(|key| (key.to_owned(), section(key)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A grants file of Portreeve",
        "description": "Made from the code of the host. What a schema can't say (ambiguous templates, examples that must hold, names of programs and commands) is checked when the file is loaded: host/docs/grants.md.",
        "type": "object",
        "required": ["backend"],
        "additionalProperties": false,
        "properties": Map::from_iter(properties),
    })
}

/// The schema of one key of the file.
fn section(key: &str) -> Value {
    match key {
        "backend" => {
            json!({ "description": "The backend's name.", "type": "string", "pattern": "^[a-z][a-z0-9-]{0,63}$" })
        }
        "wasi" => json!({ "description": "Whether the backend may import WASI.", "enum": ["none", "inert"] }),
        "programs" => named("^.+$", program()),
        "endpoint" => {
            table(&["sockets"], json!({ "sockets": texts("^(\\{XDG_RUNTIME_DIR\\}|\\{HOME\\})?(/[^/]+)+$") }))
        }
        "runtimes" => list(runtime()),
        "commands" => named("^[a-z0-9][a-z0-9-]{0,63}$", command()),
        "evidence" => evidence(),
        "devices" => table(&["patterns"], json!({ "patterns": texts("^/dev/") })),
        "probes" => named("^.+$", one_of(&probe::WORDS.map(|(word, of)| probe(word, of)))),
        "floors" => named(
            "^[a-z0-9-]+$",
            exactly(
                &floor::Floor::KEYS,
                &floor::Floor::KEYS,
                json!({
                    "version": { "type": "string", "pattern": "^[0-9]{1,9}(\\.[0-9]{1,9}){1,2}$" },
                    "advisory": { "type": "string", "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]{1,240}$" },
                }),
            ),
        ),
        "limits" => limits(),
        "unit" => unit(),
        "examples" => list(one_of(&["reachable", "unreachable"].map(|key| table(&[key], json!({ key: words() }))))),
        other => panic!("the schema does not know {other}"),
    }
}

fn unit() -> Value {
    let version = json!({ "type": "string", "pattern": "^[0-9]{1,5}(\\.[0-9]{1,5})*$" });
    let key = json!({ "type": "string", "pattern": "^[A-Za-z0-9]+$" });
    let quadlet = exactly(
        &unit::QuadletGrant::KEYS,
        &["since", "secrets", "named", "rest", "keys"],
        json!({
            "since": version, "secrets": version, "named": version, "pods": version, "rest": key, "keys": named("^[a-z][a-z0-9-]*$", key), "implied": words(),
        }),
    );
    let after = texts("^[A-Za-z0-9_@:-][A-Za-z0-9_.@:-]*$");
    exactly(&unit::UnitGrant::KEYS, &[], json!({ "after": after, "quadlet": quadlet }))
}

fn program() -> Value {
    exactly(
        &program::ProgramGrant::KEYS,
        &["search"],
        json!({
            "search": paths(),
            "environment": texts("^[A-Za-z_][A-Za-z0-9_.-]*(=[!-~]{0,256})?$"),
            "wrapper": { "type": "boolean" },
            "sha256": { "type": "string", "pattern": "^[0-9a-f]{64}$" },
        }),
    )
}

fn runtime() -> Value {
    let cgroups = json!({ "type": "array", "uniqueItems": true, "items": choice(&program::Cgroups::WORDS) });
    let name = json!({ "type": "string", "pattern": "^[a-z][a-z0-9_.-]*$" });
    let all = program::RuntimeGrant::KEYS;
    exactly(&all, &all, json!({ "name": name, "search": paths(), "cgroups": cgroups }))
}

fn command() -> Value {
    exactly(
        &command::Command::KEYS,
        &["purpose", "effect", "object", "timeout", "argv"],
        json!({
            "purpose": { "type": "string" },
            "effect": choice(&command::Effect::WORDS),
            "object": choice(&command::Object::WORDS),
            "timeout": { "type": "string", "pattern": "^([0-9]+(ms|s|m|h)|none|grace)$" },
            "argv": { "type": "array", "minItems": 1, "items": one_of(&elements()) },
            "match": list(words()),
            "not-match": list(words()),
            "dangerous": words(),
            "stdin": choice(&command::Stdin::WORDS),
            "unstarted": words(),
            "absent": words(),
        }),
    )
}

/// The forms of an element of an `argv`.
fn elements() -> Vec<Value> {
    let of = |shapes: &[Shape]| -> Vec<&str> {
        Slot::ALL.iter().filter(|slot| shapes.contains(&slot.shape())).map(|slot| slot.name()).collect()
    };
    let token = json!({ "type": "string", "minLength": 1 });
    let csv = json!({ "type": "boolean" });
    let when = json!({ "enum": of(&[Shape::Scalar, Shape::Flag]) });
    let each = json!({ "enum": of(&[Shape::Repeated]) });
    let mark = json!({ "type": "string", "pattern": "^[!-/:-@\\[-`{-~]$" });
    let forms = vec![
        token.clone(),
        table(&["token"], json!({ "token": token, "csv": csv })),
        table(&["token", "when"], json!({ "token": token, "when": when, "csv": csv })),
        table(&["token", "each"], json!({ "token": token, "each": each, "csv": csv, "join": mark })),
        table(&["literal"], json!({ "literal": token })),
    ];
    let known = |key: &str| forms.iter().any(|form| !form["properties"][key].is_null());
    assert!(element::KEYS.iter().all(|key| known(key)), "an element has a key that the schema does not know");
    forms
}

fn evidence() -> Value {
    let of = |key: &str| match key {
        "image" => places(evidence::ImageEvidence::PLACES),
        "container" => places(evidence::ContainerEvidence::PLACES),
        "volume" => places(evidence::VolumeEvidence::PLACES),
        "stats" => places(evidence::UsageEvidence::PLACES),
        "events" => events(),
        "network" => places(evidence::NetworkEvidence::PLACES),
        "pod" => places(evidence::PodEvidence::PLACES),
        "containers" | "volumes" | "networks" | "pods" | "top" | "held" => {
            table(&["command"], json!({ "command": { "type": "string" } }))
        }
        "manifest" => table(
            &[],
            json!({ "registry": { "type": "boolean" }, "command": { "type": "string" }, "stores": list(store()) }),
        ),
        "export" => table(&["command"], json!({ "command": { "type": "string" }, "damaged": words() })),
        other => panic!("the schema does not know the evidence {other}"),
    };
    let keys = evidence::EvidenceGrant::KEYS;
    exactly(&keys, &[], Value::Object(keys.map(|key| (key.to_owned(), of(key))).into_iter().collect()))
}

/// Places, and the engine's words for what happened.
fn events() -> Value {
    let mut table = places(&evidence::EventEvidence::PLACES);
    if let Some(properties) = table["properties"].as_object_mut() {
        properties.remove("missing");
        properties.insert("own".to_owned(), words());
        let word = json!({ "type": "string", "minLength": 1 });
        properties.extend(evidence::Happened::ALL.map(|(key, _)| (key.to_owned(), word.clone())));
    }
    table
}

/// A folder of the engine's own, and what its files are called.
fn store() -> Value {
    let file = json!({ "type": "string", "minLength": 1 });
    table(&["folder", "manifest"], json!({ "folder": file, "manifest": file, "config": file }))
}

/// JSON pointers into what the engine prints.
fn places(places: &[(&str, bool)]) -> Value {
    let pointer = json!({ "type": "string", "pattern": "^(/([^/~]|~[01])*)+$" });
    let mut properties: Map<String, Value> =
        places.iter().map(|(key, _)| ((*key).to_owned(), pointer.clone())).collect();
    properties.insert("command".to_owned(), json!({ "type": "string" }));
    properties.insert("missing".to_owned(), words());
    let needed =
        places.iter().filter(|(_, needed)| *needed).map(|(key, _)| *key).chain(["command"]).collect::<Vec<_>>();
    table(&needed, Value::Object(properties))
}

fn probe(word: &str, of: probe::Word) -> Value {
    let calls =
        json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": choice(&probe::ProbeCall::WORDS) });
    let key = |key: &str| match key {
        "kind" => json!({ "const": word }),
        "calls" => calls.clone(),
        "path" => json!({ "type": "string", "pattern": "^(\\{XDG_RUNTIME_DIR\\}|\\{HOME\\}|/)" }),
        "name" => json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$" }),
        "command" => json!({ "type": "string" }),
        "cap" => json!({ "type": "integer", "minimum": 1, "maximum": probe::CAP_MAX }),
        "port" => json!({ "type": "integer", "minimum": 1, "maximum": 65_535 }),
        other => panic!("the schema does not know the key {other} of a probe"),
    };
    let keys = of.keys();
    let needed: Vec<&str> = keys.iter().copied().filter(|key| *key != "cap").collect();
    table(&needed, keys.iter().map(|name| ((*name).to_owned(), key(name))).collect())
}

fn limits() -> Value {
    let limit = |limit: &Limit| {
        let (least, most) = limit.bounds();
        let about = json!({ "description": limit.doc(), "default": limit.default(), "type": "integer", "minimum": least, "maximum": most });
        (limit.name().to_owned(), about)
    };
    table(&[], Limit::ALL.iter().map(limit).collect())
}

fn choice<T>(words: &[(&str, T)]) -> Value {
    json!({ "enum": words.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

fn one_of(forms: &[Value]) -> Value {
    json!({ "oneOf": forms })
}

fn list(items: Value) -> Value {
    json!({ "type": "array", "items": items })
}

fn words() -> Value {
    list(json!({ "type": "string" }))
}

fn texts(pattern: &str) -> Value {
    json!({ "type": "array", "uniqueItems": true, "items": { "type": "string", "pattern": pattern } })
}

fn path() -> Value {
    json!({ "type": "string", "pattern": "^(/[^/]+)+$" })
}

fn paths() -> Value {
    json!({ "type": "array", "minItems": 1, "uniqueItems": true, "items": path() })
}

fn named(pattern: &str, of: Value) -> Value {
    json!({ "type": "object", "patternProperties": { pattern: of }, "additionalProperties": false })
}

/// A table with no other keys than these.
fn table(needed: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": needed, "additionalProperties": false, "properties": properties })
}

/// The same; the loader's keys are all of them.
fn exactly(keys: &[&str], needed: &[&str], properties: Value) -> Value {
    let known: Vec<&str> = properties.as_object().unwrap().keys().map(String::as_str).collect();
    let missing: Vec<_> = keys.iter().filter(|key| !known.contains(key)).collect();
    assert!(missing.is_empty() && known.len() == keys.len(), "the schema does not know {missing:?}");
    table(needed, properties)
}

/// The first thing in a document that a schema does not allow. Knows the words that ours uses, and panics at others.
fn violation(schema: &Value, value: &Value) -> Option<String> {
    schema.as_object().unwrap().iter().find_map(|(word, rule)| match word.as_str() {
        "$schema" | "title" | "description" | "default" => None,
        "type" => wrong(is_of_type(rule.as_str().unwrap(), value), rule, value),
        "const" => wrong(rule == value, rule, value),
        "enum" => wrong(rule.as_array().unwrap().contains(value), rule, value),
        "pattern" => wrong(
            value.as_str().is_none_or(|text| Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)),
            rule,
            value,
        ),
        "minLength" => {
            wrong(value.as_str().is_none_or(|text| text.len() as u64 >= rule.as_u64().unwrap()), rule, value)
        }
        "minimum" => wrong(value.as_u64().is_some_and(|number| number >= rule.as_u64().unwrap()), rule, value),
        "maximum" => wrong(value.as_u64().is_some_and(|number| number <= rule.as_u64().unwrap()), rule, value),
        "minItems" => {
            wrong(value.as_array().is_none_or(|list| list.len() as u64 >= rule.as_u64().unwrap()), rule, value)
        }
        "uniqueItems" => wrong(
            value.as_array().is_none_or(|list| list.iter().enumerate().all(|(at, one)| !list[..at].contains(one))),
            rule,
            value,
        ),
        "items" => value.as_array()?.iter().find_map(|item| violation(rule, item)),
        "oneOf" => {
            let fitting = rule.as_array().unwrap().iter().filter(|one| violation(one, value).is_none()).count();
            wrong(fitting == 1, rule, value)
        }
        "required" => {
            let has = |key: &Value| value.get(key.as_str().unwrap()).is_some();
            wrong(!value.is_object() || rule.as_array().unwrap().iter().all(has), rule, value)
        }
        "properties" => rule.as_object().unwrap().iter().find_map(|(key, one)| violation(one, value.get(key)?)),
        "patternProperties" => of_pattern(rule, value),
        "additionalProperties" => wrong(!value.is_object() || known(schema, value), schema, value),
        other => panic!("the check does not know {other}"),
    })
}

fn wrong(right: bool, rule: &Value, value: &Value) -> Option<String> {
    (!right).then(|| format!("{value} against {rule}"))
}

fn is_of_type(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the check does not know the type {other}"),
    }
}

fn of_pattern(rule: &Value, value: &Value) -> Option<String> {
    let (pattern, one) = rule.as_object().unwrap().iter().next().unwrap();
    let regex = Regex::new(pattern).unwrap();
    value
        .as_object()?
        .iter()
        .filter(|(key, _)| regex.is_match(key.as_str()))
        .find_map(|(_, value)| violation(one, value))
}

/// Whether every key of a table is named, or fits a pattern.
fn known(schema: &Value, value: &Value) -> bool {
    let patterns = schema.get("patternProperties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys());
    let patterns: Vec<Regex> = patterns.map(|pattern| Regex::new(pattern).unwrap()).collect();
    let named = |key: &str| schema["properties"].get(key).is_some();
    value.as_object().unwrap().keys().all(|key| named(key) || patterns.iter().any(|regex| regex.is_match(key.as_str())))
}
