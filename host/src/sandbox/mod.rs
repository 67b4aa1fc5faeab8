//! Where guest code runs: a fresh instance for each call, and nothing of it left afterwards.
//!
//! Wasmtime's types and the generated types of the interface stay inside this module.

mod bindings;
mod cache;
mod call;
mod component;
mod convert;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod host;
mod store;
mod wasi;

pub(crate) use cache::CodeCache;
pub(crate) use call::{DetectedEngine, Guest, Identity, ProbeFact};
pub use call::{Finding, Severity};
pub(crate) use component::{Component, ComponentError};
pub(crate) use engine::Sandbox;
