//! `load`: an image from an archive as docker writes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::image::{self, Image};
use crate::registry;
use crate::state;
use crate::trouble::Trouble;

pub(crate) fn load(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let input = arguments.value("input").ok_or_else(|| Trouble::Usage("an input file is needed here".to_owned()))?;
    let members = members(input)?;
    let images: Value = document(&members, "manifest.json")?;
    let named = images.get(0).cloned().unwrap_or_default();
    let config = bytes(&members, text(&named, "/Config"))?;
    let layers = named.get("Layers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let layers = layers.map(|path| bytes(&members, path)).collect::<Result<Vec<_>, _>>()?;
    let manifest = manifest(config, &layers).to_string().into_bytes();
    for content in layers.iter().copied().chain([config, manifest.as_slice()]) {
        let digest = registry::digest(content);
        state::write(&engine.state.blobs().join(digest.trim_start_matches("sha256:")), content)?;
    }
    let image = image(&named, config, &manifest, &layers)?;
    if !engine.faults.has(Fault::Ignore) {
        let _guard = engine.state.lock()?;
        image.save(&engine.state)?;
    }
    let id = Dialect::Docker.image_id(&image.id);
    let said = match (engine.dialect, image.tags.first()) {
        (_, Some(tag)) => format!("Loaded image: {tag}"),
        (Dialect::Podman, None) => format!("Loaded image: {id}"),
        (Dialect::Docker, None) => format!("Loaded image ID: {id}"),
    };
    engine.console.say(&said);
    Ok(0)
}

type Members = BTreeMap<String, Vec<u8>>;

fn members(path: &str) -> Result<Members, Trouble> {
    let mut archive = tar::Archive::new(File::open(path)?);
    let mut members = Members::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        members.insert(name, content);
    }
    Ok(members)
}

fn bytes<'a>(members: &'a Members, path: &str) -> Result<&'a [u8], Trouble> {
    let absent = || Trouble::Usage(format!("the archive does not hold {path}"));
    members.get(path).map(Vec::as_slice).ok_or_else(absent)
}

fn document(members: &Members, path: &str) -> Result<Value, Trouble> {
    let wrong = |error: serde_json::Error| io::Error::other(error.to_string());
    Ok(serde_json::from_slice(bytes(members, path)?).map_err(wrong)?)
}

fn text<'a>(document: &'a Value, pointer: &str) -> &'a str {
    document.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// An engine makes a manifest of its own, since an archive holds none.
fn manifest(config: &[u8], layers: &[&[u8]]) -> Value {
    let described = |media_type: &str, content: &[u8]| json!({"mediaType": media_type, "size": content.len(), "digest": registry::digest(content)});
    let layer = |content: &&[u8]| described("application/vnd.docker.image.rootfs.diff.tar", content);
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": described("application/vnd.docker.container.image.v1+json", config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

fn image(named: &Value, config: &[u8], manifest: &[u8], layers: &[&[u8]]) -> Result<Image, Trouble> {
    let id = registry::digest(config).trim_start_matches("sha256:").to_owned();
    let digest = registry::digest(manifest);
    let tags = named.get("RepoTags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut image = Image {
        id,
        names: Vec::new(),
        digests: vec![digest],
        pulled: Vec::new(),
        tags: Vec::new(),
        manifest_type: "application/vnd.docker.distribution.manifest.v2+json".to_owned(),
        size: layers.iter().map(|layer| layer.len() as u64).sum(),
        config: serde_json::from_slice(config).map_err(|error| io::Error::other(error.to_string()))?,
    };
    for tag in tags {
        image::add(&mut image.tags, tag.to_owned());
    }
    Ok(image)
}
