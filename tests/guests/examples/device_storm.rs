//! Looks at a granted device again and again.

use portreeve_guests::{Mischief, guest};
use portreeve_plugin::{Finding, Intention, Result, devices};

struct DeviceStorm;

guest!(DeviceStorm);

impl Mischief for DeviceStorm {
    fn preflight(_: &Intention) -> Result<Vec<Finding>> {
        for _ in 0..10_000 {
            let _whatever = devices::check("/dev/nvidia0");
        }
        Ok(Vec::new())
    }
}
