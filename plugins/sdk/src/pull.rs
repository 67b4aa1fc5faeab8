//! A pull, and its progress.

use crate::{
    Arguments, Image, Result,
    cli::Cli,
    engine::{self, Line, Output, Source},
    narration::{self, Progress},
};

/// What a line of a pull tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something goes on.
    Working(Progress),
    /// Something is done, or was there before.
    Done(Progress),
    /// The engine warns.
    Warning(String),
    /// Nothing.
    Nothing,
}

impl Step {
    /// Something goes on, and how far it is is not known.
    #[must_use]
    pub fn working(item: &str, status: &str) -> Self {
        Self::Working(progress(item, status))
    }

    /// Something is done.
    #[must_use]
    pub fn done(item: &str, status: &str) -> Self {
        Self::Done(progress(item, status))
    }
}

fn progress(item: &str, status: &str) -> Progress {
    Progress { item: item.into(), status: status.into(), current: None, total: None }
}

/// A layer's or a config's digest as people read it: its first twelve digits.
#[must_use]
pub fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.chars().take(12).collect()
}

/// Runs the command `pull` and reports what `read` makes of its lines.
///
/// # Errors
/// The engine's failure by the client's phrases, or the host's.
pub fn pull(client: &Cli, image: &Image, read: impl Fn(&Line) -> Step) -> Result<()> {
    let lines = engine::stream("pull", Arguments::none().image(image))?;
    let mut story = Story::default();
    loop {
        let batch = lines.next(64)?;
        if batch.is_empty() {
            break;
        }
        batch.iter().for_each(|line| story.tell(line, read(line)));
    }
    let status = lines.finish()?;
    client.check(Output { status, stdout: String::new(), stderr: story.closing.join("\n"), truncated: false })?;
    story.end();
    Ok(())
}

/// How many items are remembered: an image seldom has more than 127 layers.
const ITEMS: usize = 512;

/// How many lines of standard error are remembered, for the reason of a failure.
const LINES: usize = 8;

/// What has been told of a pull.
#[derive(Default)]
struct Story {
    open: Vec<String>,
    closing: Vec<String>,
}

impl Story {
    fn tell(&mut self, line: &Line, step: Step) {
        self.remember(line);
        match step {
            Step::Working(progress) => {
                self.begin(&progress.item);
                narration::report(&progress);
            }
            Step::Done(progress) => {
                self.open.retain(|item| *item != progress.item);
                narration::report(&progress);
            }
            Step::Warning(text) => narration::warning(&text),
            Step::Nothing => {}
        }
    }

    fn begin(&mut self, item: &str) {
        if self.open.len() < ITEMS && !self.open.iter().any(|open| open == item) {
            self.open.push(item.into());
        }
    }

    fn remember(&mut self, line: &Line) {
        if line.source == Source::Stderr {
            self.closing.push(line.text.clone());
            if self.closing.len() > LINES {
                self.closing.remove(0);
            }
        }
    }

    /// An engine does not always say that something is done; when all went well, it is.
    fn end(self) {
        self.open.iter().for_each(|item| narration::report(&progress(item, "done")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Phrase, stage::Stage};

    const CLIENT: Cli = Cli::new(&[Phrase::not_found("manifest unknown")]);

    fn image() -> Image {
        Image { reference: "r/a:1".into(), name: "r/a".into(), tag: Some("1".into()), digest: None }
    }

    fn read(line: &Line) -> Step {
        match line.text.split_once(' ') {
            Some(("begin", item)) => Step::working(item, "downloading"),
            Some(("end", item)) => Step::done(item, "done"),
            Some(("warn", text)) => Step::Warning(text.into()),
            _ => Step::Nothing,
        }
    }

    #[test]
    fn whatever_was_begun_is_done_in_the_end_and_told_once() {
        let stage = Stage::new().command("pull", 0, "begin a\nbegin b\nend a\nwarn old\nx\n", "");
        let (result, seen) = stage.play(|| pull(&CLIENT, &image(), read));
        assert_eq!(result, Ok(()));
        let told: Vec<_> = seen.progress.iter().map(|p| format!("{} {}", p.item, p.status)).collect();
        assert_eq!(told, ["a downloading", "b downloading", "a done", "b done"]);
        assert_eq!(seen.said, [(narration::Level::Warning, "old".to_owned())]);
    }

    #[test]
    fn a_failure_has_the_engines_last_words_and_nothing_is_done() {
        let stage = Stage::new().command("pull", 125, "begin a\n", "Error: manifest unknown\n");
        let (result, seen) = stage.play(|| pull(&CLIENT, &image(), read));
        assert_eq!(result, Err(Error::NotFound("Error: manifest unknown".into())));
        assert_eq!(seen.progress.len(), 1);
    }

    #[test]
    fn a_digest_is_shortened() {
        assert_eq!(short("sha256:3173a5167cf3f11f896918236776"), "3173a5167cf3");
        assert_eq!(short("abc"), "abc");
    }
}
