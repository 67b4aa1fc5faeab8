//! Takes memory until there is none.

use std::hint::black_box;

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::Result;

struct MemoryHog;

guest!(MemoryHog);

impl Mischief for MemoryHog {
    fn stop(_: &str, _: u32) -> Result<()> {
        let mut taken = Vec::new();
        loop {
            taken.push(black_box(vec![1_u8; 1 << 20]));
        }
    }
}
