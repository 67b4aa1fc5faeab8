//! Podman's images, and the lines of its pulls.

use portreeve_plugin::{
    Arguments, ImageSummary, Result,
    engine::{Line, Source},
    inspect,
    pull::{self, Step},
    undressed,
};
use serde_json::Value;

use crate::{PODMAN, errors::NOISE};

/// All images.
pub(crate) fn list() -> Result<Vec<ImageSummary>> {
    let output = PODMAN.run("image-list", Arguments::none())?;
    let document = inspect::document(&output.stdout)?;
    Ok(document.as_array().into_iter().flatten().map(summary).collect())
}

/// `images` has no tags of its own: they stand among the names.
fn summary(image: &Value) -> ImageSummary {
    let mut tags = inspect::texts(image, "/Names");
    tags.retain(|name| !name.contains('@'));
    ImageSummary { tags, ..inspect::image(image) }
}

/// Without a terminal, Podman tells of beginnings on standard error, and prints the ID at the end.
pub(crate) fn step(line: &Line) -> Step {
    let text = line.text.trim();
    if line.source == Source::Stdout {
        return Step::Nothing;
    }
    if let Some(blob) = text.strip_prefix("Copying blob ") {
        return blob_step(blob);
    }
    if let Some(config) = text.strip_prefix("Copying config ") {
        return Step::working(&pull::short(first_word(config)), "config");
    }
    if text.starts_with("Trying to pull ") {
        return Step::working("image", "resolving");
    }
    if text.starts_with("Writing manifest") {
        return Step::working("image", "writing manifest");
    }
    warning(text).map_or(Step::Nothing, Step::Warning)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// `DIGEST`, `DIGEST done`, `DIGEST skipped: already exists`.
fn blob_step(text: &str) -> Step {
    let item = pull::short(first_word(text));
    if text.contains("skipped: already exists") {
        return Step::done(&item, "already there");
    }
    if text.split_whitespace().any(|word| word == "done") {
        return Step::done(&item, "done");
    }
    Step::working(&item, "downloading")
}

/// The message of a warning of Podman's log, or a line that begins with one.
fn warning(text: &str) -> Option<String> {
    let warns = text.starts_with("WARNING:") || text.contains(" level=warning ");
    let noise = NOISE.iter().any(|noise| text.contains(noise));
    (warns && !noise).then(|| undressed(text))
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Image, stage::Stage};

    use super::*;

    const PULLED: &str =
        "Trying to pull 127.0.0.1:5056/app@sha256:14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad...
Getting image source signatures
Copying blob sha256:3173a5167cf3f11f896918236776fe0af272180490e4eca4d18ecd893f88185d
Copying config sha256:c576c7bacd4b3da5bd50d47bd28b1331840b8ffd2f5457614d8e4ed9626657e8
Writing manifest to image destination
Storing signatures
";

    fn line(text: &str) -> Line {
        Line { source: Source::Stderr, text: text.into() }
    }

    #[test]
    fn a_recorded_pull_is_told_step_by_step() {
        let image = Image {
            reference: "127.0.0.1:5056/app:1".into(),
            name: "127.0.0.1:5056/app".into(),
            tag: None,
            digest: None,
        };
        let stage = Stage::new().command("pull", 0, "c576c7bacd4b\n", PULLED);
        let (result, seen) = stage.play(|| pull::pull(&PODMAN, &image, step));
        assert_eq!(result, Ok(()));
        let told: Vec<_> = seen.progress.iter().map(|p| format!("{} {}", p.item, p.status)).collect();
        assert_eq!(
            told,
            [
                "image resolving",
                "3173a5167cf3 downloading",
                "c576c7bacd4b config",
                "image writing manifest",
                "image done",
                "3173a5167cf3 done",
                "c576c7bacd4b done",
            ]
        );
    }

    #[test]
    fn a_blob_that_is_there_is_done() {
        let there = line("Copying blob 3173a5167cf3 skipped: already exists  ");
        assert_eq!(step(&there), Step::done("3173a5167cf3", "already there"));
        assert_eq!(step(&line("Copying blob 3173a5167cf3 done   | ")), Step::done("3173a5167cf3", "done"));
    }

    #[test]
    fn a_warning_is_told_without_the_logs_dress() {
        let retry = line(
            r#"time="2026-11-22T16:00:43Z" level=warning msg="Failed, retrying in 1s ... (1/3). Error: Get \"https://r/v2/\": refused""#,
        );
        let message = "Failed, retrying in 1s ... (1/3). Error: Get \"https://r/v2/\": refused";
        assert_eq!(step(&retry), Step::Warning(message.into()));
    }

    #[test]
    fn a_recorded_list_has_digests_and_tags() {
        let listed = r#"[{"Id":"c576","RepoTags":null,"RepoDigests":["r/app@sha256:14"],"Size":1998307,"Names":["r/app@sha256:14","r/app:one"]}]"#;
        let (images, _) = Stage::new().command("image-list", 0, listed, "").play(list);
        let expected = ImageSummary {
            id: "c576".into(),
            digests: vec!["r/app@sha256:14".into()],
            tags: vec!["r/app:one".into()],
            size: 1_998_307,
        };
        assert_eq!(images, Ok(vec![expected]));
        assert_eq!(Stage::new().command("image-list", 0, "[]\n", "").play(list).0, Ok(vec![]));
    }
}
