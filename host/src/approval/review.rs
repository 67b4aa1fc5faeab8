//! What an operator decides about: what a component may do, what is dangerous in it, what it does more than before.

use super::loaded;
use crate::backend::{BackendSource, Standing};
use crate::digest::Digest;
use crate::error::{Error, Refusal, Rule};
use crate::grants::{Change, Grants, Verdict};
use crate::runtime::BackendInfo;

/// What an approval would mean.
pub struct Review {
    /// What the backend is and may do: its request within its grant.
    pub backend: BackendInfo,
    /// What has its name now.
    pub replaces: Option<Replaced>,
    /// How it compares with that, part by part.
    pub changes: Vec<Change>,
    source: BackendSource,
    digest: Digest,
    grants: Grants,
}

/// What has the name of a backend that is to be approved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replaced {
    /// It is part of this program; otherwise it was approved earlier.
    pub embedded: bool,
    /// The digest of its component; none where the earlier approval can't be read any more.
    pub digest: Option<String>,
}

/// What an operator agrees to. Nothing is agreed to by silence.
#[derive(Debug, Clone)]
pub struct Consent {
    /// The component that they mean.
    pub digest: Digest,
    /// Dangerous tokens that their own grants file does not mark.
    pub dangers: bool,
    /// It may do more than the one that it replaces.
    pub widening: bool,
    /// It takes the name of an embedded backend.
    pub replacing: bool,
    /// What its author says stands in the place of a grant: what each command does, what is evidence, which programs are
    /// run and which devices, probes and limits it has.
    pub request: bool,
}

impl Consent {
    /// To this component, and to nothing that needs a word of its own.
    #[must_use]
    pub const fn to(digest: Digest) -> Self {
        Self { digest, dangers: false, widening: false, replacing: false, request: false }
    }
}

impl Review {
    pub(super) fn new(source: BackendSource, earlier: Option<Result<BackendSource, Error>>) -> Result<Self, Error> {
        let backend = loaded(source.clone())?;
        let (replaces, changes) = match earlier {
            None => (None, Vec::new()),
            Some(earlier) => compared(earlier, backend.grants()),
        };
        let (digest, grants) = (*backend.digest(), backend.grants().clone());
        Ok(Self { backend: BackendInfo::of(&backend), replaces, changes, source, digest, grants })
    }

    /// Whether only its author says what it may do: there is no grant of an operator's, neither given nor kept.
    #[must_use]
    pub fn is_by_its_author_alone(&self) -> bool {
        self.source.standing == Standing::Asking
    }

    /// The dangerous tokens that no grants file of the operator's marks: the command, and the token.
    pub fn unmarked(&self) -> impl Iterator<Item = (&str, &str)> {
        let by_operator = self.source.standing == Standing::Given;
        self.backend.commands.iter().flat_map(move |command| {
            let unmarked = command.dangers.iter().filter(move |danger| !(by_operator && danger.marked));
            unmarked.map(|danger| (command.name.as_str(), danger.token.as_str()))
        })
    }

    /// What it may do more than what it replaces.
    pub fn widened(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.verdict == Verdict::Widened)
    }

    /// Whether it takes an embedded backend's name.
    #[must_use]
    pub fn takes_over(&self) -> bool {
        self.replaces.as_ref().is_some_and(|replaced| replaced.embedded)
    }

    /// The digest of its component.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn source(&self) -> &BackendSource {
        &self.source
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether a consent covers all that the review shows.
    ///
    /// # Errors
    /// The first thing that it does not cover, and how an operator would say so.
    pub fn check(&self, consent: &Consent) -> Result<(), Refusal> {
        let (name, refused) = (&self.backend.name, |why: String| Refusal::new(Rule::Approval, why));
        if consent.digest != self.digest {
            let why =
                format!("the component has the digest {}, and {} was to be approved", self.digest, consent.digest);
            return Err(refused(why).value(name));
        }
        if self.is_by_its_author_alone() && !consent.request {
            let why = "an author's own word for what its commands do is never taken without asking";
            let remedy = "`portreeve backend inspect FILE.wasm --draft` prints what it asks for as a grants file: read it, \
                          correct it, and give it with --grants FILE; or approve it at a terminal";
            return Err(refused(why.to_owned()).value(name).remedy(remedy));
        }
        if let Some((command, token)) = self.unmarked().next().filter(|_| !consent.dangers) {
            let remedy = format!(
                "look at it; then say dangerous = [\"{token}\"] in [commands.{command}] of a grants file of your own \
                 (--grants FILE), or approve it at a terminal"
            );
            let why = "a dangerous token is never approved by --yes";
            return Err(refused(why.to_owned()).command(command).value(token).remedy(remedy));
        }
        if self.takes_over() && !consent.replacing {
            let why = format!("{name} is the name of an embedded backend, which this one would replace");
            return Err(refused(why).value(name).remedy("say --replace, or give it another name"));
        }
        match self.widened().next().filter(|_| !consent.widening) {
            None => Ok(()),
            Some(change) => {
                let why = format!(
                    "it may do more than the {name} that is there: {}: {}",
                    change.subject,
                    change.why.join("; ")
                );
                let remedy = "look at `portreeve backend diff`; then say --widen, or approve it at a terminal";
                Err(refused(why).value(name).remedy(remedy))
            }
        }
    }
}

/// With an approval that can't be read nothing can be compared: all that comes is more.
fn compared(earlier: Result<BackendSource, Error>, new: &Grants) -> (Option<Replaced>, Vec<Change>) {
    let embedded = earlier.as_ref().is_ok_and(|source| source.standing == Standing::Embedded);
    match earlier.and_then(loaded) {
        Ok(old) => {
            let digest = Some(old.digest_text().to_owned());
            (Some(Replaced { embedded, digest }), old.grants().compare(new))
        }
        Err(error) => {
            let why = vec![format!("the earlier approval can't be read: {error}")];
            let change =
                Change { subject: "approval".to_owned(), verdict: Verdict::Widened, why, old: None, new: None };
            (Some(Replaced { embedded, digest: None }), vec![change])
        }
    }
}
