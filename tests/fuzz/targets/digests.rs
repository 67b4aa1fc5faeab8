//! Digests: what is read prints as it was written, what is refused says where.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| portreeve::fuzzing::digests(text));
