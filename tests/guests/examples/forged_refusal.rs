//! Puts the blame for its own unwillingness on the host.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Error, Refusal, Result};

struct ForgedRefusal;

guest!(ForgedRefusal);

impl Mischief for ForgedRefusal {
    fn stop(_: &str, _: u32) -> Result<()> {
        Err(Error::Refused(Refusal { command: Some("stop".into()), slot: None }))
    }
}
