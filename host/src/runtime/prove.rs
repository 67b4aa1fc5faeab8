//! The proof of an image that the engine holds: how far it goes, how far it must go, and what was proved before.

use std::sync::Arc;

use super::{Inner, Portreeve, PulledImage};
use crate::backend::Backend;
use crate::broker::Broker;
use crate::digest::Digest;
use crate::error::Error;
use crate::event::Level;
use crate::evidence::chain::{Level as Proof, Link, Report, Status, Step};
use crate::evidence::image::{CommandSource, ImageFacts, Sources};
use crate::evidence::look::Exported;
use crate::evidence::manifest::Platform;
use crate::evidence::proofs::Proved;
use crate::policy::Demand;
use crate::reference::Reference;
use crate::scope::Call;

/// How many digests that an engine claims for a tag's name are looked at.
const CLAIMS: usize = 4;

/// What an earlier proof of an image's content is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// It counts, for the same image ID.
    Counts,
    /// Every byte is read again.
    Nothing,
}

/// An image that the engine holds, and what its proof rests on.
struct Subject<'a> {
    backend: &'a Backend,
    looker: Arc<Broker>,
    image: &'a Reference,
    facts: ImageFacts,
    /// What the tag stood for in its registry when it was pulled, where that is known.
    served: Option<Digest>,
}

impl Portreeve {
    /// Proves an image that the engine holds, link by link; `deep`, down to the content of each layer, which the engine
    /// exports and the host hashes as it streams by.
    ///
    /// The report tells what was proved, what is only claimed and what could not be checked here, whatever the policy
    /// demands. Without one the engine names no digest for a tag, so that there is nothing to prove it against.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `Digest` when it is another image or a layer was changed, `Refused` by policy.
    pub async fn verify(&self, image: &Reference, deep: bool) -> Result<PulledImage, Error> {
        let examined = self.examine(image, deep).await?;
        check_failure(examined.verification.as_ref())?;
        Ok(examined)
    }

    /// As [`verify`](Self::verify), but an image that is another one, or a layer that was changed, is no error: the report
    /// has the link that [failed](Report::failure). It proves nothing then.
    ///
    /// # Errors
    /// `NotFound` where it is not held, `Refused` by policy, `Digest` where nothing could be looked at.
    pub async fn examine(&self, image: &Reference, deep: bool) -> Result<PulledImage, Error> {
        let warning = self.inner.admit_image(Call::ImageInspect, image)?;
        let (backend, _) = self.inner.chosen().await?;
        let subject = self.inner.subject(backend, image).await?;
        let mut report = self.inner.report(&subject).await?;
        if let Some(report) = report.as_mut().filter(|report| deep && report.failure().is_none()) {
            self.inner.deepen(&subject, report).await?;
        }
        self.inner.concluded(subject, report, warning)
    }
}

impl Inner {
    /// The image that the engine holds, proved as far as the policy demands.
    pub(super) async fn proved(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        warning: Option<String>,
        before: Before,
    ) -> Result<PulledImage, Error> {
        self.proved_as(backend, image, warning, before, None).await
    }

    /// The same, where it is known what the tag stood for: engines claim digests of their own making too.
    pub(super) async fn proved_as(
        &self,
        backend: &Arc<Backend>,
        image: &Reference,
        warning: Option<String>,
        before: Before,
        served: Option<Digest>,
    ) -> Result<PulledImage, Error> {
        let subject = Subject { served, ..self.subject(backend, image).await? };
        if let Some(warning) = &warning {
            self.say(Level::Warning, || warning.clone());
        }
        let mut report = self.report(&subject).await?;
        check_failure(report.as_ref())?;
        let demands_content = self.policy.demand() == Demand::Content;
        if let Some(report) = report.as_mut().filter(|_| demands_content)
            && (before == Before::Nothing || !self.proved_before(&subject, report))
        {
            self.deepen(&subject, report).await?;
            check_failure(Some(report))?;
        }
        self.check_demand(image, report.as_ref())?;
        self.concluded(subject, report, warning)
    }

    async fn subject<'a>(&self, backend: &'a Arc<Backend>, image: &'a Reference) -> Result<Subject<'a>, Error> {
        let looker = self.looker(backend, Call::ImageInspect)?;
        let facts = self.held(&looker, image).await?;
        let facts = facts.ok_or_else(|| Error::NotFound { kind: "image", name: image.to_string() })?;
        Ok(Subject { backend, looker, image, facts, served: None })
    }

