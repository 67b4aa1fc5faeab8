//! `pull`, `image inspect`, `images`, `rmi`.

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::clock::{self, Moment};
use crate::container::Place;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::image::Image;
use crate::lies;
use crate::pull::Pull;
use crate::trouble::Trouble;
use crate::verb::Verb;

pub(crate) fn pull(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let typed = arguments.operand()?;
    let plain = engine.dialect == Dialect::Docker || arguments.value("tls-verify") == Some("false");
    let (state, dialect, mode) = (&engine.state, engine.dialect, engine.mode);
    Pull { state, dialect, mode, console: &mut engine.console, typed, plain }.run().map(|()| 0)
}

pub(super) fn find(engine: &Engine, operand: &str) -> Result<Image, Trouble> {
    let image = Image::find(&engine.state, engine.dialect, operand)?;
    image.ok_or_else(|| Trouble::NoSuchImage(operand.to_owned()))
}

pub(crate) fn inspect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    super::wants_json(arguments)?;
    let mut documents = Vec::new();
    let mut last = Ok(0);
    for operand in &arguments.operands {
        match find(engine, operand) {
            Ok(image) if !engine.faults.has(Fault::Missing) => documents.push(described(engine, &image)),
            Ok(_) => last = Err(Trouble::NoSuchImage(operand.clone())),
            Err(trouble) => last = Err(trouble),
        }
    }
    super::print_array(engine, documents);
    last
}

fn described(engine: &Engine, image: &Image) -> Value {
    let mut document = engine.dialect.image(image);
    lies::about_image(&mut document, &engine.faults);
    document
}

pub(crate) fn list(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let json = super::wants_json(arguments)?;
    let images = Image::load_all(&engine.state)?;
    match engine.dialect {
        _ if arguments.is_set("quiet") || !json => list_ids(engine, &images, arguments.is_set("no-trunc")),
        Dialect::Podman => list_podman(engine, &images, arguments)?,
        Dialect::Docker => images.iter().flat_map(docker_lines).for_each(|line| engine.console.say(&line.to_string())),
    }
    Ok(0)
}

fn list_ids(engine: &mut Engine, images: &[Image], whole: bool) {
    for image in images {
        let id = if whole { format!("sha256:{}", image.id) } else { image.id.get(..12).unwrap_or_default().to_owned() };
        engine.console.say(&id);
    }
}

/// One array for `json`; a document a line for `{{json .}}`.
fn list_podman(engine: &mut Engine, images: &[Image], arguments: &Arguments) -> Result<(), Trouble> {
    let used: Vec<_> = Place::all(&engine.state)?.into_iter().map(|(_, container)| container.image).collect();
    let entry = |image: &Image| podman_entry(image, used.iter().filter(|id| **id == image.id).count());
    let entries: Vec<_> = images.iter().map(entry).collect();
    if arguments.value("format") == Some("json") {
        super::print_array(engine, entries);
    } else {
        entries.iter().for_each(|entry| engine.console.say(&entry.to_string()));
    }
    Ok(())
}

fn podman_entry(image: &Image, containers: usize) -> Value {
    let created = clock::parse_rfc3339(image.text("/created")).unwrap_or_default();
    let tags = if image.tags.is_empty() { Value::Null } else { json!(image.tags) };
    json!({
        "Id": image.id,
        "ParentId": "",
        "RepoTags": tags,
        "RepoDigests": image.repo_digests(Dialect::Podman),
        "Size": image.size,
        "SharedSize": 0,
        "VirtualSize": image.size,
        "Labels": image.config("/config/Labels"),
        "Containers": containers,
        "Names": image.pulled,
        "Digest": image.digests.first(),
        "History": image.pulled,
        "Created": created.seconds().max(0),
        "CreatedAt": created.rfc3339(),
    })
}

/// A line for each digest that was pulled.
fn docker_lines(image: &Image) -> Vec<Value> {
    let created = clock::parse_rfc3339(image.text("/created")).unwrap_or(Moment::now());
    let line = |pair: &String| {
        let (name, digest) = pair.split_once('@').unwrap_or((pair, ""));
        let prefix = format!("{name}:");
        let tag = image.tags.iter().find_map(|tag| tag.strip_prefix(&prefix)).unwrap_or("<none>");
        let size = format!("{}B", image.size);
        json!({"Containers": "N/A", "CreatedAt": created.spoken(), "CreatedSince": format!("{} ago", clock::ago(clock::since(created))), "Digest": digest,
            "ID": Dialect::Docker.image_id(&image.id), "Repository": name, "SharedSize": "N/A", "Size": size, "Tag": tag, "UniqueSize": "N/A", "VirtualSize": size})
    };
    // One that came from an archive without a name is listed all the same.
    let nameless = image.pulled.is_empty().then(|| "<none>@<none>".to_owned());
    image.pulled.iter().chain(&nameless).map(line).collect()
}

pub(crate) fn remove(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let force = arguments.is_set("force");
    super::each(engine, Verb::Rmi, arguments, |engine, operand| match find(engine, operand) {
        Err(Trouble::NoSuchImage(_)) if force && engine.dialect == Dialect::Podman => Ok(()),
        found => remove_one(engine, &found?, operand, force),
    })
}

fn remove_one(engine: &mut Engine, image: &Image, operand: &str, force: bool) -> Result<(), Trouble> {
    if !engine.faults.has(Fault::Ignore) {
        check_free(engine, image, force)?;
        if force || named_once(engine, image, operand)? {
            let _guard = engine.state.lock()?;
            image.remove(&engine.state)?;
        } else {
            return untag(engine, image, operand);
        }
    }
    image.pulled.iter().for_each(|pair| engine.console.say(&format!("Untagged: {pair}")));
    engine.console.say(&format!("Deleted: {}", engine.dialect.image_id(&image.id)));
    Ok(())
}

fn check_free(engine: &Engine, image: &Image, force: bool) -> Result<(), Trouble> {
    let user = Place::all(&engine.state)?.into_iter().find(|(_, container)| container.image == image.id);
    match user {
        Some((place, _)) if !force => Err(Trouble::ImageInUse { image: image.id.clone(), container: place.id }),
        _ => Ok(()),
    }
}

/// Whether removing this operand removes the image: by its ID, or by its last name.
fn named_once(engine: &Engine, image: &Image, operand: &str) -> Result<bool, Trouble> {
    let names = image.pulled.len().max(image.tags.len());
    let by_id = image.id.starts_with(operand.trim_start_matches("sha256:"));
    if by_id && names > 1 && engine.dialect == Dialect::Podman {
        return Err(Trouble::ManyTags { id: image.id.clone(), tags: image.pulled.join(" ") });
    }
    Ok(by_id || names <= 1)
}

fn untag(engine: &mut Engine, image: &Image, operand: &str) -> Result<(), Trouble> {
    let _guard = engine.state.lock()?;
    let mut left = image.clone();
    left.pulled.retain(|pair| pair != operand);
    left.tags.retain(|tag| tag != operand);
    left.save(&engine.state)?;
    engine.console.say(&format!("Untagged: {operand}"));
    Ok(())
}
