//! Joins a pod that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result, Value};

struct ForeignPod;

guest!(ForeignPod);

impl Mischief for ForeignPod {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.with("pod", Value::Pod("theirs".into())))
    }
}
