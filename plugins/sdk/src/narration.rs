//! What a backend tells the caller while it works: redacted, bounded, and never taken for a fact.

#[cfg(target_arch = "wasm32")]
use crate::host;
#[cfg(not(target_arch = "wasm32"))]
use crate::stage as host;

#[doc(inline)]
pub use crate::bindings::portreeve::backend::narration::{Level, Progress};

/// Says something for whoever looks closely.
pub fn detail(message: &str) {
    host::say(Level::Detail, message);
}

/// Says what happens.
pub fn info(message: &str) {
    host::say(Level::Info, message);
}

/// Says what the caller should know.
pub fn warning(message: &str) {
    host::say(Level::Warning, message);
}

/// Tells how far something is.
pub fn report(progress: &Progress) {
    host::report(progress);
}
