//! `ps`.

use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::clock;
use crate::container::{Container, Phase, Place, Status};
use crate::dialect::{Dialect, docker};
use crate::engine::Engine;
use crate::image;
use crate::spec::Port;
use crate::trouble::Trouble;

type Found = (Container, Status);

pub(crate) fn ps(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let json = super::wants_json(arguments)?;
    let whole = arguments.is_set("no-trunc");
    let found = matching(engine, arguments)?;
    match engine.dialect {
        _ if arguments.is_set("quiet") => {
            found.iter().for_each(|(container, _)| engine.console.say(shown(&container.id, whole)))
        }
        _ if !json => table(engine, &found, whole),
        Dialect::Podman if arguments.value("format") == Some("json") => {
            let entries = found.iter().map(podman_entry).collect();
            let text = engine.dialect.pretty(&Value::Array(entries));
            engine.console.say(&escaped(&String::from_utf8_lossy(&text)));
        }
        Dialect::Podman => {
            found.iter().map(podman_entry).for_each(|entry| engine.console.say(&escaped(&entry.to_string())))
        }
        Dialect::Docker => found
            .iter()
            .map(|found| docker_line(found, whole))
            .for_each(|line| engine.console.say(&escaped(&line.to_string()))),
    }
    Ok(0)
}

fn matching(engine: &Engine, arguments: &Arguments) -> Result<Vec<Found>, Trouble> {
    let filters = arguments.values("filter").map(Filter::parse).collect::<Result<Vec<_>, _>>()?;
    let any_phase = arguments.is_set("all") || filters.iter().any(|filter| matches!(filter, Filter::Status(_)));
    let mut found = Vec::new();
    for (place, container) in Place::all(&engine.state)? {
        let Some(status) = image::optional(place.status())? else { continue };
        if (any_phase || status.phase == Phase::Running)
            && filters.iter().all(|filter| filter.admits(&container, &status))
        {
            found.push((container, status));
        }
    }
    if engine.dialect == Dialect::Docker {
        found.reverse();
    }
    Ok(found)
}

enum Filter {
    Label(String, Option<String>),
    /// A part of the name: both engines take it so.
    Name(String),
    Id(String),
    Status(String),
}

impl Filter {
    fn parse(text: &str) -> Result<Self, Trouble> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Trouble::Usage(format!("bad format of filter (expected name=value): {text}")))?;
        Ok(match key {
            "label" => match value.split_once('=') {
                Some((name, value)) => Self::Label(name.to_owned(), Some(value.to_owned())),
                None => Self::Label(value.to_owned(), None),
            },
            "name" => Self::Name(value.to_owned()),
            "id" => Self::Id(value.to_owned()),
            "status" => Self::Status(value.to_owned()),
            _ => return Err(Trouble::Invalid(format!("invalid filter '{key}'"))),
        })
    }

    fn admits(&self, container: &Container, status: &Status) -> bool {
        match self {
            Self::Label(name, None) => container.labels.contains_key(name),
            Self::Label(name, value) => container.labels.get(name) == value.as_ref(),
            Self::Name(part) => container.name.contains(part),
            Self::Id(beginning) => container.id.starts_with(beginning),
            Self::Status(word) => status.word() == word,
        }
    }
}

fn shown(id: &str, whole: bool) -> &str {
    if whole { id } else { id.get(..12).unwrap_or(id) }
}

fn table(engine: &mut Engine, found: &[Found], whole: bool) {
    engine.console.say("CONTAINER ID\tIMAGE\tSTATUS\tNAMES");
    for (container, status) in found {
        let line = format!(
            "{}\t{}\t{}\t{}",
            shown(&container.id, whole),
            container.image_name,
            spoken(status, " ago"),
            container.name
        );
        engine.console.say(&line);
    }
}

/// `Up 3 seconds`, `Exited (0) 3 seconds ago`.
fn spoken(status: &Status, ago: &str) -> String {
    match status.phase {
        Phase::Created => "Created".to_owned(),
        Phase::Running => format!("Up {}", clock::ago(clock::since(status.started))),
        Phase::Exited => format!("Exited ({}) {}{ago}", status.exit_code, clock::ago(clock::since(status.finished))),
    }
}

