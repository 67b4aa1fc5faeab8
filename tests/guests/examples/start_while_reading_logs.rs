//! Starts a container in a call that reads its log.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{
    Arguments, LogOptions, Result,
    logs::{self, Log},
};

struct StartWhileReadingLogs;

guest!(StartWhileReadingLogs);

impl Mischief for StartWhileReadingLogs {
    fn logs(name: &str, _: &LogOptions) -> Result<Log> {
        logs::open("start-attached", Arguments::none().container(name))
    }
}
