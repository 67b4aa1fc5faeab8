//! Where a request may go: the rules for registries, redirects and token services.

use super::Fault;
use crate::reference::{DEFAULT_REGISTRY, is_loopback_host};

/// Docker's registry answers under another name than the one in references.
const DOCKER_HOST: &str = "registry-1.docker.io";
/// The longest URL followed, in bytes.
const URL_MAX: usize = 8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// A URL that a request may be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    scheme: Scheme,
    /// Lower case, without the scheme's own port.
    authority: String,
    /// Begins with a slash; may have a query, never a fragment.
    path: String,
}

impl Target {
    /// A path on a registry: over plain http if it is this machine by its very name, else over https.
    pub(super) fn of_registry(registry: &str, path: &str) -> Result<Self, Fault> {
        let authority = if registry == DEFAULT_REGISTRY { DOCKER_HOST } else { registry };
        let scheme = if is_loopback_host(host_of(authority)) { "http" } else { "https" };
        Self::parse(&format!("{scheme}://{authority}{path}"))
    }

    /// The token service that a registry names: over https, or on this machine if the registry is.
    pub(super) fn of_realm(realm: &str, registry: &Self) -> Result<Self, Fault> {
        let realm = Self::parse(realm)?;
        realm.check_from(registry, "its token service")?;
        Ok(realm)
    }

    /// Where a redirect from here leads.
    pub(super) fn redirect(&self, location: &str) -> Result<Self, Fault> {
        let target = Self::parse(&self.resolve(location))?;
        target.check_from(self, "a redirect")?;
        Ok(target)
    }

    /// Plain http stays on this machine, and only this machine sends anybody to it.
    fn check_from(&self, from: &Self, what: &str) -> Result<(), Fault> {
        let is_local = self.is_loopback();
        if is_local && !from.is_loopback() {
            return Err(Fault::protocol(format!("{what} leads to this machine")));
        }
        match (from.scheme, self.scheme) {
            (_, Scheme::Https) => Ok(()),
            (Scheme::Http, Scheme::Http) if is_local => Ok(()),
            (_, Scheme::Http) => Err(Fault::protocol(format!("{what} leads to plain http"))),
        }
    }

