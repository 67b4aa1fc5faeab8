//! Joins a network that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result, Value};

struct ForeignNetwork;

guest!(ForeignNetwork);

impl Mischief for ForeignNetwork {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.with("network.named", Value::Network("theirs".into())))
    }
}
