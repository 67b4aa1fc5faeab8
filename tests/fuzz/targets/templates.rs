//! The renderer against the matcher, over whatever values.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::templates(bytes));
