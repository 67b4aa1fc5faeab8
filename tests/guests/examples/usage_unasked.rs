//! Makes up what a container uses.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Result, Usage};

struct UsageUnasked;

guest!(UsageUnasked);

impl Mischief for UsageUnasked {
    fn stats(_: &str) -> Result<Usage> {
        Ok(Usage { cpu: 1, memory: 1, memory_limit: 1, pids: 1 })
    }
}
