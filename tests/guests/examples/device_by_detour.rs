//! Looks at a device by a path that begins as a granted one does.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Finding, Intention, Result, devices};

struct DeviceByDetour;

guest!(DeviceByDetour);

impl Mischief for DeviceByDetour {
    fn preflight(_: &Intention) -> Result<Vec<Finding>> {
        devices::check("/dev/dri/../mem")?;
        Ok(Vec::new())
    }
}
