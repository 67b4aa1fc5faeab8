//! Whose turn it is to make something of a name: of several calls, in whatever processes, one at a time looks and makes.

use std::fs::File;
use std::io;

use cap_std::fs::Dir;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

/// The lock of a name: a file (flock(2)) that is there while somebody has it. It ends with the value.
#[derive(Debug)]
#[must_use]
pub(crate) struct Turn {
    area: Dir,
    name: String,
    _file: File,
}

impl Turn {
    /// Takes the turn, if nobody has it.
    pub(super) fn take(area: Dir, name: String) -> io::Result<Option<Self>> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&area, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?);
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            locked => locked?,
        }
        // Who had it before may have removed the file between the two steps: another may lock a new one by now.
        let is_there = match rustix::fs::statat(&area, name.as_str(), rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) => there.st_ino == rustix::fs::fstat(&file)?.st_ino,
            Err(Errno::NOENT) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(is_there.then_some(Self { area, name, _file: file }))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Still locked: who waits for it sees that it is gone, and makes a new one.
        let _left = rustix::fs::unlinkat(&self.area, self.name.as_str(), rustix::fs::AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::super::StateDir;

    #[test]
    fn one_at_a_time_has_the_turn_of_a_name() {
        let temp = tempfile::tempdir().unwrap();
        let state = StateDir::open(temp.path().join("state")).unwrap();
        let turn = state.try_turn("container", "web").unwrap();
        assert!(turn.is_some() && state.try_turn("container", "web").unwrap().is_none());
        assert!(state.try_turn("container", "db").unwrap().is_some());
        assert!(state.try_turn("pod", "web").unwrap().is_some());
        drop(turn);
        assert!(state.try_turn("container", "web").unwrap().is_some());
        assert_eq!(temp.path().join("state/turns").read_dir().unwrap().count(), 0);
    }

    #[test]
    fn many_take_turns() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state");
        let inside = std::sync::atomic::AtomicU32::new(0);
        StateDir::open(&path).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let (state, mut taken) = (StateDir::open(&path).unwrap(), 0);
                    while taken < 200 {
                        let Some(_turn) = state.try_turn("container", "web").unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        taken += 1;
                    }
                });
            }
        });
    }
}
