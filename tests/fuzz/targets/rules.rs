//! Rules: what they make of a text does not depend on where it is cut.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::rules(bytes));
