//! The rehearsal engine, as a program that integration tests of this package can name: link it as `podman` or `docker`.
//! By its first words it plays the roles of `voyage`: a host in a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve_tests::voyage::main_if_called().unwrap_or(ExitCode::from(2))
}
