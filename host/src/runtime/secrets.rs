//! Secrets on their way: into the redactor of a call, and into files in memory.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Inner;
use crate::error::{Error, Refusal, Rule};
use crate::evidence::ContainerInfo;
use crate::grants::SECRETS_FOLDER;
use crate::redaction::{Redactor, RedactorBuilder, UnmaskableSecret};
use crate::scope::SecretFile;
use crate::spec::{ContainerSpec, Secret, SecretDelivery};

/// `f_type` of a file system in memory (statfs(2)).
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// What stands before the path of a secret that is a file, in the label that names a container's secrets.
pub(super) const SECRETS_LABEL: &str = "io.portreeve.secrets";

impl Inner {
    /// A redactor that knows the secrets of a spec. One that can't be masked is refused.
    pub(super) fn redactor_of(&self, spec: &ContainerSpec) -> Result<Redactor, Error> {
        if spec.secrets.is_empty() {
            return Ok(self.redactor.clone());
        }
        let known = |builder: RedactorBuilder, secret: &Secret| {
            builder.secret(secret.name.as_str(), secret.value.expose()).map_err(unmaskable)
        };
        let builder = spec.secrets.iter().try_fold(self.redactor.to_builder(), known)?;
        Ok(builder.build())
    }

    /// A redactor that knows the secrets that a container of ours was given: it still has them itself.
    pub(super) fn redactor_of_container(&self, container: &ContainerInfo) -> Redactor {
        let names = container.host_label(SECRETS_LABEL).unwrap_or_default();
        let mut redactor = self.redactor.clone();
        for name in names.split(',').filter(|name| !name.is_empty()) {
            let value = container.variable(name).map(|value| value.as_bytes().to_vec());
            if let Some(value) = value.or_else(|| self.secret_file(&container.name, name)) {
                // Whatever was let through unmasked when it was given stays so.
                redactor = redactor.with_secret(name, &value).unwrap_or(redactor);
            }
        }
        redactor
    }

    /// The same, with the secrets of a spec that is asked for under its name.
    pub(super) fn redactor_of_both(&self, container: &ContainerInfo, spec: &ContainerSpec) -> Redactor {
        let known = |redactor: Redactor, secret: &Secret| {
            // One that can't be masked was refused before.
            redactor.with_secret(secret.name.as_str(), secret.value.expose()).unwrap_or(redactor)
        };
        spec.secrets.iter().fold(self.redactor_of_container(container), known)
    }

    /// A container as a caller may see it: what labels hold is a caller's own, and may be anything.
    pub(super) fn shown(&self, container: ContainerInfo) -> ContainerInfo {
        let redactor = self.redactor_of_container(&container);
        let label = |(name, value): (String, String)| {
            let value = redactor.labelled(&name, &value);
            (name, value)
        };
        let labels = container.labels.clone().into_iter().map(label).collect();
        ContainerInfo { labels, ..container }
    }

    fn secret_file(&self, container: &str, name: &str) -> Option<Vec<u8>> {
        fs::read(self.secrets_of(container).ok()?.join(name)).ok()
    }

    /// Where the secrets that are files would lie.
    pub(super) fn planned_secret_files(&self, spec: &ContainerSpec) -> Result<Vec<SecretFile>, Error> {
        let is_file = |secret: &&crate::spec::Secret| matches!(secret.delivery, SecretDelivery::File(_));
        let planned = spec.secrets.iter().filter(is_file).map(|secret| {
            let path = self.secrets_of(spec.name.as_str())?.join(secret.name.as_str());
            Ok(SecretFile { name: secret.name.to_string(), source: path.to_string_lossy().into_owned() })
        });
        planned.collect()
    }

    /// Puts the secrets that are files where only their container will see them.
    pub(super) fn write_secret_files(&self, spec: &ContainerSpec) -> Result<Vec<SecretFile>, Error> {
        let files = self.planned_secret_files(spec)?;
        if self.services.dry_run {
            return Ok(files);
        }
        for file in &files {
            let secret = spec.secrets.iter().find(|secret| secret.name.as_str() == file.name);
            let value = secret.map(|secret| secret.value.expose()).unwrap_or_default();
            let folder = self.secrets_of(spec.name.as_str())?;
            write_private(&folder, Path::new(&file.source), value)
                .map_err(|error| Error::io("a secret's file in memory", error))?;
        }
        Ok(files)
    }

    /// Takes away the files of a container that is gone.
    pub(super) fn remove_secret_files(&self, container: &str) {
        if let Ok(folder) = self.secrets_of(container) {
            // It may never have had any.
            let _absent = fs::remove_dir_all(folder);
        }
    }

    fn secrets_of(&self, container: &str) -> Result<PathBuf, Error> {
        Ok(self.secrets_folder()?.join(self.state.install().as_str()).join(container))
    }

    /// A folder in memory that is ours alone.
    pub(super) fn secrets_folder(&self) -> Result<PathBuf, Error> {
        let own = rustix::process::geteuid();
        let login = self.environment.text("XDG_RUNTIME_DIR").map(PathBuf::from);
        let shared = PathBuf::from(format!("/dev/shm/portreeve-{}", own.as_raw()));
        let places = login.into_iter().chain([shared]);
        let place =
            places.into_iter().find(|place| is_in_memory(place.parent().unwrap_or(place)) || is_in_memory(place));
        let place = place.ok_or_else(|| {
            Error::Unsupported("secrets as files: no file system in memory (/dev/shm) is there".to_owned())
        })?;
        Ok(place.join(SECRETS_FOLDER))
    }
}

pub(super) fn unmaskable(error: UnmaskableSecret) -> Error {
    let remedy = "give it another value, or say unmaskable = \"warn\" under [secrets] in a policy file";
    Refusal::new(Rule::Secret, error.to_string()).value(&error.name).remedy(remedy).into()
}

fn is_in_memory(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|status| u64::try_from(status.f_type).is_ok_and(|kind| kind == TMPFS_MAGIC))
}

/// A file in folders that nobody else can enter; the container's own user may read it.
fn write_private(folder: &Path, path: &Path, value: &[u8]) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for part in folder.ancestors().take_while(|part| part.components().any(|name| name.as_os_str() == SECRETS_FOLDER)) {
        let metadata = fs::symlink_metadata(part)?;
        if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.permissions().mode() & 0o077 != 0 {
            return Err(std::io::Error::other(format!("{} is not ours alone", part.display())));
        }
    }
    // It may stand there from a container that is gone.
    let _absent = fs::remove_file(path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o444).open(path)?;
    // Whatever the umask takes away.
    file.set_permissions(fs::Permissions::from_mode(0o444))?;
    file.write_all(value)
}
