//! Never comes back.

use std::hint::black_box;

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct EndlessLoop;

guest!(EndlessLoop);

impl Mischief for EndlessLoop {
    fn stop(_: &str, _: u32) -> Result<()> {
        let mut turns = 0_u64;
        loop {
            turns = black_box(turns.wrapping_add(1));
        }
    }
}
