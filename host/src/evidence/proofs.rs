//! Proofs of content that were given before: so that a container of the same image ID does not cost an export again.
//!
//! A proof is a file of the state folder with a MAC under the install's key, over what was proved: which engine, which
//! image ID, which layers. It says that every byte was hashed once, and that nobody but this install says so. What is
//! changed on the disk later, only a new export finds.

use std::io;

use cap_std::fs::Dir;
use hmac::Mac as _;

use crate::digest::Digest;
use crate::state::{DerivedKey, from_hex, to_hex, whole};

/// The longest proof, in bytes: the MAC in hex.
const PROOF_MAX: u64 = 64;

/// What was proved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proved<'a> {
    /// The backend that drives the engine.
    pub(crate) backend: &'a str,
    /// Where the engine's daemon listens, if it has one.
    pub(crate) endpoint: &'a str,
    /// The image's ID.
    pub(crate) id: &'a str,
    /// The digests of its layers.
    pub(crate) diff_ids: &'a [Digest],
}

impl Proved<'_> {
    fn fields(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let layers = self.diff_ids.iter().map(Digest::to_string).collect::<Vec<_>>();
        for field in [self.backend, self.endpoint, self.id].into_iter().chain(layers.iter().map(String::as_str)) {
            bytes.extend_from_slice(&(field.len() as u64).to_be_bytes());
            bytes.extend_from_slice(field.as_bytes());
        }
        bytes
    }

    fn name(&self) -> String {
        Digest::sha256(&self.fields()).hex()
    }
}

/// Proofs of this install.
pub(crate) struct ProofStore {
    dir: Dir,
    key: DerivedKey,
}

impl ProofStore {
    /// The proofs in `dir`, which belongs to them alone.
    pub(crate) const fn new(dir: Dir, key: DerivedKey) -> Self {
        Self { dir, key }
    }

    /// Whether this was proved before.
    pub(crate) fn has(&self, proved: Proved<'_>) -> bool {
        let mac = whole::get(&self.dir, &proved.name(), PROOF_MAX).ok().and_then(|text| from_hex::<32>(&text));
        mac.is_some_and(|mac| self.mac(proved).verify_slice(&mac).is_ok())
    }

    /// Keeps a proof.
    pub(crate) fn keep(&self, proved: Proved<'_>) -> io::Result<()> {
        whole::put(&self.dir, &proved.name(), &[to_hex(&self.mac(proved).finalize().into_bytes()).as_bytes()])
    }

    fn mac(&self, proved: Proved<'_>) -> hmac::Hmac<sha2::Sha256> {
        let mut mac = self.key.hmac();
        mac.update(&proved.fields());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::InstallKey;

    fn store(folder: &tempfile::TempDir, key: u8) -> ProofStore {
        let dir = crate::ambient::open_dir(folder.path()).unwrap();
        ProofStore::new(dir, InstallKey::from_bytes([key; 32]).derive("proofs"))
    }

    #[test]
    fn a_proof_is_of_one_engine_one_image_and_its_layers_and_of_this_install() {
        let folder = tempfile::tempdir().unwrap();
        let layers = [Digest::sha256(b"a"), Digest::sha256(b"b")];
        let proved = Proved { backend: "x", endpoint: "", id: "1", diff_ids: &layers };
        let ours = store(&folder, 1);
        assert!(!ours.has(proved));
        ours.keep(proved).unwrap();
        ours.keep(proved).unwrap();
        assert!(ours.has(proved));
        for other in [
            Proved { backend: "y", ..proved },
            Proved { endpoint: "unix:///run/y.sock", ..proved },
            Proved { id: "2", ..proved },
            Proved { diff_ids: &layers[..1], ..proved },
        ] {
            assert!(!ours.has(other), "{other:?}");
        }
        assert!(!store(&folder, 2).has(proved));
    }

    #[test]
    fn a_forged_proof_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let proved = Proved { backend: "x", endpoint: "", id: "1", diff_ids: &[] };
        let ours = store(&folder, 1);
        for forged in [String::new(), "0".repeat(64), "0".repeat(70), "zz".repeat(32)] {
            std::fs::write(folder.path().join(proved.name()), forged).unwrap();
            assert!(!ours.has(proved));
        }
    }
}
