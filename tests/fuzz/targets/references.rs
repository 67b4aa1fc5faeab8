//! References: what is read is read again from how it prints.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| portreeve::fuzzing::references(text));
