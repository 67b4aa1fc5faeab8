//! What GPUs and mounts become in the command line that creates a container. No engine is asked, and nothing is run.

use super::{Inner, Portreeve};
use crate::backend::Backend;
use crate::error::{Error, Refusal, Rule};
use crate::grants::{Bindings, Effect, Object};
use crate::scope::{Call, Scope};
use crate::spec::{ContainerSpec, Gpus, Mount};

/// The part of a command line that something asked for becomes, by the grants of one backend.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct ExplainedPart {
    /// The backend.
    pub backend: String,
    /// The command in its grants.
    pub command: String,
    /// The arguments, in their order.
    pub arguments: Vec<String>,
}

impl Portreeve {
    /// What a mask of GPUs becomes, for each backend.
    ///
    /// # Errors
    /// `Refused` where the policy or a template does not allow it.
    pub fn explain_gpus(&self, gpus: &Gpus) -> Result<Vec<ExplainedPart>, Error> {
        let mut spec = Inner::nobody()?;
        spec.gpus = gpus.clone();
        self.inner.explain_part(&mut spec)
    }

    /// What mounts become, for each backend; their sources resolved as they would be for a container.
    ///
    /// # Errors
    /// `Refused` where the policy or a template does not allow it.
    pub fn explain_mounts(&self, mounts: &[Mount]) -> Result<Vec<ExplainedPart>, Error> {
        let mut spec = Inner::nobody()?;
        spec.mounts = mounts.to_vec();
        self.inner.explain_part(&mut spec)
    }
}

impl Inner {
    /// A container that will never be, of which a part alone is rendered.
    fn nobody() -> Result<ContainerSpec, Error> {
        Ok(ContainerSpec::new("localhost/nobody:none".parse()?, "nobody".parse()?))
    }

    fn explain_part(&self, spec: &mut ContainerSpec) -> Result<Vec<ExplainedPart>, Error> {
        let mut admitted = || {
            self.policy.check_container(spec)?;
            self.check_mounts(spec)
        };
        admitted().map_err(|error| self.refused(Call::Explain, "nobody", error))?;
        let facts = part(spec, &Self::nobody()?);
        self.backends.iter().map(|backend| explained(backend, &facts)).collect()
    }
}

/// The facts of a request that another one does not have.
fn part(spec: &ContainerSpec, nobody: &ContainerSpec) -> Bindings {
    let (all, common) = (Scope::of_create(spec, &[]), Scope::of_create(nobody, &[]));
    let new = all.caller().iter().filter(|(slot, _)| common.caller().get(*slot).is_empty());
    new.flat_map(|(slot, bindings)| bindings.iter().map(move |binding| (slot, binding.clone()))).collect()
}

fn explained(backend: &Backend, facts: &Bindings) -> Result<ExplainedPart, Error> {
    let creates = |effect, object| (effect, object) == (Effect::Create, Object::Container);
    let command = backend.grants().commands().iter().find(|command| creates(command.effect(), command.object()));
    let command = command.ok_or_else(|| Error::Unsupported(format!("{} creates no containers", backend.name())))?;
    let arguments = command.template().render_part(facts).map_err(|error| {
        let refusal = Refusal::new(Rule::Grammar, error.rule.as_str()).command(command.name());
        refusal.slot(error.slot.name()).remedy(&error.remedy)
    })?;
    Ok(ExplainedPart { backend: backend.name().to_owned(), command: command.name().to_owned(), arguments })
}
