//! The order in which services start.

use super::Service;

/// Each service after all that it depends on; among equals, as the file has them.
///
/// # Errors
/// The names of those that wait for one another.
pub(super) fn sorted(mut services: Vec<Service>) -> Result<Vec<Service>, String> {
    let mut ready: Vec<Service> = Vec::new();
    while !services.is_empty() {
        let waits = |service: &Service, others: &[Service]| {
            service.depends_on.iter().any(|on| others.iter().any(|other| other.name == on.service))
        };
        match (0..services.len()).find(|at| services.get(*at).is_some_and(|service| !waits(service, &services))) {
            Some(first) => ready.push(services.remove(first)),
            None => {
                let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
                return Err(names.join(", "));
            }
        }
    }
    Ok(ready)
}