    /// An image as the engine holds it, under its name or without any.
    pub(super) async fn held(&self, looker: &Broker, image: &Reference) -> Result<Option<ImageFacts>, Error> {
        match looker.look_at_image(image).await? {
            Some(facts) => Ok(Some(facts)),
            None => self.held_nameless(looker, image).await,
        }
    }

    /// An image that the engine holds without knowing its digest, such as one that came as a file: found by its ID, where
    /// the host has kept the documents that lead from the digest to it.
    async fn held_nameless(&self, looker: &Broker, image: &Reference) -> Result<Option<ImageFacts>, Error> {
        let Some(digest) = image.digest().filter(|_| looker.looks_by_id()) else { return Ok(None) };
        // What was kept may be of no use here, such as an index without this machine's platform: then it is not held.
        match self.verifier.kept_id(image, *digest).await.ok().flatten() {
            Some(id) => looker.look_at_image_by_id(&id.to_string()).await,
            None => Ok(None),
        }
    }

    /// Records what was found, and hands it on.
    fn concluded(
        &self,
        subject: Subject<'_>,
        report: Option<Report>,
        warning: Option<String>,
    ) -> Result<PulledImage, Error> {
        let Subject { backend, looker, image, facts, .. } = subject;
        let digest = report.as_ref().map(|report| report.requested.to_string());
        let tag = image.tag().map(|tag| ("tag", tag.to_owned()));
        let level = report.as_ref().map_or(Proof::Claimed, Report::level);
        let known = [
            ("image", image.name()),
            ("digest", digest.clone().unwrap_or_default()),
            ("id", facts.id.clone()),
            ("proved", level.as_str().to_owned()),
        ];
        let known: Vec<(&str, &str)> = known.iter().chain(&tag).map(|(key, value)| (*key, value.as_str())).collect();
        looker.record_verification(&known)?;
        Ok(PulledImage {
            image: image.name(),
            tag: image.tag().map(str::to_owned),
            digest,
            id: facts.id,
            backend: backend.name().to_owned(),
            verification: report,
            warnings: warning.into_iter().collect(),
        })
    }

    /// What is proved of the digest asked for, or of one that the engine claims for a tag.
    async fn report(&self, subject: &Subject<'_>) -> Result<Option<Report>, Error> {
        let Subject { image, facts, .. } = subject;
        match image.digest() {
            Some(digest) if facts.denies(image, digest) => {
                let why = format!("the engine's own document knows {} by another digest than {digest}", image.name());
                let link = Link::failed(Step::ImageId, digest, &facts.id, "denied", why);
                let platform = facts.platform.clone().unwrap_or_else(Platform::current);
                Ok(Some(Report::refuted(*digest, platform, link)))
            }
            Some(digest) => self.report_of(subject, *digest).await.map(Some),
            None => self.report_of_tag(subject).await,
        }
    }

    async fn report_of(&self, subject: &Subject<'_>, digest: Digest) -> Result<Report, Error> {
        self.verifier.examine(subject.image, digest, &subject.facts, subject.sources()).await
    }

