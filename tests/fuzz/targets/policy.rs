//! Policy files: what is read is read again from how it is shown, and what is not said is denied.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| portreeve::fuzzing::policy(text));
