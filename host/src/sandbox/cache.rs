//! Compiled code on disk: derived from components, keyed by all that it depends on, sealed with the install's key.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;

use cap_std::fs::Dir;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::Compiled;
use crate::digest::Digest;
use crate::event::{Events, Level};
use crate::state::{DerivedKey, whole};

/// The most compiled code that is read back, in bytes.
const MOST: u64 = 256 << 20;
/// The length of a seal.
const SEAL: usize = blake3::OUT_LEN;

/// A folder of the state directory that only its owner can write.
pub(crate) struct CodeCache {
    folder: Dir,
    key: DerivedKey,
    events: Events,
}

impl CodeCache {
    pub(crate) fn new(folder: Dir, key: DerivedKey) -> Self {
        Self { folder, key, events: Events::none() }
    }

    /// Tells of code that is there and not used.
    pub(crate) fn telling(self, events: Events) -> Self {
        Self { events, ..self }
    }

    /// The code of a component; none where there is none, or its seal is broken.
    pub(super) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let name = name_of(engine, digest);
        let sealed = match whole::get(&self.folder, &name, MOST) {
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            sealed => sealed.ok(),
        };
        let code = sealed.and_then(|sealed| load_sealed(engine, self.open(&name, &sealed)?));
        if code.is_none() {
            let word =
                || format!("the compiled code of {digest} was changed, or is not this install's: it is compiled anew");
            self.events.say(Level::Warning, word);
        }
        code
    }

    /// The code, where it bears our seal for this name.
    fn open<'c>(&self, name: &str, sealed: &'c [u8]) -> Option<&'c [u8]> {
        let (seal, code) = sealed.split_at_checked(SEAL)?;
        // Compared in constant time.
        (self.seal(name, code) == blake3::Hash::from_slice(seal).ok()?).then_some(code)
    }

    /// Keeps the code of a component. Where that fails it is compiled again the next time.
    pub(super) fn store(&self, engine: &Engine, digest: &Digest, compiled: &Compiled) {
        // A cache: whoever can't write it compiles again.
        let _unwritten = self.write(&name_of(engine, digest), compiled.bytes());
    }

    /// Binds the code to the name that it is kept under, by a keyed BLAKE3: it is checked at every start, and SHA-256
    /// would take most of that where the processor has no instruction for it.
    fn seal(&self, name: &str, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(self.key.bytes());
        hasher.update(name.as_bytes()).update(&[0]).update(code).finalize()
    }

    fn write(&self, name: &str, code: &[u8]) -> std::io::Result<()> {
        whole::put(&self.folder, name, &[self.seal(name, code).as_bytes(), code])
    }
}

/// The component, wasmtime's whole version and configuration, and this machine's kind of processor.
fn name_of(engine: &Engine, digest: &Digest) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{}-{}-{:016x}.code", digest.hex(), env!("PORTREEVE_WASMTIME"), std::env::consts::ARCH, hasher.finish())
}

/// Wasmtime runs what it is given here: the seal was made by this install over this very code.
#[allow(unsafe_code, reason = "native code can't be checked; it was compiled here and its seal holds")]
fn load_sealed(engine: &Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `code` bears a MAC, under the install's own key (0600), over bytes that `Component::serialize` gave this
    // program, for the same component, wasmtime version and configuration. Whoever can forge that is the same user.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};

    use super::super::Sandbox;
    use super::*;
    use crate::backend::BackendSource;
    use crate::state::{Area, StateDir};

    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Place {
        folder: tempfile::TempDir,
        cache: CodeCache,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        let cache = CodeCache::new(state.area(Area::Code).unwrap(), state.key().derive("code"));
        Place { folder, cache }
    }

    impl Place {
        fn file(&self) -> PathBuf {
            let mut files = fs::read_dir(self.folder.path().join("state/code")).unwrap();
            files.next().unwrap().unwrap().path()
        }
    }

    fn compiled(bytes: &[u8]) -> (Digest, Compiled) {
        (Digest::sha256(bytes), Compiled::from_component(bytes).unwrap())
    }

    /// Every byte of an empty component's code, and of a backend's each that begins or ends the file, and samples of the
    /// rest. What is not loaded is compiled again.
    #[test]
    fn a_changed_byte_is_noticed_before_the_code_is_loaded() {
        let engine = Sandbox::new(None).unwrap().engine().clone();
        let backend = BackendSource::embedded().remove(0).component.into_owned();
        for (bytes, step) in [(EMPTY.to_vec(), 7), (backend, 9973)] {
            let place = place();
            let (digest, component) = compiled(&bytes);
            place.cache.store(&engine, &digest, &component);
            assert!(place.cache.load(&engine, &digest).is_some());
            let file = place.file();
            let whole = fs::read(&file).unwrap();
            let places = (0..whole.len()).filter(|at| *at < 256 || whole.len() - at < 64 || at % step == 0);
            for (at, bit) in places.zip((0..8_u32).cycle()) {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                fs::write(&file, changed).unwrap();
                assert!(place.cache.load(&engine, &digest).is_none(), "byte {at}, bit {bit}");
            }
            for cut in [0, SEAL - 1, SEAL, whole.len() - 1] {
                fs::write(&file, &whole[..cut]).unwrap();
                assert!(place.cache.load(&engine, &digest).is_none(), "cut at {cut}");
            }
            fs::write(&file, &whole).unwrap();
            assert!(place.cache.load(&engine, &digest).is_some());
        }
    }

    #[test]
    fn what_is_there_and_not_used_is_told() {
        let engine = Sandbox::new(None).unwrap().engine().clone();
        let Place { folder, cache } = place();
        let told = std::sync::Arc::new(std::sync::Mutex::new(0));
        let heard = std::sync::Arc::clone(&told);
        let place = Place { folder, cache: cache.telling(Events::to(move |_| *heard.lock().unwrap() += 1)) };
        let (digest, component) = compiled(EMPTY);
        assert!(place.cache.load(&engine, &digest).is_none());
        place.cache.store(&engine, &digest, &component);
        assert!(place.cache.load(&engine, &digest).is_some());
        assert_eq!(*told.lock().unwrap(), 0);
        fs::write(place.file(), b"other").unwrap();
        assert!(place.cache.load(&engine, &digest).is_none());
        assert_eq!(*told.lock().unwrap(), 1);
    }

    #[test]
    fn code_of_another_install_or_of_another_component_is_not_loaded() {
        let engine = Sandbox::new(None).unwrap().engine().clone();
        let (ours, theirs) = (place(), place());
        let (digest, component) = compiled(EMPTY);
        ours.cache.store(&engine, &digest, &component);
        theirs.cache.store(&engine, &digest, &component);
        fs::copy(theirs.file(), ours.file()).unwrap();
        assert!(ours.cache.load(&engine, &digest).is_none());
        let other = Digest::sha256(b"another");
        let name = |digest: &Digest| ours.folder.path().join("state/code").join(name_of(&engine, digest));
        ours.cache.store(&engine, &digest, &component);
        fs::rename(name(&digest), name(&other)).unwrap();
        assert!(ours.cache.load(&engine, &other).is_none());
    }

    #[test]
    fn a_folder_that_others_can_write_is_not_used() {
        let place = place();
        let path: &Path = place.folder.path();
        for mode in [0o770, 0o702, 0o777] {
            fs::set_permissions(path.join("state/code"), fs::Permissions::from_mode(mode)).unwrap();
            assert!(StateDir::open(path.join("state")).unwrap().area(Area::Code).is_err(), "{mode:o}");
        }
    }
}
