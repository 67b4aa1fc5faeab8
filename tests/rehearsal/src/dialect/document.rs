//! JSON documents that begin as a recorded one: what this container or image differs in is put over it.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::spec::Port;

/// A recorded document, being filled.
pub(super) struct Document(Value);

impl Document {
    /// `recorded` is one of the files beside this one.
    pub(super) fn from(recorded: &str) -> Self {
        Self(serde_json::from_str(recorded).unwrap_or_default())
    }

    /// Puts values at places such as `Config/Env`; a last part that is not there yet is added.
    pub(super) fn fill(&mut self, part: &str, values: Value) {
        let Value::Object(values) = values else { return };
        if let Some(Value::Object(object)) = self.0.pointer_mut(part) {
            object.extend(values);
        }
    }

    pub(super) fn finish(self) -> Value {
        self.0
    }
}

pub(super) fn pretty(document: &Value, spaces: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(spaces);
    // Into memory, from a value: nothing can fail.
    let _ = document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter));
    text.push(b'\n');
    text
}

/// `{"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}`; a port that is still to be chosen is `""`.
pub(super) fn port_map<'p>(ports: impl Iterator<Item = &'p Port>) -> Value {
    let mut map = Map::new();
    for port in ports {
        let host = if port.host == 0 { String::new() } else { port.host.to_string() };
        let binding = json!({"HostIp": port.address, "HostPort": host});
        let entry = map.entry(format!("{}/{}", port.container, port.protocol)).or_insert_with(|| json!([]));
        if let Value::Array(bindings) = entry {
            bindings.push(binding);
        }
    }
    Value::Object(map)
}

/// An empty list as `null`, as Go prints a nil slice.
pub(super) fn or_null<T: Serialize>(list: &[T]) -> Value {
    if list.is_empty() { Value::Null } else { json!(list) }
}

/// The first of the words, and the others.
pub(super) fn path_and_args(entrypoint: &[String], words: &[String]) -> (String, Vec<String>) {
    let mut all = entrypoint.iter().chain(words).cloned();
    (all.next().unwrap_or_default(), all.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_documents_are_documents() {
        for recorded in [
            include_str!("podman-container.json"),
            include_str!("podman-image.json"),
            include_str!("podman-info.json"),
            include_str!("podman-version.json"),
            include_str!("docker-container.json"),
            include_str!("docker-image.json"),
            include_str!("docker-info.json"),
            include_str!("docker-version.json"),
        ] {
            assert!(Document::from(recorded).finish().is_object());
        }
    }

    #[test]
    fn bindings_of_one_port_stand_together() {
        let port = |host| Port { address: "127.0.0.1".into(), host, container: 80, protocol: "tcp".into() };
        let expected =
            json!({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "81"}, {"HostIp": "127.0.0.1", "HostPort": ""}]});
        assert_eq!(port_map([port(81), port(0)].iter()), expected);
    }
}
