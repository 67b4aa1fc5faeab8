//! The inputs that were kept, through the functions that the fuzz targets call.

use std::fs;
use std::path::PathBuf;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

fn replay(target: &str, check: impl Fn(&[u8])) {
    for (path, bytes) in corpus(target) {
        assert!(bytes.len() <= 8192, "{} is no small input", path.display());
        // named before it is run: where it fails, this is the last line
        println!("{}", path.display());
        check(&bytes);
    }
}

fn text(check: fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| std::str::from_utf8(bytes).map_or((), check)
}

macro_rules! replayed {
    ($($target:ident: $check:expr;)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), $check);
        })*

        /// The targets that cargo-fuzz knows are these.
        #[test]
        fn every_target_is_replayed() {
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/targets");
            let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
            let mut targets: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
            targets.sort();
            let mut known = vec![$(stringify!($target)),*];
            known.sort_unstable();
            assert_eq!(targets, known);
        }
    };
}

replayed! {
    chains: super::chains;
    decision: super::decision;
    digests: text(super::digests);
    documents: text(super::documents);
    grants: text(super::grants);
    journal: |bytes| {
        thread_local!(static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap());
        FOLDER.with(|folder| super::journal(bytes, folder.path()));
    };
    layouts: super::layouts;
    policy: text(super::policy);
    redaction: super::redaction;
    references: text(super::references);
    rules: super::rules;
    templates: super::templates;
    values: super::values;
}