/// Go's encoder escapes what HTML would trip over; these letters stand only within strings.
fn escaped(json: &str) -> String {
    json.trim_end().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn podman_entry((container, status): &Found) -> Value {
    let network = if container.spec.network == "none" || container.spec.network == "host" {
        json!([])
    } else {
        json!(["podman"])
    };
    json!({
        "AutoRemove": container.spec.remove,
        "Command": container.words,
        "CreatedAt": format!("{} ago", clock::ago(clock::since(container.created))),
        "Exited": status.phase == Phase::Exited,
        "ExitedAt": status.finished.seconds(),
        "ExitCode": status.exit_code,
        "Id": container.id,
        "Image": container.image_name,
        "ImageID": container.image,
        "IsInfra": false,
        "Labels": container.labels,
        "Mounts": container.spec.mounts.iter().map(|mount| &mount.target).collect::<Vec<_>>(),
        "Names": [container.name],
        "Namespaces": {},
        "Networks": network,
        "Pid": status.pid,
        "Pod": "",
        "PodName": "",
        "Ports": status.ports.iter().map(podman_port).collect::<Vec<_>>(),
        "Size": null,
        "StartedAt": status.started.seconds(),
        "State": status.word(),
        "Status": spoken(status, " ago"),
        "Created": container.created.seconds(),
    })
}

fn podman_port(port: &Port) -> Value {
    json!({"host_ip": port.address, "container_port": port.container, "host_port": port.host, "range": 1, "protocol": port.protocol})
}

fn docker_line((container, status): &Found, whole: bool) -> Value {
    let command: Vec<_> = container.entrypoint.iter().chain(&container.words).map(String::as_str).collect();
    let labels: Vec<_> = container.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let running = status.phase == Phase::Running;
    let ports: Vec<_> = status.ports.iter().filter(|_| running).map(docker_port).collect();
    let mounts: Vec<_> = container.spec.mounts.iter().map(|mount| mount.source.as_str()).collect();
    let image = if whole {
        container.image_typed.as_str()
    } else {
        shown(container.image_typed.trim_start_matches("sha256:"), false)
    };
    Value::Object(Map::from_iter(
        [
            ("Command", json!(format!("{:?}", command.join(" ")))),
            ("CreatedAt", json!(container.created.spoken())),
            ("ID", json!(shown(&container.id, whole))),
            ("Image", json!(image)),
            ("Labels", json!(labels.join(","))),
            ("LocalVolumes", json!("0")),
            ("Mounts", json!(mounts.join(","))),
            ("Names", json!(container.name)),
            ("Networks", json!(docker::network(&container.spec.network))),
            ("Ports", json!(ports.join(", "))),
            ("RunningFor", json!(format!("{} ago", clock::ago(clock::since(container.created))))),
            ("Size", json!("0B")),
            ("State", json!(status.word())),
            ("Status", json!(spoken(status, " ago"))),
        ]
        .map(|(key, value)| (key.to_owned(), value)),
    ))
}

fn docker_port(port: &Port) -> String {
    format!("{}:{}->{}/{}", port.address, port.host, port.container, port.protocol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests::container;

    #[test]
    fn filters_look_at_labels_names_ids_and_phases() {
        let mut one = container("abc", "web-1");
        one.labels.insert("a".to_owned(), "b=c".to_owned());
        let admits = |filter| Filter::parse(filter).unwrap().admits(&one, &Status::default());
        assert!(
            ["label=a", "label=a=b=c", "name=web", "id=ab", "status=created"]
                .map(admits)
                .iter()
                .all(|admitted| *admitted)
        );
        assert!(
            !["label=b", "label=a=b", "name=x", "id=b", "status=running"].map(admits).iter().any(|admitted| *admitted)
        );
        assert!(Filter::parse("label").is_err() && Filter::parse("x=y").is_err());
    }

    #[test]
    fn html_is_escaped_as_go_does_it() {
        assert_eq!(escaped("[\"a<&>\"]\n"), "[\"a\\u003c\\u0026\\u003e\"]");
    }
}
