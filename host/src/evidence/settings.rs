//! What a container was made with, as the engine's own document has it, against what was asked for.
//!
//! Compared is what would give a container more, or less, than was asked. What the grants do not look at is not compared.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{number, text, texts};
use crate::grants::ContainerEvidence;
use crate::spec::{ContainerSpec, RestartPolicy};

/// Settings of a container; each is none where nobody looked, or the engine says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    privileged: Option<bool>,
    read_only: Option<bool>,
    added: Option<BTreeSet<String>>,
    dropped: Option<BTreeSet<String>>,
    tmpfs: Option<BTreeSet<String>>,
    restart: Option<String>,
    retries: Option<i64>,
}

impl Settings {
    pub(crate) fn read(document: &Value, grant: &ContainerEvidence) -> Self {
        let at = |pointer: &Option<String>| pointer.as_deref().and_then(|pointer| document.pointer(pointer));
        let capabilities = |pointer: &Option<String>| {
            pointer.as_deref().map(|pointer| texts(document, Some(pointer)).iter().map(|name| bare(name)).collect())
        };
        Self {
            privileged: at(&grant.privileged).and_then(Value::as_bool),
            read_only: at(&grant.read_only).and_then(Value::as_bool),
            added: capabilities(&grant.cap_add),
            dropped: capabilities(&grant.cap_drop),
            tmpfs: grant.tmpfs.as_ref().map(|_| keys(at(&grant.tmpfs))),
            restart: text(document, grant.restart.as_deref()).map(policy),
            retries: number(document, grant.restart_retries.as_deref()),
        }
    }

    /// Whether it is as it was asked for.
    ///
    /// # Errors
    /// Says in what it is not.
    pub(crate) fn check(&self, spec: &ContainerSpec) -> Result<(), String> {
        if self.privileged == Some(true) {
            return Err("the container is privileged".to_owned());
        }
        if self.read_only.is_some_and(|seen| seen != spec.read_only) {
            return Err("its root file system is not as it was asked for".to_owned());
        }
        self.check_capabilities(spec)?;
        self.check_tmpfs(spec)?;
        self.check_restart(spec)
    }

    /// What is told of it, beside what is asked for now.
    pub(crate) fn against(&self, spec: &ContainerSpec) -> Vec<Compared> {
        let read_only =
            self.read_only.map(|seen| Compared::of("read-only", seen.to_string(), spec.read_only.to_string()));
        let policy = spec.restart.unwrap_or(RestartPolicy::No);
        let restart = self.policy().map(|seen| Compared::of("restart", seen, policy.to_string()));
        let tmpfs = spec.tmpfs.iter().map(|tmpfs| tmpfs.target.to_string()).collect();
        let (add, drop) = (bare_all(&spec.cap_add), bare_all(&spec.cap_drop));
        let added = self.added.as_ref().map(|seen| Compared::sets("cap-add", seen, &add, &[]));
        let dropped = self.dropped.as_ref().map(|seen| Compared::sets("cap-drop", seen, &drop, DROPPED));
        let tmpfs = self.tmpfs.as_ref().map(|seen| Compared::sets("tmpfs", seen, &tmpfs, MOUNTED));
        [read_only, restart, added, dropped, tmpfs].into_iter().flatten().collect()
    }

    /// As callers write it.
    fn policy(&self) -> Option<String> {
        let policy = self.restart.clone()?;
        let times = self.retries.filter(|times| policy == "on-failure" && *times > 0);
        Some(times.map_or(policy.clone(), |times| format!("{policy}:{times}")))
    }

    fn check_capabilities(&self, spec: &ContainerSpec) -> Result<(), String> {
        let asked: BTreeSet<String> = spec.cap_add.iter().map(|name| bare(name)).collect();
        // An engine may list all of them for `ALL`.
        let exact = !asked.contains("ALL");
        let dropped = |name: &String| self.dropped.as_ref().is_some_and(|dropped| dropped.contains(name));
        // An engine may tell of no more than what it adds to its own.
        let is_told = |name: &&String| !(asked.contains(*name) && DEFAULT.contains(&name.as_str()) && !dropped(name));
        if let Some(seen) = self.added.as_ref().filter(|_| exact)
            && let Some(other) = seen.symmetric_difference(&asked).find(is_told)
        {
            return Err(format!("the capability {other} was not added as it was asked for"));
        }
        let mut taken = spec.cap_drop.iter().map(|name| bare(name)).filter(|name| name != "ALL");
        let missing = self.dropped.as_ref().and_then(|seen| taken.find(|name| !is_in(seen, name)));
        missing.map_or(Ok(()), |name| Err(format!("the capability {name} was not taken away")))
    }

    fn check_tmpfs(&self, spec: &ContainerSpec) -> Result<(), String> {
        let Some(seen) = &self.tmpfs else { return Ok(()) };
        let missing = spec.tmpfs.iter().find(|tmpfs| !seen.contains(tmpfs.target.as_str()));
        missing.map_or(Ok(()), |tmpfs| Err(format!("there is no file system in memory at {}", tmpfs.target)))
    }

    fn check_restart(&self, spec: &ContainerSpec) -> Result<(), String> {
        let asked = spec.restart.unwrap_or(RestartPolicy::No).to_string();
        let (policy, times) = asked.split_once(':').unwrap_or((asked.as_str(), "0"));
        if self.restart.as_deref().is_some_and(|seen| seen != policy) {
            return Err("its restart policy is not the one that was asked for".to_owned());
        }
        let times: i64 = times.parse().unwrap_or_default();
        if self.retries.is_some_and(|seen| policy == "on-failure" && seen != times) {
            return Err("it is started again another number of times than was asked for".to_owned());
        }
        Ok(())
    }
}

