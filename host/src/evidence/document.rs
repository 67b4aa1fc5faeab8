//! Facts out of the JSON that an engine printed. Pure; nothing in it is taken for granted.

use std::collections::BTreeMap;

use serde_json::Value;

/// The most documents that one command may print.
const MOST: usize = 10_000;

/// The documents of an output: an array of them, one, or one a line.
///
/// # Errors
/// When it is none of these.
pub(crate) fn documents(bytes: &[u8]) -> Result<Vec<Value>, String> {
    let mut all = Vec::new();
    for value in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        match value.map_err(|error| format!("the engine did not print JSON: {error}"))? {
            Value::Array(values) => all.extend(values),
            value => all.push(value),
        }
        if all.len() > MOST {
            return Err(format!("the engine printed more than {MOST} documents"));
        }
    }
    Ok(all)
}

/// A text at a JSON pointer.
pub(crate) fn text(document: &Value, pointer: Option<&str>) -> Option<String> {
    document.pointer(pointer?)?.as_str().map(str::to_owned)
}

/// A whole number at a JSON pointer.
pub(crate) fn number(document: &Value, pointer: Option<&str>) -> Option<i64> {
    document.pointer(pointer?)?.as_i64()
}

/// The texts of a list at a JSON pointer; none where there is no list. A text alone is a list of one.
pub(crate) fn texts(document: &Value, pointer: Option<&str>) -> Vec<String> {
    match pointer.and_then(|pointer| document.pointer(pointer)) {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// A map of texts at a JSON pointer.
pub(crate) fn map(document: &Value, pointer: Option<&str>) -> BTreeMap<String, String> {
    let Some(Value::Object(members)) = pointer.and_then(|pointer| document.pointer(pointer)) else {
        return BTreeMap::new();
    };
    members.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The keys of a map at a JSON pointer, whatever they stand for; none where there is no map.
pub(crate) fn keys(document: &Value, pointer: Option<&str>) -> Vec<String> {
    let map = pointer.and_then(|pointer| document.pointer(pointer)).and_then(Value::as_object);
    map.map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

/// Engines say "no options" in several ways.
pub(crate) fn is_empty(options: Option<&Value>) -> bool {
    match options {
        None | Some(Value::Null) => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(_) => false,
    }
}

/// An ID without its algorithm.
pub(crate) fn bare_id(id: &str) -> &str {
    id.strip_prefix("sha256:").unwrap_or(id)
}

/// Whether a text is an ID in full: 64 lower-case hexadecimal digits.
pub(crate) fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_one_document_or_one_a_line() {
        for (text, count) in [("[]", 0), ("[{},{}]", 2), ("{}", 1), ("{}\n{}\n", 2), ("", 0)] {
            assert_eq!(documents(text.as_bytes()).unwrap().len(), count, "{text}");
        }
        for bad in ["{", "hello", "[{},"] {
            assert!(documents(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_of_another_type_is_not_there() {
        let document = serde_json::json!({"a": 1, "b": ["x", 2], "c": {"k": "v", "n": null}});
        assert_eq!(text(&document, Some("/a")), None);
        assert_eq!(texts(&document, Some("/b")), ["x"]);
        assert_eq!(map(&document, Some("/c")).len(), 1);
    }
}
