//! Detection and preflight: what works, whose a container is, what would hinder.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::spec::GpuProfile;
use portreeve::{Error, Event, Finding, Intention, Level, Portreeve, PreflightReport, Severity};

use crate::behaviours::folder;
use crate::ground::Kind;
use crate::setting::Setting;

fn of<'a>(report: &'a PreflightReport, id: &str) -> &'a Finding {
    report.findings.iter().find(|finding| finding.id == id).unwrap_or_else(|| panic!("no {id} in {report:?}"))
}

async fn judged(setting: &Setting, intention: Intention) -> PreflightReport {
    setting.host.preflight(&intention).await.unwrap()
}

/// A host of its own, which has chosen no engine yet.
async fn fresh(setting: &Setting) -> Portreeve {
    setting.builder().build().await.unwrap()
}

pub(crate) async fn auto_is_no_preference(setting: Arc<Setting>) {
    let host = setting.builder().prefer("auto").build().await.unwrap();
    assert!(host.backends().iter().any(|backend| backend.name == setting.kind().backend()));
    let error = setting.builder().prefer("nonesuch").build().await.err().unwrap();
    assert!(matches!(error, Error::Backend { .. }), "{error:?}");
}

pub(crate) async fn the_owner_of_a_container_is_told(setting: Arc<Setting>) {
    let spec = setting.spec(&["say", "mine"]);
    let created = setting.host.create(&spec).await.unwrap();
    let foreign = setting.name("foreign");
    let id = setting.foreign(&foreign, &[]);
    for (name, id, ours) in [(spec.name.as_str(), created.id.as_str(), true), (foreign.as_str(), id.as_str(), false)] {
        let owners = setting.host.owner_of(name).await.unwrap();
        assert_eq!(owners.len(), 1, "{owners:?}");
        let told = (owners[0].backend.as_str(), owners[0].id.as_str(), owners[0].ours);
        assert_eq!(told, (setting.kind().backend(), id, ours));
    }
    assert!(setting.host.owner_of(&setting.name("nobody")).await.unwrap().is_empty());
    assert!(matches!(setting.host.owner_of("no name").await, Err(Error::Spec(_))));
}

/// What a preflight finds out comes from one pass: each command once, though it also found out which engine works.
pub(crate) async fn a_preflight_is_one_pass(setting: Arc<Setting>) {
    let mark = setting.mark();
    fresh(&setting).await.preflight(&Intention::default()).await.unwrap();
    let argvs = setting.argvs_since(mark, false);
    let versions = argvs.iter().filter(|argv| argv.contains(&"version".to_owned())).count();
    assert_eq!(versions, 1, "{argvs:?}");
}

pub(crate) async fn a_preflight_records_its_evidence(setting: Arc<Setting>) {
    let state = setting.ground.folder.join("preflight-state");
    let host = setting.ground.builder(&state).build().await.unwrap();
    host.preflight(&Intention::default()).await.unwrap();
    let records = crate::journal::records(&state);
    let seen = records.iter().find(|record| record.facts.contains_key("os-release")).expect("a record of the probes");
    assert_eq!(seen.facts.get("version").map(String::as_str), Some("found"));
    assert!(host.verify_journal(None).unwrap().is_clean(), "the journal does not verify");
}

pub(crate) async fn a_taken_port_is_found_before_it_is_asked_for(setting: Arc<Setting>) {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = taken.local_addr().unwrap().port();
    let intention =
        || Intention { ports: vec![format!("127.0.0.1:{number}:80").parse().unwrap()], ..Intention::default() };
    let report = judged(&setting, intention()).await;
    let finding = of(&report, "ports");
    assert_eq!(finding.severity, Severity::Failure, "{finding:?}");
    assert!(finding.seen.contains(&number.to_string()) && finding.remedy.is_some());
    drop(taken);
    let report = judged(&setting, intention()).await;
    assert_eq!(of(&report, "ports").severity, Severity::Ok);
}

