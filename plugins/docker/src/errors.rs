//! What Docker's errors mean. Recorded from 20.10.24, 26.1.5 and a 28.2.2 client.

use portreeve_plugin::Phrase;

pub(crate) const PHRASES: &[Phrase] = &[
    // A bridge that went away while free addresses were looked for: no object of the engine's.
    Phrase::unavailable("no such network interface"),
    Phrase::unavailable("cannot connect to the docker daemon"),
    Phrase::unavailable("is the docker daemon running"),
    Phrase::unavailable("error during connect"),
    Phrase::unavailable("permission denied while trying to connect"),
    Phrase::no_space("no space left on device"),
    Phrase::no_space("disk quota exceeded"),
    Phrase::port_in_use("port is already allocated"),
    Phrase::port_in_use("address already in use"),
    Phrase::port_in_use("ports are not available"),
    Phrase::gpu("could not select device driver"),
    Phrase::gpu("nvidia-container-cli"),
    Phrase::gpu("unresolvable cdi devices"),
    // A missing command is the container's failure, not a missing object.
    Phrase::other("failed to create task"),
    Phrase::other("failed to create shim task"),
    Phrase::not_found("no such container"),
    Phrase::not_found("could not find the file"),
    Phrase::not_found("no such file or directory"),
    Phrase::not_found("no such image"),
    Phrase::not_found("no such volume"),
    Phrase::not_found("no such network"),
    Phrase::not_found("manifest unknown"),
    Phrase::not_found("name unknown"),
    Phrase::conflict("conflict"),
    Phrase::conflict("is not running"),
    Phrase::conflict("is already paused"),
    Phrase::conflict("is not paused"),
    Phrase::conflict("you cannot remove a running container"),
    Phrase::conflict("container is running"),
    Phrase::conflict("is already in progress"),
    Phrase::conflict("volume is in use"),
    Phrase::conflict("has active endpoints"),
    Phrase::conflict("network with name"),
    Phrase::digest("manifest verification failed for digest"),
    Phrase::digest("layer verification failed"),
    Phrase::digest("image config verification failed"),
    Phrase::digest("filesystem layer verification failed"),
    Phrase::unauthorised("pull access denied"),
    Phrase::unauthorised("unauthorized"),
    Phrase::unauthorised("authentication required"),
    Phrase::unauthorised("requested access to the resource is denied"),
    Phrase::unauthorised("no basic auth credentials"),
    Phrase::unsupported("is marked read-only"),
    Phrase::unsupported("unknown runtime specified"),
    Phrase::unsupported("does not match the specified platform"),
    Phrase::invalid("invalid reference format"),
    Phrase::invalid("invalid checksum digest"),
    Phrase::invalid("invalid mount config"),
    Phrase::invalid("unable to find user"),
    Phrase::unavailable("connection refused"),
    Phrase::unavailable("connection reset"),
    Phrase::unavailable("no such host"),
    Phrase::unavailable("network is unreachable"),
    Phrase::unavailable("no route to host"),
    Phrase::unavailable("i/o timeout"),
    Phrase::unavailable("tls handshake timeout"),
    Phrase::unavailable("context deadline exceeded"),
    Phrase::unavailable("client.timeout exceeded"),
    Phrase::unavailable("unexpected eof"),
    Phrase::unavailable("toomanyrequests"),
    Phrase::unavailable("too many requests"),
    Phrase::unavailable("service unavailable"),
    Phrase::unavailable("bad gateway"),
    Phrase::unavailable("internal server error"),
    Phrase::unavailable("gateway time"),
    // `… manifest for r/a:1 not found`, and nothing more exact before it.
    Phrase::not_found("not found"),
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
            ("unsupported", 1, "Error response from daemon: container rootfs is marked read-only\n"),
            (
                "unavailable",
                1,
                "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?",
            ),
            (
                "unavailable",
                1,
                "permission denied while trying to connect to the Docker daemon socket at unix:///run/docker.sock: dial unix /run/docker.sock: connect: permission denied",
            ),
            ("not-found", 1, "Error response from daemon: No such container: x\nError: failed to start containers: x"),
            ("not-found", 1, "Error response from daemon: Cannot kill container: x: No such container: x"),
            ("not-found", 1, "Error: No such image: x"),
            ("unavailable", 1, "Error response from daemon: route ip+net: no such network interface"),
            (
                "not-found",
                1,
                "Error response from daemon: manifest for r/a@sha256:00 not found: manifest unknown: manifest unknown",
            ),
            (
                "conflict",
                1,
                "Error response from daemon: Conflict. The container name \"/pa\" is already in use by container \"00\". You have to remove (or rename) that container to be able to reuse that name.",
            ),
            ("conflict", 1, "Error response from daemon: Cannot kill container: x: Container 00 is not running"),
            (
                "no-space",
                1,
                "failed to register layer: Error processing tar file(exit status 1): write /a: no space left on device",
            ),
            (
                "port-in-use",
                1,
                "Error response from daemon: driver failed programming external connectivity on endpoint x (00): Bind for 127.0.0.1:80 failed: port is already allocated\nError: failed to start containers: x",
            ),
            (
                "conflict",
                1,
                "Error response from daemon: You cannot remove a running container 00. Stop the container before attempting removal or force remove",
            ),
            (
                "unauthorised",
                1,
                "Error response from daemon: pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            ),
            (
                "unavailable",
                1,
                "Error response from daemon: Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            ),
            (
                "gpu",
                1,
                "Error response from daemon: could not select device driver \"\" with capabilities: [[gpu]]\nError: failed to start containers: x",
            ),
            ("not-found", 1, "Error response from daemon: get x: no such volume"),
            ("conflict", 1, "Error response from daemon: remove x: volume is in use - [00]"),
            ("not-found", 1, "Error response from daemon: network x not found"),
            ("conflict", 1, "Error response from daemon: network with name x already exists"),
            (
                "conflict",
                1,
                "Error response from daemon: error while removing network: network x id 00 has active endpoints\nexit status 1",
            ),
            (
                "invalid",
                1,
                "Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: /x",
            ),
            ("digest", 1, "manifest verification failed for digest sha256:00"),
            ("digest", 1, "filesystem layer verification failed for digest sha256:00"),
            (
                "engine",
                1,
                "Error response from daemon: failed to create task for container: exec: \"/nonesuch\": stat /nonesuch: no such file or directory: unknown\nError: failed to start containers: x",
            ),
        ] {
            assert_eq!(kind(status, stderr), expected, "{stderr}");
        }
    }
}
