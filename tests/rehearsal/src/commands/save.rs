//! `image save`: an archive as docker writes it, on standard output.

use std::io;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::trouble::Trouble;

type Archive = tar::Builder<Vec<u8>>;

pub(crate) fn save(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    match arguments.value("format") {
        None | Some("docker-archive") => {}
        Some(format) => return Err(Trouble::Usage(format!("unknown format {format:?}: it is docker-archive here"))),
    }
    let asked = arguments.operand()?;
    let image = super::images::find(engine, asked)?;
    // Of its names the one that was asked for is written, and none by its ID.
    let tags: Vec<&String> = image.tags.iter().filter(|tag| *tag == asked).collect();
    let blob = |digest: &str| std::fs::read(engine.state.blobs().join(digest.trim_start_matches("sha256:")));
    let manifest: Value = serde_json::from_slice(&blob(image.digests.last().map_or("", String::as_str))?)
        .map_err(|error| io::Error::other(error.to_string()))?;
    let text = |value: &Value| value.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut archive = Archive::new(Vec::new());
    let mut layers = Vec::new();
    for digest in manifest.get("layers").and_then(Value::as_array).into_iter().flatten().map(text) {
        let name = format!("{}.tar", digest.trim_start_matches("sha256:"));
        file(&mut archive, &name, &blob(&digest)?)?;
        layers.push(name);
    }
    let config = manifest.get("config").map(text).unwrap_or_default();
    let name = format!("{}.json", config.trim_start_matches("sha256:"));
    file(&mut archive, &name, &blob(&config)?)?;
    let named = json!([{ "Config": name, "RepoTags": tags, "Layers": layers }]);
    file(&mut archive, "manifest.json", named.to_string().as_bytes())?;
    let bytes = archive.into_inner()?;
    engine.console.out(&bytes);
    Ok(0)
}

fn file(archive: &mut Archive, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o444);
    archive.append_data(&mut header, path, content)
}
