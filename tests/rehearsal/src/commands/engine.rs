//! `version`, `info`.

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::{Phase, Place};
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::image::Image;
use crate::trouble::Trouble;
use crate::verb::Verb;

/// What `--version` prints.
pub(crate) fn version_line(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Podman => "podman version 4.3.1",
        Dialect::Docker => "Docker version 20.10.24+dfsg1, build 297e128",
    }
}

pub(crate) fn version(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let down = engine.mode.down || engine.mode.refused;
    let document = match engine.dialect {
        Dialect::Podman => recorded(include_str!("../dialect/podman-version.json")),
        Dialect::Docker => docker_version(engine, down),
    };
    print(engine, arguments, &document)?;
    match engine.dialect {
        Dialect::Docker if engine.mode.down => Err(Trouble::Down),
        Dialect::Docker if engine.mode.refused => Err(Trouble::Refused),
        _ => Ok(0),
    }
}

fn docker_version(engine: &Engine, down: bool) -> Value {
    let mut document = recorded(include_str!("../dialect/docker-version.json"));
    if let Some(object) = document.as_object_mut() {
        if down {
            object.insert("Server".to_owned(), Value::Null);
        } else if engine.mode.foreign_service {
            object.insert("Server".to_owned(), podman_service());
        }
    }
    document
}

/// What Podman's socket tells a docker client.
fn podman_service() -> Value {
    let details = json!({"APIVersion": "4.3.1", "Arch": "amd64", "BuildTime": "1970-01-01T00:00:00Z", "Experimental": "false", "GitCommit": "",
        "GoVersion": "go1.19.8", "KernelVersion": "6.1.0-28-amd64", "MinAPIVersion": "4.0.0", "Os": "linux"});
    let component =
        |name: &str, version: &str, details: Value| json!({"Name": name, "Version": version, "Details": details});
    let package = |package: &str| json!({"Package": package});
    json!({
        "Platform": {"Name": "linux/amd64/debian-12"},
        "Components": [
            component("Podman Engine", "4.3.1", details),
            component("Conmon", "conmon version 2.1.6, commit: unknown", package("conmon_2.1.6+ds1-1_amd64")),
            component("OCI Runtime (crun)", "crun version 1.8.1", package("crun_1.8.1-1+deb12u1_amd64")),
        ],
        "Version": "4.3.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "GitCommit": "", "GoVersion": "go1.19.8", "Os": "linux",
        "Arch": "amd64", "KernelVersion": "6.1.0-28-amd64", "BuildTime": "1970-01-01T00:00:00Z",
    })
}

pub(crate) fn info(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let document = match engine.dialect {
        Dialect::Podman => podman_info(engine)?,
        Dialect::Docker => docker_info(engine)?,
    };
    print(engine, arguments, &document)?;
    Ok(0)
}

/// The contexts of the client: the one that every installation has.
pub(crate) fn contexts(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let document = json!({"Current": true, "Description": "Current DOCKER_HOST based configuration",
        "DockerEndpoint": "unix:///var/run/docker.sock", "Error": "", "Name": "default"});
    if arguments.is_set("quiet") {
        engine.console.say("default");
    } else {
        print(engine, arguments, &document)?;
    }
    Ok(0)
}

fn podman_info(engine: &Engine) -> Result<Value, Trouble> {
    let mut document = recorded(include_str!("../dialect/podman-info.json"));
    put(&mut document, "/host/security/rootless", json!(engine.mode.rootless));
    if engine.mode.rootless {
        put(&mut document, "/host/cgroupControllers", json!([]));
    }
    let (all, running) = counts(engine)?;
    put(
        &mut document,
        "/store/containerStore",
        json!({"number": all, "paused": 0, "running": running, "stopped": all - running}),
    );
    put(&mut document, "/store/imageStore/number", json!(Image::load_all(&engine.state)?.len()));
    Ok(document)
}

fn docker_info(engine: &Engine) -> Result<Value, Trouble> {
    if engine.mode.down || engine.mode.refused {
        let trouble = if engine.mode.down { Trouble::Down } else { Trouble::Refused };
        let (_, text) = engine.dialect.describe(&trouble, Some(Verb::Info));
        return Ok(
            json!({"ID": "", "Containers": 0, "Images": 0, "Driver": "", "ServerVersion": "", "SecurityOptions": null, "ServerErrors": [text],
            "ClientInfo": {"Debug": false, "Context": "default", "Plugins": [], "Warnings": null}}),
        );
    }
    let mut document = recorded(include_str!("../dialect/docker-info.json"));
    let (all, running) = counts(engine)?;
    for (place, count) in [("/Containers", all), ("/ContainersRunning", running), ("/ContainersStopped", all - running)]
    {
        put(&mut document, place, json!(count));
    }
    put(&mut document, "/Images", json!(Image::load_all(&engine.state)?.len()));
    put(&mut document, "/SystemTime", json!(Moment::now().rfc3339()));
    if engine.mode.rootless {
        put(&mut document, "/SecurityOptions", json!(["name=seccomp,profile=default", "name=rootless"]));
    }
    if engine.mode.containerd_store {
        put(&mut document, "/DriverStatus", json!([["driver-type", "io.containerd.snapshotter.v1"]]));
        put(&mut document, "/Driver", json!("overlayfs"));
    }
    Ok(document)
}

fn counts(engine: &Engine) -> Result<(usize, usize), Trouble> {
    let all = Place::all(&engine.state)?;
    let running =
        all.iter().filter(|(place, _)| place.status().is_ok_and(|status| status.phase == Phase::Running)).count();
    Ok((all.len(), running))
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn put(document: &mut Value, place: &str, value: Value) {
    if let Some(found) = document.pointer_mut(place) {
        *found = value;
    }
}

/// On one line where JSON is asked for; readable where nothing is.
fn print(engine: &mut Engine, arguments: &Arguments, document: &Value) -> Result<(), Trouble> {
    if super::wants_json(arguments)? {
        engine.console.say(&document.to_string());
    } else {
        let text = engine.dialect.pretty(document);
        engine.console.out(&text);
    }
    Ok(())
}
