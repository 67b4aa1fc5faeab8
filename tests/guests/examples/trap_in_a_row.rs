//! Panics whenever it is to list, and does all else well.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Error, Result};

struct TrapInARow;

guest!(TrapInARow);

impl Mischief for TrapInARow {
    fn list() -> Result<Vec<String>> {
        let nobody: Result<Vec<String>> = Err(Error::Unavailable("nobody".into()));
        assert!(nobody.is_ok(), "overboard again");
        nobody
    }
}
