//! Layouts and exports as archives: nothing is proved that was not hashed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::layouts(bytes));
