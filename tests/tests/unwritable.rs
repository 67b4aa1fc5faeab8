//! A journal that can't be written: a full disk, a read-only one, a writer that the kernel kills half-way through a
//! record. Each time what the rehearsal engine noted of its calls is compared with the journal: nothing that ran is
//! unrecorded, what could not be recorded did not run, and the next start is clean.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what is left out must be seen")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::indexing_slicing, reason = "the same")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use portreeve::journal::{Entry, Filter, Journal, JournalOptions, Kind, VerifyReport};
use portreeve::state::StateDir;
use portreeve::{ContainerSpec, Error, Portreeve};
use portreeve_tests::berth::{Berth, REHEARSAL};
use portreeve_tests::voyage;

/// The signal of a file that grew beyond its limit (signal(7)).
const SIGXFSZ: i32 = 25;

/// A host's folder, and the rehearsal engine in it.
struct Ground {
    berth: Berth,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::create_dir(folder.path().join("rehearsal")).unwrap();
        fs::write(folder.path().join("rehearsal/calls"), "").unwrap();
        // by another process: a file that this one had open for writing could not be executed
        let (program, copy) = (env!("CARGO_BIN_EXE_rehearsed"), folder.path().join("bin/podman"));
        assert!(Command::new("cp").arg(program).arg(copy).status().unwrap().success());
        Self { berth: Berth::at(REHEARSAL, folder.path()), folder }
    }

    fn state(&self) -> PathBuf {
        self.berth.state()
    }

    /// The journal on a disk of its own.
    fn journal_on_a_disk(&self, size: &str) -> Option<Mount> {
        drop(StateDir::open(self.state()).unwrap());
        Mount::small(&self.state().join("journal"), size)
    }

    async fn host(&self) -> Result<Portreeve, Error> {
        self.berth.builder().build().await
    }

    fn verified(&self) -> VerifyReport {
        Journal::verify(&StateDir::open(self.state()).unwrap(), None).unwrap()
    }

    /// The command lines that the engine was given, without the program.
    fn executed(&self) -> Vec<Vec<String>> {
        let notes = fs::read_to_string(self.folder.path().join("rehearsal/calls")).unwrap();
        let argv = |note: &str| serde_json::from_str::<serde_json::Value>(note).unwrap()["argv"].clone();
        notes.lines().map(|note| serde_json::from_value::<Vec<String>>(argv(note)).unwrap().split_off(1)).collect()
    }

    /// Nothing ran more often than it is recorded.
    fn all_recorded(&self) {
        let state = StateDir::open(self.state()).unwrap();
        let records = Journal::read(&state, Filter::default()).unwrap().filter_map(Result::ok);
        let mut intents: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        for argv in records.filter(|record| record.kind == Kind::Intent).filter_map(|record| record.argv) {
            *intents.entry(argv[1..].to_vec()).or_default() += 1;
        }
        for argv in self.executed() {
            let left = intents.get_mut(&argv).filter(|left| **left > 0);
            *left.unwrap_or_else(|| panic!("it ran unrecorded: {argv:?}")) -= 1;
        }
    }

    /// A next start on a journal that can be written again: it works, and what it leaves verifies with nothing to say.
    async fn starts_clean(&self) {
        assert!(self.verified().is_intact(), "{:?}", self.verified().findings);
        let before = self.executed().len();
        self.host().await.unwrap().list().await.unwrap();
        assert!(self.executed().len() > before);
        self.all_recorded();
        let report = self.verified();
        assert!(report.is_clean(), "{:?}", report.findings);
    }

    /// Asks the host for things of every effect; how that failed.
    async fn asked(&self, host: &Portreeve) -> Vec<Error> {
        let image = "localhost/none@sha256:0000000000000000000000000000000000000000000000000000000000000000";
        let spec = ContainerSpec::new(image.parse().unwrap(), "app".parse().unwrap());
        let ends = [
            host.list().await.err(),
            host.pull(&spec.image).await.err(),
            host.run(&spec).await.err(),
            host.stop("app", Duration::from_secs(1)).await.err(),
            host.remove("app", true).await.err(),
        ];
        ends.into_iter().flatten().collect()
    }

    /// As long as short records fit, what they stand for runs; then nothing does, and each call says why.
    async fn nothing_runs(&self, host: &Portreeve) {
        let mut executed = None;
        while executed != Some(self.executed().len()) {
            executed = Some(self.executed().len());
            self.asked(host).await;
        }
        for _ in 0..3 {
            let errors = self.asked(host).await;
            assert_eq!(errors.len(), 5, "something went well: {errors:?}");
            for error in &errors {
                assert!(error.to_string().contains("the journal"), "{}: {error}", error.kind());
            }
        }
        assert_eq!(Some(self.executed().len()), executed, "something ran");
        self.all_recorded();
    }
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A file system in memory, mounted as long as this lives.
struct Mount(PathBuf);

