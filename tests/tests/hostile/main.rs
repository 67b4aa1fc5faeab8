//! Hostile guests: backends that each try one thing which no backend may do, over the rehearsal engine.
//!
//! Each test shows that its guest ended in its own typed refusal or fault, that nothing was executed for it, that the
//! journal has it and verifies, and that the host is whole afterwards: an honest backend does its work in the same process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

mod archives;
mod claims;
mod control;
mod copies;
mod creations;
mod exec;
mod hogs;
mod imports;
mod networks;
mod pods;
mod quarantine;
mod sizes;
mod sizes_of_requests;
mod spy;
mod stand;
mod values;
mod volumes;
mod wasi;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

#[allow(unused_imports, reason = "each module's tests, for the assertion below")]
mod tests {
    pub(crate) use super::{
        archives::*, claims::*, control::*, copies::*, creations::*, exec::*, hogs::*, imports::*, networks::*,
        pods::*, quarantine::*, sizes::*, spy::*, values::*, volumes::*, wasi::*,
    };
}

/// A guest without a test of its name does not compile.
macro_rules! assert_test_exists {
    ($name:ident) => {
        const _: fn() = tests::$name;
    };
}

foreach_guest!(assert_test_exists);
