//! A journal with whatever changed in it: each change is found, and no record is read that was not written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::Draw;
use crate::journal::{Durability, Entry, Filter, Journal, JournalOptions, Kind};
use crate::state::StateDir;

/// A journal of three segments, as it was written.
struct Genuine {
    state: StateDir,
    files: Vec<(PathBuf, Vec<u8>)>,
}

/// Records, and how long a segment may get: so that there are three.
const RECORDS: usize = 8;
const SEGMENT: u64 = 900;

impl Genuine {
    fn write(folder: &Path) -> Self {
        let state = StateDir::open(folder.join("state")).unwrap();
        let options = JournalOptions::default().durability(Durability::None).segment_bytes(SEGMENT);
        let journal = Journal::open(&state, options).unwrap();
        for number in 0..RECORDS {
            let why = format!("record {number}");
            journal.append(&Entry { why: Some(&why), ..Entry::new(Kind::Note) }).unwrap();
        }
        let mut paths: Vec<PathBuf> =
            fs::read_dir(state.path().join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let files = paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        Self { state, files }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.files.iter().flat_map(|(_, bytes)| bytes.split(|byte| *byte == b'\n'))
    }
}

/// `folder` is empty at the first call, and the same one at each call of a process.
pub fn journal(bytes: &[u8], folder: &Path) {
    static GENUINE: OnceLock<Genuine> = OnceLock::new();
    let genuine = GENUINE.get_or_init(|| Genuine::write(folder));
    let mut draw = Draw::new(bytes);
    let mut same = true;
    for (path, content) in &genuine.files {
        let changed = changed(content, genuine, &mut draw);
        same &= said(path, &changed, content.len()) == said(path, content, content.len());
        fs::write(path, changed).unwrap();
    }
    let report = Journal::verify(&genuine.state, None).unwrap();
    assert_eq!(report.is_clean(), same, "{:?}", report.findings);
    for record in Journal::read(&genuine.state, Filter::default()).unwrap() {
        let Ok(record) = record else { continue };
        let why = record.why.unwrap_or_default();
        assert!(record.kind == Kind::Rotation || why.starts_with("record "), "{why}");
    }
    let mut reader = Journal::read(&genuine.state, Filter::default()).unwrap();
    while let Some(record) = reader.next() {
        assert!(record.is_err() || genuine.lines().any(|line| line == reader.line()));
    }
}

/// What a file says: the head by its two slots, whichever comes first, and by nothing that somebody put behind them.
fn said<'c>(path: &Path, content: &'c [u8], own: usize) -> Vec<&'c [u8]> {
    if !path.ends_with("head") {
        return vec![content];
    }
    let mut slots: Vec<_> = content.get(..own).unwrap_or(content).chunks(own / 2).collect();
    slots.sort_unstable();
    slots
}

fn changed(content: &[u8], genuine: &Genuine, draw: &mut Draw<'_>) -> Vec<u8> {
    let mut content = content.to_vec();
    for _ in 0..draw.below(3) {
        let at = draw.below(content.len() + 1);
        match draw.byte() % 8 {
            0 => content.truncate(at),
            1 => drop(content.splice(at..at, draw.bytes(40).iter().copied())),
            2 => {
                let end = (at + draw.below(300)).min(content.len());
                content.drain(at..end);
            }
            3 => {
                let lines: Vec<&[u8]> = genuine.lines().collect();
                let line = [draw.pick(&lines), b"\n".as_slice()].concat();
                let at = content[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |line| line + 1);
                content.splice(at..at, line);
            }
            4 => {
                let mut lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
                let count = lines.len();
                if count > 0 {
                    lines.swap(draw.below(count), draw.below(count));
                }
                content = lines.concat();
            }
            5 => content = draw.bytes(400).to_vec(),
            _ => {
                if let Some(byte) = content.get_mut(at) {
                    *byte = draw.byte();
                }
            }
        }
    }
    content
}
