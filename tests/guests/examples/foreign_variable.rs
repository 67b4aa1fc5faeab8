//! Adds a variable that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Env, Result, Value, Variable};

struct ForeignVariable;

guest!(ForeignVariable);

impl Mischief for ForeignVariable {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let preload = Variable { name: "LD_PRELOAD".into(), value: "/evil.so".into() };
        create_with(spec, |arguments| arguments.with("env.plain", Value::Env(Env::Plain(preload))))
    }
}
