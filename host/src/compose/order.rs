//! The order in which services start.

use super::Service;
use super::yaml::{Place, Wrong};

/// Each service after all that it depends on; among equals, as the file has them.
pub(super) fn sorted(mut services: Vec<Service>, at: Place) -> Result<Vec<Service>, Wrong> {
    let mut ready: Vec<Service> = Vec::new();
    while !services.is_empty() {
        let waits = |service: &Service, others: &[Service]| {
            service.depends_on.iter().any(|on| others.iter().any(|other| other.name == on.service))
        };
        match (0..services.len()).find(|at| services.get(*at).is_some_and(|service| !waits(service, &services))) {
            Some(first) => ready.push(services.remove(first)),
            None => {
                let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
                return Err(Wrong::new(at, format!("these services wait for one another: {}", names.join(", "))));
            }
        }
    }
    Ok(ready)
}
