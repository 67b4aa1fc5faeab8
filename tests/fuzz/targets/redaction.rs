//! Known values against a naive redactor, at whatever cuts.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| portreeve::fuzzing::redaction(bytes));
