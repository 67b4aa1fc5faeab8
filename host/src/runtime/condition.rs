//! Waiting until a container is as somebody needs it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::error::{Error, FaultKind};
use crate::event::Level;
use crate::evidence::{ContainerInfo, ContainerState, Health};
use crate::output::LogChunk;
use crate::sandbox::Guest;
use crate::scope::{Call, LogOptions, Scope};
use crate::spec::{Port, Protocol};

/// Between two looks.
const BETWEEN: Duration = Duration::from_millis(100);
/// How often in a row a running container's sockets can't be seen before that is an error: two seconds.
const UNSEEN: u32 = 20;
/// How long a connection has to stay open: what an engine listens with for a container closes it at once where nobody is behind.
const OPEN: Duration = Duration::from_millis(150);
/// The longest line of a log that is searched, in bytes.
const LINE: usize = 64 << 10;

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// Its health check says that it is well.
    Healthy,
    /// A line of its log, redacted, has this text in it.
    Log(String),
    /// Somebody listens on this TCP port of the container: where it is published, at the published address.
    Port(u16),
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Healthy => f.write_str("healthy"),
            Self::Log(text) => write!(f, "saying {text:?}"),
            Self::Port(port) => write!(f, "listening on port {port}"),
        }
    }
}

impl Portreeve {
    /// Waits until a container of ours is as it is wanted, at most for so long.
    ///
    /// Where nobody runs its health checks, as of Podman's without systemd, the host has the engine run them.
    ///
    /// # Errors
    /// `Timeout`, with the last state that was seen; `InUse` where it ended before; `Unsupported` where it has no health
    /// check; `NotFound` where it is not there, `Refused` where it is not ours.
    pub async fn wait_until(&self, name: &str, condition: &Condition, limit: Duration) -> Result<ContainerInfo, Error> {
        let (backend, container) = self.inner.find(Call::Wait, name).await?;
        if self.inner.services.dry_run {
            return Ok(container);
        }
        let waiting = async {
            match condition {
                Condition::Healthy => self.inner.until_healthy(&backend, &container).await,
                Condition::Log(text) => self.until_said(&backend, &container, text).await,
                Condition::Port(port) => self.inner.until_listening(&backend, &container, *port).await,
            }
        };
        match timeout(limit, waiting).await {
            Ok(waited) => waited,
            Err(_) => {
                let last = self.inner.look_again(&backend, &container).await?.unwrap_or(container);
                Err(Error::Timeout(format!("{name} is not {condition} after {limit:?}: it is {}", last_state(&last))))
            }
        }
    }

    async fn until_said(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        text: &str,
    ) -> Result<ContainerInfo, Error> {
        let options = LogOptions { follow: true, ..LogOptions::default() };
        let mut stream = self.logs(&container.name, &options).await?;
        let mut searches = [Search::new(text), Search::new(text)];
        let [out, err] = &mut searches;
        while let Some(chunk) = stream.next().await {
            let found = match &chunk {
                LogChunk::Stdout(bytes) => out.found(bytes),
                LogChunk::Stderr(bytes) => err.found(bytes),
            };
            if found {
                return self.inner.still(backend, container).await;
            }
        }
        let seen = self.inner.still(backend, container).await?;
        Err(ended(&seen, &Condition::Log(text.to_owned())))
    }
}

/// A text that is looked for within lines that come in pieces.
struct Search<'t> {
    text: &'t [u8],
    line: Vec<u8>,
}

impl<'t> Search<'t> {
    fn new(text: &'t str) -> Self {
        Self { text: text.as_bytes(), line: Vec::new() }
    }

    fn found(&mut self, piece: &[u8]) -> bool {
        piece.split_inclusive(|byte| *byte == b'\n').any(|part| self.goes_on(part))
    }

    fn goes_on(&mut self, part: &[u8]) -> bool {
        self.line.extend_from_slice(part);
        let found = memchr::memmem::find(&self.line, self.text).is_some();
        if part.ends_with(b"\n") {
            self.line.clear();
        }
        let excess = self.line.len().saturating_sub(LINE);
        self.line.drain(..excess);
        found
    }
}

impl Inner {
    /// The container as it is now.
    async fn still(&self, backend: &Arc<Backend>, container: &ContainerInfo) -> Result<ContainerInfo, Error> {
        let seen = self.look_again(backend, container).await?;
        seen.ok_or_else(|| Error::InUse(format!("{} is gone: it ended, and was removed", container.name)))
    }

    async fn until_healthy(&self, backend: &Arc<Backend>, container: &ContainerInfo) -> Result<ContainerInfo, Error> {
        let (mut noted, mut since) = (container.checkup.noted.clone(), Instant::now());
        loop {
            let seen = self.still(backend, container).await?;
            check_goes_on(&seen, &Condition::Healthy)?;
            match seen.health {
                Some(Health::Healthy) => return Ok(seen),
                None if seen.state == ContainerState::Running => {
                    return Err(Error::Unsupported(format!("{} has no health check", seen.name)));
                }
                _ => {}
            }
            let interval = seen.checkup.interval();
            if seen.checkup.noted != noted {
                (noted, since) = (seen.checkup.noted.clone(), Instant::now());
            } else if since.elapsed() >= interval {
                // Nobody has asked it for a whole interval.
                self.have_it_asked(backend, &seen).await?;
                since = Instant::now();
                continue;
            }
            tokio::time::sleep(BETWEEN.min(interval)).await;
        }
    }

