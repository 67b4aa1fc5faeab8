//! The main job without a network: a tiny image, a registry that serves it, and the steps of `portreeve demo`.

pub mod image;
pub mod registry;
mod steps;

pub use steps::{Demo, Step, perform};
