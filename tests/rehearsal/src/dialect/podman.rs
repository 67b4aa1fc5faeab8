//! Podman 4.3.1.

use serde_json::{Value, json};

use super::document::{Document, path_and_args, port_map};
use super::{Dialect, Sight};
use crate::arguments::Flags;
use crate::container::Phase;
use crate::image::Image;
use crate::network::Network;
use crate::registry::Fetch;
use crate::spec::{Mount, Spec};
use crate::trouble::{StartTrouble, Trouble};
use crate::verb::Verb;
use crate::volume::Volume;

pub(crate) const GLOBAL: Flags = &[
    "runtime=",
    "log-level=",
    "root=",
    "runroot=",
    "storage-driver=",
    "cgroup-manager=",
    "events-backend=",
    "host=,H",
    "version,v",
    "help,h",
];

pub(crate) fn flags(verb: Verb) -> Flags {
    match verb {
        Verb::Version | Verb::Info => &["format=,f"],
        Verb::Ps => &["all,a", "quiet,q", "no-trunc", "filter=,f", "format="],
        Verb::Pull => &["tls-verify=", "quiet,q", "platform="],
        Verb::ImageInspect | Verb::Inspect => &["format=,f"],
        Verb::Images => &["all,a", "quiet,q", "no-trunc", "digests", "format="],
        Verb::Rmi => &["force,f", "ignore,i"],
        Verb::Save => &["format=", "quiet,q", "compress"],
        Verb::Load => &["input=", "quiet,q"],
        Verb::Create => &[
            "pull=",
            "security-opt=",
            "http-proxy=",
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
            "pod=",
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
        ],
        Verb::Start => &["attach,a", "sig-proxy=", "interactive,i"],
        Verb::Stop => &["time=,t", "ignore,i"],
        Verb::Kill => &["signal=,s"],
        Verb::Rm => &["force,f", "volumes,v", "time=,t", "ignore,i"],
        Verb::Wait => &["interval=,i", "condition="],
        Verb::Logs => &["follow,f", "timestamps,t", "tail=", "since="],
        Verb::VolumeCreate => &["driver=", "label=,l", "opt=,o"],
        Verb::VolumeInspect => &["format=,f"],
        Verb::VolumeLs => &["filter=,f", "format=", "quiet,q"],
        Verb::Exec => &["env=,e", "interactive,i", "tty,t", "workdir=,w", "user=,u"],
        Verb::Cp => &["archive,a"],
        Verb::VolumeRm => &["force,f", "time=,t"],
        Verb::Pause | Verb::Unpause | Verb::HealthRun => &[],
        Verb::Top => &[],
        Verb::Stats => &["no-stream", "no-trunc", "format="],
        Verb::Events => &["format=", "filter=,f", "since="],
        Verb::NetworkCreate => &["driver=,d", "label=", "opt=,o", "internal"],
        Verb::NetworkInspect => &["format=,f"],
        Verb::NetworkLs => &["filter=,f", "format=", "quiet,q", "no-trunc"],
        Verb::NetworkRm => &["force,f", "time=,t"],
        Verb::NetworkConnect => &["alias=", "ip="],
        Verb::PodCreate => &["infra=", "name=,n", "label=,l", "share=", "publish=,p"],
        Verb::PodInspect => &["format=,f"],
        Verb::PodLs => &["filter=,f", "format=", "quiet,q", "no-trunc"],
        Verb::PodRm => &["force,f", "time=,t", "ignore,i"],
        Verb::ContextLs => &[],
    }
}

