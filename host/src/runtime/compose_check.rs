//! What the policy says of a compose file, part by part.

use super::Portreeve;
use crate::compose::Project;
use crate::error::Error;

impl Portreeve {
    /// Asks the policy about each part of each service that it may have a word on, and notes what it refuses. Nothing is
    /// asked of an engine.
    pub fn check_compose(&self, project: &mut Project) {
        let facts: Vec<_> = project.services.iter().flat_map(|service| service.facts.clone()).collect();
        for fact in facts {
            let mut spec = fact.spec.clone();
            // A part is told of what is its own alone: the image is the same in all of them.
            let image = if fact.is_image { self.inner.policy.check_image(&spec.image).map(drop) } else { Ok(()) };
            let allowed = image.and_then(|()| self.inner.policy.check_container(&spec)).map_err(Error::from);
            let mounted = allowed.and_then(|()| self.inner.check_mounts(&mut spec).map(drop));
            if let Err(error) = mounted {
                project.refuse(&fact, error.to_string());
            }
        }
    }
}
