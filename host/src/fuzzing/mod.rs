//! What must hold of any bytes: one function for each boundary, which panics when it does not.
//!
//! The fuzz targets in `tests/fuzz` call these, and so do ordinary tests, with the inputs that were kept. Nothing of
//! this is part of the library: it is there with the feature `fuzzing`, and in its tests.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a panic is how a target says that something does not hold"
)]

mod calls;
mod draw;
mod evidence;
mod journal;
mod policy;
mod redaction;
#[cfg(test)]
mod replay;

pub use self::calls::{decision, values};
pub use self::evidence::{chains, digests, layouts, references};
pub use self::journal::journal;
pub use self::policy::policy;
pub use self::redaction::{documents, redaction, rules};
pub use crate::grants::fuzzing::{grants, templates};

pub(crate) use self::calls::{WORDS, honest};
pub(crate) use self::draw::Draw;
