//! Requests, within their limits.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, header};
use ureq::{Agent, Body};

use super::target::Target;
use super::{Fault, Limits};

/// How many redirects are followed.
const REDIRECTS_MAX: usize = 3;
/// How much of a body is handed on at once, in bytes.
const PIECE: usize = 128 << 10;

/// Takes the body of an answer with this status; what it gives is kept.
pub(super) type Receive<'a> = dyn FnMut(u16, &mut Body) -> Result<Vec<u8>, Fault> + 'a;

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// The `Content-Type` without its parameters.
    pub(super) media_type: Option<String>,
    /// The `WWW-Authenticate` headers.
    pub(super) challenges: Vec<String>,
    location: Option<String>,
    from: Target,
}

impl Answer {
    /// Whether it came from where the first request went, not from where a redirect led.
    pub(super) fn origin_is(&self, target: &Target) -> bool {
        self.from.is_same_origin(target)
    }
}

/// The agent of one exchange, with what is left of its time.
pub(super) struct Transport {
    agent: Agent,
    deadline: Instant,
}

impl Transport {
    pub(super) fn new(limits: Limits) -> Self {
        let config = Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .max_idle_connections(0)
            .timeout_connect(Some(limits.connect))
            .user_agent(concat!("portreeve/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: config.new_agent(), deadline: Instant::now() + limits.total }
    }

    /// Follows redirects; the authorisation goes to the origin of `target` alone.
    pub(super) fn get_following(
        &self,
        target: &Target,
        accept: &str,
        authorization: Option<&str>,
        receive: &mut Receive<'_>,
    ) -> Result<Answer, Fault> {
        let mut next = target.clone();
        for _ in 0..=REDIRECTS_MAX {
            let allowed = authorization.filter(|_| next.is_same_origin(target));
            let answer = self.get(&next, accept, allowed, receive)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.location.as_deref().ok_or_else(|| Fault::protocol("a redirect leads nowhere"))?;
            next = next.redirect(location)?;
        }
        Err(Fault::protocol(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// One request and its answer.
    pub(super) fn get(
        &self,
        target: &Target,
        accept: &str,
        authorization: Option<&str>,
        receive: &mut Receive<'_>,
    ) -> Result<Answer, Fault> {
        let mut request = self.agent.get(target.url()).header(header::ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let limited = request.config().timeout_global(Some(self.time_left()?)).build();
        let (head, mut body) = limited.call().map_err(fault)?.into_parts();
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let coding = text(header::CONTENT_ENCODING).unwrap_or("identity");
        if coding != "identity" {
            return Err(Fault::protocol("it encoded the content, which was not asked for"));
        }
        Ok(Answer {
            status: head.status.as_u16(),
            media_type: text(header::CONTENT_TYPE).map(without_parameters),
            challenges: challenges(&head.headers),
            location: text(header::LOCATION).map(str::to_owned),
            body: receive(head.status.as_u16(), &mut body)?,
            from: target.clone(),
        })
    }

    fn time_left(&self) -> Result<Duration, Fault> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_slow()) } else { Ok(left) }
    }
}

fn without_parameters(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn challenges(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    values.filter_map(|value| value.to_str().ok()).map(str::to_owned).collect()
}

/// A whole body of at most `max` bytes.
pub(super) fn read(body: &mut Body, max: u64) -> Result<Vec<u8>, Fault> {
    if body.content_length().is_some_and(|announced| announced > max) {
        return Err(Fault::TooLarge);
    }
    let mut bytes = Vec::new();
    let read = body.as_reader().take(max + 1).read_to_end(&mut bytes);
    read.map_err(|error| fault(error.into()))?;
    if bytes.len() as u64 > max { Err(Fault::TooLarge) } else { Ok(bytes) }
}

/// Hands a body of just `size` bytes on, piece by piece, until `take` says that it is enough.
pub(super) fn copy(body: &mut Body, size: u64, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Fault> {
    if body.content_length().is_some_and(|announced| announced != size) {
        return Err(other_size(size));
    }
    let mut reader = body.as_reader().take(size.saturating_add(1));
    let (mut buffer, mut left) = (vec![0; PIECE], size);
    loop {
        let read = reader.read(&mut buffer).map_err(|error| fault(error.into()))?;
        let piece = buffer.get(..read).unwrap_or_default();
        left = left.checked_sub(read as u64).ok_or_else(|| other_size(size))?;
        match read {
            0 if left == 0 => return Ok(()),
            0 => return Err(Fault::Unavailable("the connection ended too early".to_owned())),
            _ if take(piece) => {}
            _ => return Err(Fault::Stopped),
        }
    }
}

fn other_size(size: u64) -> Fault {
    Fault::protocol(format!("it gives content of another size than {size} bytes"))
}

fn too_slow() -> Fault {
    Fault::Unavailable("it took too long".to_owned())
}

/// What went wrong, without the URL: it may hold a signature.
fn fault(error: ureq::Error) -> Fault {
    use ureq::Error as E;
    match error {
        E::Timeout(_) | E::BodyStalled => too_slow(),
        E::HostNotFound => Fault::Unavailable("its host name is not known".to_owned()),
        E::ConnectionFailed => Fault::Unavailable("no connection".to_owned()),
        E::Io(error) if error.kind() == io::ErrorKind::InvalidData => Fault::protocol(error.to_string()),
        E::Io(error) => Fault::Unavailable(error.to_string()),
        E::LargeResponseHeader(..) => Fault::protocol("its headers are too large"),
        E::Protocol(error) => Fault::protocol(error.to_string()),
        E::Rustls(error) => Fault::protocol(format!("no safe connection: {error}")),
        E::Tls(error) => Fault::protocol(format!("no safe connection: {error}")),
        _ => Fault::protocol("the request could not be made"),
    }
}
