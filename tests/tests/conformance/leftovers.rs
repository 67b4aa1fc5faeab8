//! What a killed host left behind is found and removed, and nothing else is.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use portreeve::demo::image::ImageOptions;
use portreeve::{Cleaned, Portreeve, Removed};
use portreeve_tests::registry::Fault;

use crate::doomed::{acts, settled, spawn};
use crate::setting::Setting;

pub(crate) async fn what_a_killed_host_left_is_cleaned_up(setting: Arc<Setting>) {
    let state = fresh_state(&setting, "left-state");
    let host = setting.ground.builder(&state).build().await.unwrap();
    let bystanders = Bystanders::new(&setting, &host, &state).await;
    let mut left = 0;
    // The volume is made, the container created, then started: as each begins, and some time into it.
    for (act, delay) in [(0, 0), (0, 400), (1, 0), (1, 400), (2, 0)] {
        let (name, volume) = (setting.name("left"), setting.name("left-volume"));
        dies(&setting, &state, (&name, &volume), (act, delay)).await;
        left += cleaned(&setting, &host, &name, &volume).await;
        remove(&setting, &host, &name, &volume).await;
        bystanders.are_untouched(&setting);
    }
    assert!(left > 0, "no death left anything, so nothing was shown");
}

fn fresh_state(setting: &Setting, name: &str) -> PathBuf {
    let state = setting.ground.folder.join(name);
    std::fs::create_dir(&state).unwrap();
    std::fs::set_permissions(&state, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    setting.adopt(&state);
    state
}

/// A host that runs a container with a volume dies some milliseconds into one of its acts.
async fn dies(setting: &Setting, state: &Path, (name, volume): (&str, &str), (act, delay): (usize, u64)) {
    let mut dying = spawn(setting, state, name, &[volume]);
    let mut seen = acts(&mut dying);
    tokio::task::block_in_place(|| seen.nth(act)).unwrap();
    tokio::time::sleep(Duration::from_millis(delay)).await;
    dying.kill().unwrap();
    dying.wait().unwrap();
    settled(name).await;
}

/// Who asks for what was left is handed it: it is no left-over any more, whatever becomes of it later.
pub(crate) async fn what_a_killed_host_left_may_become_a_callers(setting: Arc<Setting>) {
    let state = fresh_state(&setting, "taken-state");
    let host = setting.ground.builder(&state).build().await.unwrap();
    let mut left = 0;
    for (act, delay) in [(0, 40), (1, 0), (1, 200), (2, 0)] {
        let (name, volume) = (setting.name("taken"), setting.name("taken-volume"));
        dies(&setting, &state, (&name, &volume), (act, delay)).await;
        left += host.leftovers().await.unwrap().len();
        let spec = crate::doomed::spec(&setting.image.single().to_string(), &name, Some(&volume));
        host.create(&spec).await.unwrap();
        assert_eq!(host.leftovers().await.unwrap(), [], "{act}");
        host.remove(&name, true).await.unwrap();
        assert_eq!(host.leftovers().await.unwrap(), [], "{act}: the volume has its data");
        assert!(setting.volume(&volume).is_some());
        host.remove_volume(&volume, false).await.unwrap();
    }
    assert!(left > 0, "no death left anything, so nothing was shown");
}

/// What no service used yet is left over; what one used is the project's.
pub(crate) async fn what_a_killed_project_left_is_cleaned_up(setting: Arc<Setting>) {
    let unheard = setting.publish(ImageOptions::default());
    setting.registry.keeper().misbehave(&unheard.repository, Fault::Stall);
    let name = setting.name("killed");
    let file = crate::behaviours::folder(&setting, &name).join("compose.yaml");
    let text = format!(
        "services:\n  web: {{image: {}, networks: [back], volumes: ['data:/data']}}\nnetworks: {{back: }}\nvolumes: {{data: }}\n",
        unheard.single()
    );
    std::fs::write(&file, text).unwrap();
    let (network, volume) = (format!("{name}_back"), format!("{name}_data"));
    let mut command = crate::program::portreeve(&setting);
    command.args(["compose", "up", "--file"]).arg(&file).args(["-p", &name]);
    let mut up = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    setting.until("the volume is made", || setting.volume(&volume).is_some()).await;
    up.kill().unwrap();
    up.wait().unwrap();
    let shown = crate::program::ask(&setting, &["cleanup", "--json"]).await;
    for left in [&network, &volume] {
        assert!(shown.stdout.contains(left.as_str()), "{left} is not in {shown:?}");
    }
    let removed = crate::program::ask(&setting, &["cleanup", "--force"]).await;
    assert_eq!(removed.status, 0, "{removed:?}");
    assert!(setting.network(&network).is_none() && setting.volume(&volume).is_none());
}

/// How much was left; whatever it was, afterwards there is no trace of what does nothing.
async fn cleaned(setting: &Setting, host: &Portreeve, name: &str, volume: &str) -> usize {
    let left = host.leftovers().await.unwrap();
    assert!(left.iter().all(|one| one.name == name || one.name == volume), "{left:?}");
    assert!(!setting.host.leftovers().await.unwrap().iter().any(|one| one.name == name), "another install sees it");
    let dry = setting.ground.builder(host.state_dir()).dry_run(true).build().await.unwrap();
    let kept = dry.cleanup().await.unwrap();
    assert!(kept.iter().all(|one| matches!(one.result, Ok(Removed::LeftOut))), "{kept:?}");
    assert_eq!(host.leftovers().await.unwrap(), left);
    for Cleaned { leftover, result, .. } in host.cleanup().await.unwrap() {
        assert_eq!(result.unwrap(), Removed::Removed, "{leftover:?}");
    }
    assert!(host.leftovers().await.unwrap().is_empty());
    match setting.truth(name) {
        None => assert!(setting.volume(volume).is_none(), "a volume is left"),
        Some(_) => assert!(setting.is_running(name), "a container that does nothing is left"),
    }
    left.len()
}

/// One that was started is the caller's to remove.
async fn remove(setting: &Setting, host: &Portreeve, name: &str, volume: &str) {
    if setting.exists(name) {
        host.remove(name, true).await.unwrap();
        host.remove_volume(volume, false).await.unwrap();
    }
}

/// What must be there at the end as at the beginning.
struct Bystanders {
    healthy: String,
    created: String,
    volume: String,
    foreign: String,
}

impl Bystanders {
    async fn new(setting: &Setting, host: &Portreeve, state: &Path) -> Self {
        let of = |prefix| setting.name(prefix);
        let (healthy, created, volume, foreign) =
            (of("healthy"), of("unstarted"), of("free-volume"), of("left-foreign"));
        // Made by another process, which is gone: whose they are is no matter of who lives.
        let mut other = spawn(setting, state, &healthy, &[]);
        let acted = tokio::task::block_in_place(|| acts(&mut other).count());
        assert!(acted > 0 && other.wait().unwrap().success());
        host.create(&setting.named(&created, &["wait"])).await.unwrap();
        host.ensure_volume(&volume, &[]).await.unwrap();
        setting.foreign(&foreign, &[]);
        Self { healthy, created, volume, foreign }
    }

    fn are_untouched(&self, setting: &Setting) {
        assert!(setting.is_running(&self.healthy) && setting.is_running(&self.foreign));
        assert!(setting.exists(&self.created) && setting.volume(&self.volume).is_some());
    }
}

pub(crate) async fn what_a_caller_was_handed_is_not_left_over(setting: Arc<Setting>) {
    // By processes that are gone, each in its own words.
    let (volume, network, pod) = (setting.name("own-volume"), setting.name("own-network"), setting.name("own-pod"));
    for words in [["volume", "create", &volume], ["network", "create", &network], ["pod", "create", &pod]] {
        let answer = crate::program::ask(&setting, &words).await;
        assert_eq!(answer.status, 0, "{answer:?}");
    }
    let shown = crate::program::ask(&setting, &["cleanup", "--json"]).await;
    assert_eq!((shown.status, shown.stdout.trim()), (0, "[]"), "{shown:?}");
    let removed = crate::program::ask(&setting, &["cleanup", "--force"]).await;
    assert_eq!((removed.status, removed.stdout.as_str()), (0, ""), "{removed:?}");
    assert!(setting.volume(&volume).is_some() && setting.network(&network).is_some());
    assert!(setting.is_running(&format!("{pod}-holder")));
    let listed = crate::program::ask(&setting, &["pod", "ls", "--quiet"]).await;
    assert!(listed.stdout.lines().any(|line| line == pod), "{listed:?}");
    let member = ["run", "--rm", "--pod", &pod, &setting.image.single().to_string(), "say", "aboard"];
    assert_eq!(crate::program::ask(&setting, &member).await.stdout, "aboard\n");
    let stopped = crate::program::ask(&setting, &["pod", "stop", "-t", "1", &pod]).await;
    assert_eq!(stopped.stdout, format!("{pod}\n"), "{stopped:?}");
    let gone = crate::program::ask(&setting, &["pod", "rm", &pod]).await;
    assert_eq!(gone.stdout, format!("{pod}\n"), "{gone:?}");
    let absent = crate::program::ask(&setting, &["cleanup", "--of", "/nonesuch"]).await;
    assert_eq!(absent.status, 2, "{absent:?}");
    setting.host.stop_pod(&pod, Duration::from_secs(1)).await.unwrap_err();
}
