//! Whatever is asked for in whatever call: a permit holds facts of the call alone.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::decision(bytes));
