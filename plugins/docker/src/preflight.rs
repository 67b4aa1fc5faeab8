//! What Docker needs here.

use portreeve_plugin::{
    EngineIdentity, Error, Finding, Intention, Probes, Result,
    gpu::{self, Way},
    preflight::words,
};
use serde_json::Value;

use crate::detect::{self, Docker};

const INSTALL: &str = "sudo apt-get install -y docker.io  # Fedora: sudo dnf install -y moby-engine";
const START: &str = "sudo systemctl enable --now docker";
const JOIN_GROUP: &str =
    "sudo usermod --append --groups docker \"$USER\"  # the group is as good as root; then log in again";

/// Looks at everything that the intention depends on.
pub(crate) fn preflight(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let detected = detect::detect();
    let info = detected.as_ref().map_or(&Value::Null, |docker| &docker.info);
    let mut findings = vec![engine(&detected)];
    findings.extend(limits(info));
    findings.extend(gpu::findings(&intention.gpus, probes, way(info)));
    findings
}

fn engine(detected: &Result<Docker>) -> Finding {
    let id = "engine";
    let engine = match detected {
        Ok(docker) => &docker.engine,
        Err(error) => return broken(error),
    };
    match &engine.identity {
        EngineIdentity::Genuine => {
            let how = if engine.rootless { "rootless" } else { "as root" };
            Finding::ok(id, format!("docker {} works, {how}", engine.version))
        }
        EngineIdentity::Masquerade(other) => {
            let seen = format!("the program `docker` is {other}'s");
            Finding::failure(id, seen, "this backend speaks to Docker alone; use the other engine's backend")
                .mended_by(INSTALL)
        }
        EngineIdentity::ForeignService(other) => {
            let seen = format!("the client is Docker's, the service behind the socket is {other}'s");
            Finding::warning(id, seen, "it mimics Docker, and not in everything; use the other engine's backend")
        }
    }
}

fn broken(error: &Error) -> Finding {
    let seen = words(error);
    let remedy = remedy(&seen);
    Finding::failure("engine", seen, "no container can be made without a working engine").mended_by(remedy)
}

/// What mends a Docker that does not work, by what it says.
fn remedy(seen: &str) -> &'static str {
    const REMEDIES: &[(&str, &str)] = &[
        ("permission denied", JOIN_GROUP),
        ("daemon running", START),
        ("cannot connect", START),
        ("docker is installed", "docker info"),
    ];
    let seen = seen.to_ascii_lowercase();
    REMEDIES.iter().find(|(text, _)| seen.contains(text)).map_or(INSTALL, |(_, remedy)| remedy)
}

/// Limits that this machine's kernel or cgroups do not give to the daemon.
fn limits(info: &Value) -> Option<Finding> {
    let absent = |(pointer, word): &(&str, &'static str)| {
        (info.pointer(pointer).and_then(Value::as_bool) == Some(false)).then_some(*word)
    };
    let missing: Vec<_> = LIMITS.iter().filter_map(absent).collect();
    let why = "Docker ignores these limits here, and says so only on standard error";
    (!missing.is_empty()).then(|| Finding::warning("engine.limits", format!("no limit on {}", missing.join(", ")), why))
}

const LIMITS: &[(&str, &str)] = &[("/MemoryLimit", "memory"), ("/CpuCfsQuota", "cpus"), ("/PidsLimit", "pids")];

/// A daemon with a runtime of NVIDIA's has been taught by the toolkit.
fn way(info: &Value) -> Way {
    let runtimes = info.pointer("/Runtimes").and_then(Value::as_object);
    Way::Hook { known: runtimes.is_some_and(|runtimes| runtimes.keys().any(|name| name.contains("nvidia"))) }
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Gpus, Severity, stage::Stage};

    use super::*;

    const VERSION: &str =
        r#"{"Client":{"ApiVersion":"1.41"},"Server":{"Components":[{"Name":"Engine"}],"Version":"26.1.5"}}"#;

    fn intention(gpus: Gpus) -> Intention {
        Intention { gpus, ports: vec![], mounts: vec![] }
    }

    fn stage(version: &str, info: &str) -> Stage {
        Stage::new().command("version", 0, version, "").command("info", 0, info, "")
    }

    fn findings(stage: Stage, gpus: Gpus) -> Vec<Finding> {
        stage.play(|| preflight(&intention(gpus), Probes(&[]))).0
    }

    #[test]
    fn a_machine_where_all_is_well() {
        let findings = findings(stage(VERSION, r#"{"MemoryLimit":true,"PidsLimit":true}"#), Gpus::None);
        assert_eq!(findings, [Finding::ok("engine", "docker 26.1.5 works, as root")]);
    }

    #[test]
    fn what_docker_says_chooses_the_remedy() {
        for (stderr, expected) in [
            (
                "permission denied while trying to connect to the Docker daemon socket at unix:///run/docker.sock",
                JOIN_GROUP,
            ),
            ("Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?", START),
            ("something else", "docker info"),
        ] {
            let findings = findings(Stage::new().command("version", 1, "", stderr), Gpus::None);
            assert_eq!(findings[0].severity, Severity::Failure);
            assert_eq!(findings[0].remedy.as_deref(), Some(expected), "{stderr}");
        }
    }

    #[test]
    fn a_docker_that_is_not_there_can_be_installed() {
        assert_eq!(findings(Stage::new(), Gpus::None)[0].remedy.as_deref(), Some(INSTALL));
    }

    #[test]
    fn who_answers_under_dockers_name_matters() {
        let podman = r#"{"Client":{"APIVersion":"4.3.1","Version":"4.3.1"}}"#;
        assert_eq!(findings(stage(podman, "{}"), Gpus::None)[0].severity, Severity::Failure);
        let service = VERSION.replace("\"Engine\"", "\"Podman Engine\"");
        assert_eq!(findings(stage(&service, "{}"), Gpus::None)[0].severity, Severity::Warning);
    }

    #[test]
    fn missing_limits_are_named() {
        let info = r#"{"MemoryLimit":false,"CpuCfsQuota":true,"PidsLimit":false}"#;
        let findings = findings(stage(VERSION, info), Gpus::None);
        assert_eq!(findings[1].seen, "no limit on memory, pids");
    }

    #[test]
    fn a_daemon_with_nvidias_runtime_needs_no_toolkit_here() {
        for (info, expected) in
            [(r#"{"Runtimes":{"runc":{},"nvidia":{}}}"#, Severity::Warning), ("{}", Severity::Failure)]
        {
            let findings = findings(stage(VERSION, info), Gpus::All);
            let toolkit = findings.iter().find(|finding| finding.id == "gpu.toolkit").unwrap();
            assert_eq!(toolkit.severity, expected);
        }
    }
}
