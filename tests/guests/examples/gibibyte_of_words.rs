//! Gives a list of a thousand words, all of which are the same MiB of its memory: 1 GiB for the host to copy.

use std::mem::ManuallyDrop;

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, Value};

struct GibibyteOfWords;

guest!(GibibyteOfWords);

impl Mischief for GibibyteOfWords {
    fn stop(_: &str, _: u32) -> Result<()> {
        PODMAN.run("stop", Arguments::none().with("word", Value::Words(gibibyte()))).map(drop)
    }
}

/// Strings that all lie at the same place. They are never dropped, for the call ends in a trap.
#[allow(unsafe_code, reason = "the mischief: no honest list is like this")]
fn gibibyte() -> Vec<String> {
    let mut text = ManuallyDrop::new("x".repeat(1 << 20));
    // SAFETY: nobody writes to the bytes or frees them: the sandbox ends before the first of the strings does.
    let same = || unsafe { String::from_raw_parts(text.as_mut_ptr(), text.len(), text.len()) };
    std::iter::repeat_with(same).take(1 << 10).collect()
}
