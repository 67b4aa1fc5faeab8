//! Asks the first name server of `/etc/resolv.conf` for the IPv4 address of a name (RFC 1035).
//!
//! By itself: the C library's resolver is no part of a static program.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How often it asks: an engine that just changed what its server knows may not answer at once.
const TRIES: u32 = 4;
/// How long it waits for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The address of a name; none where the server knows none, or does not answer.
pub(super) fn address(name: &str) -> io::Result<Option<IpAddr>> {
    let server = server(&std::fs::read_to_string("/etc/resolv.conf")?)
        .ok_or_else(|| io::Error::other("/etc/resolv.conf names no server"))?;
    let question = question(name).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    for _ in 0..TRIES {
        if let Some(address) = ask(server, &question)? {
            return Ok(Some(address));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(None)
}

fn ask(server: IpAddr, question: &[u8]) -> io::Result<Option<IpAddr>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send_to(question, SocketAddr::new(server, 53))?;
    let mut answer = [0; 512];
    match socket.recv(&mut answer) {
        Ok(length) => Ok(first_address(answer.get(..length).unwrap_or_default(), question)),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The first server of a `resolv.conf`.
fn server(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok())
}

/// One question for one name: type A, class IN, recursion desired.
fn question(name: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0x70, 0x72, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for part in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(part.len()).ok().filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend(part.bytes());
    }
    bytes.extend([0, 0, 1, 0, 1]);
    Some(bytes)
}

/// The address in the first record of type A behind the repeated question.
fn first_address(answer: &[u8], question: &[u8]) -> Option<IpAddr> {
    let count = u16::from_be_bytes([*answer.get(6)?, *answer.get(7)?]);
    let mut rest = answer.get(question.len()..)?;
    for _ in 0..count {
        let after = behind_name(rest)?;
        let kind = after.get(..2)?;
        let length = usize::from(u16::from_be_bytes([*after.get(8)?, *after.get(9)?]));
        let data = after.get(10..10 + length)?;
        if let ([0, 1], [a, b, c, d]) = (kind, data) {
            return Some(IpAddr::V4(Ipv4Addr::new(*a, *b, *c, *d)));
        }
        rest = after.get(10 + length..)?;
    }
    None
}

/// A name is written out, or points back to where it was.
fn behind_name(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        match usize::from(*rest.first()?) {
            0 => return rest.get(1..),
            length if length >= 0xc0 => return rest.get(2..),
            length => rest = rest.get(1 + length..)?,
        }
    }
}
