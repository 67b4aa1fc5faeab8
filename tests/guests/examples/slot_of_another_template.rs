//! Gives a command words that its template has no place for.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, Value};

struct SlotOfAnotherTemplate;

guest!(SlotOfAnotherTemplate);

impl Mischief for SlotOfAnotherTemplate {
    fn start(name: &str) -> Result<()> {
        let words = Value::Words(vec!["--privileged".into()]);
        PODMAN.run("start", Arguments::none().container(name).with("word", words)).map(drop)
    }
}
