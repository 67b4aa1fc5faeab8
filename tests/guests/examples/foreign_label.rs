//! Adds a label that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Label, Result, Value};

struct ForeignLabel;

guest!(ForeignLabel);

impl Mischief for ForeignLabel {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let label = Label { key: "io.portreeve.owner".into(), value: "somebody".into() };
        create_with(spec, |arguments| arguments.with("label", Value::Label(label)))
    }
}
