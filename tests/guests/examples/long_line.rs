//! Waits for the end of a line that has none, and says how long the longest piece was.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{Arguments, Result, engine, narration};

struct LongLine;

guest!(LongLine);

impl Mischief for LongLine {
    fn stop(name: &str, grace: u32) -> Result<()> {
        let lines = engine::stream("logs", Arguments::none().container(name))?;
        let (mut longest, mut whole) = (0, 0);
        loop {
            let more = lines.next(16)?;
            if more.is_empty() {
                break;
            }
            longest = more.iter().map(|line| line.text.len()).fold(longest, usize::max);
            whole += more.iter().map(|line| line.text.len()).sum::<usize>();
        }
        narration::info(&format!("longest {longest}, all {whole}"));
        PODMAN.container_stop(name, grace)
    }
}
