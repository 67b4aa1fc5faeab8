//! Digests and references: what is read prints as it was written, and what is refused says where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portreeve::{Digest, Reference};

fuzz_target!(|text: &str| {
    match text.parse::<Digest>() {
        Ok(digest) => assert_eq!(digest.to_string(), text),
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
    }
    match text.parse::<Reference>() {
        Ok(reference) => assert_eq!(reference.to_string().parse::<Reference>(), Ok(reference)),
        Err(error) => assert!(error.position() <= text.len(), "{error}"),
    }
});
