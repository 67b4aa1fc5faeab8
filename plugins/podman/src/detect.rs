//! Whether Podman works, and who it is.

use portreeve_plugin::{Engine, EngineIdentity, Error, Probes, Result, closing_words, inspect};
use serde_json::Value;

/// Asks the program for its version, and the engine for its containers: storage and namespaces have to work for that.
pub(crate) fn detect(probes: Probes<'_>) -> Result<Engine> {
    let version = version(probes)?;
    let identity = identity(&version);
    if identity == EngineIdentity::Genuine {
        succeeds("ping", probes)?;
    }
    Ok(Engine { name: "podman".into(), version: number(&version).into(), rootless: rootless(probes), identity })
}

/// Whether the engine acts as an ordinary user.
pub(crate) fn rootless(probes: Probes<'_>) -> bool {
    let told = probes.word("user", "rootless").map(|word| word == "true");
    told.or_else(|| probes.word("user", "uid").map(|uid| uid != "0")).unwrap_or(false)
}

fn version(probes: Probes<'_>) -> Result<Value> {
    let stdout = succeeds("version", probes)?;
    inspect::document(&stdout).map_err(|_| {
        Error::Unsupported("the program `podman` does not speak as Podman does: its version is no JSON".into())
    })
}

fn succeeds(command: &str, probes: Probes<'_>) -> Result<String> {
    let output = probes.run(command)?;
    if output.status == 0 {
        return Ok(output.stdout);
    }
    let words = closing_words(&output.stderr);
    Err(Error::Unavailable(format!("podman is installed and does not work: {words}")))
}

/// Podman's client says `APIVersion`, Docker's `ApiVersion`.
fn identity(version: &Value) -> EngineIdentity {
    if version.pointer("/Client/APIVersion").is_some() {
        return EngineIdentity::Genuine;
    }
    let docker = version.pointer("/Client/ApiVersion").is_some();
    EngineIdentity::Masquerade(if docker { "docker" } else { "unknown" }.into())
}

/// With a service behind it, that one's version counts.
fn number(version: &Value) -> &str {
    let server = inspect::text(version, "/Server/Version");
    if server.is_empty() { inspect::text(version, "/Client/Version") } else { server }
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Probe, stage::Stage};

    use super::*;

    const VERSION: &str = r#"{"Client":{"APIVersion":"4.3.1","Version":"4.3.1","GoVersion":"go1.19.8","GitCommit":"","BuiltTime":"Thu Jan  1 00:00:00 1970","Built":0,"OsArch":"linux/amd64","Os":"linux"}}"#;

    fn detected(stage: Stage, user: &str) -> Result<Engine> {
        let probes = [Probe { name: "user".into(), found: true, content: user.into() }];
        stage.play(|| detect(Probes(&probes))).0
    }

    #[test]
    fn a_working_podman_is_genuine() {
        let stage = || Stage::new().command("version", 0, VERSION, "").command("ping", 0, "", "");
        let engine = detected(stage(), "uid=0 rootless=false").unwrap();
        assert_eq!((engine.version.as_str(), engine.rootless), ("4.3.1", false));
        assert_eq!(engine.identity, EngineIdentity::Genuine);
        assert!(detected(stage(), "uid=1000 rootless=true").unwrap().rootless);
        assert!(detected(stage(), "uid=1000").unwrap().rootless);
    }

    #[test]
    fn an_installed_program_is_not_a_working_engine() {
        let stderr = "Error: cannot setup namespace using newuidmap: exit status 1";
        let stage = Stage::new().command("version", 0, VERSION, "").command("ping", 125, "", stderr);
        let error = detected(stage, "uid=1000 rootless=true").unwrap_err();
        let expected = format!("podman is installed and does not work: {stderr}");
        assert_eq!(error, Error::Unavailable(expected));
    }

    #[test]
    fn a_program_that_is_not_there_is_the_hosts_word() {
        assert!(matches!(detected(Stage::new(), "uid=0"), Err(Error::Unavailable(_))));
    }

    #[test]
    fn docker_under_this_name_is_seen() {
        let docker = r#"{"Client":{"Version":"28.2.2","ApiVersion":"1.41"},"Server":{"Version":"20.10.24"}}"#;
        let engine = detected(Stage::new().command("version", 0, docker, ""), "uid=0").unwrap();
        assert_eq!(engine.identity, EngineIdentity::Masquerade("docker".into()));
        // docker 20.10 takes `json` for a template.
        let error = detected(Stage::new().command("version", 0, "json\n", ""), "uid=0").unwrap_err();
        assert!(matches!(error, Error::Unsupported(_)), "{error:?}");
    }
}