impl Mount {
    /// None, told loudly, where this user can't mount.
    fn small(at: &Path, size: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Self::make(&["-t", "tmpfs", "-o", &options, "tmpfs"], at);
        if mounted.is_none() {
            eprintln!("\n*** NOTHING IS PROVED OF FULL AND READ-ONLY DISKS: this user can't mount one (root can)\n");
            let demanded = std::env::var(portreeve_tests::engines::REQUIRED).unwrap_or_default();
            assert!(demanded.is_empty(), "where engines are demanded, so is this");
        }
        mounted
    }

    fn make(words: &[&str], at: &Path) -> Option<Self> {
        let done = Command::new("mount").args(words).arg(at).output();
        done.is_ok_and(|done| done.status.success()).then(|| Self(at.to_owned()))
    }

    fn again(&self, options: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(done.unwrap().success());
    }

    /// Fills it, and gives the file that does.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while file.write_all(&[0; 512]).is_ok() {}
        filler
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // lazily: a host that is still there holds files in it
        let _gone = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_nothing_runs_and_the_next_start_is_clean() {
    let ground = Ground::new();
    let Some(disk) = ground.journal_on_a_disk("256k") else { return };
    let host = ground.host().await.unwrap();
    host.list().await.unwrap();
    let filler = disk.fill();
    ground.nothing_runs(&host).await;
    // another process finds the same
    let other = ground.host().await;
    match other {
        Ok(other) => ground.nothing_runs(&other).await,
        Err(error) => assert!(error.to_string().contains("the journal"), "{error}"),
    }
    assert!(ground.verified().is_intact(), "{:?}", ground.verified().findings);
    fs::remove_file(filler).unwrap();
    // the same host goes on, and so does a new one
    host.list().await.unwrap();
    ground.starts_clean().await;
}

/// Wherever in a record the disk ends: the room is made so small that it ends in each of several records.
#[tokio::test]
async fn wherever_the_disk_ends_no_record_is_torn() {
    let ground = Ground::new();
    let Some(disk) = ground.journal_on_a_disk("256k") else { return };
    let host = ground.host().await.unwrap();
    for _ in 0..6 {
        host.list().await.unwrap();
        let filler = disk.fill();
        ground.nothing_runs(&host).await;
        let report = ground.verified();
        assert!(report.is_clean(), "{:?}", report.findings);
        fs::remove_file(filler).unwrap();
    }
    ground.starts_clean().await;
}

#[tokio::test]
async fn a_disk_that_is_full_from_the_start_leaves_no_half_install() {
    let ground = Ground::new();
    let Some(disk) = Mount::small(&ground.state(), "16m") else { return };
    let filler = disk.fill();
    let error = ground.host().await.err().expect("there is no room for a journal");
    assert!(matches!(error, Error::State(_)), "{}: {error}", error.kind());
    assert!(ground.executed().is_empty());
    fs::remove_file(filler).unwrap();
    ground.starts_clean().await;
}

#[tokio::test]
async fn on_a_read_only_disk_nothing_runs_and_the_next_start_is_clean() {
    let ground = Ground::new();
    let Some(disk) = ground.journal_on_a_disk("1m") else { return };
    ground.host().await.unwrap().list().await.unwrap();
    let before = ground.executed().len();
    disk.again("ro");
    let error = ground.host().await.err().expect("the journal can't be opened");
    assert!(error.to_string().contains("the journal"), "{error}");
    assert_eq!(ground.executed().len(), before, "something ran");
    // what is there can still be read and verified
    assert!(ground.verified().is_clean());
    disk.again("rw");
    ground.starts_clean().await;
}

/// A folder that its user may not write in; root may write in any, so there the folder is on a disk of its own.
#[tokio::test]
async fn in_a_read_only_state_directory_nothing_starts() {
    let ground = Ground::new();
    ground.host().await.unwrap().list().await.unwrap();
    let (state, before) = (ground.state(), ground.executed().len());
    let journal = state.join("journal");
    let words = [state.to_str().unwrap(), journal.to_str().unwrap()];
    let bound = Mount::make(&["--bind", words[0]], &state);
    match &bound {
        Some(bound) => bound.again("bind,ro"),
        None => {
            permit(&journal.join("head"), 0o400);
            words.iter().for_each(|path| permit(Path::new(path), 0o500));
        }
    }
    let error = ground.host().await.err().expect("nothing can be recorded");
    assert!(matches!(error, Error::State(_)), "{}: {error}", error.kind());
    assert_eq!(ground.executed().len(), before, "something ran");
    drop(bound);
    words.iter().for_each(|path| permit(Path::new(path), 0o700));
    permit(&journal.join("head"), 0o600);
    ground.starts_clean().await;
}

/// The kernel writes what is allowed of a record and kills at the next byte: a limit on the size of files does that.
#[tokio::test]
async fn whoever_is_killed_half_way_through_a_record_leaves_a_clean_start() {
    let ground = Ground::new();
    ground.host().await.unwrap().list().await.unwrap();
    let segment = ground.state().join("journal/00000001.jsonl");
    // longer than all else that a host writes: its memory images are files too
    let journal = Journal::open(&StateDir::open(ground.state()).unwrap(), JournalOptions::default()).unwrap();
    let padding = "x".repeat(1_000_000);
    for _ in 0..4 {
        journal.append(&Entry { why: Some(&padding), ..Entry::new(Kind::Note) }).unwrap();
    }
    drop(journal);
    let mut torn = 0;
    // odd steps: early and late in intents and outcomes
    for step in (1..2400).step_by(173) {
        let length = fs::metadata(&segment).unwrap().len();
        let output = killed_at(&ground, length + step);
        assert_eq!(output.status.signal(), Some(SIGXFSZ), "{output:?}");
        assert_eq!(fs::metadata(&segment).unwrap().len(), length + step, "it was not killed in a record");
        torn += usize::from(!fs::read(&segment).unwrap().ends_with(b"\n"));
        assert!(ground.verified().is_intact(), "{:?}", ground.verified().findings);
        ground.all_recorded();
        ground.starts_clean().await;
    }
    assert!(torn >= 10, "only {torn} records were torn");
    let state = StateDir::open(ground.state()).unwrap();
    drop(Journal::open(&state, JournalOptions::default()).unwrap());
    assert!(ground.verified().repairs >= torn as u64);
    println!("{torn} records torn by the kernel, each repaired and noted");
}

/// A process that lists containers until its journal is so long.
fn killed_at(ground: &Ground, length: u64) -> Output {
    let mut command = ground.berth.command("prlimit");
    let folder = ground.folder.path().to_str().unwrap();
    let image = "localhost/none:latest";
    command.arg(format!("--fsize={length}")).arg("--core=0").arg(env!("CARGO_BIN_EXE_rehearsed"));
    command.args([voyage::CALLS, REHEARSAL, folder, image, "50"]).output().unwrap()
}
