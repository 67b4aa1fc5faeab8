//! `rehearsal`, which does nothing under its own name: link it as `podman` or `docker`, see the library.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve_rehearsal::main_if_called().unwrap_or_else(|| {
        let variable = portreeve_rehearsal::VARIABLE;
        let usage = format!("link this program as podman or docker, and set {variable} to a state directory\n");
        // Nothing is left to say when this can't be said.
        let _ = std::io::stderr().write_all(usage.as_bytes());
        ExitCode::from(2)
    })
}
