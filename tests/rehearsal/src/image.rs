//! Images that were pulled: one record each, named by its ID.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dialect::Dialect;
use crate::state::{self, State};

/// What is known of one image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Image {
    /// Hexadecimal digits; of the config's digest, or under containerd's store of the digest that was asked for.
    pub(crate) id: String,
    /// Names without tag or digest, in the order of the pulls.
    pub(crate) names: Vec<String>,
    /// Digests of indexes and manifests, in the order of the pulls.
    pub(crate) digests: Vec<String>,
    /// `name@digest` of each pull.
    pub(crate) pulled: Vec<String>,
    /// `name:tag` of each pull by tag.
    pub(crate) tags: Vec<String>,
    pub(crate) manifest_type: String,
    pub(crate) size: u64,
    /// The config, as it was served.
    pub(crate) config: Value,
}

impl Image {
    pub(crate) fn load_all(state: &State) -> io::Result<Vec<Self>> {
        let directory = state.images();
        state::names(&directory)?.iter().map(|name| state::load(&directory.join(name))).collect()
    }

    pub(crate) fn save(&self, state: &State) -> io::Result<()> {
        state::save(&state.images().join(&self.id), self)
    }

    pub(crate) fn remove(&self, state: &State) -> io::Result<()> {
        std::fs::remove_file(state.images().join(&self.id))
    }

    /// The image that an operand names: an ID, the beginning of one, `name@digest`, or `name:tag`.
    pub(crate) fn find(state: &State, dialect: Dialect, operand: &str) -> io::Result<Option<Self>> {
        let digits = operand.strip_prefix("sha256:").unwrap_or(operand);
        if is_hex(digits) && digits.len() == 64 {
            return optional(state::load(&state.images().join(digits)));
        }
        Ok(Self::load_all(state)?.into_iter().find(|image| image.answers_to(dialect, operand)))
    }

    fn answers_to(&self, dialect: Dialect, operand: &str) -> bool {
        match operand.split_once('@') {
            // Podman 4.3 takes any name before a digest that it has.
            Some((_, digest)) if dialect == Dialect::Podman => self.digests.iter().any(|known| known == digest),
            Some((name, digest)) => self.pulled.contains(&format!("{}@{digest}", untagged(name))),
            None if is_hex(operand) && operand.len() >= 4 => self.id.starts_with(operand),
            None => self.tags.contains(&with_tag(operand)),
        }
    }

    /// What the engine's `RepoDigests` holds: pairs that were pulled (Docker), each name with each digest (Podman).
    pub(crate) fn repo_digests(&self, dialect: Dialect) -> Vec<String> {
        if dialect == Dialect::Docker {
            return self.pulled.clone();
        }
        let pairs = |name: &String| self.digests.iter().map(|digest| format!("{name}@{digest}")).collect::<Vec<_>>();
        self.names.iter().flat_map(pairs).collect()
    }

    pub(crate) fn config(&self, pointer: &str) -> &Value {
        self.config.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// A list of words in the config, such as `/config/Entrypoint`.
    pub(crate) fn words(&self, pointer: &str) -> Vec<String> {
        let words = self.config(pointer).as_array().into_iter().flatten();
        words.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.config(pointer).as_str().unwrap_or_default()
    }
}

/// Adds what is not there yet.
pub(crate) fn add(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

pub(crate) fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn with_tag(name: &str) -> String {
    if untagged(name) == name { format!("{name}:latest") } else { name.to_owned() }
}

fn untagged(name: &str) -> &str {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    let tag = name.get(last..).and_then(|last| last.find(':')).map(|at| last + at);
    tag.and_then(|tag| name.get(..tag)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            id: "c5".repeat(32),
            names: vec!["h:1/a".into(), "h:1/b".into()],
            digests: vec!["sha256:x".into(), "sha256:p".into()],
            pulled: vec!["h:1/a@sha256:x".into()],
            tags: vec!["h:1/a:one".into(), "h:1/a:latest".into()],
            manifest_type: String::new(),
            size: 1,
            config: serde_json::json!({"config": {"Entrypoint": ["/deckhand"]}}),
        }
    }

    #[test]
    fn podman_multiplies_names_and_digests() {
        let all = ["h:1/a@sha256:x", "h:1/a@sha256:p", "h:1/b@sha256:x", "h:1/b@sha256:p"];
        assert_eq!(image().repo_digests(Dialect::Podman), all);
        assert_eq!(image().repo_digests(Dialect::Docker), ["h:1/a@sha256:x"]);
    }

    #[test]
    fn operands_name_images() {
        let answers = |dialect, operand| image().answers_to(dialect, operand);
        assert!(answers(Dialect::Podman, "never.example/foo@sha256:p"));
        assert!(!answers(Dialect::Docker, "never.example/foo@sha256:x"));
        assert!(answers(Dialect::Docker, "h:1/a:one@sha256:x"));
        assert!(answers(Dialect::Docker, "h:1/a"));
        assert!(answers(Dialect::Docker, "c5c5"));
        assert!(!answers(Dialect::Docker, "h:1/b"));
    }

    #[test]
    fn words_come_from_the_config() {
        assert_eq!(image().words("/config/Entrypoint"), ["/deckhand"]);
        assert!(image().words("/config/Cmd").is_empty());
    }
}
