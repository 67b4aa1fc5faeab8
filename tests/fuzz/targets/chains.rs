//! Documents of whatever bytes, and chains from a source that lies.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::chains(bytes));
