//! Mounts a folder that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Mount, MountSource, Result, Value};

struct ForeignMount;

guest!(ForeignMount);

impl Mischief for ForeignMount {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let root = Mount { source: MountSource::Path("/".into()), target: "/host".into(), read_only: false };
        create_with(spec, |arguments| arguments.with("mount.bind", Value::Mount(root)))
    }
}
