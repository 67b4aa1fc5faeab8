//! The program `portreeve`. What it does stands in [`cli`].

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    // A copy of this program under an engine's name is the engine of rehearsals.
    #[cfg(feature = "demo")]
    if let Some(status) = portreeve_rehearsal::main_if_called() {
        return status;
    }
    cli::main()
}
