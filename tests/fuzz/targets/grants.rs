//! Grants files: what is read renders and is recognised, and is what it was.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| portreeve::fuzzing::grants(text));
