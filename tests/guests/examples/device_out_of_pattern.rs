//! Looks at a device that no pattern of its grant names.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Finding, Intention, Result, devices};

struct DeviceOutOfPattern;

guest!(DeviceOutOfPattern);

impl Mischief for DeviceOutOfPattern {
    fn preflight(_: &Intention) -> Result<Vec<Finding>> {
        devices::check("/dev/mem")?;
        Ok(Vec::new())
    }
}
