//! Approvals: which components an operator let in, each pinned together with its grant.
//!
//! Both are copied into the state directory and named by their digests; a record under the install's MAC says which two
//! belong to which name. What is used are the very bytes that were hashed: a changed byte of the component, of the
//! grant or of the record is a refusal before anything of it is compiled.

mod folder;
mod record;
mod review;
#[cfg(test)]
mod tests;

pub use review::{Consent, Replaced, Review};

use crate::backend::{Backend, BackendSource, HostEnvironment, Standing};
use crate::digest::Digest;
use crate::error::{Error, Refusal, Rule};
use crate::journal::{Durability, Entry, Journal, JournalOptions, Kind};
use crate::sandbox::{CodeCache, Component, Sandbox};
use crate::state::{Area, StateDir};
use folder::Folder;
use record::Record;

/// The approved backends of one install.
pub struct Approvals<'a> {
    state: &'a StateDir,
}

impl<'a> Approvals<'a> {
    /// Those of this state directory.
    #[must_use]
    pub fn of(state: &'a StateDir) -> Self {
        Self { state }
    }

    /// The names that something is approved under, whether it still holds or not.
    ///
    /// # Errors
    /// When the folder can't be read, or others can write it.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        self.existing()?.map_or(Ok(Vec::new()), |folder| folder.names())
    }

    /// The component and the grant that are approved under this name.
    ///
    /// # Errors
    /// `Backend` where there is none; `Refused` where component, grant or record are not what was approved.
    pub fn read(&self, name: &str) -> Result<BackendSource, Error> {
        let missing =
            || Error::Backend { name: name.to_owned(), why: "nothing is approved under this name".to_owned() };
        let folder = self.existing()?.ok_or_else(missing)?;
        let record = self.record(&folder, name)?.ok_or_else(missing)?;
        let component = folder.component(&record).map_err(|why| changed(name, &why))?;
        let grants = folder.grants(&record).map_err(|why| changed(name, &why))?;
        let source = BackendSource {
            origin: record.origin.clone(),
            component: component.into(),
            known: None,
            grants,
            grants_origin: format!("the approved grant of {name}"),
            standing: Standing::Approved,
        };
        if source.name()? == name { Ok(source) } else { Err(changed(name, "its grant is for another backend")) }
    }

    /// What an approval would mean. Nothing is compiled, run or written.
    ///
    /// A component that comes without a grant ([`BackendSource::asking`]) is taken under the grant of the backend that
    /// has its name now, as it stands. Where there is none, its own request stands in the grant's place, and that its
    /// author's word counts for effects, evidence and programs needs a consent of its own.
    ///
    /// # Errors
    /// When the component, its request or its grant is refused.
    pub fn review(&self, source: BackendSource) -> Result<Review, Error> {
        let name = source.name()?;
        let earlier = if self.names()?.contains(&name) { Some(self.read(&name)) } else { embedded(&name)?.map(Ok) };
        let source = match &earlier {
            Some(Ok(earlier)) if source.standing == Standing::Asking => source.under_grant_of(earlier),
            _ => source,
        };
        Review::new(source, earlier)
    }

    /// Approves what was reviewed: compiles it, records it in the journal, and keeps it under its name.
    ///
    /// # Errors
    /// `Refused` where the consent does not cover something that the review shows; `Backend` where the component can't
    /// be compiled or does not fit the interface; `State` where nothing can be recorded. Nothing is approved then.
    pub async fn approve(&self, review: &Review, consent: &Consent) -> Result<(), Error> {
        review.check(consent)?;
        let (state, source) = (self.state, review.source());
        let component = read_component(source)?;
        let cache = CodeCache::new(state.area(Area::Code)?, state.key().derive("code"));
        Sandbox::new(Some(cache))?.ready(&component, review.grants().wasi()).await?;
        let record = Record::new(&review.backend.name, *component.digest(), source);
        self.note("approved", &record)?;
        Folder::new(state.area(Area::Backends)?, state).keep(&record, source, &self.key())
    }

    /// Takes an approval back; whether there was one, intact or not.
    ///
    /// # Errors
    /// When the journal or the folder can't be written.
    pub fn revoke(&self, name: &str) -> Result<bool, Error> {
        let Some(folder) = self.existing()? else { return Ok(false) };
        if !folder.names()?.iter().any(|known| known == name) {
            return Ok(false);
        }
        let record = self.record(&folder, name).ok().flatten().unwrap_or_else(|| Record::unknown(name));
        self.note("revoked", &record)?;
        folder.remove(name, &self.key())?;
        Ok(true)
    }

    fn existing(&self) -> Result<Option<Folder>, Error> {
        Ok(self.state.existing_area(Area::Backends)?.map(|dir| Folder::new(dir, self.state)))
    }

    fn record(&self, folder: &Folder, name: &str) -> Result<Option<Record>, Error> {
        folder.record(name, &self.key()).map_err(|why| changed(name, &why))
    }

    fn key(&self) -> crate::state::DerivedKey {
        self.state.key().derive("approval")
    }

    /// An approval that can't be recorded does not come about.
    fn note(&self, what: &str, record: &Record) -> Result<(), Error> {
        let unwritten = |error: &dyn std::fmt::Display| Error::State(format!("the journal: {error}"));
        let options = JournalOptions::default().durability(Durability::All);
        let journal = Journal::open(self.state, options).map_err(|error| unwritten(&error))?;
        let facts = [("approval", what), ("component", &record.component), ("grants", &record.grants)];
        let why = format!("{what} by the operator");
        let entry = Entry {
            backend: Some(&record.name),
            plugin: Some(&record.component),
            why: Some(&why),
            facts: &facts,
            ..Entry::new(Kind::Note)
        };
        journal.append(&entry).map(drop).map_err(|error| unwritten(&error))
    }
}

/// What stands under a name is not what an operator approved.
fn changed(name: &str, why: &str) -> Error {
    let remedy = format!(
        "`portreeve backend approve FILE` approves it anew, `portreeve backend revoke {name}` takes the approval back"
    );
    Refusal::new(Rule::Approval, format!("the backend {name} is not what was approved: {why}"))
        .value(name)
        .remedy(remedy)
        .into()
}

fn embedded(name: &str) -> Result<Option<BackendSource>, Error> {
    for source in BackendSource::embedded() {
        if source.name()? == name {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

fn read_component(source: &BackendSource) -> Result<Component, Error> {
    source.read_component().map_err(|error| Error::Backend { name: source.origin.clone(), why: error.to_string() })
}

/// Request ∩ grant of a source, without an engine or a compiler.
fn loaded(source: BackendSource) -> Result<Backend, Error> {
    let component = read_component(&source)?;
    Backend::new(&source, &source.parse_grants()?, HostEnvironment::default(), Vec::new(), component)
}

/// For messages: the digest that bytes have.
fn digest_text(bytes: &[u8]) -> String {
    Digest::sha256(bytes).to_string()
}