pub(crate) async fn the_sources_of_mounts_are_looked_at(setting: Arc<Setting>) {
    let there = folder(&setting, "sources");
    std::fs::set_permissions(&there, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mounts = |path: &std::path::Path| Intention {
        mounts: vec![format!("{}:/data:ro", path.display()).parse().unwrap()],
        ..Intention::default()
    };
    let report = judged(&setting, mounts(&there)).await;
    assert_eq!(of(&report, "mounts").severity, Severity::Ok, "{report:?}");
    let report = judged(&setting, mounts(&there.join("nonesuch"))).await;
    let finding = of(&report, "mounts");
    assert_eq!(finding.severity, Severity::Failure);
    assert!(finding.seen.contains("nonesuch") && finding.remedy.as_ref().is_some_and(|it| it.contains("mkdir")));
}

/// The floors stand in the grants: a version below one is a warning, with the advisory, and no failure.
pub(crate) async fn a_version_below_its_floor_is_a_warning(setting: Arc<Setting>) {
    let report = judged(&setting, Intention::default()).await;
    let (finding, engine) = (of(&report, "engine.version"), report.engine.version.clone().unwrap());
    let old = if setting.kind().is_podman() { engine.as_str() < "5.8.4" } else { engine.as_str() < "29.3.1" };
    assert_eq!(finding.severity, if old { Severity::Warning } else { Severity::Ok }, "{finding:?}");
    if old {
        assert!(!finding.why.is_empty() && finding.remedy.is_some(), "{finding:?}");
    }
    assert!(report.worst() < Severity::Failure, "{report:?}");
}

/// On a Debian the remedies are Debian's.
pub(crate) async fn remedies_are_of_this_distribution(setting: Arc<Setting>) {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let tool = match release.lines().find_map(|line| line.strip_prefix("ID=")).map(|id| id.trim_matches('"')) {
        Some("debian" | "ubuntu") => "apt-get",
        Some("fedora") => "dnf",
        _ => return println!("this distribution is another one: nothing is said of it here"),
    };
    let report = judged(&setting, Intention { gpus: "all".parse().unwrap(), ..Intention::default() }).await;
    let installs =
        report.findings.iter().filter_map(|finding| finding.remedy.as_ref()).filter(|it| it.contains("install"));
    let installs: Vec<_> = installs.collect();
    assert!(
        !installs.is_empty() && installs.iter().all(|it| it.contains(tool) && !it.contains("Fedora:")),
        "{installs:?}"
    );
}

pub(crate) async fn storage_and_registries_are_told(setting: Arc<Setting>) {
    let report = judged(&setting, Intention::default()).await;
    for id in ["storage.driver", "registries"] {
        if setting.kind() == Kind::RehearsalPodman || (setting.kind().is_rootless() && id == "registries") {
            // Podman's are files of the machine: those of a rehearsal are another's, and a user need have none.
            continue;
        }
        assert!(of(&report, id).severity < Severity::Failure, "{report:?}");
    }
}

pub(crate) async fn a_required_gpu_fails_before_an_engine_is_asked(setting: Arc<Setting>) {
    if std::path::Path::new("/dev/nvidiactl").exists() || std::path::Path::new("/dev/dri").exists() {
        return println!("this machine has a GPU: what happens where there is none can't be seen here");
    }
    let mark = setting.mark();
    let profile = Some(GpuProfile { required: true, ..GpuProfile::default() });
    let intention = Intention { gpus: "all".parse().unwrap(), profile, ..Intention::default() };
    let error = fresh(&setting).await.preflight(&intention).await.unwrap_err();
    assert!(matches!(error, Error::Gpu(_)), "{error:?}");
    assert!(setting.argvs_since(mark, false).is_empty());
}

/// GPUs that are only wished for are left out, and that is said.
pub(crate) async fn an_optional_gpu_is_left_out_aloud(setting: Arc<Setting>) {
    if std::path::Path::new("/dev/nvidiactl").exists() {
        return println!("this machine has a GPU: what happens where there is none can't be seen here");
    }
    let mark = setting.mark();
    let mut spec = setting.spec(&["say", "without"]);
    spec.gpus = "0".parse().unwrap();
    spec.gpu_profile = Some("optional,memory=8g".parse().unwrap());
    assert_eq!(setting.hear(&spec).await.out, "without\n");
    let warned = setting.events_since(mark).into_iter().any(|event| {
        matches!(event, Event::Narration { level: Level::Warning, message, .. } if message.contains("gets no GPU"))
    });
    assert!(warned, "nobody was told");
    let intention = Intention { gpus: spec.gpus, profile: spec.gpu_profile, ..Intention::default() };
    assert!(judged(&setting, intention).await.worst() < Severity::Failure);
}

/// An engine that hangs does not work, within the bound.
pub(crate) async fn an_engine_that_hangs_is_bounded(setting: Arc<Setting>) {
    setting.ground.rehearse("faults", "version:hang");
    let bound = Duration::from_secs(1);
    let host = setting.builder().detect_within(bound).build().await.unwrap();
    let begun = Instant::now();
    let found = host.detect().await.unwrap().remove(0);
    assert!(!found.works && found.problem.is_some_and(|why| why.contains("1000 ms")));
    assert!(begun.elapsed() < bound * 5, "{:?}", begun.elapsed());
    let error = host.pull(&setting.image.single()).await.unwrap_err();
    setting.ground.rehearse("faults", "");
    assert!(matches!(error, Error::NoEngine(_)), "{error:?}");
}

/// Both engines of the rehearsal: Podman's backend first.
async fn both(setting: &Setting, bound: Duration) -> Portreeve {
    both_with(setting, bound, "auto").await
}

async fn both_with(setting: &Setting, bound: Duration, prefer: &str) -> Portreeve {
    let source = |name| crate::ground::with_program(name, &setting.ground.folder.join(name));
    let builder = setting.ground.builder_with(
        "podman",
        &setting.ground.folder.join("podman"),
        &setting.ground.login(),
        &setting.state(),
    );
    let login = setting.ground.login();
    builder
        .backend(source("docker"))
        .variable("XDG_RUNTIME_DIR", login.to_str().unwrap())
        .detect_within(bound)
        .prefer(prefer)
        .build()
        .await
        .unwrap()
}

/// A standard is about the host: an engine that is not used is there all the same.
pub(crate) async fn a_preference_hides_no_daemon_from_a_standard(setting: Arc<Setting>) {
    let text = "name = \"t\"\n[runtime]\nhere = \"podman\"\n[alias]\ndocker = \"forbidden\"\n[engine]\ndaemon = \"forbidden\"\n";
    let standard = portreeve::standard::Standard::parse(text, "t.toml").unwrap();
    let seen = async |prefer: &str| {
        let host = both_with(&setting, Duration::from_secs(10), prefer).await;
        let items = host.verify_standard(&standard, None).await.unwrap().items;
        items.into_iter().map(|item| (item.id, item.holds, item.seen)).collect::<Vec<_>>()
    };
    let (of_all, of_one) = (seen("auto").await, seen("podman").await);
    assert_eq!(of_one, of_all);
    assert_eq!(of_one[1], ("alias.docker".to_owned(), true, "the engine itself".to_owned()));
}

/// One that hangs delays the other by no more than the bound, and a slow one that works is still preferred.
pub(crate) async fn engines_are_asked_side_by_side_in_order_of_preference(setting: Arc<Setting>) {
    let bound = Duration::from_secs(10);
    let chosen = |report: &PreflightReport| report.backend.clone();
    let host = both(&setting, bound).await;
    assert_eq!(chosen(&host.preflight(&Intention::default()).await.unwrap()), "podman");
    setting.ground.rehearse("faults", "ps:slow-700");
    let host = both(&setting, bound).await;
    assert_eq!(chosen(&host.preflight(&Intention::default()).await.unwrap()), "podman");
    // Only the one called podman is asked for its containers when it is detected.
    setting.ground.rehearse("faults", "ps:hang");
    let host = both(&setting, bound).await;
    let begun = Instant::now();
    assert_eq!(chosen(&host.preflight(&Intention::default()).await.unwrap()), "docker");
    assert!(begun.elapsed() < bound * 3, "{:?}", begun.elapsed());
    let found = host.detect().await.unwrap();
    setting.ground.rehearse("faults", "");
    let told: Vec<_> = found.iter().map(|one| (one.backend.as_str(), one.works)).collect();
    assert_eq!(told, [("podman", false), ("docker", true)]);
}

/// The user's own client speaks to a daemon elsewhere: that is told, and this machine's is used.
pub(crate) async fn a_context_elsewhere_is_told_and_not_followed(setting: Arc<Setting>) {
    if setting.kind().is_podman() {
        return;
    }
    let home = folder(&setting, "home-with-context");
    let client = |words: &[&str]| {
        let answer = std::process::Command::new("/usr/bin/docker").env_clear().env("HOME", &home).args(words).output();
        assert!(answer.unwrap().status.success(), "{words:?}");
    };
    client(&["context", "create", "far", "--docker", "host=tcp://127.0.0.1:9"]);
    client(&["context", "use", "far"]);
    let builder = setting.builder().variable("HOME", home.to_str().unwrap()).variable("DOCKER_HOST", "");
    let host = builder.build().await.unwrap();
    let report = host.preflight(&Intention::default()).await.unwrap();
    let finding = of(&report, "engine.context");
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.seen.contains("far") && finding.seen.contains("tcp://127.0.0.1:9"), "{finding:?}");
    assert!(host.detect().await.unwrap().remove(0).works);
}
