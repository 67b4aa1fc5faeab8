//! Pods.

use crate::{Arguments, PodSpec, Result, cli::Cli};

impl Cli {
    /// `pod-create`; whether one was made. An engine that says that there is one already made none.
    ///
    /// # Errors
    /// As [`Cli::run`], but for [`Error::Conflict`](crate::Error::Conflict).
    pub fn pod_ensure(&self, spec: &PodSpec) -> Result<bool> {
        self.made("pod-create", Arguments::none().pod_name(&spec.name).labels(&spec.labels))
    }

    /// Whether `pod-list` has it.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_exists(&self, name: &str) -> Result<bool> {
        Ok(self.pod_list()?.iter().any(|known| known == name))
    }

    /// `pod-list`, which prints names.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_list(&self) -> Result<Vec<String>> {
        self.names("pod-list")
    }

    /// `pod-remove`. Never by force: the host removes the containers of a pod first.
    ///
    /// # Errors
    /// As [`Cli::run`].
    pub fn pod_remove(&self, name: &str) -> Result<()> {
        self.run("pod-remove", Arguments::none().pod_id(name)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, Value, cli::tests::CLIENT, stage::Stage};

    #[test]
    fn a_pod_is_made_by_its_name_and_removed_by_its_id() {
        let spec = PodSpec { name: "web".into(), ports: Vec::new(), labels: Vec::new() };
        let (made, seen) = Stage::new().command("pod-create", 0, "00\n", "").play(|| CLIENT.pod_ensure(&spec));
        let slot = |slot: &str| vec![Argument { slot: slot.into(), value: Value::Pod("web".into()) }];
        assert_eq!((made, seen.asks), (Ok(true), vec![("pod-create".to_owned(), slot("pod.name"))]));
        let (removed, seen) = Stage::new().command("pod-remove", 0, "00\n", "").play(|| CLIENT.pod_remove("web"));
        assert_eq!((removed, seen.asks), (Ok(()), vec![("pod-remove".to_owned(), slot("pod.id"))]));
    }
}
