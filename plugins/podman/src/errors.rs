//! What Podman's errors mean. Recorded from 4.3.1 and 5.4.2.

use portreeve_plugin::Phrase;

pub(crate) const PHRASES: &[Phrase] = &[
    // A bridge that went away while free addresses were looked for: no object of the engine's.
    Phrase::unavailable("no such network interface"),
    // A missing command is the container's failure, not a missing object.
    Phrase::other("oci runtime attempted to invoke a command that was not found"),
    Phrase::no_space("no space left on device"),
    Phrase::no_space("disk quota exceeded"),
    Phrase::port_in_use("address already in use"),
    Phrase::port_in_use("port is already allocated"),
    Phrase::gpu("unresolvable cdi devices"),
    Phrase::gpu("nvidia-container-cli"),
    Phrase::not_found("no such container"),
    Phrase::not_found("could not be found on container"),
    Phrase::not_found("no container with name or id"),
    Phrase::not_found("image not known"),
    Phrase::not_found("no such image"),
    Phrase::not_found("unable to find a name and tag match"),
    Phrase::not_found("manifest unknown"),
    Phrase::not_found("name unknown"),
    Phrase::not_found("no such volume"),
    Phrase::not_found("no such network"),
    Phrase::not_found("network not found"),
    Phrase::not_found("no such pod"),
    Phrase::unsupported("on rootless containers with cgroup v1"),
    Phrase::unsupported("not supported for cgroupv1 rootless containers"),
    Phrase::unsupported("not supported in rootless mode"),
    Phrase::unsupported("only supported in rootless mode"),
    Phrase::unsupported("could not find enough available ids"),
    Phrase::unsupported("must provide at least one uid or gid mapping"),
    Phrase::conflict("already in use"),
    Phrase::conflict("volume already exists"),
    Phrase::conflict("volume is being used"),
    Phrase::conflict("network already exists"),
    Phrase::conflict("pod already exists"),
    Phrase::conflict("network is being used"),
    Phrase::conflict("can only kill running containers"),
    Phrase::conflict("container state improper"),
    Phrase::conflict("without force"),
    Phrase::conflict("image is in use by"),
    Phrase::conflict("image used by"),
    Phrase::conflict("please force removal"),
    Phrase::digest("does not match provided manifest digest"),
    Phrase::digest("digest did not match"),
    Phrase::digest("download config.json digest"),
    Phrase::unauthorised("unauthorized"),
    Phrase::unauthorised("authentication required"),
    Phrase::unauthorised("requested access to the resource is denied"),
    Phrase::unauthorised("invalid username/password"),
    Phrase::unsupported("cgroups in hybrid mode not supported"),
    Phrase::invalid("invalid reference format"),
    Phrase::invalid("invalid checksum digest"),
    Phrase::invalid("unable to find user"),
    Phrase::unavailable("connection refused"),
    Phrase::unavailable("connection reset"),
    Phrase::unavailable("no such host"),
    Phrase::unavailable("network is unreachable"),
    Phrase::unavailable("no route to host"),
    Phrase::unavailable("i/o timeout"),
    Phrase::unavailable("tls handshake timeout"),
    Phrase::unavailable("context deadline exceeded"),
    Phrase::unavailable("unexpected eof"),
    Phrase::unavailable("toomanyrequests"),
    Phrase::unavailable("too many requests"),
    Phrase::unavailable("service unavailable"),
    Phrase::unavailable("bad gateway"),
    Phrase::unavailable("internal server error"),
    Phrase::unavailable("gateway time"),
];

/// Warnings of a first command that mean nothing to a container.
pub(crate) const NOISE: &[&str] = &[
    "is not a shared mount",
    "Error validating CNI config file",
    // Without systemd the host has health checks run.
    "unable to get systemd connection",
];

#[cfg(test)]
mod tests {
    use portreeve_plugin::{Error, classify, engine::Output};

    use super::*;