    /// Appends percent-encoded parameters.
    pub(super) fn with_query<'a>(mut self, parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        for (name, value) in parameters {
            let separator = if self.path.contains('?') { '&' } else { '?' };
            self.path.push(separator);
            self.path.push_str(name);
            self.path.push('=');
            self.path.push_str(&percent_encoded(value));
        }
        self
    }

    /// Whether scheme, host and port are the same, so that what one may know the other may.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority == other.authority
    }

    pub(super) fn url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    fn is_loopback(&self) -> bool {
        is_loopback_host(host_of(&self.authority))
    }

    /// A reference as in RFC 3986, section 5, but for dot segments: registries have no use for them.
    fn resolve(&self, location: &str) -> String {
        let has_scheme = location.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme));
        let origin = Self { path: String::new(), ..self.clone() }.url();
        let scheme = origin.split_once("//").map_or("", |(scheme, _)| scheme);
        let path = self.path.split('?').next().unwrap_or("/");
        match location {
            absolute if has_scheme => absolute.to_owned(),
            network if network.starts_with("//") => format!("{scheme}{network}"),
            rooted if rooted.starts_with('/') => format!("{origin}{rooted}"),
            query if query.starts_with('?') => format!("{origin}{path}{query}"),
            relative => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{origin}{folder}/{relative}")
            }
        }
    }

    fn parse(url: &str) -> Result<Self, Fault> {
        let bad = |why: &str| Fault::protocol(format!("a URL of its own {why}"));
        if url.len() > URL_MAX || !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad("is too long or has characters that URLs do not have"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| bad("has no scheme"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(bad("is neither http nor https")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let path = path.split('#').next().unwrap_or("");
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let authority =
            check_authority(&authority.to_ascii_lowercase(), scheme).ok_or_else(|| bad("has no plain host"))?;
        Ok(Self { scheme, authority, path })
    }
}

/// Host and port, without the scheme's own port. Nothing that two parsers could read in two ways.
fn check_authority(authority: &str, scheme: Scheme) -> Option<String> {
    let host = host_of(authority);
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inner {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    };
    let own_port = match scheme {
        Scheme::Http => "80",
        Scheme::Https => "443",
    };
    match authority.strip_prefix(host)?.strip_prefix(':') {
        None => is_host.then(|| host.to_owned()),
        Some(port) => {
            let is_port = port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
            let kept = if port == own_port { host } else { authority };
            (is_host && is_port).then(|| kept.to_owned())
        }
    }
}

fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::parse(url).unwrap()
    }

    #[test]
    fn registries_are_asked_over_https_unless_they_are_here() {
        let url = |registry: &str| Target::of_registry(registry, "/v2/").unwrap().url();
        assert_eq!(url("docker.io"), "https://registry-1.docker.io/v2/");
        assert_eq!(url("ghcr.io:443"), "https://ghcr.io/v2/");
        assert_eq!(url("localhost:5000"), "http://localhost:5000/v2/");
        assert_eq!(url("[::1]:5000"), "http://[::1]:5000/v2/");
        assert_eq!(url("127.0.0.1"), "http://127.0.0.1/v2/");
        assert_eq!(url("10.0.0.1:5000"), "https://10.0.0.1:5000/v2/");
        assert_eq!(url("localhost.example"), "https://localhost.example/v2/");
    }

    #[test]
    fn redirects_never_leave_for_plain_http_or_for_this_machine() {
        let remote = target("https://x.io/v2/a/manifests/b?c=d");
        let to = |location: &str| remote.redirect(location).map(|target| target.url()).ok();
        assert_eq!(to("https://cdn.io/z?sig=1#frag").as_deref(), Some("https://cdn.io/z?sig=1"));
        assert_eq!(to("//cdn.io/z").as_deref(), Some("https://cdn.io/z"));
        assert_eq!(to("/z").as_deref(), Some("https://x.io/z"));
        assert_eq!(to("z").as_deref(), Some("https://x.io/v2/a/manifests/z"));
        assert_eq!(to("?z").as_deref(), Some("https://x.io/v2/a/manifests/b?z"));
        for location in
            ["http://x.io/z", "HTTP://cdn.io", "http://127.0.0.1/z", "https://localhost/z", "https://[::1]/z"]
        {
            assert_eq!(to(location), None, "{location}");
        }
        for location in [
            "ftp://x.io",
            "https://",
            "https://u@x.io/",
            "https://x.io:0/",
            "https://x.io:99999/",
            "https://x.io\\@evil/",
            "https://é.io/",
            "https://x.io/ z",
            "https://[::1",
            "https://a[b/",
        ] {
            assert_eq!(to(location), None, "{location}");
        }
        let local = target("http://127.0.0.1:5000/v2/");
        assert!(local.redirect("http://localhost:5001/z").is_ok());
        assert!(local.redirect("https://cdn.io/z").is_ok());
        assert!(local.redirect("http://cdn.io/z").is_err());
        assert!(local.redirect("https://cdn.io/z").unwrap().redirect("http://localhost/z").is_err());
    }

    #[test]
    fn token_services_are_bound_alike() {
        let (remote, local) = (target("https://x.io/v2/"), target("http://127.0.0.1:5000/v2/"));
        assert!(Target::of_realm("https://auth.x.io/token", &remote).is_ok());
        assert!(Target::of_realm("http://auth.x.io/token", &remote).is_err());
        assert!(Target::of_realm("https://127.0.0.1/token", &remote).is_err());
        assert!(Target::of_realm("http://127.0.0.1:1/token", &local).is_ok());
        assert!(Target::of_realm("http://auth.x.io/token", &local).is_err());
        assert!(Target::of_realm("/token", &remote).is_err());
    }

    #[test]
    fn parameters_are_encoded() {
        let with = target("https://a.io/t?x=1")
            .with_query([("service", "a b&c"), ("scope", "repository:a/b:pull")].into_iter());
        assert_eq!(with.url(), "https://a.io/t?x=1&service=a%20b%26c&scope=repository:a/b:pull");
    }

    #[test]
    fn origins_are_scheme_host_and_port() {
        assert!(target("https://x.io/a").is_same_origin(&target("https://X.io:443/b")));
        assert!(!target("https://x.io/a").is_same_origin(&target("https://x.io:444/a")));
        assert!(!target("http://localhost/a").is_same_origin(&target("https://localhost/a")));
    }
}
