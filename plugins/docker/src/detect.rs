//! Whether Docker works, and who answers under its name.

use portreeve_plugin::{Engine, EngineIdentity, Error, Probes, Result, closing_words, engine::Output, inspect};
use serde_json::Value;

use crate::DOCKER;

/// What the client and the daemon say of themselves.
pub(crate) struct Docker {
    /// The engine.
    pub(crate) engine: Engine,
    /// The daemon's `info`; null where no daemon of Docker's answers.
    pub(crate) info: Value,
}

/// Asks the client and, through it, the daemon.
pub(crate) fn detect(probes: Probes<'_>) -> Result<Docker> {
    let output = probes.run("version")?;
    if let Some(other) = masquerade(&output) {
        return Ok(other);
    }
    let output = working(output)?;
    let version = inspect::document(&output.stdout)?;
    let info = info(probes)?;
    Ok(Docker { engine: engine(&version, &info), info })
}

/// Another engine's program under Docker's name: Podman's client says `APIVersion` where Docker's says `ApiVersion`, and
/// takes `--host` for the socket of its own service.
fn masquerade(output: &Output) -> Option<Docker> {
    let version = inspect::document(&output.stdout).unwrap_or_default();
    let podman =
        version.pointer("/Client/APIVersion").is_some() || output.stderr.to_ascii_lowercase().contains("podman");
    if !podman {
        return None;
    }
    let number = inspect::text(&version, "/Client/Version").into();
    let identity = EngineIdentity::Masquerade("podman".into());
    let engine = Engine { name: "docker".into(), version: number, rootless: false, identity };
    Some(Docker { engine, info: Value::Null })
}

fn info(probes: Probes<'_>) -> Result<Value> {
    let output = working(probes.run("info")?)?;
    let info = inspect::document(&output.stdout)?;
    // Some clients end with 0 although the daemon does not answer, and say so inside.
    match inspect::texts(&info, "/ServerErrors").into_iter().next() {
        Some(error) => Err(Error::Unavailable(not_working(&error))),
        None => Ok(info),
    }
}

/// A failure here means that the engine does not work, whatever kind of failure it is.
fn working(output: Output) -> Result<Output> {
    let words = closing_words(&output.stderr);
    DOCKER.check(output).map_err(|_| Error::Unavailable(not_working(&words)))
}

fn not_working(words: &str) -> String {
    format!("docker is installed and does not work: {words}")
}

fn engine(version: &Value, info: &Value) -> Engine {
    Engine {
        name: "docker".into(),
        version: inspect::text(version, "/Server/Version").into(),
        rootless: inspect::texts(info, "/SecurityOptions").iter().any(|option| option.contains("name=rootless")),
        identity: identity(version),
    }
}

/// By the name of the service's first part: `Engine` is Docker's, `Podman Engine` is not.
fn identity(version: &Value) -> EngineIdentity {
    let component = inspect::text(version, "/Server/Components/0/Name");
    match component {
        "Engine" => EngineIdentity::Genuine,
        "Podman Engine" => EngineIdentity::ForeignService("podman".into()),
        "" => EngineIdentity::ForeignService("unknown".into()),
        other => EngineIdentity::ForeignService(other.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::stage::Stage;

    use super::*;

    const VERSION: &str = r#"{"Client":{"Version":"28.2.2","ApiVersion":"1.41"},"Server":{"Components":[{"Name":"Engine","Version":"20.10.24+dfsg1"},{"Name":"containerd","Version":"1.6.20~ds1"}],"Version":"20.10.24+dfsg1"}}"#;
    const INFO: &str = r#"{"ServerVersion":"20.10.24+dfsg1","SecurityOptions":["name=seccomp,profile=default"]}"#;

    fn detected(stage: Stage) -> Result<Engine> {
        stage.play(|| detect(Probes(&[]))).0.map(|docker| docker.engine)
    }

    #[test]
    fn a_working_docker_is_genuine() {
        let engine = detected(Stage::new().command("version", 0, VERSION, "").command("info", 0, INFO, "")).unwrap();
        assert_eq!((engine.version.as_str(), engine.rootless), ("20.10.24+dfsg1", false));
        assert_eq!(engine.identity, EngineIdentity::Genuine);
    }

    #[test]
    fn a_rootless_daemon_says_so() {
        let info = r#"{"SecurityOptions":["name=seccomp,profile=builtin","name=rootless","name=cgroupns"]}"#;
        assert!(
            detected(Stage::new().command("version", 0, VERSION, "").command("info", 0, info, "")).unwrap().rootless
        );
    }

    #[test]
    fn a_client_on_podmans_socket_is_seen() {
        let version = VERSION.replace("\"Engine\"", "\"Podman Engine\"");
        let engine = detected(Stage::new().command("version", 0, &version, "").command("info", 0, INFO, "")).unwrap();
        assert_eq!(engine.identity, EngineIdentity::ForeignService("podman".into()));
    }

    #[test]
    fn podman_under_dockers_name_is_seen() {
        let local = r#"{"Client":{"APIVersion":"4.3.1","Version":"4.3.1"}}"#;
        let remote = "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`\nError: unable to connect to Podman socket: ping response was 404";
        for stage in [Stage::new().command("version", 0, local, ""), Stage::new().command("version", 125, "", remote)] {
            assert_eq!(detected(stage).unwrap().identity, EngineIdentity::Masquerade("podman".into()));
        }
    }

    #[test]
    fn a_daemon_that_is_down_is_unavailable() {
        let stdout = r#"{"Client":{"Version":"28.2.2","ApiVersion":"1.50"},"Server":null}"#;
        let stderr = "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?";
        let error = detected(Stage::new().command("version", 1, stdout, stderr)).unwrap_err();
        assert_eq!(error, Error::Unavailable(format!("docker is installed and does not work: {stderr}")));
    }

    #[test]
    fn an_info_with_errors_is_no_working_engine() {
        let info = r#"{"ServerErrors":["Cannot connect to the Docker daemon"],"ServerVersion":""}"#;
        let error = detected(Stage::new().command("version", 0, VERSION, "").command("info", 0, info, "")).unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    }
}
