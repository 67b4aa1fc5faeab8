//! Documents, exports and layouts of whatever bytes: none panics, and nothing is proved that was not hashed.
#![no_main]

use std::io::{Seek as _, Write as _};

use libfuzzer_sys::fuzz_target;
use portreeve::Digest;
use portreeve::evidence::chain::Level;
use portreeve::evidence::export::Export;
use portreeve::evidence::layout::Layout;
use portreeve::evidence::manifest::{Document, ImageConfig, Platform};

fuzz_target!(|bytes: &[u8]| {
    let _read = Document::parse(bytes);
    let _read = ImageConfig::parse_alone(bytes);
    let _read = Export::read(bytes, &[]);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    if let Ok(layout) = Layout::from_tar(file) {
        // no bytes hash to this, so nothing leads from it
        let absent = Digest::sha256(b"a text that no fuzzer writes");
        let report = layout.verify(&absent, &Platform::current()).unwrap();
        assert_eq!(report.level(), Level::Claimed);
    }
});
