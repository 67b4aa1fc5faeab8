//! The rehearsal engine, as a program that integration tests of this package can name: link it as `podman` or `docker`.

use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve_rehearsal::main_if_called().unwrap_or(ExitCode::from(2))
}
