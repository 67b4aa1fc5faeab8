//! What behaviours leave on an engine goes after each group of them, and images at the end. Each look is a command, and there
//! are some hundred behaviours.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use portreeve_tests::engines::Answer;

use crate::setting::Setting;

/// What was swept already.
#[derive(Default)]
pub(crate) struct Swept {
    /// After so many installs.
    installs: AtomicUsize,
    /// Whether the engine's own client made a container since.
    pub(crate) foreign: AtomicBool,
}

impl Setting {
    /// Removes every container, volume, network and pod that a group of behaviours made: by the engine's own client, or
    /// through an install.
    pub(crate) fn sweep(&self) {
        let mut labels = self.fresh();
        if self.swept.foreign.swap(false, Ordering::Relaxed) {
            self.sweep_containers(&self.foreign_mark());
        }
        labels.iter().for_each(|label| self.sweep_containers(label));
        labels.push(self.foreign_mark());
        self.sweep_each_kind(&labels);
    }

    /// Removes the images too, and the folders of secrets.
    pub(crate) fn clear(&self) {
        let installs = self.installs.lock().unwrap().clone();
        let labels: Vec<String> = installs.iter().map(|id| label(id)).chain([self.foreign_mark()]).collect();
        labels.iter().for_each(|label| self.sweep_containers(label));
        self.sweep_each_kind(&labels);
        for id in self.images.lock().unwrap().iter() {
            // Most were never pulled, or are gone already.
            let _absent = self.ground.ask(&["rmi", "--force", id]);
        }
        for folder in installs.iter().flat_map(|install| crate::secrets::folders(install)) {
            let _absent = std::fs::remove_dir_all(folder);
        }
    }

    /// The labels of the setting's own install, and of those that behaviours made since: each is looked at once.
    fn fresh(&self) -> Vec<String> {
        let installs = self.installs.lock().unwrap();
        let before = self.swept.installs.swap(installs.len(), Ordering::Relaxed);
        let fresh = installs.iter().enumerate().filter(|(at, _)| *at == 0 || *at >= before);
        fresh.map(|(_, install)| label(install)).collect()
    }

    fn sweep_each_kind(&self, labels: &[String]) {
        for (kind, filter) in [("volume", "--quiet"), ("network", "--quiet"), ("pod", "--format={{.Name}}")] {
            if kind != "pod" || self.kind().is_podman() {
                labels.iter().for_each(|label| self.sweep_kind(kind, filter, label));
            }
        }
    }

    fn sweep_kind(&self, kind: &str, names: &str, label: &str) {
        let listed = self.ground.ask(&[kind, "ls", &format!("--filter=label={label}"), names]);
        for name in listed.stdout.lines() {
            let removed = self.ground.ask(&[kind, "rm", name]);
            if removed.status != 0 {
                eprintln!("{}: can't remove the {kind} {name}: {}", self.kind().name(), removed.stderr.trim());
            }
        }
    }

    fn sweep_containers(&self, label: &str) {
        let all = self.containers_with(label);
        if all.is_empty() || self.remove_containers(&all).status == 0 {
            return;
        }
        // What others share the network of can be removed after them only.
        let rest = self.containers_with(label);
        if !rest.is_empty() {
            let removed = self.remove_containers(&rest);
            if removed.status != 0 {
                eprintln!("{}: can't remove {rest:?}: {}", self.kind().name(), removed.stderr.trim());
            }
        }
    }

    fn remove_containers(&self, ids: &[String]) -> Answer {
        // Docker kills by force at once; Podman would wait for what heeds no signal.
        let at_once: &[&str] = if self.kind().is_real() && self.kind().is_podman() { &["--time=0"] } else { &[] };
        let ids = ids.iter().map(String::as_str);
        let words: Vec<&str> = ["rm", "--force"].into_iter().chain(at_once.iter().copied()).chain(ids).collect();
        self.ground.ask(&words)
    }

    fn containers_with(&self, label: &str) -> Vec<String> {
        let listed = self.ground.ask(&["ps", "--all", "--quiet", "--no-trunc", &format!("--filter=label={label}")]);
        listed.stdout.lines().map(str::to_owned).collect()
    }

    /// An engine that was to lie or fail for a behaviour does so no more.
    pub(crate) fn ground_is_honest(&self) {
        if !self.kind().is_real() {
            self.ground.rehearse("faults", "");
        }
    }
}

fn label(install: &str) -> String {
    format!("io.portreeve.install={install}")
}
