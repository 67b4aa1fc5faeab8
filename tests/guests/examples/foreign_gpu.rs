//! Gives a GPU that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Result, Value};

struct ForeignGpu;

guest!(ForeignGpu);

impl Mischief for ForeignGpu {
    fn create(spec: &ContainerSpec) -> Result<String> {
        create_with(spec, |arguments| arguments.with("gpu", Value::Gpu("all".into())))
    }
}
