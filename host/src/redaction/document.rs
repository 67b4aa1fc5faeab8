//! Redaction of JSON documents: the same shape comes out, whatever was in it.

use serde_json::{Map, Value};

use super::names::{Strength, judge};
use super::{Redactor, names, values};

/// Deepest nesting that is followed; deeper values are masked whole.
const MAX_DEPTH: usize = 256;

impl Redactor {
    /// Redacts a document in place: by the names of its keys, and by known values and rules in its strings. Keys stay,
    /// unless a known value stands in them; numbers stay, unless they are a known value.
    pub fn json(&self, document: &mut Value) {
        self.value(document, MAX_DEPTH);
    }

    fn value(&self, value: &mut Value, depth: usize) {
        match value {
            _ if depth == 0 => *value = Value::String("[redacted:nesting]".to_owned()),
            Value::String(text) => *text = self.text(text),
            Value::Number(number) => {
                let text = number.to_string();
                if let Some(name) = self.find_secret(text.as_bytes()) {
                    self.count(name);
                    *value = Value::String(format!("[redacted:{name}]"));
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|item| self.value(item, depth - 1)),
            Value::Object(map) => self.object(map, depth),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn object(&self, map: &mut Map<String, Value>, depth: usize) {
        // `{"name": "DB_PASSWORD", "value": "…"}`, as orchestrators list environments.
        let named = ["name", "Name", "key", "Key"]
            .iter()
            .find_map(|key| map.get(*key))
            .and_then(Value::as_str)
            .map(str::to_owned);
        for (key, value) in map.iter_mut() {
            let name = match (&named, key.as_str()) {
                (Some(name), "value" | "Value") => name,
                _ => key,
            };
            self.member(name, value, depth);
        }
        if !self.inner.known.is_empty() && map.keys().any(|key| self.find_secret(key.as_bytes()).is_some()) {
            *map = self.renamed(std::mem::take(map));
        }
    }

    /// Masks the value of a key that names a secret, and what is below it; anything else is looked into.
    fn member(&self, key: &str, value: &mut Value, depth: usize) {
        let below = if self.inner.rules.is_empty() { Below::Nothing } else { Below::of(key, value) };
        self.value(value, depth - 1);
        self.below(below, mark_of(key), value);
    }

    /// Masks what a key says of the value below it. A value that is a mark already, or holds one, stays.
    fn below(&self, below: Below, mark: &'static str, value: &mut Value) {
        match (below, &mut *value) {
            (Below::Nothing, _) => {}
            (Below::Judged(strength), Value::String(text))
                if is_secret(strength, text) && !text.contains("[redacted:") =>
            {
                self.count(mark);
                *text = format!("[redacted:{mark}]");
            }
            (Below::Judged(Strength::Password), Value::Number(number)) if number.to_string().len() >= 4 => {
                self.count(mark);
                *value = Value::String(format!("[redacted:{mark}]"));
            }
            (Below::Judged(_), Value::Array(list)) => list.iter_mut().for_each(|item| self.below(below, mark, item)),
            (Below::Judged(strength), Value::Object(map)) => {
                map.iter_mut().filter(|(key, _)| holds_value(strength, key)).for_each(|(_, item)| {
                    self.below(below, mark, item);
                });
            }
            (Below::Named, Value::Object(map)) => {
                let strings = map.iter_mut().filter(|(key, item)| item.is_string() && !describes(key));
                strings.for_each(|(_, item)| self.below(Below::Judged(Strength::Password), mark, item));
            }
            _ => {}
        }
    }

    /// A value of a mapping, by its name and by its looks.
    pub(crate) fn labelled(&self, name: &str, value: &str) -> String {
        let mut value = Value::String(value.to_owned());
        self.member(name, &mut value, MAX_DEPTH);
        value.as_str().unwrap_or_default().to_owned()
    }

    fn count(&self, name: &str) {
        if let Some(tally) = &self.inner.tally {
            tally.add(name);
        }
    }

    fn renamed(&self, map: Map<String, Value>) -> Map<String, Value> {
        let mut renamed = Map::new();
        for (key, value) in map {
            let mut name = self.text(&key);
            while renamed.contains_key(&name) {
                name.push('_');
            }
            renamed.insert(name, value);
        }
        renamed
    }
}

/// What a key says of what is below it.
#[derive(Clone, Copy)]
enum Below {
    Nothing,
    /// It is a secret, so surely.
    Judged(Strength),
    /// It is a list of secrets by their names, as in `{"secrets": {"db": "…"}}`.
    Named,
}

impl Below {
    fn of(key: &str, value: &Value) -> Self {
        let strength = judge(key.as_bytes());
        let one = || judge(key.strip_suffix('s').unwrap_or(key).as_bytes());
        match value {
            Value::String(text) if is_chosen_pass(key, text) => Self::Judged(Strength::Password),
            Value::Object(map) if key.ends_with('s') && one() == Strength::Strong && is_named(map) => Self::Named,
            Value::Array(list) if strength == Strength::Strong && !all_secret(list, strength) => Self::Nothing,
            Value::Array(_) | Value::Object(_) if one() == Strength::Password => Self::Judged(Strength::Password),
            Value::Array(_) | Value::Object(_) if strength < Strength::Strong => Self::Nothing,
            _ if strength == Strength::None => Self::Nothing,
            _ => Self::Judged(strength),
        }
    }
}

fn all_secret(list: &[Value], strength: Strength) -> bool {
    list.iter().all(|item| item.as_str().is_some_and(|text| is_secret(strength, text)))
}

/// Whether a mapping is one of names to secrets, not to the names of secrets or to numbers: letters and digits are mixed in
/// some value.
fn is_named(map: &Map<String, Value>) -> bool {
    let mixed = |text: &str| {
        let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
        let plain = values::is_place(text.as_bytes()) || text.contains("[redacted:");
        has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && !plain
    };
    map.iter().all(|(key, item)| !describes(key) && item.is_string())
        && map.values().filter_map(Value::as_str).any(mixed)
}

/// Whether the value of a key within a secret is the secret, not what describes it.
fn holds_value(strength: Strength, key: &str) -> bool {
    let value = ["value", "data", "plain", "plaintext", "raw", "secret", "token", "password"];
    let named = value.contains(&key.to_ascii_lowercase().as_str());
    named || (strength == Strength::Password && !describes(key))
}

#[rustfmt::skip]
const DESCRIPTIONS: &[&str] = &[
    "name", "id", "type", "kind", "key", "mode", "ref", "optional", "driver", "version", "created", "updated", "description", "env", "target", "source", "field", "format", "policy",
    "title", "placeholder", "label", "help", "required", "min", "max", "pattern", "default", "algorithm", "enabled", "expires", "username", "user", "email", "message", "error", "at",
];

/// Whether a key tells something about a secret: its name, its kind, its place.
fn describes(key: &str) -> bool {
    let last = names::words(key.as_bytes()).pop().unwrap_or_default();
    DESCRIPTIONS.contains(&last.as_str()) || names::is_reference(key.as_bytes())
}

/// `"pass": "hunter2"`: what such a name says is as good as any word, but for one with digits in it.
fn is_chosen_pass(key: &str, text: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| text.as_bytes().iter().any(kind);
    ["pass", "pw"].contains(&key.to_ascii_lowercase().as_str())
        && text.len() >= 6
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_alphabetic)
        && !has(u8::is_ascii_whitespace)
}

/// Whether a text is a secret if its name says so this surely.
fn is_secret(strength: Strength, text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = values::is_placeholder(bytes) || values::is_place(bytes);
    match strength {
        Strength::Password => !plain,
        Strength::Strong => !plain && bytes.len() >= 8,
        Strength::Weak => !plain && values::is_random(bytes) && !values::is_digest(bytes) && !values::is_uuid(bytes),
        Strength::None => false,
    }
}

/// The rule that a key is masked by.
fn mark_of(key: &str) -> &'static str {
    let password =
        [key, key.strip_suffix('s').unwrap_or(key)].iter().any(|key| judge(key.as_bytes()) == Strength::Password);
    if password || ["pass", "pw"].contains(&key.to_ascii_lowercase().as_str()) { "password" } else { "secret-value" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Redactor, RuleSet};

    #[test]
    fn keeps_the_shape_and_masks_by_key_and_by_pattern() {
        let redactor = Redactor::builder().secret("pin", b"8642097531").unwrap().rules(RuleSet::builtin()).build();
        let digest = format!("sha256:{}", "ab12".repeat(16));
        let mut document = json!({
            "Id": digest, "Created": "2026-01-01T00:00:00Z", "Ports": {"80/tcp": [{"HostPort": "8080"}]},
            "Config": {"Env": ["PATH=/usr/bin", "DB_PASSWORD=tr0ub4dor&3", "POSTGRES_PASSWORD_FILE=/run/secrets/pw"]},
            "auth": {"password": "hunter2", "identitytoken": "", "n": 8642097531u64},
            "env": [{"name": "API_KEY", "value": "abc123def456"}],
        });
        redactor.json(&mut document);
        assert_eq!(
            document,
            json!({
                "Id": digest, "Created": "2026-01-01T00:00:00Z", "Ports": {"80/tcp": [{"HostPort": "8080"}]},
                "Config": {"Env": ["PATH=/usr/bin", "DB_PASSWORD=[redacted:password]", "POSTGRES_PASSWORD_FILE=/run/secrets/pw"]},
                "auth": {"password": "[redacted:password]", "identitytoken": "", "n": "[redacted:pin]"},
                "env": [{"name": "API_KEY", "value": "[redacted:secret-value]"}],
            })
        );
    }

    #[test]
    fn what_is_below_a_secret_key_is_masked_and_what_describes_it_is_not() {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let mut document = json!({
            "passwords": ["hunter2", "hunter3"], "pass": "hunter2", "p\u{61}ssword": {"value": "hunter2", "n": [{"x": "yz9"}], "pin": 12345678},
            "secrets": {"db": "hunter2"}, "token": {"value": "abc123def456", "expires_at": "2026-01-01T00:00:00Z"}, "password_policy": {"min": 8},
        });
        redactor.json(&mut document);
        let mut again = document.clone();
        redactor.json(&mut again);
        assert_eq!(again, document);
        let mark = "[redacted:password]";
        assert_eq!(
            document,
            json!({
                "passwords": [mark, mark], "pass": mark, "password": {"value": mark, "n": [{"x": mark}], "pin": mark},
                "secrets": {"db": "[redacted:secret-value]"}, "token": {"value": "[redacted:secret-value]", "expires_at": "2026-01-01T00:00:00Z"},
                "password_policy": {"min": 8},
            })
        );
        let plain = json!({
            "Secrets": [{"SecretID": "a1b2c3d4e5f6a7b8", "SecretName": "db", "File": {"Name": "db2", "UID": "0", "Mode": 292}}],
            "secrets": {"db": {"file": "./db2.txt"}, "x": {"external": true, "name": "x1"}}, "secret": {"secretName": "app-tls-36c1f", "defaultMode": 420},
            "valueFrom": {"secretKeyRef": {"name": "db-2", "key": "password"}}, "tokens": {"prompt": "12", "total": "40"}, "pass": "stage two", "keys": {"a": "k1"},
            "password": {"type": "string", "name": "password2", "min_length": 8}, "passwords": 3, "credentials": {"file": "/x/y1"},
        });
        let mut document = plain.clone();
        redactor.json(&mut document);
        assert_eq!(document, plain);
    }
}
