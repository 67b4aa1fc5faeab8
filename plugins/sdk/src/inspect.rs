//! What engines print when they are asked to look, in the shape that Docker gave it.

use serde_json::Value;

use crate::{ContainerState, ContainerStatus, EngineFailure, Error, HealthState, ImageSummary, Result};

/// Reads a JSON document.
///
/// # Errors
/// [`Error::Engine`], where there is none.
pub fn document(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| unexpected(&format!("printed no JSON document: {error}")))
}

/// Reads a JSON list and gives its first element, or the document itself where it is no list.
///
/// # Errors
/// [`Error::Engine`], where there is none.
pub fn first(text: &str) -> Result<Value> {
    match document(text)? {
        Value::Array(items) => items.into_iter().next().ok_or_else(|| unexpected("printed an empty list")),
        other => Ok(other),
    }
}

/// The text at a JSON pointer; empty where there is none.
#[must_use]
pub fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of the list at a JSON pointer.
#[must_use]
pub fn texts(document: &Value, pointer: &str) -> Vec<String> {
    let items = document.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

/// An image of `image inspect`.
#[must_use]
pub fn image(document: &Value) -> ImageSummary {
    ImageSummary {
        id: text(document, "/Id").into(),
        digests: texts(document, "/RepoDigests"),
        tags: texts(document, "/RepoTags"),
        size: document.pointer("/Size").and_then(Value::as_u64).unwrap_or(0),
    }
}

/// A container of `container inspect`.
#[must_use]
pub fn container(document: &Value) -> ContainerStatus {
    let state = state(text(document, "/State/Status"));
    let code = document.pointer("/State/ExitCode").and_then(Value::as_i64);
    ContainerStatus {
        id: text(document, "/Id").into(),
        name: text(document, "/Name").trim_start_matches('/').into(),
        image_id: text(document, "/Image").into(),
        state,
        exit_code: code.filter(|_| state == ContainerState::Exited).and_then(|code| i32::try_from(code).ok()),
    }
}

/// Whether the container of `container inspect` is well.
#[must_use]
pub fn health(document: &Value) -> HealthState {
    match text(document, "/State/Health/Status") {
        "starting" => HealthState::Starting,
        "healthy" => HealthState::Healthy,
        "unhealthy" => HealthState::Unhealthy,
        _ => HealthState::None,
    }
}

/// The engines' words for states.
fn state(word: &str) -> ContainerState {
    match word {
        "created" | "configured" | "initialized" => ContainerState::Created,
        "running" => ContainerState::Running,
        "paused" => ContainerState::Paused,
        "restarting" => ContainerState::Restarting,
        "stopping" => ContainerState::Stopping,
        "exited" | "stopped" => ContainerState::Exited,
        "dead" | "removing" => ContainerState::Dead,
        _ => ContainerState::Unknown,
    }
}

/// The ID that a command printed last.
///
/// # Errors
/// [`Error::Engine`], where the last line is not 64 hexadecimal digits.
pub fn id(stdout: &str) -> Result<String> {
    let last = stdout.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let hex = last.len() == 64 && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex { Ok(last.into()) } else { Err(unexpected("printed no ID")) }
}

/// The lines that say something.
pub fn lines(stdout: &str) -> impl Iterator<Item = &str> {
    stdout.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The engine ended well and printed something that nobody can read.
#[must_use]
pub fn unexpected(what: &str) -> Error {
    Error::Engine(EngineFailure { status: 0, message: format!("the engine {what}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_from_an_inspection() {
        let text = r#"[{"Id":"ab","Name":"/web","Image":"sha256:cd","State":{"Status":"exited","ExitCode":137}}]"#;
        let seen = container(&first(text).unwrap());
        assert_eq!((seen.id.as_str(), seen.name.as_str(), seen.image_id.as_str()), ("ab", "web", "sha256:cd"));
        assert_eq!((seen.state, seen.exit_code), (ContainerState::Exited, Some(137)));
    }

    #[test]
    fn one_that_runs_has_no_exit_status_yet() {
        let seen = container(&first(r#"[{"State":{"Status":"running","ExitCode":0}}]"#).unwrap());
        assert_eq!((seen.state, seen.exit_code), (ContainerState::Running, None));
    }

    #[test]
    fn every_word_of_both_engines_is_a_state() {
        for word in
            "created configured initialized running paused restarting stopping exited stopped dead removing".split(' ')
        {
            assert_ne!(state(word), ContainerState::Unknown, "{word}");
        }
        assert_eq!(state("unknown"), ContainerState::Unknown);
    }

    #[test]
    fn an_image_may_have_no_names() {
        let seen = image(&first(r#"[{"Id":"ab","RepoTags":null,"RepoDigests":["a@sha256:00"],"Size":12}]"#).unwrap());
        assert_eq!(seen.digests, ["a@sha256:00"]);
        assert_eq!((seen.tags.len(), seen.size), (0, 12));
    }

    #[test]
    fn an_id_is_the_last_line() {
        let hex = "ab".repeat(32);
        assert_eq!(id(&format!("a note\n{hex}\n\n")).unwrap(), hex);
        assert!(matches!(id("abc\n"), Err(Error::Engine(_))));
        assert!(matches!(id(""), Err(Error::Engine(_))));
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        assert!(matches!(first("json\n"), Err(Error::Engine(_))));
        assert!(matches!(first("[]"), Err(Error::Engine(_))));
    }
}