/// The exit status and the words.
pub(crate) fn describe(trouble: &Trouble, verb: Option<Verb>) -> (u8, String) {
    let help = verb.map_or("podman --help".to_owned(), |verb| format!("podman {} --help", verb.spoken()));
    let missing = |name: &str| format!("no container with name or ID \"{name}\" found: no such container");
    let text = match trouble {
        Trouble::Usage(text) => format!("{text}\nSee '{help}'"),
        Trouble::UnknownCommand(word) => {
            format!("unrecognized command `podman {word}`\nTry 'podman --help' for more information")
        }
        Trouble::Invalid(text) => text.clone(),
        Trouble::BadName(_) => {
            "running container create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".to_owned()
        }
        Trouble::NameTaken { name, id } => format!(
            "creating container storage: the container name \"{name}\" is already in use by {id}. You have to remove that container to be able to reuse that name: that name is already in use"
        ),
        Trouble::NoSuchContainer(name) if verb == Some(Verb::Inspect) => {
            format!("inspecting object: no such container {name}")
        }
        Trouble::NoSuchContainer(name) if verb == Some(Verb::Rm) => return (1, format!("Error: {}", missing(name))),
        Trouble::NoSuchContainer(name) => missing(name),
        Trouble::NoSuchImage(name) if verb == Some(Verb::ImageInspect) => {
            format!("inspecting object: {name}: image not known")
        }
        Trouble::NoSuchImage(name) if verb == Some(Verb::Rmi) => return (1, format!("Error: {name}: image not known")),
        Trouble::NoSuchImage(name) => format!("{name}: image not known"),
        Trouble::NoSource(path) => format!("statfs {path}: no such file or directory"),
        Trouble::NoRuntime(name) => format!("default OCI runtime \"{name}\" not found: invalid argument"),
        Trouble::NotRunning { phase, .. } => {
            format!("can only kill running containers. ID is in state {phase}: container state improper")
        }
        Trouble::NotExecutable => {
            return (
                255,
                "Error: can only create exec sessions on running containers: container state improper".to_owned(),
            );
        }
        Trouble::NoProgram(path) => {
            return (
                127,
                format!(
                    "Error: runc: exec failed: unable to start container process: exec: \"{path}\": stat {path}: no such file or directory: OCI runtime attempted to invoke a command that was not found"
                ),
            );
        }
        Trouble::NoPath { path, id } => {
            format!("\"{path}\" could not be found on container {id}: no such file or directory")
        }
        Trouble::Running { id } => {
            let text = format!(
                "Error: cannot remove container {id} as it is running - running or paused containers cannot be removed without force: container state improper"
            );
            return (2, text);
        }
        Trouble::ImageInUse { image, container } => {
            return (
                2,
                format!(
                    "Error: image used by {container}: image is in use by a container: consider listing external containers and force-removing image {image}"
                ),
            );
        }
        Trouble::ManyTags { id, tags } => {
            format!("unable to delete image \"{id}\" by ID with more than one tag ([{tags}]): please force removal")
        }
        Trouble::NoSuchVolume(name) if verb == Some(Verb::VolumeInspect) => {
            format!("inspecting object: no such volume {name}")
        }
        Trouble::NoSuchVolume(name) => {
            return (1, format!("Error: no volume with name \"{name}\" found: no such volume"));
        }
        Trouble::ManyVolumes(name) if verb == Some(Verb::VolumeInspect) => {
            format!("inspecting volume {name}: more than one result for volume name \"{name}\": volume already exists")
        }
        Trouble::ManyVolumes(name) => {
            format!("more than one result for volume name \"{name}\": volume already exists")
        }
        Trouble::VolumeTaken(name) => format!("volume with name {name} already exists: volume already exists"),
        Trouble::BadVolumeName(_) => {
            "running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument".to_owned()
        }
        Trouble::VolumeInUse { name, users } => {
            let users = users.join(", ");
            let text = format!(
                "Error: volume {name} is being used by the following container(s): {users}: volume is being used"
            );
            return (2, text);
        }
        Trouble::NoSuchPod(name) if verb == Some(Verb::PodInspect) => format!("inspecting object: no such pod {name}"),
        Trouble::NoSuchPod(name) if verb == Some(Verb::PodRm) => {
            return (1, format!("Error: no pod with name or ID {name} found: no such pod"));
        }
        Trouble::NoSuchPod(name) => format!("no pod with name or ID {name} found: no such pod"),
        Trouble::PodTaken(name) => format!("adding pod to state: name \"{name}\" is in use: pod already exists"),
        Trouble::NoSuchNetwork(name) => {
            let text = format!("unable to find network with name or ID {name}: network not found");
            match verb {
                Some(Verb::NetworkInspect) => format!("inspecting object: network {name}: {text}"),
                Some(Verb::NetworkRm) => return (1, format!("Error: {text}")),
                _ => text,
            }
        }
        Trouble::OnNetwork { container, network } => {
            format!("container {container} is already connected to network {network}: network is already connected")
        }
        Trouble::NetworkTaken(name) => format!("network name {name} already used: network already exists"),
        Trouble::NetworkInUse { name, .. } => {
            let text = format!(
                "Error: \"{name}\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used"
            );
            return (2, text);
        }
        Trouble::Start { id, reason, .. } => format!("unable to start container \"{id}\": {}", start(reason)),
        Trouble::Pull { reference, fetch: reason } => fetch(reference, reason),
        Trouble::Down => {
            "cannot set user namespace: user namespaces are not enabled in /proc/sys/user/max_user_namespaces"
                .to_owned()
        }
        Trouble::Refused => "cannot clone: Operation not permitted".to_owned(),
        Trouble::Io(_) => String::new(),
    };
    (125, format!("Error: {text}"))
}