    /// Has the engine run a health check, where it does not do so by itself.
    async fn have_it_asked(&self, backend: &Arc<Backend>, container: &ContainerInfo) -> Result<(), Error> {
        let scope = Scope::of_container(Call::Health, &container.name, &container.id);
        let broker = self.broker(backend, scope, &self.redactor_of_container(container))?;
        let asked = Guest::enter(&self.sandbox, Arc::clone(&broker)).await?.health(&container.name).await;
        match asked {
            Err(error @ (Error::Refused(_) | Error::Fault(_) | Error::State(_))) => return Err(error),
            // What counts is what is seen then.
            Err(error) => self.say(Level::Detail, || format!("a health check of {}: {error}", container.name)),
            Ok(()) => {}
        }
        let seen = self.still(backend, container).await?;
        if container.state == ContainerState::Running && seen.state == ContainerState::Paused {
            return Err(broker.fault(FaultKind::Untrue, "it paused a container that it was to ask").into());
        }
        Ok(())
    }

    async fn until_listening(
        &self,
        backend: &Arc<Backend>,
        container: &ContainerInfo,
        port: u16,
    ) -> Result<ContainerInfo, Error> {
        let mut unseen = 0;
        loop {
            let seen = self.still(backend, container).await?;
            check_goes_on(&seen, &Condition::Port(port))?;
            match listens(&seen, port).await {
                Some(true) => return Ok(seen),
                Some(false) => unseen = 0,
                // One that is just ending has no sockets any more, and the engine does not know yet.
                None if unseen < UNSEEN => unseen += 1,
                None => return Err(invisible(&seen, port)),
            }
            tokio::time::sleep(BETWEEN).await;
        }
    }
}

fn invisible(container: &ContainerInfo, port: u16) -> Error {
    let why = "is not published, and its own sockets can't be seen from here";
    Error::Unsupported(format!("port {port} of {} {why}", container.name))
}

/// What ended can't become what is waited for.
fn check_goes_on(seen: &ContainerInfo, condition: &Condition) -> Result<(), Error> {
    let may_come = seen.state.is_alive() || seen.state == ContainerState::Created;
    if may_come { Ok(()) } else { Err(ended(seen, condition)) }
}

fn ended(seen: &ContainerInfo, condition: &Condition) -> Error {
    Error::InUse(format!("{} was never {condition}: it is {}", seen.name, last_state(seen)))
}

fn last_state(seen: &ContainerInfo) -> String {
    let code = seen.exit_code.map(|code| format!(" ({code})")).unwrap_or_default();
    let health = seen.health.map(|health| format!(", {}", health.as_str())).unwrap_or_default();
    format!("{}{code}{health}", seen.state.as_str())
}

/// Whether somebody listens behind a port; none where that can't be seen.
async fn listens(container: &ContainerInfo, port: u16) -> Option<bool> {
    let is_it = |published: &&Port| published.container == port && published.protocol == Protocol::Tcp;
    let published = container.ports.iter().find(is_it);
    match (listens_inside(container, port), published) {
        (Some(false), _) => Some(false),
        // A proxy before the container answers before the container does.
        (_, Some(published)) => Some(published.host != 0 && stays_open(reachable(published)).await),
        (Some(true), None) => Some(true),
        (None, None) if container.state != ContainerState::Running => Some(false),
        (None, None) => None,
    }
}

/// From the container's own sockets; none where they can't be seen, or where a process that has published ports shares
/// our network: then its number is one of another machine.
fn listens_inside(container: &ContainerInfo, port: u16) -> Option<bool> {
    let pid = container.pid?.to_string();
    let network = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    if !container.ports.is_empty() && network(&pid)? == network("self")? {
        return None;
    }
    let of = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).ok();
    let mut tables = ["net/tcp", "net/tcp6"].into_iter().filter_map(of).peekable();
    tables.peek()?;
    Some(tables.any(|table| has_listener(&table, port)))
}

/// Where a port that is published on all addresses can be reached.
fn reachable(port: &Port) -> SocketAddr {
    let address = match port.address {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    SocketAddr::new(address, port.host)
}

async fn stays_open(address: SocketAddr) -> bool {
    let Ok(Ok(mut stream)) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await else { return false };
    let mut byte = [0];
    match timeout(OPEN, stream.read(&mut byte)).await {
        Err(_) => true,
        Ok(read) => read.is_ok_and(|count| count > 0),
    }
}

/// Whether a table of proc_net(5) has a socket that listens on the port.
fn has_listener(table: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().and_then(|local| local.rsplit_once(':'));
        let is_it = local.is_some_and(|(_, digits)| u16::from_str_radix(digits, 16) == Ok(port));
        is_it && columns.nth(1) == Some(LISTEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n   1: 0100007F:1F91 0100007F:C350 01 0:0\n";
        assert!(has_listener(table, 8080));
        assert!(!has_listener(table, 8081) && !has_listener(table, 80) && !has_listener("", 80));
        let six = "sl\n 0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0\n";
        assert!(has_listener(six, 80));
    }

    #[test]
    fn a_text_is_found_within_a_line_and_across_pieces() {
        let mut search = Search::new("ready now");
        assert!(!search.found(b"it is rea") && search.found(b"dy now\n"));
        let mut search = Search::new("ready now");
        assert!(!search.found(b"ready\n") && !search.found(b" now\n"));
        let mut search = Search::new("a");
        assert!(!search.found(&vec![b'x'; LINE * 2]) && search.line.len() == LINE);
    }

    #[tokio::test]
    async fn a_port_behind_which_nobody_is_does_not_count() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(stays_open(address).await);
        let closing = tokio::spawn(async move {
            loop {
                drop(listener.accept().await);
            }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!stays_open(address).await);
        closing.abort();
        let _aborted = closing.await;
        assert!(!stays_open(address).await);
    }
}
