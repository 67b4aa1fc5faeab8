//! Says that it made a network, and made none.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{NetworkSpec, Result};

struct NetworkLie;

guest!(NetworkLie);

impl Mischief for NetworkLie {
    fn network_ensure(_: &NetworkSpec) -> Result<bool> {
        Ok(true)
    }
}