fn start(reason: &StartTrouble) -> String {
    match reason {
        StartTrouble::PortTaken { address, port } => {
            format!("cannot listen on the TCP port: listen tcp4 {address}:{port}: bind: address already in use")
        }
        StartTrouble::NoCommand(path) => format!(
            "runc: runc create failed: unable to start container process: exec: \"{path}\": stat {path}: no such file or directory: OCI runtime attempted to invoke a command that was not found"
        ),
        StartTrouble::NoDevice(device) => format!("setting up CDI devices: unresolvable CDI devices {device}"),
        StartTrouble::NoNetwork(_) => "starting some containers: internal libpod error".to_owned(),
        StartTrouble::NoUser(user) => format!("unable to find user {user}: no matching entries in passwd file"),
    }
}

/// Why a pull failed.
pub(crate) fn fetch(typed: &str, fetch: &Fetch) -> String {
    let source = |why: String| format!("initializing source docker://{typed}: {why}");
    let ping = |registry: &str, scheme: &str, why: String| {
        source(format!("pinging container registry {registry}: Get \"{scheme}://{registry}/v2/\": {why}"))
    };
    match fetch {
        Fetch::Malformed(what) => format!("parsing reference \"{typed}\": {what}"),
        Fetch::ShortName => format!(
            "short-name \"{typed}\" did not resolve to an alias and no unqualified-search registries are defined in \"/etc/containers/registries.conf\""
        ),
        Fetch::Elsewhere(registry) => {
            let host = registry.split(':').next().unwrap_or_default();
            ping(registry, "https", format!("dial tcp: lookup {host}: no such host"))
        }
        Fetch::NotEncrypted(registry) => {
            ping(registry, "https", "http: server gave HTTP response to HTTPS client".to_owned())
        }
        Fetch::Unreachable { registry, reason } => {
            ping(registry, "http", format!("dial tcp {registry}: connect: {reason}"))
        }
        Fetch::Unknown => source(format!("{}: manifest unknown", reading(typed))),
        Fetch::Status(401) => source(format!("{}: unauthorized", reading(typed))),
        Fetch::Status(503) => source("received unexpected HTTP status: 503 Service Unavailable".to_owned()),
        Fetch::OtherBytes { expected } => {
            format!(
                "determining manifest MIME type for docker://{typed}: Manifest does not match provided manifest digest {expected}"
            )
        }
        Fetch::OtherLayer { expected, got } => {
            format!(
                "writing blob: storing blob to file \"/var/tmp/storage0000000000/1\": Digest did not match, expected {expected}, got {got}"
            )
        }
        Fetch::OtherConfig { expected, got } => {
            format!("parsing image configuration: Download config.json digest {got} does not match expected {expected}")
        }
        Fetch::NoPlatform => format!(
            "choosing an image from manifest list docker://{typed}: no image found in manifest list for architecture amd64, variant \"\", OS linux"
        ),
        Fetch::Status(status) => source(format!("received unexpected HTTP status: {status}")),
        Fetch::Io(error) => source(error.to_string()),
    }
}

