//! Manifests and configurations in the engine's own folders, as far as the grants name them.

use std::io::{self, Read};

use cap_std::fs::Dir;

use super::chain::{Content, ManifestSource, SourceError};
use super::document::{bare_id, is_id};
use super::layout::open_below;
use super::manifest::MANIFEST_MAX;
use crate::digest::Digest;
use crate::grants::StoreGrant;

/// One granted folder, opened; for one image.
pub(crate) struct EngineStore {
    dir: Dir,
    grant: StoreGrant,
    id: String,
}

impl EngineStore {
    /// The granted folder at a path, if it is there. The host reads nothing but files of granted names in it.
    pub(crate) fn open(grant: &StoreGrant, path: &str, id: &str) -> Option<Self> {
        let id = bare_id(id);
        let dir = crate::ambient::open_dir(path.as_ref()).ok().filter(|_| is_id(id))?;
        Some(Self { dir, grant: grant.clone(), id: id.to_owned() })
    }

    fn read(&self, digest: &Digest, content: Content) -> io::Result<Option<Vec<u8>>> {
        let pattern = match content {
            Content::Manifest => Some(&self.grant.manifest),
            Content::Config => self.grant.config.as_ref(),
        };
        let Some(parts) = pattern.and_then(|pattern| pattern.render(&self.id, digest)) else { return Ok(None) };
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let Some(file) = open_below(&self.dir, &parts)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(MANIFEST_MAX + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }
}

impl ManifestSource for EngineStore {
    fn fetch(&self, digest: &Digest, content: Content) -> Result<Vec<u8>, SourceError> {
        let absent = |why: &str| SourceError::Absent { why: why.to_owned(), remedy: "pull the image again".to_owned() };
        match self.read(digest, content) {
            // whoever follows the chain hashes it again; here it decides whether this store is to be believed
            Ok(Some(bytes)) => digest.verify(&bytes).map(|()| bytes).map_err(SourceError::Mismatch),
            Ok(None) => Err(absent("the engine's store does not hold it")),
            Err(error) => Err(absent(&format!("the engine's store can't be read: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::grants::Grants;

    const GRANT: &str = r#"
        backend = "x"
        [evidence.manifest]
        stores = [{ folder = "/x", manifest = "{id}/m-{hex}", config = "{id}/={base64:{digest}}" }]
    "#;

    fn store(folder: &tempfile::TempDir, id: &str) -> Option<EngineStore> {
        let grants = Grants::parse(GRANT, "x").unwrap();
        let grant = grants.evidence().manifest.stores.first().unwrap().clone();
        EngineStore::open(&grant, folder.path().to_str().unwrap(), id)
    }

    #[test]
    fn only_files_of_granted_names_are_read_and_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let (digest, id) = (Digest::sha256(b"{}"), "ab".repeat(32));
        let store = store(&folder, &format!("sha256:{id}")).unwrap();
        let below = folder.path().join(&id);
        fs::create_dir(&below).unwrap();
        assert!(matches!(store.fetch(&digest, Content::Manifest), Err(SourceError::Absent { .. })));
        let file = below.join(format!("m-{}", digest.hex()));
        fs::write(&file, b"{}").unwrap();
        assert_eq!(store.fetch(&digest, Content::Manifest).unwrap(), b"{}");
        assert!(matches!(store.fetch(&digest, Content::Config), Err(SourceError::Absent { .. })));
        fs::write(&file, b"[]").unwrap();
        assert!(matches!(store.fetch(&digest, Content::Manifest), Err(SourceError::Mismatch(_))));
        fs::rename(&file, below.join("elsewhere")).unwrap();
        symlink("elsewhere", &file).unwrap();
        assert!(matches!(store.fetch(&digest, Content::Manifest), Err(SourceError::Absent { .. })));
    }

    #[test]
    fn what_is_no_id_opens_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for id in ["..", "", "latest", "sha256:..", &"AB".repeat(32)] {
            assert!(store(&folder, id).is_none(), "{id}");
        }
    }
}
