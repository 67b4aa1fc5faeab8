//! What Docker needs here.

use portreeve_plugin::{
    EngineIdentity, Error, Finding, Intention, Probes, Result, Version,
    distribution::{Family, Package},
    floors::Floors,
    gpu::{self, Way},
    inspect,
    machine::{self, Actor},
    preflight::words,
};
use serde_json::Value;

use crate::detect::{self, Docker};

const DOCKER: Package = Package { apt: "docker.io", dnf: "moby-engine", zypper: "docker", pacman: "docker" };
const RUNC: Package = Package::same("runc");
const LOCAL_CONTEXT: &str = "docker context use default";
const START: &str = "sudo systemctl enable --now docker";
const JOIN_GROUP: &str =
    "sudo usermod --append --groups docker \"$USER\"  # the group is as good as root; then log in again";

/// Looks at everything that the intention depends on.
pub(crate) fn preflight(intention: &Intention, probes: Probes<'_>) -> Vec<Finding> {
    let detected = detect::detect(probes);
    let info = detected.as_ref().map_or(&Value::Null, |docker| &docker.info);
    let rootless = detected.as_ref().is_ok_and(|docker| docker.engine.rootless);
    let actor = if rootless { Actor::User } else { Actor::Root };
    let mut findings = vec![engine(&detected, probes)];
    findings.extend(detected.as_ref().ok().and_then(|docker| floor(&docker.engine.version, probes)));
    findings.extend(context(probes));
    findings.extend(runtime(info, probes));
    findings.extend(limits(info));
    findings.extend(storage(info, probes));
    findings.extend(registries(info));
    findings.extend(machine::ports(intention, probes, actor));
    findings.extend(machine::mounts(intention, probes, actor));
    let version = detected.as_ref().ok().and_then(|docker| Version::find(&docker.engine.version));
    findings.extend(gpu::findings(&intention.gpus, probes, way(info, version)));
    findings
}

fn floor(version: &str, probes: Probes<'_>) -> Option<Finding> {
    let mend = || Family::of(probes).upgrade(DOCKER);
    Floors::of(probes).judge("engine.version", "docker", "docker", version, mend)
}

/// A daemon elsewhere that the user's own client would speak to: told, and not followed.
fn context(probes: Probes<'_>) -> Option<Finding> {
    let (id, why) = ("engine.context", "contexts and DOCKER_HOST are not followed: the daemon of this machine is used");
    if let Some(host) = probes.content("docker-host").filter(|host| !host.is_empty()) {
        return Some(Finding::info(id, format!("DOCKER_HOST is {host}"), why).mended_by("unset DOCKER_HOST"));
    }
    let listed = probes.output("contexts")?.ok().filter(|output| output.status == 0)?;
    let contexts = inspect::lines(&listed.stdout).filter_map(|line| inspect::document(line).ok()).collect::<Vec<_>>();
    let current = contexts.iter().find(|context| context.pointer("/Current").and_then(Value::as_bool) == Some(true))?;
    let name = inspect::text(current, "/Name");
    if name == "default" {
        return None;
    }
    let seen = format!("the context {name} is in use: {}", inspect::text(current, "/DockerEndpoint"));
    Some(Finding::info(id, seen, why).mended_by(LOCAL_CONTEXT))
}

/// The OCI runtime, by what the daemon says of it.
fn runtime(info: &Value, probes: Probes<'_>) -> Option<Finding> {
    let name = inspect::text(info, "/DefaultRuntime");
    if name.is_empty() {
        return None;
    }
    let version = inspect::text(info, "/RuncCommit/ID");
    let mend = || Family::of(probes).upgrade(RUNC);
    // Some daemons tell a commit, which can't be compared.
    let versioned = name == "runc" && Version::find(version).is_some();
    let judged = versioned.then(|| Floors::of(probes).judge("runtime.oci", "runc", "runc", version, mend)).flatten();
    Some(judged.unwrap_or_else(|| Finding::ok("runtime.oci", format!("{name} is the daemon's OCI runtime"))))
}