fn reading(typed: &str) -> String {
    let (name, wanted) = typed.rsplit_once('@').or_else(|| typed.rsplit_once(':')).unwrap_or((typed, "latest"));
    format!("reading manifest {wanted} in {name}")
}

pub(crate) fn image(image: &Image) -> Value {
    let mut document = Document::from(include_str!("podman-image.json"));
    let labels = image.config("/config/Labels");
    let history = if image.config("/history").is_null() { json!([]) } else { image.config("/history").clone() };
    document.fill(
        "",
        json!({
            "Id": image.id,
            "Digest": image.digests.first(),
            "RepoTags": image.tags,
            "RepoDigests": image.repo_digests(Dialect::Podman),
            "Created": image.text("/created"),
            "Config": image.config("/config"),
            "Architecture": image.text("/architecture"),
            "Os": image.text("/os"),
            "Size": image.size,
            "VirtualSize": image.size,
            "Labels": labels,
            "ManifestType": image.manifest_type,
            "User": image.text("/config/User"),
            "History": history,
            "NamesHistory": image.pulled,
        }),
    );
    document.fill("/RootFS", json!({"Layers": image.config("/rootfs/diff_ids")}));
    document.finish()
}

pub(crate) fn container(sight: &Sight<'_>) -> Value {
    let mut document = Document::from(include_str!("podman-container.json"));
    let Sight { container, status, .. } = sight;
    let (path, args) = path_and_args(&container.entrypoint, &container.words);
    let folder = format!("/var/lib/containers/storage/overlay-containers/{}/userdata", container.id);
    let mounts: Vec<_> = container.spec.mounts.iter().filter(|mount| mount.kind != "tmpfs").map(mounted).collect();
    document.fill(
        "",
        json!({
            "Id": container.id,
            "Created": container.created.rfc3339(),
            "Path": path,
            "Args": args,
            "Image": container.image,
            "ImageDigest": container.image_digest,
            "ImageName": container.image_name,
            "OCIRuntime": or(&container.spec.runtime, "runc"),
            "StaticDir": folder,
            "Pod": container.spec.pod,
            "Name": container.name,
            "RestartCount": status.restarts,
            "Mounts": mounts,
        }),
    );
    fill_state(&mut document, sight);
    fill_network(&mut document, sight);
    fill_config(&mut document, sight);
    fill_host_config(&mut document, sight, &folder);
    document.finish()
}

fn fill_state(document: &mut Document, sight: &Sight<'_>) {
    let status = sight.status;
    document.fill(
        "/State",
        json!({
            "Status": status.word(),
            "Running": status.phase == Phase::Running && !status.paused,
            "Paused": status.paused,
            "Pid": status.pid,
            "ExitCode": status.exit_code,
            "StartedAt": status.started.rfc3339(),
            "FinishedAt": status.finished.rfc3339(),
        }),
    );
    if let Some(health) = &sight.health {
        document.fill("/State", json!({"Health": health.document()}));
    }
    if status.phase == Phase::Running {
        document.fill("/State", json!({"ConmonPid": status.supervisor}));
    }
}

