//! Calls itself without end.

use std::hint::black_box;

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct DeepRecursion;

guest!(DeepRecursion);

impl Mischief for DeepRecursion {
    fn stop(_: &str, grace: u32) -> Result<()> {
        black_box(deeper(u64::from(grace)));
        Ok(())
    }
}

#[inline(never)]
#[allow(unconditional_recursion, reason = "that is the mischief")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth + 1))) + 1
}
