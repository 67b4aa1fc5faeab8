//! Names a file of the host's to be written over.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct CopyOutToAnotherPlace;

guest!(CopyOutToAnotherPlace);

impl Mischief for CopyOutToAnotherPlace {
    fn copy_out(name: &str, source: &str) -> Result<()> {
        let arguments =
            Arguments::none().container(name).text("inside.path", source).text("exchange.new", "/etc/cron.d/x");
        PODMAN.run("copy-out", arguments).map(drop)
    }
}
