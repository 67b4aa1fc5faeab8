//! Asks for a variable of the host's own environment as if it were a secret of the call.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Env, Result, Value};

struct ForeignSecret;

guest!(ForeignSecret);

impl Mischief for ForeignSecret {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.with("env.secret", Value::Env(Env::Secret("HOME".into()))))
    }
}