/// The driver, and the room at the daemon's root where that is the usual place.
fn storage(info: &Value, probes: Probes<'_>) -> Vec<Finding> {
    let (driver, root) = (inspect::text(info, "/Driver"), inspect::text(info, "/DockerRootDir"));
    if driver.is_empty() {
        return Vec::new();
    }
    let (id, seen) = ("storage.driver", format!("{driver} at {root}"));
    let why = "it copies every layer whole, or is no longer maintained";
    let driver = match driver {
        "vfs" | "devicemapper" | "aufs" => Finding::warning(id, seen, why).mended_by(OVERLAY),
        _ => Finding::ok(id, seen),
    };
    let room = (root == "/var/lib/docker").then(|| machine::space("space", root, probes)).flatten();
    [Some(driver), room].into_iter().flatten().collect()
}

/// Registries that the daemon asks without TLS, beside those of this machine.
fn registries(info: &Value) -> Option<Finding> {
    let config = info.pointer("/RegistryConfig")?;
    let secure = |(name, one): (&String, &Value)| {
        (one.pointer("/Secure").and_then(Value::as_bool) == Some(false)).then(|| name.clone())
    };
    let named = config.pointer("/IndexConfigs").and_then(Value::as_object);
    let mut insecure: Vec<String> = named.into_iter().flatten().filter_map(secure).collect();
    insecure.extend(inspect::texts(config, "/InsecureRegistryCIDRs").into_iter().filter(|net| !is_loopback(net)));
    let (id, mirrors) = ("registries", inspect::texts(config, "/Mirrors"));
    Some(match (insecure.is_empty(), mirrors.is_empty()) {
        (true, true) => Finding::ok(id, "every registry but this machine's own is asked over TLS"),
        (true, false) => Finding::ok(id, format!("mirrors: {}", mirrors.join(", "))),
        (false, _) => {
            let why = "what comes from there is only as true as its digest: pin it";
            Finding::info(id, format!("asked without TLS: {}", insecure.join(", ")), why)
        }
    })
}

fn is_loopback(net: &str) -> bool {
    net.starts_with("127.") || net.starts_with("::1/")
}

const OVERLAY: &str =
    "echo '{\"storage-driver\": \"overlay2\"}' | sudo tee /etc/docker/daemon.json && sudo systemctl restart docker";

fn engine(detected: &Result<Docker>, probes: Probes<'_>) -> Finding {
    let id = "engine";
    let engine = match detected {
        Ok(docker) => &docker.engine,
        Err(error) => return broken(error, probes),
    };
    match &engine.identity {
        EngineIdentity::Genuine => {
            let how = if engine.rootless { "rootless" } else { "as root" };
            Finding::ok(id, format!("docker {} works, {how}", engine.version))
        }
        EngineIdentity::Masquerade(other) => {
            let seen = format!("the program `docker` is {other}'s");
            Finding::failure(id, seen, "this backend speaks to Docker alone; use the other engine's backend")
                .mended_by(Family::of(probes).install(DOCKER))
        }
        EngineIdentity::ForeignService(other) => {
            let seen = format!("the client is Docker's, the service behind the socket is {other}'s");
            Finding::warning(id, seen, "it mimics Docker, and not in everything; use the other engine's backend")
        }
    }
}

fn broken(error: &Error, probes: Probes<'_>) -> Finding {
    let seen = words(error);
    let remedy = remedy(&seen, Family::of(probes));
    Finding::failure("engine", seen, "no container can be made without a working engine").mended_by(remedy)
}

