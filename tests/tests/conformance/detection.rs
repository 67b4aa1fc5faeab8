//! Which engines work, who is behind them, and what they need.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use portreeve::{Detection, EngineIdentity, Error, Intention, Portreeve, Severity};

use crate::behaviours::folder;
use crate::ground::Kind;
use crate::setting::Setting;

pub(crate) async fn a_working_engine_is_detected(setting: Arc<Setting>) {
    let found = only(setting.host.detect().await.unwrap());
    let kind = setting.kind();
    assert!(found.works, "{found:?}");
    assert_eq!((found.backend.as_str(), found.identity), (kind.backend(), Some(EngineIdentity::Genuine)));
    assert_eq!(found.rootless, kind.is_rootless());
    assert_eq!(found.problem, None);
    let version = found.version.unwrap();
    let told = setting.ground.ask(&["version"]).stdout;
    assert!(!version.is_empty() && told.contains(&version), "{version} is not in {told}");
    assert_eq!(found.endpoint.is_some(), !kind.is_podman());
}

pub(crate) async fn an_absent_program_is_said(setting: Arc<Setting>) {
    let (ground, program) = (&setting.ground, Path::new("/usr/bin/nonesuch-engine"));
    let builder = ground.builder_with(setting.kind().backend(), program, &ground.login(), &setting.state());
    let host = builder.build().await.unwrap();
    let found = only(host.detect().await.unwrap());
    assert!(!found.works && found.version.is_none());
    assert!(found.problem.as_ref().is_some_and(|problem| problem.contains("/usr/bin/nonesuch-engine")), "{found:?}");
    let error = host.pull(&setting.image.single()).await.unwrap_err();
    assert!(matches!(&error, Error::NoEngine(problems) if problems.len() == 1), "{error}");
}

pub(crate) async fn an_engine_that_is_down_is_said(setting: Arc<Setting>) {
    for mode in ["down", "refused"] {
        setting.ground.rehearse("mode", mode);
        let host = setting.builder().build().await.unwrap();
        let found = only(host.detect().await.unwrap());
        setting.ground.rehearse("mode", "");
        assert!(!found.works, "{mode}: {found:?}");
        assert!(found.problem.is_some_and(|problem| problem.contains("does not work")), "{mode}");
    }
}

/// A program called docker that is Podman.
pub(crate) async fn podman_under_the_name_of_docker_is_named(setting: Arc<Setting>) {
    let program = match setting.kind() {
        Kind::Real(_) => "/usr/bin/podman".into(),
        _ => setting.ground.folder.join("docker"),
    };
    let host = docker(&setting, &program, &setting.ground.login()).await;
    refused_as(&host, &setting, EngineIdentity::Masquerade("podman".to_owned())).await;
}

/// Docker's own client, and Podman's service behind the socket.
pub(crate) async fn podman_behind_a_docker_client_is_named(setting: Arc<Setting>) {
    if let Kind::Real(_) = setting.kind() {
        let socket = folder(&setting, "service").join("docker.sock");
        let _service = Service::start(&setting, &socket).await;
        let client = Path::new("/usr/bin/docker");
        assert!(client.exists(), "Docker's client is needed to ask Podman's service");
        let host = docker(&setting, client, socket.parent().unwrap()).await;
        return refused_as(&host, &setting, EngineIdentity::ForeignService("podman".to_owned())).await;
    }
    setting.ground.rehearse("mode", "foreign-service");
    let host = docker(&setting, &setting.ground.folder.join("docker"), &setting.ground.login()).await;
    refused_as(&host, &setting, EngineIdentity::ForeignService("podman".to_owned())).await;
    setting.ground.rehearse("mode", "masquerade");
}

/// A host whose only backend is Docker's.
async fn docker(setting: &Setting, program: &Path, login: &Path) -> Portreeve {
    setting.ground.builder_with("docker", program, login, &setting.state()).build().await.unwrap()
}

/// It is told who it is, and it is not used.
async fn refused_as(host: &Portreeve, setting: &Setting, identity: EngineIdentity) {
    let found = only(host.detect().await.unwrap());
    assert_eq!(found.identity, Some(identity), "{found:?}");
    assert!(!found.works);
    assert!(found.problem.is_some_and(|problem| problem.contains("use the backend podman")));
    let error = host.pull(&setting.image.single()).await.unwrap_err();
    assert!(matches!(error, Error::NoEngine(_)), "{error}");
}

/// Podman's service at a socket, until it is dropped.
struct Service(Child);

impl Service {
    async fn start(setting: &Setting, socket: &Path) -> Self {
        let mut command = setting.ground.client();
        command.args(["system", "service", "--time=0"]).arg(format!("unix://{}", socket.display()));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let service = Self(child);
        setting.until("Podman's service has its socket", || socket.exists()).await;
        // Its mode is the process's habit, and everybody's by that of some.
        std::fs::set_permissions(socket, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

pub(crate) async fn preflight_finds_no_failure_on_a_good_machine(setting: Arc<Setting>) {
    let intention = Intention { ports: vec!["0:8080".parse().unwrap()], ..Intention::default() };
    let report = setting.host.preflight(&intention).await.unwrap();
    assert_eq!(report.backend, setting.kind().backend());
    let ids: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert!(ids.contains(&"engine"), "{ids:?}");
    assert!(!ids.iter().any(|id| id.starts_with("gpu")), "{ids:?}");
    assert!(report.worst() < Severity::Failure, "{report:?}");
}

pub(crate) async fn preflight_tells_no_gpu_from_no_toolkit(setting: Arc<Setting>) {
    if Path::new("/dev/nvidiactl").exists() {
        println!("this machine has a GPU: what is said where there is none can't be seen here");
        return;
    }
    let intention = Intention { gpus: "0".parse().unwrap(), ..Intention::default() };
    let report = setting.host.preflight(&intention).await.unwrap();
    let of = |id: &str| report.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("{report:?}"));
    let (device, toolkit) = (of("gpu.none"), of("gpu.toolkit"));
    assert_eq!((device.severity, toolkit.severity), (Severity::Failure, Severity::Failure));
    assert!(device.why.contains("no GPU") && toolkit.why.contains("toolkit missing"), "{report:?}");
    assert!(device.remedy.is_some() && toolkit.remedy.is_some() && device.remedy != toolkit.remedy);
}

fn only(mut found: Vec<Detection>) -> Detection {
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}
