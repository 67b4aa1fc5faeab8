//! Device nodes of the host. Nothing is ever opened.

use crate::Result;
#[cfg(target_arch = "wasm32")]
use crate::host;
#[cfg(not(target_arch = "wasm32"))]
use crate::stage as host;

#[doc(inline)]
pub use crate::bindings::portreeve::backend::devices::Device;

/// Looks at a node that the grants' device patterns name.
///
/// # Errors
/// A refusal, where no pattern does.
pub fn check(path: &str) -> Result<Device> {
    host::check(path)
}
