//! Docker 20.10.24, on overlay2 or on containerd's store.

use serde_json::{Map, Value, json};

use super::document::{Document, or_null, path_and_args, port_map};
use super::{Dialect, Sight};
use crate::arguments::Flags;
use crate::container::Phase;
use crate::image::Image;
use crate::network::Network;
use crate::registry::Fetch;
use crate::spec::Mount;
use crate::trouble::{StartTrouble, Trouble};
use crate::verb::Verb;
use crate::volume::Volume;

pub(crate) const GLOBAL: Flags =
    &["host=,H", "context=,c", "config=", "log-level=,l", "debug,D", "version,v", "help,h"];

pub(crate) fn flags(verb: Verb) -> Flags {
    match verb {
        Verb::Version | Verb::Info => &["format=,f"],
        Verb::Ps => &["all,a", "quiet,q", "no-trunc", "filter=,f", "format="],
        Verb::Pull => &["quiet,q", "platform="],
        Verb::ImageInspect | Verb::Inspect => &["format=,f"],
        Verb::Images => &["all,a", "quiet,q", "no-trunc", "digests", "format="],
        Verb::Rmi => &["force,f"],
        Verb::Save => &["platform="],
        Verb::Load => &["input=", "quiet,q"],
        Verb::Create => &[
            "pull=",
            "security-opt=",
            "name=",
            "label=,l",
            "publish=,p",
            "mount=",
            "tmpfs=",
            "env=,e",
            "device=",
            "gpus=",
            "ulimit=",
            "cap-drop=",
            "cap-add=",
            "userns=",
            "network-alias=",
            "platform=",
            "health-cmd=",
            "health-interval=",
            "health-timeout=",
            "health-retries=",
            "health-start-period=",
            "memory=,m",
            "cpus=",
            "pids-limit=",
            "shm-size=",
            "restart=",
            "network=,net",
            "hostname=,h",
            "workdir=,w",
            "user=,u",
            "stop-signal=",
            "stop-timeout=",
            "read-only",
            "rm",
            "entrypoint=",
            "interactive,i",
            "tty,t",
            "runtime=",
        ],
        Verb::Start => &["attach,a", "interactive,i"],
        Verb::Stop => &["time=,t"],
        Verb::Kill => &["signal=,s"],
        Verb::Rm => &["force,f", "volumes,v"],
        Verb::Wait => &[],
        Verb::Logs => &["follow,f", "timestamps,t", "tail=,n", "since="],
        Verb::VolumeCreate => &["driver=,d", "label=", "opt=,o", "name="],
        Verb::VolumeInspect => &["format=,f"],
        Verb::VolumeLs => &["filter=,f", "format=", "quiet,q"],
        Verb::Exec => &["env=,e", "interactive,i", "tty,t", "workdir=,w", "user=,u"],
        Verb::Cp => &["archive,a"],
        Verb::VolumeRm => &["force,f"],
        Verb::Pause | Verb::Unpause | Verb::HealthRun => &[],
        Verb::Top => &[],
        Verb::Stats => &["no-stream", "no-trunc", "format="],
        Verb::Events => &["format=", "filter=,f", "since="],
        Verb::NetworkCreate => &["driver=,d", "label=", "opt=,o", "internal"],
        Verb::NetworkInspect => &["format=,f", "verbose,v"],
        Verb::NetworkLs => &["filter=,f", "format=", "quiet,q", "no-trunc"],
        Verb::NetworkRm => &[],
        Verb::NetworkConnect => &["alias=", "ip="],
        Verb::ContextLs => &["format=", "quiet,q"],
        Verb::PodCreate | Verb::PodInspect | Verb::PodLs | Verb::PodRm => &[],
    }
}