/// Capabilities that every engine gives by default.
const DEFAULT: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Capabilities that some engines give by default and others do not.
const DROPPED: &[&str] = &["AUDIT_WRITE", "MKNOD", "NET_RAW"];
/// File systems in memory that an engine makes for a root file system that can't be written.
const MOUNTED: &[&str] = &["/run", "/tmp", "/var/tmp", "/dev/shm"];
/// As many capabilities in a list are all that an engine gives.
const MOST: usize = 10;

/// Something of a container, as it is and as it is asked for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    pub(crate) field: String,
    pub(crate) existing: String,
    pub(crate) asked: String,
}

impl Compared {
    pub(crate) fn of(field: &str, existing: impl Into<String>, asked: impl Into<String>) -> Self {
        Self { field: field.to_owned(), existing: existing.into(), asked: asked.into() }
    }

    /// An engine adds something of its own, some of it known. `ALL` it may list one by one.
    fn sets(field: &str, seen: &BTreeSet<String>, asked: &BTreeSet<String>, own: &[&str]) -> Self {
        let is_told = |name: &&String| asked.contains(*name) || !own.contains(&name.as_str());
        let seen: BTreeSet<String> = match asked.contains("ALL") && seen.len() >= MOST {
            true => asked.clone(),
            false => seen.iter().filter(is_told).cloned().collect(),
        };
        let text = |set: &BTreeSet<String>| match set.is_empty() {
            true => "none".to_owned(),
            false => set.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        };
        Self::of(field, text(&seen), text(asked))
    }
}

fn bare_all(names: &[String]) -> BTreeSet<String> {
    names.iter().map(|name| bare(name)).collect()
}

/// An engine may have an empty word for none.
fn policy(word: String) -> String {
    if word.is_empty() { RestartPolicy::No.to_string() } else { word }
}

/// A list that names all of them has each.
fn is_in(seen: &BTreeSet<String>, name: &str) -> bool {
    seen.contains(name) || seen.contains("ALL")
}

/// As callers write it: engines put `CAP_` before it.
fn bare(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn keys(value: Option<&Value>) -> BTreeSet<String> {
    value.and_then(Value::as_object).map(|members| members.keys().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use serde_json::json;

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");

    fn spec() -> ContainerSpec {
        let mut spec = ContainerSpec::new("example.org/app:1".parse().unwrap(), "web".parse().unwrap());
        spec.cap_add = vec!["NET_ADMIN".to_owned()];
        spec.cap_drop = vec!["CHOWN".to_owned()];
        spec.restart = Some(RestartPolicy::OnFailure(Some(3)));
        spec.read_only = true;
        spec.tmpfs = vec![crate::spec::Tmpfs { target: "/t".parse().unwrap(), size: None }];
        spec
    }

    fn check(change: impl Fn(&mut Value)) -> Result<(), String> {
        let grants = Grants::parse(PODMAN, "podman").unwrap();
        let mut document = json!({"HostConfig": {
            "Privileged": false, "ReadonlyRootfs": true, "CapAdd": ["CAP_NET_ADMIN"], "CapDrop": ["CAP_CHOWN", "CAP_MKNOD"],
            "Tmpfs": {"/t": "rw", "/run": "rw"}, "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
        }});
        change(&mut document["HostConfig"]);
        Settings::read(&document, grants.evidence().container.as_ref().unwrap()).check(&spec())
    }

    #[test]
    fn what_was_asked_for_is_there_and_no_more() {
        assert_eq!(check(|_| {}), Ok(()));
        let changes: [fn(&mut Value); 9] = [
            |host| host["Privileged"] = json!(true),
            |host| host["ReadonlyRootfs"] = json!(false),
            |host| host["CapAdd"] = json!(["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]),
            |host| host["CapAdd"] = json!([]),
            |host| host["CapDrop"] = json!(["CAP_MKNOD"]),
            |host| host["Tmpfs"] = json!({}),
            |host| host["RestartPolicy"]["Name"] = json!("always"),
            |host| host["RestartPolicy"]["MaximumRetryCount"] = json!(4),
            |host| host["CapAdd"] = Value::Null,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(check(change).is_err(), "{number}");
        }
    }

    #[test]
    fn what_an_engine_gives_anyway_it_may_leave_out_of_what_it_adds() {
        let grants = Grants::parse(PODMAN, "podman").unwrap();
        let added = |name: &str, seen: Value, dropped: Value| {
            let document = json!({"HostConfig": {"CapAdd": seen, "CapDrop": dropped}});
            let spec = ContainerSpec { cap_add: vec![name.to_owned()], cap_drop: vec!["ALL".to_owned()], ..spec() };
            Settings::read(&document, grants.evidence().container.as_ref().unwrap()).check_capabilities(&spec)
        };
        assert_eq!(added("CHOWN", json!([]), json!(["CAP_FOWNER"])), Ok(()));
        assert!(added("CHOWN", json!([]), json!(["CAP_CHOWN"])).is_err(), "it was taken away");
        assert!(added("CHOWN", json!(["CAP_CHOWN", "CAP_FOWNER"]), json!([])).is_err(), "more than was asked for");
        assert!(added("NET_ADMIN", json!([]), json!([])).is_err(), "no engine gives it anyway");
    }
}
