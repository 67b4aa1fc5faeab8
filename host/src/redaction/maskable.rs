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
    "accept", "accepted", "access", "account", "active", "address", "admin", "administrator", "allowed", "alpine", "always", "anonymous", "apache",
    "api-key", "apikey", "application", "application/json", "argument", "arguments", "attempt", "attempts", "authentication", "authorization", "available",
    "backend", "bearer", "bitnami", "bridge", "bucket", "buffer", "busybox", "cached", "cancelled", "certificate", "change-me", "changeme", "checking",
    "checksum", "client", "closed", "closing", "cluster", "command", "commit", "complete", "completed", "component", "compose", "config", "configuration",
    "connect", "connected", "connecting", "connection", "connections", "console", "consumer", "container", "containers", "content", "controller", "created",
    "creating", "credentials", "critical", "cursor", "custom", "daemon", "dashboard", "data", "database", "deadline", "debian", "debugging", "default",
    "defaults", "delete", "dependencies", "deploy", "deployment", "description", "destination", "dev", "devel", "develop", "developer", "development",
    "device", "devices", "digest", "directory", "disable", "disabled", "disconnected", "docker", "docker.io", "domain", "download", "duration", "elastic",
    "element", "emergency", "en-us", "enable", "enabled", "encoding", "engine", "environment", "errors", "event", "events", "example", "example.com",
    "exception", "execute", "exited", "expected", "expired", "export", "extension", "external", "failed", "failing", "failure", "false", "fedora",
    "fetching", "filter", "finished", "folder", "forbidden", "format", "forward", "function", "gateway", "generated", "github", "gitlab", "global",
    "google", "grafana", "guest", "handler", "header", "headers", "health", "healthy", "hello-world", "host.docker.internal", "hostname", "identity",
    "ignored", "image", "images", "import", "incoming", "info", "initialize", "initialized", "input", "inspect", "install", "installed", "instance",
    "interface", "internal", "interval", "invalid", "issuer", "journal", "keep-alive", "keepalive", "keycloak", "kubernetes", "label", "labels", "latest",
    "layers", "length", "letmein", "library", "linux", "listen", "listener", "loaded", "loading", "local", "localdomain", "localhost",
    "localhost.localdomain", "location", "logger", "logging", "machine", "manager", "manifest", "mariadb", "master", "matched", "maximum", "member",
    "memcached", "memory", "message", "metadata", "method", "metric", "metrics", "minimum", "minio", "minioadmin", "missing", "module", "mongodb",
    "monitor", "mounted", "mysql", "namespace", "network", "nginx", "no-cache", "nobody", "nodejs", "none", "normal", "nothing", "notice", "notification",
    "number", "object", "offset", "online", "opened", "operation", "optional", "options", "oracle", "outgoing", "output", "overlay", "package", "packages",
    "parameter", "parser", "passed", "passwd", "password", "password1", "payload", "pending", "permission", "pipeline", "plugin", "podman", "policy",
    "portreeve", "postgres", "postgresql", "prefix", "primary", "private", "process", "prod", "production", "profile", "program", "progress", "project",
    "prometheus", "property", "protocol", "provider", "proxy", "public", "publish", "publisher", "python", "qwerty", "rabbitmq", "read-only", "readonly",
    "ready", "received", "recovery", "redirect", "redis", "reference", "refused", "region", "registry", "release", "reload", "reloading", "remote",
    "removed", "removing", "replica", "replicas", "repository", "request", "requests", "required", "resolved", "resource", "resources", "response",
    "restart", "restarted", "result", "results", "retrying", "return", "rollback", "root", "rootless", "router", "runner", "running", "runtime", "sample",
    "schedule", "scheduler", "schema", "script", "search", "secret", "secrets", "section", "secure", "select", "selected", "server", "service", "services",
    "session", "settings", "sha256", "sha384", "sha512", "shutdown", "signal", "skipped", "snapshot", "socket", "source", "sqlite", "staging", "started",
    "starting", "startup", "statement", "states", "static", "status", "stderr", "stdout", "stopped", "storage", "stream", "string", "subject", "submit",
    "succeeded", "success", "successful", "suffix", "support", "syntax", "system", "target", "template", "terminated", "testing", "text/html", "text/plain",
    "thread", "threads", "timeout", "timestamp", "token", "tracing", "traefik", "traffic", "transaction", "transfer", "trigger", "true", "ubuntu", "unable",
    "unauthorized", "unavailable", "undefined", "unhealthy", "unique", "unknown", "unless-stopped", "update", "updated", "updating", "upload", "upstream",
    "uptime", "user", "username", "utf-8", "validate", "validation", "value", "variable", "verbose", "verify", "version", "volume", "volumes", "waiting",
    "warning", "warnings", "watcher", "webhook", "welcome", "window", "wordpress", "worker", "workspace",
];

/// Says why a value cannot be masked, or nothing if it can. The words never hold the value.
pub(crate) fn objection(value: &[u8]) -> Option<&'static str> {
    let trimmed = value.trim_ascii();
    if trimmed.len() < MIN_LENGTH {
        return Some("it is shorter than 6 bytes and would be found everywhere; use a longer value");
    }
    if value.len() > MAX_LENGTH {
        return Some(
            "it is longer than the 64 KiB that output is looked through for; mount the long part of it, and keep what is secret short",
        );
    }
    if is_date(trimmed) || is_host(trimmed) || is_region(trimmed) {
        return Some("it reads as a date, an address or a region; use a random value");
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

/// `2026-09-01`, with a time behind it or not.
fn is_date(value: &[u8]) -> bool {
    let fits = |(at, byte): (usize, &u8)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() };
    let rest = value.get(10..).unwrap_or_default();
    value.len() >= 10
        && value.iter().take(10).enumerate().all(fits)
        && rest.iter().all(|byte| byte.is_ascii_digit() || b"T :.,Z+-".contains(byte))
}

/// `127.0.0.1`, `localhost:8080`, `[::1]:5000`: an address, or a common name with a port.
fn is_host(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "1"));
    let named = COMMON.contains(&host) && text.contains(':');
    let ported = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<std::net::IpAddr>().is_ok()
        || text.parse::<std::net::SocketAddr>().is_ok()
        || (ported && (named || host.parse::<std::net::Ipv4Addr>().is_ok()))
}

/// `us-east-1`, as clouds call their regions.
fn is_region(value: &[u8]) -> bool {
    let mut parts = value.split(|&byte| byte == b'-');
    let [Some(area), Some(side), Some(number), None] = std::array::from_fn(|_| parts.next()) else { return false };
    let lower = |part: &[u8]| part.iter().all(u8::is_ascii_lowercase);
    area.len() == 2 && lower(area) && lower(side) && matches!(number, [digit] if digit.is_ascii_digit())
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
            "sha256",
            "WARNING",
            "127.0.0.1",
            "127.0.0.1:5000",
            "[::1]:5000",
            "localhost:8080",
            "us-east-1",
            "application/json",
            "2026-09-01",
            "2026-09-01T10:11:12.5Z",
        ] {
            assert!(objection(value.as_bytes()).is_some(), "{value}");
        }
    }

    #[test]
    fn real_ones_are_not() {
        for value in [
            "hunter2x",
            "12345678",
            "ab&9zQ",
            "/9kX+ab2Q==",
            "correct horse battery staple",
            "abababab",
            "us-east-key",
            "2026-09-0x1",
        ] {
            assert_eq!(objection(value.as_bytes()), None, "{value}");
        }
    }
}
