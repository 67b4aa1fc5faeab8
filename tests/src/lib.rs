//! What the end-to-end tests share: the real engines of this machine ([`engines`]) and registries that lie
//! ([`registry`]).
#![allow(clippy::print_stderr, reason = "an engine that is left out of a test run must be seen")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]

pub mod engines;
pub mod registry;
