//! Reaches for all that WASI could give: variables, arguments, folders, input, sockets; and says what it got.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::Result;

#[path = "../wasi/mod.rs"]
mod wasi;

use wasi::{cli, clocks, filesystem, random, sockets};

struct WasiReach;

guest!(WasiReach);

impl Mischief for WasiReach {
    fn stop(name: &str, grace: u32) -> Result<()> {
        say(&found());
        PODMAN.container_stop(name, grace)
    }
}

fn found() -> String {
    let variables = cli::environment::get_environment().len();
    let arguments = cli::environment::get_arguments().len();
    let folder = cli::environment::initial_cwd().is_some();
    let folders = filesystem::preopens::get_directories().len();
    let input = cli::stdin::get_stdin().blocking_read(1).is_ok();
    let family = sockets::network::IpAddressFamily::Ipv4;
    let socket = sockets::tcp_create_socket::create_tcp_socket(family).is_ok();
    let random = random::random::get_random_bytes(16).len();
    let ticks = clocks::monotonic_clock::now() <= clocks::monotonic_clock::now();
    format!(
        "variables {variables}, arguments {arguments}, folder {folder}, folders {folders}, input {input}, \
         socket {socket}, random {random}, ticks {ticks}\n"
    )
}

fn say(text: &str) {
    let _unheard = cli::stdout::get_stdout().blocking_write_and_flush(text.as_bytes());
}
