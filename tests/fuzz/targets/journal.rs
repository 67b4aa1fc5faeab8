//! A journal with whatever changed: each change is found, and no record is read that was not written.
#![no_main]

use std::sync::LazyLock;

static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::journal(bytes, FOLDER.path()));
