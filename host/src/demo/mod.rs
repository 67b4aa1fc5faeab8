//! The main job without a network: a tiny image, a registry that serves it, and the steps of `portreeve demo`.

pub mod image;
pub mod registry;
mod smoke;
mod steps;

pub(crate) use smoke::smoke;
pub use steps::{Demo, Step, perform};
