//! Published ports.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::SpecError;

const EXPECTED: &str = "[ADDRESS:][HOST-PORT]:PORT[/tcp|udp|sctp], IPv6 in brackets";

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// TCP, the default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// As the engines spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl FromStr for Protocol {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(SpecError::new("protocol", text, "there is no such protocol", "tcp, udp or sctp")),
        }
    }
}

/// A port of the container that the host publishes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    /// The host's address. Without one in the text it is the loopback address, not every address as with other tools.
    pub address: IpAddr,
    /// The host's port; 0 leaves the choice to the engine, and is read back.
    pub host: u16,
    /// The container's port, never 0.
    pub container: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl Port {
    /// The address as `--publish` wants it: IPv6 in brackets.
    #[must_use]
    pub fn bracketed_address(&self) -> String {
        match self.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        }
    }
}

impl FromStr for Port {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (rest, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (rest, container) = rest.rsplit_once(':').map_or((None, rest), |(rest, port)| (Some(rest), port));
        let (address, host) = rest.map_or(Ok((None, "")), |rest| split_address(text, rest))?;
        Ok(Self {
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host: if host.is_empty() { 0 } else { number(text, host)? },
            container: number(text, container).and_then(|port| not_zero(text, port))?,
            protocol: protocol.parse()?,
        })
    }
}

/// `ADDRESS:HOST`, `ADDRESS:`, `HOST` or nothing.
fn split_address<'a>(whole: &str, rest: &'a str) -> Result<(Option<IpAddr>, &'a str), SpecError> {
    let Some((address, host)) = rest.rsplit_once(':') else {
        return Ok((None, rest));
    };
    let bare = match address.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').filter(|inside| inside.contains(':')),
        None => Some(address).filter(|address| !address.contains(':')),
    };
    let parsed = bare.and_then(|bare| bare.parse::<IpAddr>().ok());
    parsed
        .map(|address| (Some(address), host))
        .ok_or_else(|| SpecError::new("port", whole, format!("{address:?} is no address"), EXPECTED))
}

fn number(whole: &str, text: &str) -> Result<u16, SpecError> {
    let wrong = || SpecError::new("port", whole, format!("{text:?} is no port from 0 to 65535"), EXPECTED);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn not_zero(whole: &str, port: u16) -> Result<u16, SpecError> {
    if port == 0 {
        return Err(SpecError::new("port", whole, "the container's port can't be 0", EXPECTED));
    }
    Ok(port)
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}/{}", self.bracketed_address(), self.host, self.container, self.protocol.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loopback_is_the_default() {
        assert_eq!("80".parse::<Port>().unwrap().to_string(), "127.0.0.1:0:80/tcp");
        assert_eq!("8080:80/udp".parse::<Port>().unwrap().to_string(), "127.0.0.1:8080:80/udp");
        assert_eq!("0.0.0.0::80".parse::<Port>().unwrap().to_string(), "0.0.0.0:0:80/tcp");
        assert_eq!("[::1]:8080:80".parse::<Port>().unwrap().to_string(), "[::1]:8080:80/tcp");
    }

    #[test]
    fn what_is_no_port_is_refused() {
        for bad in
            ["", ":", "0", "80:0", "99999", "::1:80:80", "a:80:80", "80/xyz", "+80", "80-90:80-90", "[1.2.3.4]:1:1"]
        {
            assert!(bad.parse::<Port>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn printing_and_parsing_agree(address: IpAddr, host: u16, container in 1..=u16::MAX) {
            let port = Port { address, host, container, protocol: Protocol::Tcp };
            prop_assert_eq!(port.to_string().parse::<Port>().unwrap(), port);
        }
    }
}