/// What mends a Docker that does not work, by what it says.
fn remedy(seen: &str, family: Family) -> String {
    const REMEDIES: &[(&str, &str)] = &[
        ("permission denied", JOIN_GROUP),
        ("daemon running", START),
        ("cannot connect", START),
        ("docker is installed", "docker info"),
    ];
    let seen = seen.to_ascii_lowercase();
    let known = REMEDIES.iter().find(|(text, _)| seen.contains(text)).map(|(_, remedy)| (*remedy).to_owned());
    known.unwrap_or_else(|| family.install(DOCKER))
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

/// From this version on a daemon that reads CDI specs itself gives by them what `--gpus` asks for. Those from 25 on read
/// them too, but for `--device` alone.
const GPUS_BY_CDI: Version = Version(29, 0, 0);

/// A daemon with a runtime of NVIDIA's has been taught by the toolkit.
fn way(info: &Value, version: Option<Version>) -> Way {
    let runtimes = info.pointer("/Runtimes").and_then(Value::as_object);
    let known = runtimes.is_some_and(|runtimes| runtimes.keys().any(|name| name.contains("nvidia")));
    let reads = !inspect::texts(info, "/CDISpecDirs").is_empty() && version.is_some_and(|it| it >= GPUS_BY_CDI);
    if reads && !known { Way::Cdi } else { Way::Hook { known } }
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
        assert_eq!(findings(Stage::new(), Gpus::None)[0].remedy, Some(Family::Other.install(DOCKER)));
    }

    #[test]
    fn who_answers_under_dockers_name_matters() {
        let podman = r#"{"Client":{"APIVersion":"4.3.1","Version":"4.3.1"}}"#;
        assert_eq!(findings(stage(podman, "{}"), Gpus::None)[0].severity, Severity::Failure);
        let service = VERSION.replace("\"Engine\"", "\"Podman Engine\"");
        assert_eq!(findings(stage(&service, "{}"), Gpus::None)[0].severity, Severity::Warning);
    }

    fn seen(probes: &[(&str, &str)], info: &str) -> Vec<Finding> {
        let probe = |(name, text): &(&str, &str)| portreeve_plugin::Probe {
            name: (*name).into(),
            found: true,
            content: (*text).into(),
        };
        let all: Vec<_> = probes.iter().map(probe).collect();
        stage(VERSION, info).play(|| preflight(&intention(Gpus::None), Probes(&all))).0
    }

    #[test]
    fn a_context_elsewhere_is_told_and_not_followed() {
        let listed = r#"{"Current":false,"DockerEndpoint":"unix:///var/run/docker.sock","Name":"default"}
{"Current":true,"DockerEndpoint":"tcp://10.0.0.9:2376","Name":"far"}"#;
        let listed = serde_json::json!({ "status": 0, "stdout": listed, "stderr": "" }).to_string();
        let of = |probes: &[(&str, &str)]| seen(probes, "{}").into_iter().find(|one| one.id == "engine.context");
        let told = of(&[("contexts", &listed)]).unwrap();
        assert_eq!(told.seen, "the context far is in use: tcp://10.0.0.9:2376");
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("docker-host", "ssh://x")]).unwrap().seen, "DOCKER_HOST is ssh://x");
    }

    #[test]
    fn storage_runtime_and_registries_are_told_from_what_the_daemon_says() {
        let info = r#"{"Driver":"vfs","DockerRootDir":"/var/lib/docker","DefaultRuntime":"runc","RuncCommit":{"ID":"1.1.5+ds1"},
            "RegistryConfig":{"InsecureRegistryCIDRs":["127.0.0.0/8","10.0.0.0/8"],"IndexConfigs":{"docker.io":{"Secure":true}},"Mirrors":[]}}"#;
        let floors = "docker 29.3.1 CVE-1\nrunc 1.2.8 CVE-2\n";
        let findings = seen(&[("host.floors", floors), ("space", "total=9 available=1")], info);
        let told: Vec<_> =
            findings.iter().map(|one| format!("{} {:?}", one.id, one.severity).replace("Severity::", "")).collect();
        let expected = [
            "engine Ok",
            "engine.version Warning",
            "runtime.oci Warning",
            "storage.driver Warning",
            "storage.space Failure",
            "registries Info",
        ];
        assert_eq!(told, expected);
        assert_eq!(findings[5].seen, "asked without TLS: 10.0.0.0/8");
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

    #[test]
    fn a_daemon_takes_cdi_for_gpus_by_its_version() {
        let reads: Value = serde_json::from_str(r#"{"CDISpecDirs":["/etc/cdi"],"Runtimes":{"runc":{}}}"#).unwrap();
        assert_eq!(way(&reads, Some(Version(29, 0, 0))), Way::Cdi);
        assert_eq!(way(&reads, Some(Version(28, 5, 1))), Way::Hook { known: false });
        assert_eq!(way(&Value::Null, Some(Version(29, 1, 0))), Way::Hook { known: false });
        let taught: Value = serde_json::from_str(r#"{"CDISpecDirs":["/etc/cdi"],"Runtimes":{"nvidia":{}}}"#).unwrap();
        assert_eq!(way(&taught, Some(Version(29, 0, 0))), Way::Hook { known: true });
    }
}
