//! What the end-to-end tests share: the real engines of this machine ([`engines`]), a Docker daemon of a test's own
//! ([`daemon`]), registries that lie ([`registry`]),
//! and whole host processes ([`berth`], [`voyage`]) with what a trace of them proves ([`trace`]).
#![allow(clippy::print_stderr, reason = "an engine that is left out of a test run must be seen")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

pub mod berth;
pub mod daemon;
pub mod engines;
pub mod naive_redactor;
pub mod program;
pub mod registry;
pub mod trace;
pub mod voyage;
