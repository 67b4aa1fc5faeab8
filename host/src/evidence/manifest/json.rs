//! JSON read so that no two readers can see two different documents in it.
//!
//! Go's decoder, which engines and registries use, takes the last of two equal keys and matches field names without
//! regard to case; others take the first, or match exactly. Such documents are refused, not interpreted.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{MANIFEST_MAX, ManifestError};
use crate::digest::Digest;

/// The most values a document may hold, which bounds the memory that parsing takes.
const VALUES_MAX: usize = 200_000;

/// Objects with keys of the author's own, which may differ by case alone.
const FREE_OBJECTS: [&str; 4] = ["annotations", "Labels", "Volumes", "ExposedPorts"];

/// Reads one JSON document and nothing after it.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, ManifestError> {
    if bytes.len() as u64 > MANIFEST_MAX {
        return Err(ManifestError::TooLarge { size: bytes.len() as u64 });
    }
    let reading = Reading::default();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { reading: &reading, is_free: false }.deserialize(&mut deserializer);
    match (reading.fault.take(), value) {
        (Some(fault), _) => Err(fault),
        (None, Err(error)) => Err(ManifestError::Json { message: error.to_string() }),
        (None, Ok(value)) => deserializer.end().map(|()| value).map_err(|_| ManifestError::TrailingData),
    }
}

/// What one parse has seen so far. The fault is kept aside because serde's errors are strings.
#[derive(Default)]
struct Reading {
    values: Cell<usize>,
    fault: RefCell<Option<ManifestError>>,
}

impl Reading {
    fn fail<E: serde::de::Error>(&self, fault: ManifestError) -> E {
        let error = E::custom(&fault);
        self.fault.borrow_mut().get_or_insert(fault);
        error
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > VALUES_MAX { Err(self.fail(ManifestError::TooComplex)) } else { Ok(()) }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    reading: &'a Reading,
    is_free: bool,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.reading.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Self { is_free: false, ..self })? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut seen = HashMap::new();
        let mut object = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.reading.count()?;
            let name = if self.is_free { key.clone() } else { fold(&key) };
            if let Some(other) = seen.insert(name, key.clone()) {
                return Err(self.reading.fail(clash(key, other)));
            }
            let is_free = FREE_OBJECTS.contains(&key.as_str());
            object.insert(key, entries.next_value_seed(Self { is_free, ..self })?);
        }
        Ok(object.into())
    }
}

fn clash(key: String, other: String) -> ManifestError {
    if key == other { ManifestError::DuplicateKey { key } } else { ManifestError::KeyCase { key, like: other } }
}

/// Case folding as Go's decoder does it: two letters outside ASCII fold into it.
fn fold(key: &str) -> String {
    let ascii = |c| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other,
    };
    key.chars().map(ascii).flat_map(char::to_lowercase).collect()
}

/// An object of known fields, and where it stands in the document.
pub(super) struct Object<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Object<'a> {
    /// # Errors
    /// When it is no object, or has a key that is a known field but for its case.
    pub(super) fn new(value: &'a Value, path: &str, known: &[&str]) -> Result<Self, ManifestError> {
        let fields = value.as_object().ok_or_else(|| wrong_type(path, "an object"))?;
        for key in fields.keys() {
            let folded = fold(key);
            if let Some(like) = known.iter().find(|field| fold(field) == folded && *field != key) {
                return Err(ManifestError::KeyCase { key: key.clone(), like: (*like).to_owned() });
            }
        }
        Ok(Self { fields, path: path.to_owned() })
    }

    /// Whether the key is there, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Where a field stands, for messages.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key)
    }

    pub(super) fn required(&self, key: &str) -> Result<&'a Value, ManifestError> {
        self.get(key).ok_or_else(|| ManifestError::Missing { path: self.path(key) })
    }

    pub(super) fn string(&self, key: &str) -> Result<&'a str, ManifestError> {
        self.required(key)?.as_str().ok_or_else(|| wrong_type(&self.path(key), "a string"))
    }

    pub(super) fn optional_string(&self, key: &str) -> Result<Option<&'a str>, ManifestError> {
        self.has(key).then(|| self.string(key)).transpose()
    }

    pub(super) fn number(&self, key: &str) -> Result<u64, ManifestError> {
        let number = self.required(key)?.as_u64().filter(|n| i64::try_from(*n).is_ok());
        number.ok_or_else(|| wrong_type(&self.path(key), "a whole number, not negative"))
    }

    pub(super) fn array(&self, key: &str) -> Result<&'a [Value], ManifestError> {
        let array = self.required(key)?.as_array().map(Vec::as_slice);
        array.ok_or_else(|| wrong_type(&self.path(key), "an array"))
    }

    pub(super) fn digest(&self, key: &str) -> Result<Digest, ManifestError> {
        parse_digest(self.string(key)?, &self.path(key))
    }
}

pub(super) fn parse_digest(text: &str, path: &str) -> Result<Digest, ManifestError> {
    text.parse().map_err(|error| ManifestError::Digest { path: path.to_owned(), error })
}

pub(super) fn wrong_type(path: &str, wanted: &'static str) -> ManifestError {
    let path = if path.is_empty() { "the document" } else { path };
    ManifestError::WrongType { path: path.to_owned(), wanted }
}
