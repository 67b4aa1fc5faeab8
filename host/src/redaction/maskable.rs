//! Which values can be masked everywhere without making output useless.

/// Values shorter than this occur by chance.
pub(crate) const MIN_LENGTH: usize = 6;
/// Values longer than this would have to be held back whole.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;
/// A number needs more digits than a port, a year, a count or a process ID has.
const MIN_DIGITS: usize = 8;

/// Words that configuration and logs are full of; a secret that equals one cannot be masked everywhere.
#[rustfmt::skip]
const COMMON: &[&str] = &[
    "access", "account", "active", "admin", "administrator", "alpine", "always", "anonymous", "apache", "api-key", "apikey", "backend",
    "bitnami", "bridge", "busybox", "bearer", "changeme", "change-me", "client", "cluster", "config", "configuration", "connect", "console",
    "container", "containers", "content", "credentials", "database", "data", "debian", "default", "defaults", "delete", "deploy",
    "description", "dev", "devel", "develop", "developer", "development", "digest", "disable", "disabled", "docker", "docker.io",
    "domain", "elastic", "enable", "enabled", "engine", "example", "example.com", "external", "failed", "failure", "false",
    "fedora", "filter", "format", "gateway", "github", "gitlab", "global", "google", "grafana", "guest", "health", "healthy",
    "hello-world", "host.docker.internal", "hostname", "image", "images", "info", "inspect", "internal", "keycloak", "kubernetes",
    "label", "labels", "latest", "letmein", "library", "linux", "listen", "listener", "local", "localdomain", "localhost", "localhost.localdomain", "logger",
    "logging", "machine", "manager", "mariadb", "master", "member", "memcached", "memory", "message", "minio", "minioadmin", "monitor",
    "mongodb", "mysql", "network", "nginx", "nobody", "nodejs", "none", "normal", "number", "object", "oracle", "packages",
    "passwd", "password", "password1", "pending", "plugin", "podman", "portreeve", "postgres", "postgresql", "private", "process", "prod",
    "production", "program", "project", "prometheus", "protocol", "public", "python", "qwerty", "rabbitmq", "readonly", "read-only", "ready",
    "redis", "registry", "release", "remote", "request", "response", "restart", "root", "rootless", "running", "runtime",
    "sample", "schema", "secret", "secrets", "secure", "server", "service", "services", "session", "sqlite", "staging",
    "started", "starting", "static", "status", "stderr", "stdout", "stopped", "storage", "stream", "string", "success",
    "support", "system", "testing", "timeout", "token", "traefik", "true", "ubuntu", "unknown", "unless-stopped", "update", "user",
    "username", "value", "verify", "version", "volume", "volumes", "wordpress", "worker", "workspace",
];

/// Says why a value cannot be masked, or nothing if it can. The words never hold the value.
pub(crate) fn objection(value: &[u8]) -> Option<&'static str> {
    let trimmed = value.trim_ascii();
    if trimmed.len() < MIN_LENGTH {
        return Some("it is shorter than 6 bytes and would be found everywhere; use a longer value");
    }
    if value.len() > MAX_LENGTH {
        return Some("it is longer than 64 KiB; pass it as a file instead");
    }
    if trimmed.len() < MIN_DIGITS && trimmed.iter().all(|byte| byte.is_ascii_digit() || b".:-".contains(byte)) {
        return Some("it is a short number; use at least 8 digits, or letters too");
    }
    if is_common(trimmed) {
        return Some("it is a word that configuration and logs are full of; use a random value");
    }
    if is_path(trimmed) || is_plain_url(trimmed) {
        return Some("it reads as a path or an address; pass what the path points to, or a random value");
    }
    let first = trimmed.first().copied().unwrap_or_default();
    if trimmed.iter().all(|&byte| byte == first) {
        return Some("it is one character, repeated; use a random value");
    }
    None
}

fn is_common(value: &[u8]) -> bool {
    let bare = value.strip_suffix(b"!").unwrap_or(value);
    COMMON.iter().any(|word| bare.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_path(value: &[u8]) -> bool {
    let rooted = [b"/".as_slice(), b"./", b"../", b"~/"].iter().any(|root| value.starts_with(root));
    rooted && value.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/._-~".contains(byte))
}

fn is_plain_url(value: &[u8]) -> bool {
    let Some(scheme) = value.windows(3).position(|window| window == b"://") else { return false };
    let plain = value.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":/.-".contains(byte));
    plain && (1..=10).contains(&scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_values_are_objected_to() {
        for value in [
            "dev",
            "8080",
            "root",
            "/data",
            "localhost",
            "Postgres",
            "production",
            "12:34",
            "aaaaaaaaaa",
            "",
            "http://db:5432",
        ] {
            assert!(objection(value.as_bytes()).is_some(), "{value}");
        }
    }

    #[test]
    fn real_ones_are_not() {
        for value in ["hunter2x", "12345678", "ab&9zQ", "/9kX+ab2Q==", "correct horse battery staple", "abababab"] {
            assert_eq!(objection(value.as_bytes()), None, "{value}");
        }
    }
}
