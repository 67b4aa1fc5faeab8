//! What the demonstration and the tests need where there is no network: a tiny image, and a registry that serves it.

pub mod image;
pub mod registry;
