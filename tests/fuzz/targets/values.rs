//! What guests send through the interface, below the sandbox.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::values(bytes));
