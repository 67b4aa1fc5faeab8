//! Having a unit judged by systemd's own programs, where they are installed.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Portreeve;
use crate::broker::Errand;
use crate::error::Error;
use crate::grants::{Binding, Bindings, Slot};
use crate::state::random;
use crate::units::{Manager, UnitFile, checks};

/// What was found out about the files of a unit.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct UnitCheck {
    /// Which of systemd's programs judged.
    pub by: String,
    /// Whether it found nothing wrong; none where it is not installed, and so nobody judged.
    pub good: Option<bool>,
    /// What it said, or why it could not be asked.
    pub said: Vec<String>,
}

impl Portreeve {
    /// Has the files of a unit judged: services by `systemd-analyze verify`, all others by the engine's own generator, in
    /// a dry run. The files are put into a folder of their own, and taken away again.
    ///
    /// # Errors
    /// Where the files can't be written, or the record can't. What is wrong with a unit is no error.
    pub async fn check_unit(&self, files: &[UnitFile], manager: Manager) -> Result<UnitCheck, Error> {
        let folder = Folder::new(self.state_dir())?;
        for file in files {
            let path = folder.0.join(&file.name);
            std::fs::write(&path, &file.text).map_err(|error| Error::io(path.display().to_string(), error))?;
        }
        let services: Vec<_> = files.iter().filter(|file| file.name.ends_with(".service")).collect();
        if services.len() < files.len() {
            return self.generated(&folder.0, manager).await;
        }
        let mut all = UnitCheck { by: "systemd-analyze verify".to_owned(), good: None, said: Vec::new() };
        for file in services {
            let checked = self.verified(&folder.0, &file.name, manager).await?;
            all.good = match (all.good, checked.good) {
                (Some(one), Some(other)) => Some(one && other),
                (one, other) => one.or(other),
            };
            all.said.extend(checked.said);
        }
        Ok(all)
    }

    async fn verified(&self, folder: &Path, name: &str, manager: Manager) -> Result<UnitCheck, Error> {
        let file = folder.join(name);
        let facts: Bindings =
            [(Slot::ExchangeFile, Binding::scalar(file.to_string_lossy().into_owned()))].into_iter().collect();
        self.asked("systemd-analyze verify", &format!("verify-{}", manager.as_str()), facts, folder).await
    }

    async fn generated(&self, folder: &Path, manager: Manager) -> Result<UnitCheck, Error> {
        let command = format!("generate-{}", manager.as_str());
        self.asked("the generator's dry run", &command, Bindings::default(), folder).await
    }

    async fn asked(&self, by: &str, command: &str, facts: Bindings, folder: &Path) -> Result<UnitCheck, Error> {
        let grants = checks().map_err(|error| Error::Config(error.to_string()))?;
        let inner = &self.inner;
        let errand = Errand::new(&inner.services, grants, &inner.redactor, self.variables(folder));
        let by = by.to_owned();
        match errand.perform(command, facts).await {
            Err(Error::Unavailable(why)) => Ok(UnitCheck { by, good: None, said: vec![why] }),
            Err(error) => Err(error),
            Ok(output) => {
                let place = format!("{}/", folder.display());
                let lines = output.stderr().lines().filter(|line| !line.trim().is_empty());
                let said: Vec<String> = lines.map(|line| line.replace(&place, "")).collect();
                // Of a key that it does not know it only warns, and the key would do nothing.
                let ignored = said.iter().any(|line| line.contains("ignoring") || line.contains("unsupported key"));
                Ok(UnitCheck { by, good: Some(output.status() == 0 && !ignored), said })
            }
        }
    }

    /// The host's own folders, and the one with the unit. A user's manager wants a runtime folder, whichever.
    fn variables(&self, folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let own = |name: &str| self.inner.environment.0.get(name).cloned();
        let here = folder.as_os_str().as_bytes().to_vec();
        let runtime = own("XDG_RUNTIME_DIR").unwrap_or_else(|| here.clone());
        let mut variables =
            BTreeMap::from([("QUADLET_UNIT_DIRS".to_owned(), here), ("XDG_RUNTIME_DIR".to_owned(), runtime)]);
        variables.extend(own("HOME").map(|home| ("HOME".to_owned(), home)));
        variables
    }
}

/// A folder that is gone when this is.
struct Folder(PathBuf);

impl Folder {
    fn new(state: &Path) -> Result<Self, Error> {
        let name: String = random::<8>()
            .map_err(|source| Error::io("randomness for a folder's name", source))?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let path = state.join(format!("unit-check-{name}"));
        std::fs::create_dir(&path).map_err(|error| Error::io(path.display().to_string(), error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // It holds nothing that anybody would miss.
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_loads_and_only_looks() {
        let grants = checks().unwrap();
        assert!(grants.commands().iter().all(|command| command.effect() == crate::grants::Effect::Read));
        assert_eq!(grants.commands().len(), 4);
    }
}
