//! Names a file of the host's to be copied into the container.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result};

struct CopyOfAnotherFile;

guest!(CopyOfAnotherFile);

impl Mischief for CopyOfAnotherFile {
    fn copy_in(name: &str, target: &str) -> Result<()> {
        let arguments =
            Arguments::none().container(name).text("inside.path", target).text("exchange.file", "/etc/shadow");
        PODMAN.run("copy-in", arguments).map(drop)
    }
}
