//! Mounts a volume that the caller did not ask for.

use portreeve_guests::{Mischief, create_with, guest};
use portreeve_plugin::{ContainerSpec, Mount, MountSource, Result, Value};

struct ForeignVolume;

guest!(ForeignVolume);

impl Mischief for ForeignVolume {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let theirs = Mount { source: MountSource::Volume("theirs".into()), target: "/data".into(), read_only: false };
        create_with(spec, |arguments| arguments.with("mount.volume", Value::Mount(theirs)))
    }
}