fn fill_network(document: &mut Document, sight: &Sight<'_>) {
    document.fill("/NetworkSettings", json!({"Ports": port_map(sight.status.ports.iter())}));
    if !sight.container.spec.networks.is_empty() {
        let alias = sight.container.id.get(..12);
        for name in &sight.container.spec.networks {
            let network =
                json!({"EndpointID": "", "Gateway": "", "IPAddress": "", "NetworkID": name, "Aliases": [alias]});
            document.fill("/NetworkSettings/Networks", json!({name: network}));
        }
    } else if !sight.mode.rootless && matches!(network(sight).as_str(), "bridge") {
        let alias = sight.container.id.get(..12);
        let network = json!({"EndpointID": "", "Gateway": "", "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0, "MacAddress": "", "NetworkID": "podman", "DriverOpts": null, "IPAMConfig": null, "Links": null, "Aliases": [alias]});
        document.fill("/NetworkSettings/Networks", json!({"podman": network}));
    }
}

/// What `--network=private`, the default, becomes: a bridge for root, slirp4netns without.
fn network(sight: &Sight<'_>) -> String {
    match sight.container.spec.network.as_str() {
        "" | "private" | "default" if sight.mode.rootless => "slirp4netns".to_owned(),
        "" | "private" | "default" => "bridge".to_owned(),
        _ if !sight.container.spec.networks.is_empty() => "bridge".to_owned(),
        other => other.to_owned(),
    }
}

fn fill_config(document: &mut Document, sight: &Sight<'_>) {
    let Sight { container, .. } = sight;
    document.fill(
        "/Config",
        json!({
            "Hostname": hostname(sight),
            "User": container.user,
            "Env": container.env,
            "Cmd": container.words,
            "Image": container.image_name,
            "WorkingDir": container.workdir,
            "Entrypoint": container.entrypoint.join(" "),
            "Labels": container.labels,
            "CreateCommand": container.command,
            "StopSignal": crate::signal::number(&container.spec.stop_signal),
            "StopTimeout": container.spec.grace(),
        }),
    );
    if let Some(check) = &container.spec.health {
        document.fill("/Config", json!({"Healthcheck": check.document()}));
    }
}

fn hostname(sight: &Sight<'_>) -> String {
    or(&sight.container.spec.hostname, sight.container.id.get(..12).unwrap_or_default())
}

fn or(text: &str, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text.to_owned() }
}

fn fill_host_config(document: &mut Document, sight: &Sight<'_>, folder: &str) {
    let spec = &sight.container.spec;
    document.fill(
        "/HostConfig",
        json!({
            "Binds": spec.mounts.iter().filter(|mount| mount.kind != "tmpfs").map(bind).collect::<Vec<_>>(),
            "NetworkMode": network(sight),
            "PortBindings": port_map(sight.status.ports.iter()),
            "RestartPolicy": {"Name": spec.restart, "MaximumRetryCount": spec.retries},
            "AutoRemove": spec.remove,
            "CapDrop": cap_drop(spec),
            "ReadonlyRootfs": spec.read_only,
            "CapAdd": cap_add(spec),
            "SecurityOpt": spec.security,
            "Tmpfs": spec.mounts.iter().filter(|mount| mount.kind == "tmpfs").map(tmpfs).collect::<serde_json::Map<_, _>>(),
            "ShmSize": if spec.shm_size == 0 { 65_536_000 } else { spec.shm_size },
            "Devices": devices(sight),
            "Ulimits": spec.ulimits.iter().map(|limit| json!({"Name": format!("RLIMIT_{}", limit.name.to_uppercase()), "Soft": limit.soft, "Hard": limit.hard})).collect::<Vec<_>>(),
        }),
    );
    document.fill("/HostConfig/LogConfig", json!({"Path": format!("{folder}/ctr.log")}));
    document.fill("/HostConfig", limits(sight));
}

/// On cgroups v1 Podman without root ignores them, and its documents say so.
fn limits(sight: &Sight<'_>) -> Value {
    let spec = &sight.container.spec;
    if sight.mode.rootless {
        return json!({"Memory": 0, "NanoCpus": 0, "CpuPeriod": 0, "CpuQuota": 0, "MemorySwap": 0, "PidsLimit": 0});
    }
    let period = if spec.nano_cpus == 0 { 0 } else { 100_000 };
    json!({
        "Memory": spec.memory,
        "NanoCpus": spec.nano_cpus,
        "CpuPeriod": period,
        "CpuQuota": spec.nano_cpus / 10_000,
        "MemorySwap": spec.memory * 2,
        "MemorySwappiness": if spec.memory == 0 { 0 } else { -1 },
        "PidsLimit": if spec.pids == 0 { 2048 } else { spec.pids },
    })
}

fn cap_add(spec: &Spec) -> Vec<String> {
    let bare = |name: &String| name.to_uppercase().trim_start_matches("CAP_").to_owned();
    spec.cap_add.iter().map(bare).map(|name| format!("CAP_{name}")).collect()
}

fn cap_drop(spec: &Spec) -> Vec<String> {
    let mut dropped: Vec<_> = ["AUDIT_WRITE", "MKNOD", "NET_RAW"].map(str::to_owned).to_vec();
    spec.cap_drop
        .iter()
        .for_each(|name| crate::image::add(&mut dropped, name.to_uppercase().trim_start_matches("CAP_").to_owned()));
    dropped.iter().map(|name| format!("CAP_{name}")).collect()
}

/// Empty until the container was started once: CDI devices are resolved then.
fn devices(sight: &Sight<'_>) -> Vec<Value> {
    if sight.status.phase == Phase::Created {
        return Vec::new();
    }
    let nodes = sight.container.spec.devices.iter().map(|device| device.replace("nvidia.com/gpu=", "/dev/nvidia"));
    nodes.map(|node| json!({"PathOnHost": node, "PathInContainer": node, "CgroupPermissions": ""})).collect()
}

fn mounted(mount: &Mount) -> Value {
    let (source, name) = match mount.kind.as_str() {
        "volume" => (format!("/var/lib/containers/storage/volumes/{}/_data", mount.source), Some(&mount.source)),
        _ => (mount.source.clone(), None),
    };
    let mut mounted = json!({"Type": mount.kind, "Source": source, "Destination": mount.target, "Driver": "", "Mode": "",
        "Options": ["rbind"], "RW": !mount.read_only, "Propagation": "rprivate"});
    if let (Some(name), Some(object)) = (name, mounted.as_object_mut()) {
        object.extend([("Name".to_owned(), json!(name)), ("Driver".to_owned(), json!("local"))]);
    }
    mounted
}

pub(crate) fn volume(volume: &Volume) -> Value {
    json!({
        "Name": volume.name,
        "Driver": volume.driver,
        "Mountpoint": format!("/var/lib/containers/storage/volumes/{}/_data", volume.name),
        "CreatedAt": volume.created.rfc3339(),
        "Labels": volume.labels,
        "Scope": "local",
        "Options": volume.options,
        "MountCount": 0,
        "NeedsCopyUp": true,
        "NeedsChown": true,
    })
}

pub(crate) fn named_network(network: &Network) -> Value {
    let mut document = json!({
        "name": network.name,
        "id": network.id,
        "driver": network.driver,
        "network_interface": "podman1",
        "created": network.created.rfc3339(),
        "subnets": [{"subnet": "10.89.0.0/24", "gateway": "10.89.0.1"}],
        "ipv6_enabled": false,
        "internal": network.internal,
        "dns_enabled": true,
    });
    // What is empty is left out.
    for (key, map) in [("labels", &network.labels), ("options", &network.options)] {
        if let Some(object) = document.as_object_mut().filter(|_| !map.is_empty()) {
            object.insert(key.to_owned(), json!(map));
        }
    }
    if let Some(object) = document.as_object_mut() {
        object.insert("ipam_options".to_owned(), json!({"driver": "host-local"}));
    }
    document
}

fn bind(mount: &Mount) -> String {
    let access = if mount.read_only { "ro" } else { "rw" };
    format!("{}:{}:{access},rprivate,rbind", mount.source, mount.target)
}

fn tmpfs(mount: &Mount) -> (String, Value) {
    let size = if mount.size == 0 { String::new() } else { format!("size={},", mount.size) };
    (mount.target.clone(), json!(format!("{size}rw,rprivate,nosuid,nodev,tmpcopyup")))
}
