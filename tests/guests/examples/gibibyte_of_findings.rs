//! Returns a thousand findings, all of which are the same MiB of its memory: 1 GiB for the host to copy.

use std::mem::ManuallyDrop;

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Finding, Intention, Result, Severity};

struct GibibyteOfFindings;

guest!(GibibyteOfFindings);

impl Mischief for GibibyteOfFindings {
    fn preflight(_: &Intention) -> Result<Vec<Finding>> {
        let finding =
            |text| Finding { id: text, severity: Severity::Ok, seen: String::new(), why: String::new(), remedy: None };
        Ok(gibibyte().into_iter().map(finding).collect())
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
