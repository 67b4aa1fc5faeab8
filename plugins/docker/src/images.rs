//! Docker's images, and the lines of its pulls.

use portreeve_plugin::{
    Arguments, ImageSummary, Result,
    engine::{Line, Source},
    inspect,
    narration::Progress,
    pull::Step,
};
use serde_json::Value;

use crate::DOCKER;

/// All images, from a document a line: one for each name of each image.
pub(crate) fn list() -> Result<Vec<ImageSummary>> {
    let output = DOCKER.run("image-list", Arguments::none())?;
    let mut images: Vec<ImageSummary> = Vec::new();
    for line in inspect::lines(&output.stdout) {
        let row = inspect::document(line)?;
        let id = inspect::text(&row, "/ID");
        match images.iter_mut().find(|image| image.id == id) {
            Some(image) => add_names(image, &row),
            None => images.push(summary(&row)),
        }
    }
    Ok(images)
}

fn summary(row: &Value) -> ImageSummary {
    let size = size(inspect::text(row, "/Size")).unwrap_or(0);
    let mut image = ImageSummary { id: inspect::text(row, "/ID").into(), digests: vec![], tags: vec![], size };
    add_names(&mut image, row);
    image
}

fn add_names(image: &mut ImageSummary, row: &Value) {
    add(&mut image.tags, name(row, "/Tag", ':'));
    add(&mut image.digests, name(row, "/Digest", '@'));
}

fn name(row: &Value, pointer: &str, mark: char) -> Option<String> {
    let (repository, part) = (inspect::text(row, "/Repository"), inspect::text(row, pointer));
    let named = |text: &str| !text.is_empty() && text != "<none>";
    (named(repository) && named(part)).then(|| format!("{repository}{mark}{part}"))
}

fn add(names: &mut Vec<String>, name: Option<String>) {
    names.extend(name.filter(|name| !names.contains(name)));
}

/// A size as Docker writes it, in decimal units: `1.98MB`.
fn size(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let factor = match unit {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    scaled(number.trim(), factor)
}

/// A decimal number times a power of ten. No floating point: its parser is larger than the rest of this file.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut scaled = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    let mut place = factor;
    for digit in fraction.chars() {
        place /= 10;
        scaled = scaled.checked_add(u64::from(digit.to_digit(10)?).checked_mul(place)?)?;
    }
    Some(scaled)
}

/// Docker tells of a pull on standard output: `LAYER: STATUS`.
pub(crate) fn step(line: &Line) -> Step {
    let text = line.text.trim();
    if text.starts_with("WARNING") {
        return Step::Warning(text.into());
    }
    match text.split_once(": ") {
        Some((item, status)) if line.source == Source::Stdout => named(item, status),
        _ => Step::Nothing,
    }
}

fn named(item: &str, status: &str) -> Step {
    if is_layer(item) {
        return layer(item, status);
    }
    if status.starts_with("Pulling from ") {
        return Step::working("image", "resolving");
    }
    Step::Nothing
}

fn is_layer(item: &str) -> bool {
    item.len() == 12 && item.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn layer(item: &str, status: &str) -> Step {
    let (words, bar) = status.split_once('[').map_or((status, ""), |(words, bar)| (words.trim(), bar));
    match words {
        "Pull complete" => Step::done(item, "done"),
        "Already exists" => Step::done(item, "already there"),
        "Pulling fs layer" | "Waiting" => Step::working(item, "waiting"),
        "Download complete" => Step::working(item, "downloaded"),
        words => Step::Working(Progress {
            item: item.into(),
            status: words.to_ascii_lowercase(),
            current: amount(bar, 0),
            total: amount(bar, 1),
        }),
    }
}

/// The bytes of a bar, `==>   ]  1.2MB/3.4MB`: done, and in all. There are bars on a terminal alone.
fn amount(bar: &str, index: usize) -> Option<u64> {
    let (_, amounts) = bar.split_once(']')?;
    size(amounts.trim().split('/').nth(index)?)
}

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Image, pull, stage::Stage};

    use super::*;

    const PULLED: &str = "127.0.0.1:5056/app@sha256:14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad: Pulling from app
8f2e5167cf3f: Already exists
3173a5167cf3: Pulling fs layer
3173a5167cf3: Download complete
3173a5167cf3: Pull complete
Digest: sha256:14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad
Status: Downloaded newer image for 127.0.0.1:5056/app@sha256:14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad
127.0.0.1:5056/app@sha256:14cf706b77082efec7d6acc448e9801e8e351d3e24d61064554c78b2058343ad
";

    fn line(text: &str) -> Line {
        Line { source: Source::Stdout, text: text.into() }
    }

    #[test]
    fn a_recorded_pull_is_told_step_by_step() {
        let image = Image {
            reference: "127.0.0.1:5056/app:1".into(),
            name: "127.0.0.1:5056/app".into(),
            tag: None,
            digest: None,
        };
        let (result, seen) = Stage::new().command("pull", 0, PULLED, "").play(|| pull::pull(&DOCKER, &image, step));
        assert_eq!(result, Ok(()));
        let told: Vec<_> = seen.progress.iter().map(|p| format!("{} {}", p.item, p.status)).collect();
        assert_eq!(
            told,
            [
                "image resolving",
                "8f2e5167cf3f already there",
                "3173a5167cf3 waiting",
                "3173a5167cf3 downloaded",
                "3173a5167cf3 done",
                "image done",
            ]
        );
    }

    #[test]
    fn a_bar_tells_how_far_a_layer_is() {
        let bar = line("3173a5167cf3: Downloading [=====>      ]  1.25MB/33.4MB");
        let expected = Progress {
            item: "3173a5167cf3".into(),
            status: "downloading".into(),
            current: Some(1_250_000),
            total: Some(33_400_000),
        };
        assert_eq!(step(&bar), Step::Working(expected));
        assert_eq!(
            step(&line("3173a5167cf3: Retrying in 5 seconds")),
            Step::working("3173a5167cf3", "retrying in 5 seconds")
        );
    }

    #[test]
    fn a_word_that_is_no_layer_is_no_progress() {
        for text in ["Digest: sha256:00", "Status: Image is up to date for a:1", "r.example/a:1", "deadbeef: Waiting"] {
            assert_eq!(step(&line(text)), Step::Nothing, "{text}");
        }
    }

    #[test]
    fn sizes_are_decimal() {
        for (text, expected) in
            [("0B", Some(0)), ("1.98MB", Some(1_980_000)), ("12.3kB", Some(12_300)), ("1.05GB", Some(1_050_000_000))]
        {
            assert_eq!(size(text), expected, "{text}");
        }
        for text in ["", "MB", "1.x9MB", "1", "N/A", "99999999999999999999GB", "1MiB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }

    #[test]
    fn the_rows_of_one_image_are_one() {
        let row = |digest, tag| {
            format!(r#"{{"ID":"sha256:c5","Repository":"r/app","Tag":"{tag}","Digest":"{digest}","Size":"1.98MB"}}"#)
        };
        let stdout = format!("{}\n{}\n", row("sha256:14", "one"), row("sha256:f7", "<none>"));
        let images = Stage::new().command("image-list", 0, &stdout, "").play(list).0.unwrap();
        assert_eq!(images.len(), 1);
        assert_eq!((images[0].tags.as_slice(), images[0].size), (&["r/app:one".to_owned()][..], 1_980_000));
        assert_eq!(images[0].digests, ["r/app@sha256:14", "r/app@sha256:f7"]);
    }
}