/// The exit status and the words.
pub(crate) fn describe(trouble: &Trouble, verb: Option<Verb>) -> (u8, String) {
    let daemon = |text: String| (1, format!("Error response from daemon: {text}"));
    match trouble {
        Trouble::Usage(text) => {
            let command = verb.map_or(String::new(), |verb| format!(" {}", verb.spoken()));
            (125, format!("{text}\nSee 'docker{command} --help'."))
        }
        Trouble::UnknownCommand(word) => (1, format!("docker: '{word}' is not a docker command.\nSee 'docker --help'")),
        Trouble::Invalid(text) => daemon(text.clone()),
        Trouble::BadName(name) => daemon(format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")),
        Trouble::NameTaken { name, id } => daemon(format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
        )),
        Trouble::NoSuchContainer(name) => no_container(name, verb),
        Trouble::NoSuchImage(name) if verb == Some(Verb::ImageInspect) => (1, format!("Error: No such image: {name}")),
        Trouble::NoSuchImage(name) => daemon(format!("No such image: {name}")),
        Trouble::NoSource(path) => daemon(format!("invalid mount config for type \"bind\": bind source path does not exist: {path}")),
        Trouble::NoRuntime(name) => daemon(format!("Unknown runtime specified {name}")),
        Trouble::NotRunning { typed, .. } => daemon(format!("Cannot kill container: {typed}: Container {typed} is not running")),
        Trouble::NotExecutable => daemon("container is not running".to_owned()),
        Trouble::NoProgram(name) if !name.contains('/') => (126, format!("OCI runtime exec failed: exec failed: unable to start container process: exec: \"{name}\": executable file not found in $PATH: unknown")),
        Trouble::NoProgram(path) => (126, format!("OCI runtime exec failed: exec failed: unable to start container process: exec: \"{path}\": stat {path}: no such file or directory: unknown")),
        Trouble::NoPath { path, id } => daemon(format!("Could not find the file {path} in container {id}")),
        Trouble::Running { id } => {
            daemon(format!("You cannot remove a running container {id}. Stop the container before attempting removal or force remove"))
        }
        Trouble::ImageInUse { image, container } => {
            daemon(format!("conflict: unable to remove repository reference \"{image}\" (must force) - container {container} is using its referenced image {image}"))
        }
        Trouble::ManyTags { id, .. } => daemon(format!("conflict: unable to delete {id} (must be forced) - image is referenced in multiple repositories")),
        // Docker knows whole names alone, and gives the volume that is there.
        Trouble::NoSuchVolume(name) | Trouble::ManyVolumes(name) | Trouble::VolumeTaken(name) => {
            daemon(format!("get {name}: no such volume"))
        }
        Trouble::BadVolumeName(name) => daemon(format!("create {name}: \"{name}\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path")),
        Trouble::VolumeInUse { name, users } => daemon(format!("remove {name}: volume is in use - [{}]", users.join(", "))),
        Trouble::NoSuchPod(name) | Trouble::PodTaken(name) => (1, format!("docker: '{name}' is not a docker command.")),
        Trouble::NoSuchNetwork(name) => daemon(format!("network {name} not found")),
        Trouble::OnNetwork { network, .. } => daemon(format!("endpoint with name already exists in network {network}")),
        Trouble::NetworkTaken(name) => daemon(format!("network with name {name} already exists")),
        Trouble::NetworkInUse { name, id } => {
            let (status, text) = daemon(format!("error while removing network: network {name} id {id} has active endpoints"));
            (status, format!("{text}\nexit status 1"))
        }
        Trouble::Start { id, name, reason } => {
            let (status, text) = daemon(start(id, name, reason));
            (status, format!("{text}\nError: failed to start containers: {name}"))
        }
        Trouble::Pull { reference, fetch: reason } => pull(reference, reason),
        Trouble::Down => (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?".to_owned()),
        Trouble::Refused => (1, "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied".to_owned()),
        Trouble::Io(_) => (1, String::new()),
    }
}

fn no_container(name: &str, verb: Option<Verb>) -> (u8, String) {
    let daemon = format!("Error response from daemon: No such container: {name}");
    let text = match verb {
        Some(Verb::Inspect | Verb::Logs | Verb::Rm) => format!("Error: No such container: {name}"),
        Some(Verb::Kill) => {
            format!("Error response from daemon: Cannot kill container: {name}: No such container: {name}")
        }
        Some(Verb::Start) => format!("{daemon}\nError: failed to start containers: {name}"),
        _ => daemon,
    };
    (1, text)
}

/// What stands in `State.Error` too.
pub(crate) fn start(id: &str, name: &str, reason: &StartTrouble) -> String {
    match reason {
        StartTrouble::PortTaken { address, port } => format!(
            "driver failed programming external connectivity on endpoint {name} ({id}): Bind for {address}:{port} failed: port is already allocated"
        ),
        StartTrouble::NoCommand(path) => format!(
            "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"{path}\": stat {path}: no such file or directory: unknown"
        ),
        StartTrouble::NoDevice(_) => "could not select device driver \"\" with capabilities: [[gpu]]".to_owned(),
        StartTrouble::NoNetwork(other) => format!("cannot join network of a non running container: {other}"),
        StartTrouble::NoUser(user) => format!("unable to find user {user}: no matching entries in passwd file"),
    }
}

fn pull(typed: &str, reason: &Fetch) -> (u8, String) {
    let by_client = matches!(reason, Fetch::Malformed(_) | Fetch::OtherLayer { .. } | Fetch::OtherConfig { .. });
    let prefix = if by_client { "" } else { "Error response from daemon: " };
    (1, format!("{prefix}{}", fetch(typed, reason)))
}

/// Why a pull failed.
pub(crate) fn fetch(typed: &str, fetch: &Fetch) -> String {
    match fetch {
        Fetch::Malformed(what) => (*what).to_owned(),
        Fetch::ShortName => {
            "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: no such host".to_owned()
        }
        Fetch::Elsewhere(registry) => {
            format!(
                "Get \"https://{registry}/v2/\": dial tcp: lookup {}: no such host",
                registry.split(':').next().unwrap_or_default()
            )
        }
        Fetch::NotEncrypted(registry) => {
            format!("Get \"https://{registry}/v2/\": http: server gave HTTP response to HTTPS client")
        }
        Fetch::Unreachable { registry, reason } => {
            format!("Get \"http://{registry}/v2/\": dial tcp {registry}: connect: {reason}")
        }
        Fetch::Unknown => format!("manifest for {typed} not found: manifest unknown: manifest unknown"),
        Fetch::OtherBytes { expected } => format!("manifest verification failed for digest {expected}"),
        Fetch::OtherLayer { expected, .. } => format!("filesystem layer verification failed for digest {expected}"),
        Fetch::OtherConfig { expected, .. } => format!("image config verification failed for digest {expected}"),
        Fetch::NoPlatform => "no matching manifest for linux/amd64 in the manifest list entries".to_owned(),
        Fetch::Status(401) => "unauthorized".to_owned(),
        Fetch::Status(503) => "received unexpected HTTP status: 503 Service Unavailable".to_owned(),
        Fetch::Status(status) => format!("received unexpected HTTP status: {status}"),
        Fetch::Io(error) => error.to_string(),
    }
}

pub(crate) fn image(image: &Image) -> Value {
    let mut document = Document::from(include_str!("docker-image.json"));
    document.fill(
        "",
        json!({
            "Id": Dialect::Docker.image_id(&image.id),
            "RepoTags": image.tags,
            "RepoDigests": image.repo_digests(Dialect::Docker),
            "Created": image.text("/created"),
            "Architecture": image.text("/architecture"),
            "Os": image.text("/os"),
            "Size": image.size,
            "VirtualSize": image.size,
        }),
    );
    document.fill("/RootFS", json!({"Layers": image.config("/rootfs/diff_ids")}));
    document.fill("/Config", image.config("/config").clone());
    document.finish()
}

pub(crate) fn container(sight: &Sight<'_>) -> Value {
    let mut document = Document::from(include_str!("docker-container.json"));
    let Sight { container, status, .. } = sight;
    let (path, args) = path_and_args(&container.entrypoint, &container.words);
    document.fill(
        "",
        json!({
            "Id": container.id,
            "Created": container.created.rfc3339(),
            "Path": path,
            "Args": args,
            "Image": Dialect::Docker.image_id(&container.image),
            "Name": format!("/{}", container.name),
            "RestartCount": status.restarts,
            "Mounts": container.spec.mounts.iter().map(mounted).collect::<Vec<_>>(),
        }),
    );
    document.fill(
        "/State",
        json!({
            "Status": status.word(),
            "Running": status.phase == Phase::Running,
            "Paused": status.paused,
            "Pid": status.pid,
            "ExitCode": status.exit_code,
            "Error": status.error,
            "StartedAt": status.started.rfc3339(),
            "FinishedAt": status.finished.rfc3339(),
        }),
    );
    if let Some(health) = &sight.health {
        document.fill("/State", json!({"Health": health.document()}));
    }
    fill_network(&mut document, sight);
    fill_config(&mut document, sight);
    fill_host_config(&mut document, sight);
    document.finish()
}

/// The network's name; nothing said is the bridge.
pub(crate) fn network(name: &str) -> &str {
    if matches!(name, "" | "default") { "bridge" } else { name }
}

fn fill_network(document: &mut Document, sight: &Sight<'_>) {
    let running = sight.status.phase == Phase::Running;
    let ports = sight.status.ports.iter().filter(|_| running);
    document.fill("/NetworkSettings", json!({"Ports": port_map(ports)}));
    let endpoint = json!({"IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": "", "EndpointID": "", "Gateway": "", "IPAddress": "",
        "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0, "MacAddress": "", "DriverOpts": null});
    let spec = &sight.container.spec;
    let typed = [network(&spec.network).to_owned()];
    let names = if spec.networks.is_empty() { &typed[..] } else { &spec.networks };
    let names = names.iter().filter(|name| !(name.contains(':') || name.len() == 64 && crate::image::is_hex(name)));
    let networks = names.map(|name| (name.clone(), endpoint.clone()));
    document.fill("/NetworkSettings/Networks", Value::Object(networks.collect()));
}

fn fill_config(document: &mut Document, sight: &Sight<'_>) {
    let Sight { container, .. } = sight;
    let spec = &container.spec;
    document.fill(
        "/Config",
        json!({
            "Hostname": if spec.hostname.is_empty() { container.id.get(..12).unwrap_or_default() } else { &spec.hostname },
            "User": container.user,
            "Env": container.env,
            "Cmd": or_null(&container.words),
            "Image": container.image_typed,
            "WorkingDir": container.workdir.trim_end_matches('/'),
            "Entrypoint": or_null(&container.entrypoint),
            "Labels": container.labels,
        }),
    );
    let mut given = Map::new();
    given.extend(spec.health.as_ref().map(|check| ("Healthcheck".to_owned(), check.document())));
    if !spec.ports.is_empty() {
        let exposed = spec.ports.iter().map(|port| (format!("{}/{}", port.container, port.protocol), json!({})));
        given.insert("ExposedPorts".to_owned(), Value::Object(exposed.collect()));
    }
    if !spec.stop_signal.is_empty() {
        given.insert("StopSignal".to_owned(), json!(spec.stop_signal));
    }
    given.extend(spec.stop_timeout.map(|seconds| ("StopTimeout".to_owned(), json!(seconds))));
    document.fill("/Config", Value::Object(given));
}

fn fill_host_config(document: &mut Document, sight: &Sight<'_>) {
    let spec = &sight.container.spec;
    let limits = spec
        .ulimits
        .iter()
        .map(|limit| json!({"Name": limit.name, "Hard": limit.hard, "Soft": limit.soft}))
        .collect::<Vec<_>>();
    document.fill(
        "/HostConfig",
        json!({
            "NetworkMode": if spec.network.is_empty() { "default" } else { &spec.network },
            "PortBindings": port_map(spec.ports.iter()),
            "RestartPolicy": {"Name": spec.restart, "MaximumRetryCount": spec.retries},
            "AutoRemove": spec.remove,
            "CapDrop": or_null(&spec.cap_drop),
            "ReadonlyRootfs": spec.read_only,
            "CapAdd": or_null(&cap_add(&spec.cap_add)),
            "SecurityOpt": or_null(&spec.security),
            "ShmSize": if spec.shm_size == 0 { 64 << 20 } else { spec.shm_size },
            "Runtime": if spec.runtime.is_empty() { "runc" } else { &spec.runtime },
            "Memory": spec.memory,
            "NanoCpus": spec.nano_cpus,
            "MemorySwap": spec.memory * 2,
            "PidsLimit": if spec.pids == 0 { Value::Null } else { json!(spec.pids) },
            "Ulimits": or_null(&limits),
            "DeviceRequests": device_requests(&spec.devices),
        }),
    );
    let tmpfs: Map<String, Value> = spec
        .mounts
        .iter()
        .filter(|mount| mount.kind == "tmpfs")
        .map(|mount| (mount.target.clone(), json!("rw")))
        .collect();
    if !tmpfs.is_empty() {
        document.fill("/HostConfig", json!({"Tmpfs": tmpfs}));
    }
    if !spec.mounts.is_empty() {
        document.fill("/HostConfig", json!({"Mounts": spec.mounts.iter().map(asked).collect::<Vec<_>>()}));
    }
}

fn cap_add(names: &[String]) -> Vec<String> {
    names.iter().map(|name| format!("CAP_{}", name.to_uppercase().trim_start_matches("CAP_"))).collect()
}

/// `all` is a count of -1; anything else are IDs.
fn device_requests(devices: &[String]) -> Value {
    let request = |count: i32, ids: Value| json!([{"Driver": "", "Count": count, "DeviceIDs": ids, "Capabilities": [["gpu"]], "Options": {}}]);
    match devices {
        [] => Value::Null,
        [all] if all == "all" => request(-1, Value::Null),
        ids => request(0, json!(ids)),
    }
}

fn mounted(mount: &Mount) -> Value {
    let source = if mount.kind == "volume" {
        format!("/var/lib/docker/volumes/{}/_data", mount.source)
    } else {
        mount.source.clone()
    };
    let propagation = if mount.kind == "bind" { "rprivate" } else { "" };
    let mut mounted = Map::from_iter([("Type".to_owned(), json!(mount.kind))]);
    if mount.kind == "volume" {
        mounted.insert("Name".to_owned(), json!(mount.source));
    }
    mounted.extend([("Source".to_owned(), json!(source)), ("Destination".to_owned(), json!(mount.target))]);
    if mount.kind == "volume" {
        mounted.insert("Driver".to_owned(), json!("local"));
    }
    let rest = [("Mode", json!("")), ("RW", json!(!mount.read_only)), ("Propagation", json!(propagation))];
    mounted.extend(rest.map(|(key, value)| (key.to_owned(), value)));
    Value::Object(mounted)
}

pub(crate) fn volume(volume: &Volume) -> Value {
    // To the second.
    let created = volume.created.rfc3339().get(..19).map(|time| format!("{time}Z"));
    json!({
        "CreatedAt": created,
        "Driver": volume.driver,
        "Labels": if volume.labels.is_empty() { Value::Null } else { json!(volume.labels) },
        "Mountpoint": format!("/var/lib/docker/volumes/{}/_data", volume.name),
        "Name": volume.name,
        "Options": if volume.options.is_empty() { Value::Null } else { json!(volume.options) },
        "Scope": "local",
    })
}

pub(crate) fn named_network(network: &Network) -> Value {
    json!({
        "Name": network.name,
        "Id": network.id,
        "Created": network.created.rfc3339(),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv6": false,
        "IPAM": {"Driver": "default", "Options": {}, "Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]},
        "Internal": network.internal,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": false,
        "Containers": {},
        "Options": network.options,
        "Labels": network.labels,
    })
}

fn asked(mount: &Mount) -> Value {
    let mut asked = Map::from_iter([("Type".to_owned(), json!(mount.kind))]);
    if !mount.source.is_empty() {
        asked.insert("Source".to_owned(), json!(mount.source));
    }
    asked.insert("Target".to_owned(), json!(mount.target));
    if mount.read_only {
        asked.insert("ReadOnly".to_owned(), json!(true));
    }
    if mount.size != 0 {
        asked.insert("TmpfsOptions".to_owned(), json!({"SizeBytes": mount.size}));
    }
    Value::Object(asked)
}