    /// Engines that keep an index's digest and its manifest's claim both for a name: a tag names the index.
    async fn report_of_tag(&self, subject: &Subject<'_>) -> Result<Option<Report>, Error> {
        if let Some(served) = subject.served.filter(|served| subject.claims(served)) {
            return self.report_of(subject, served).await.map(Some);
        }
        let (mut first, mut wrong) = (None, None);
        for digest in subject.facts.claimed_digests(subject.image).take(CLAIMS) {
            match self.report_of(subject, digest).await {
                Ok(report) if report.failure().is_some() => wrong = wrong.or(Some(Ok(report))),
                Ok(report) if report.manifest.is_some_and(|manifest| manifest != digest) => return Ok(Some(report)),
                Ok(report) => first = first.or(Some(report)),
                Err(error) => wrong = wrong.or(Some(Err(error))),
            }
        }
        match (first, wrong) {
            (Some(report), _) => Ok(Some(report)),
            (None, Some(wrong)) => wrong.map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Has the engine export the image, and puts what was found of its layers into the report.
    async fn deepen(&self, subject: &Subject<'_>, report: &mut Report) -> Result<(), Error> {
        self.say(Level::Info, || {
            format!("hashing the layers of {} as {} exports them", subject.image, subject.backend.name())
        });
        let export = match subject.looker.look_at_export(&subject.facts.id, &report.diff_ids).await? {
            Exported::Whole(export) => export,
            Exported::Nothing(why) => {
                let remedy = "have the engine export the image, or pull it again";
                report.set_layers(vec![Link::not_checkable(Step::Layer, "image", "layers", &why, remedy)]);
                return Ok(());
            }
        };
        if !report.has_documents() {
            // the engine's export holds what no other source has: the configuration, from some the manifest
            let sources = Sources { export: Some(Arc::clone(&export)), ..subject.sources() };
            *report = self.verifier.examine(subject.image, report.requested, &subject.facts, sources).await?;
        }
        if report.has_documents() && report.failure().is_none() {
            report.set_layers(export.examine(report));
        }
        if report.level() == Proof::Content {
            // the proof holds without being kept; then it is given again the next time
            let _unkept = self.proofs.keep(subject.proved(report));
        }
        Ok(())
    }

    /// Puts an earlier proof of the same image ID into the report, if there is one.
    fn proved_before(&self, subject: &Subject<'_>, report: &mut Report) -> bool {
        let known = report.has_documents() && self.proofs.has(subject.proved(report));
        if known {
            let link = |digest: &Digest| {
                Link::proved(Step::Layer, format!("diff id {digest}"), "the engine's export, hashed before")
            };
            report.set_layers(report.diff_ids.iter().map(link).collect());
        }
        known
    }

    /// Less was proved than the policy demands: an error. Nothing was proved, and that suffices: a warning.
    fn check_demand(&self, image: &Reference, report: Option<&Report>) -> Result<(), Error> {
        let demand = self.policy.demand();
        let level = report.map_or(Proof::Claimed, Report::level);
        let why = || match report {
            None => format!("the engine names no digest for {image}"),
            Some(report) if level == Proof::Claimed => {
                format!("the manifest of {image} can't be had: {}", reasons(report))
            }
            Some(report) => format!("the content of {image} can't be shown: {}", reasons(report)),
        };
        if level < demand.level() {
            let enough = if level == Proof::Claimed { Demand::Claimed } else { Demand::Manifest }.as_str();
            return Err(Error::Digest(format!(
                "{}; a policy file may say demand = \"{enough}\" under [images]",
                why()
            )));
        }
        if level == Proof::Claimed {
            self.say(Level::Warning, || format!("not proved: {}", why()));
        }
        Ok(())
    }
}

impl Subject<'_> {
    /// Whether the engine claims a digest for the name.
    fn claims(&self, digest: &Digest) -> bool {
        self.facts.claimed_digests(self.image).any(|claimed| claimed == *digest)
    }

    /// Where the grants allow bytes to be had.
    fn sources(&self) -> Sources {
        let granted = &self.backend.grants().evidence().manifest;
        let command = granted.command.is_some().then(|| CommandSource {
            broker: Arc::clone(&self.looker),
            image: self.image.clone(),
            runtime: tokio::runtime::Handle::current(),
        });
        Sources { export: None, stores: self.backend.stores(&self.facts.id), command, registry: granted.registry }
    }

    fn proved<'a>(&'a self, report: &'a Report) -> Proved<'a> {
        Proved {
            backend: self.backend.name(),
            endpoint: self.backend.endpoint().unwrap_or_default(),
            id: &self.facts.id,
            diff_ids: &report.diff_ids,
        }
    }
}

/// An error where a link failed: nothing is made of such an image.
fn check_failure(report: Option<&Report>) -> Result<(), Error> {
    match report.and_then(Report::failure).map(|link| &link.status) {
        Some(Status::Failed { why, .. }) => Err(Error::Digest(why.clone())),
        _ => Ok(()),
    }
}

/// Why links could not be checked, each reason once.
fn reasons(report: &Report) -> String {
    let why = |link: &Link| match &link.status {
        Status::NotCheckable { why, remedy } => Some(format!("{why} ({remedy})")),
        _ => None,
    };
    let is_path = report.level() == Proof::Claimed;
    let links = report.links.iter().filter(|link| (link.step < Step::ImageId) == is_path);
    let mut all: Vec<String> = links.filter_map(why).collect();
    all.dedup();
    if all.is_empty() { "no source has it".to_owned() } else { all.join("; ") }
}
