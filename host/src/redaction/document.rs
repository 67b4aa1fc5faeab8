//! Redaction of JSON documents: the same shape comes out, whatever was in it.

use serde_json::{Map, Value};

use super::names::{Strength, judge};
use super::{Redactor, values};

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

    /// Masks the value of a key that names a secret; anything else is looked into.
    fn member(&self, key: &str, value: &mut Value, depth: usize) {
        let by_key = !self.inner.rules.is_empty() && is_secret_member(key, value);
        self.value(value, depth - 1);
        match value {
            Value::String(text) if by_key && !text.contains("[redacted:") => {
                self.count(mark_of(key));
                *text = format!("[redacted:{}]", mark_of(key));
            }
            Value::Array(list) if by_key => {
                for text in
                    list.iter_mut().filter(|text| text.as_str().is_some_and(|text| !text.contains("[redacted:")))
                {
                    self.count(mark_of(key));
                    *text = Value::String(format!("[redacted:{}]", mark_of(key)));
                }
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

/// Whether a key and its value are those of a secret.
fn is_secret_member(key: &str, value: &Value) -> bool {
    let strength = judge(key.as_bytes());
    let secret = |text: &str| {
        let bytes = text.as_bytes();
        let plain = values::is_placeholder(bytes) || values::is_place(bytes);
        match strength {
            Strength::Password => !plain,
            Strength::Strong => !plain && bytes.len() >= 8,
            Strength::Weak => {
                !plain && values::is_random(bytes) && !values::is_digest(bytes) && !values::is_uuid(bytes)
            }
            Strength::None => false,
        }
    };
    match value {
        Value::String(text) => secret(text),
        Value::Array(list) => {
            strength >= Strength::Strong
                && !list.is_empty()
                && list.iter().all(|item| item.as_str().is_some_and(secret))
        }
        _ => false,
    }
}

/// The rule that a key is masked by.
fn mark_of(key: &str) -> &'static str {
    if judge(key.as_bytes()) == Strength::Password { "password" } else { "secret-value" }
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
}