    fn kind(status: i32, stderr: &str) -> &'static str {
        let output = Output { status, stdout: String::new(), stderr: stderr.into(), truncated: false };
        match classify(PHRASES, &output) {
            Error::NotFound(_) => "not-found",
            Error::Conflict(_) => "conflict",
            Error::Digest(_) => "digest",
            Error::Unauthorised(_) => "unauthorised",
            Error::Unavailable(_) => "unavailable",
            Error::Unsupported(_) => "unsupported",
            Error::Invalid(_) => "invalid",
            Error::Engine(_) => "engine",
            Error::Extension(extension) => match extension.name.as_str() {
                "port-in-use" => "port-in-use",
                "no-space" => "no-space",
                "gpu" => "gpu",
                _ => "unknown extension",
            },
            _ => "another",
        }
    }

    #[test]
    fn recorded_failures_have_their_kinds() {
        for (expected, status, stderr) in [
            ("not-found", 125, "Error: no container with name or ID \"x\" found: no such container"),
            ("not-found", 125, "Error: inspecting object: no such container x"),
            ("not-found", 125, "Error: aaaa: image not known"),
            ("unavailable", 125, "Error: route ip+net: no such network interface"),
            (
                "not-found",
                125,
                "Error: initializing source docker://r/a:2: reading manifest 2 in r/a: manifest unknown",
            ),
            (
                "conflict",
                125,
                "Error: creating container storage: the container name \"pa\" is already in use by 00. You have to remove that container to be able to reuse that name: that name is already in use",
            ),
            (
                "conflict",
                125,
                "Error: can only kill running containers. 00 is in state exited: container state improper",
            ),
            (
                "port-in-use",
                125,
                "Error: unable to start container \"00\": cannot listen on the TCP port: listen tcp4 127.0.0.1:80: bind: address already in use",
            ),
            (
                "conflict",
                2,
                "Error: cannot remove container 00 as it is running - running or paused containers cannot be removed without force: container state improper",
            ),
            (
                "conflict",
                125,
                "Error: unable to delete image \"00\" by ID with more than one tag ([a b]): please force removal",
            ),
            (
                "unauthorised",
                125,
                "Error: initializing source docker://r/a:1: reading manifest 1 in r/a: unauthorized: authentication required",
            ),
            (
                "unavailable",
                125,
                "Error: pinging container registry r: Get \"https://r/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            ),
            (
                "no-space",
                125,
                "Error: writing blob: storing blob to file \"/var/tmp/storage1/1\": write /var/tmp/storage1/1: no space left on device",
            ),
            ("port-in-use", 126, "Error: rootlessport listen tcp 127.0.0.1:8080: bind: address already in use"),
            ("gpu", 125, "Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=0"),
            (
                "unsupported",
                126,
                "Error: crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2: OCI runtime error",
            ),
            (
                "unsupported",
                125,
                "Error: can not pause containers on rootless containers with cgroup V1: this container does not have a cgroup",
            ),
            ("unsupported", 125, "Error: unpause is not supported for cgroupv1 rootless containers"),
            ("unsupported", 125, "Error: stats is not supported in rootless mode without cgroups v2"),
            ("unsupported", 125, "Error: keep-id is only supported in rootless mode"),
            ("unsupported", 125, "Error: creating container storage: could not find enough available IDs"),
            ("conflict", 125, "Error: \"00\" is already paused: container state improper"),
            ("not-found", 1, "Error: no volume with name \"x\" found: no such volume"),
            ("conflict", 125, "Error: volume with name x already exists: volume already exists"),
            ("conflict", 2, "Error: volume x is being used by the following container(s): 00: volume is being used"),
            ("not-found", 1, "Error: unable to find network with name or ID x: network not found"),
            ("conflict", 125, "Error: network name x already used: network already exists"),
            (
                "conflict",
                2,
                "Error: \"x\" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used",
            ),
            ("not-found", 1, "Error: no pod with name or ID x found: no such pod"),
            ("conflict", 125, "Error: adding pod to state: name \"x\" is in use: pod already exists"),
            ("invalid", 125, "Error: invalid checksum digest length"),
            ("invalid", 125, "Error: unable to find user x: no matching entries in passwd file"),
            ("digest", 125, "Error: parsing image: Manifest does not match provided manifest digest sha256:00"),
            (
                "digest",
                125,
                "Error: parsing image configuration: Download config.json digest sha256:00 does not match expected sha256:01",
            ),
            ("engine", 125, "Error: statfs /x: no such file or directory"),
            (
                "engine",
                125,
                "Error: unable to start container \"00\": exec: \"/nonesuch\": stat /nonesuch: no such file or directory: OCI runtime attempted to invoke a command that was not found",
            ),
        ] {
            assert_eq!(kind(status, stderr), expected, "{stderr}");
        }
    }
}
