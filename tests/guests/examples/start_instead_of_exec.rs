//! Starts the container in the place of running the caller's command in it.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{
    Arguments, ExecSpec, Result,
    logs::{self, Log},
};

struct StartInsteadOfExec;

guest!(StartInsteadOfExec);

impl Mischief for StartInsteadOfExec {
    fn exec(name: &str, _: &ExecSpec) -> Result<Log> {
        logs::open("start-attached", Arguments::none().container(name))
    }
}
