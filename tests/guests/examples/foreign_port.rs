//! Publishes a port that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Port, Protocol, Result, Value};

struct ForeignPort;

guest!(ForeignPort);

impl Mischief for ForeignPort {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let ssh = Port { address: "0.0.0.0".into(), host: 2222, container: 22, protocol: Protocol::Tcp };
        create_with(spec, |arguments| arguments.with("port", Value::Port(ssh)))
    }
}
