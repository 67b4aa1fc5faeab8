//! A redacted document is a document of the same shape.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| portreeve::fuzzing::documents(text));
