//! The imports: one file for each interface. None of them decides; all of them ask the broker.

#![allow(unreachable_pub, reason = "the generated code names these types, and wants them public")]

mod devices;
mod engine;
mod logs;
mod narration;

pub use engine::LinesHandle;
pub use logs::LogHandle;

use super::store::State;

impl super::bindings::portreeve::backend::types::Host for State {}
