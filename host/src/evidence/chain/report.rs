//! What was proved, what was claimed, and what could not be checked.

use std::fmt;

use serde::Serialize;

use super::super::manifest::Platform;
use super::walk::Resolved;
use crate::digest::Digest;

/// Which part of the chain a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// From the request to the document it names, or from an index to a further one.
    Requested,
    /// From an index to the manifest of one platform.
    Manifest,
    /// From a manifest to its configuration's digest.
    Config,
    /// From a configuration, manifest or index to the engine's image ID.
    ImageId,
    /// From the configuration to the digests of the uncompressed layers.
    DiffIds,
    /// From the digest of an uncompressed layer to its content.
    Layer,
}

impl Step {
    /// As people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::ImageId => "image id",
            Self::DiffIds => "diff ids",
            Self::Layer => "layer",
        }
    }
}

/// How sure a link is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Status {
    /// The host hashed the bytes it rests on.
    Proved,
    /// The engine says so.
    Claimed,
    /// Nobody could look.
    NotCheckable {
        /// Why.
        why: String,
        /// What would make it checkable.
        remedy: String,
    },
    /// It is wrong: the chain breaks here.
    Failed {
        /// A short, stable word for what is wrong with it, such as `mismatch`.
        kind: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which part of the chain it is.
    pub step: Step,
    /// Where it begins: a digest, or a word and a digest.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// How sure it is.
    #[serde(flatten)]
    pub status: Status,
}

impl Link {
    /// A link whose bytes the host hashed.
    pub fn proved(step: Step, from: impl ToString, to: impl ToString) -> Self {
        Self { step, from: from.to_string(), to: to.to_string(), status: Status::Proved }
    }

    /// A link that the engine alone speaks for.
    pub fn claimed(step: Step, from: impl ToString, to: impl ToString) -> Self {
        Self { step, from: from.to_string(), to: to.to_string(), status: Status::Claimed }
    }

    /// A link that could not be looked at.
    pub fn not_checkable(step: Step, from: impl ToString, to: impl ToString, why: &str, remedy: &str) -> Self {
        let status = Status::NotCheckable { why: why.to_owned(), remedy: remedy.to_owned() };
        Self { step, from: from.to_string(), to: to.to_string(), status }
    }

    /// A link that is wrong.
    pub fn failed(step: Step, from: impl ToString, to: impl ToString, kind: &'static str, why: impl ToString) -> Self {
        let status = Status::Failed { kind, why: why.to_string() };
        Self { step, from: from.to_string(), to: to.to_string(), status }
    }

    /// The link to the layers' content before anybody read it.
    pub(super) fn content_unread(resolved: &Resolved) -> Self {
        let from = resolved.config_digest().map_or_else(|| "image".to_owned(), |digest| format!("config {digest}"));
        let why = "the content of the layers was not read";
        let remedy = "verify it deeply (--deep): hash the layers of the engine's own export";
        Self::not_checkable(Step::Layer, from, "layers", why, remedy)
    }
}

/// How much of an image is proved; more is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Some link up to the image ID rests on the engine's word.
    Claimed,
    /// Every link from the request to the image ID is proved.
    Manifest,
    /// So is every layer's content.
    Content,
}

impl Level {
    /// As JSON and policy files spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Manifest => "manifest",
            Self::Content => "content",
        }
    }
}

/// The whole chain of one image. [`Display`](fmt::Display) prints a line for each link; serde writes the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The digest asked for.
    pub requested: Digest,
    /// The platform that an index was searched for; where none was, that of the image's own configuration.
    pub platform: Platform,
    /// The digest of the platform's manifest, once proved.
    pub manifest: Option<Digest>,
    /// The digest of the configuration, as the proved manifest names it.
    pub config: Option<Digest>,
    /// The engine's image ID, where an engine was asked.
    pub image_id: Option<Digest>,
    /// The digests of the uncompressed layers, once proved, lowest first.
    pub diff_ids: Vec<Digest>,
    /// The links, in order.
    pub links: Vec<Link>,
}

impl Report {
    pub(in crate::evidence) fn of(resolved: &Resolved) -> Self {
        Self {
            requested: resolved.requested,
            platform: resolved.platform.clone(),
            manifest: resolved.manifest.as_ref().and(resolved.manifest_digest()),
            config: resolved.config_digest(),
            image_id: None,
            diff_ids: resolved.config().map(|config| config.diff_ids().to_vec()).unwrap_or_default(),
            links: resolved.links.clone(),
        }
    }

    /// Of an image that is not the one requested, before anything could be looked at.
    pub(crate) fn refuted(requested: Digest, platform: Platform, link: Link) -> Self {
        let links = vec![link];
        Self { requested, platform, manifest: None, config: None, image_id: None, diff_ids: Vec::new(), links }
    }

    pub(in crate::evidence) fn push(&mut self, link: Link) {
        self.links.push(link);
    }

    /// Puts the links into the order of the chain.
    pub(in crate::evidence) fn sort(&mut self) {
        self.links.sort_by_key(|link| link.step);
    }

    /// With no engine to hold it, a configuration that is not there is not one that was proved.
    pub(in crate::evidence) fn without_config(&mut self) {
        let why = self.links.iter().find(|link| link.step == Step::DiffIds).map(|link| link.status.clone());
        let config = self.links.iter_mut().find(|link| link.step == Step::Config && link.status == Status::Proved);
        if let (Some(config), Some(why @ Status::NotCheckable { .. })) = (config, why) {
            config.status = why;
        }
    }

    /// Puts what was found of each layer's content in place of the link that says it was not read.
    pub fn set_layers(&mut self, layers: Vec<Link>) {
        self.links.retain(|link| link.step != Step::Layer);
        self.links.extend(layers);
    }

    /// The link that is wrong, if one is: then the image is not the one requested, whatever else was proved.
    #[must_use]
    pub fn failure(&self) -> Option<&Link> {
        self.links.iter().find(|link| matches!(link.status, Status::Failed { .. }))
    }

    /// Whether every document was had: the manifest, and the configuration with the digests of the layers.
    pub(crate) fn has_documents(&self) -> bool {
        self.links.iter().any(|link| link.step == Step::DiffIds && link.status == Status::Proved)
    }

    /// How much is proved; of a chain that breaks somewhere, nothing.
    #[must_use]
    pub fn level(&self) -> Level {
        if self.failure().is_some() {
            return Level::Claimed;
        }
        let is_proved = |link: &Link| link.status == Status::Proved;
        let is_content = |link: &&Link| link.step >= Step::DiffIds;
        let (content, path): (Vec<&Link>, Vec<&Link>) = self.links.iter().partition(is_content);
        let layers = content.iter().filter(|link| link.step == Step::Layer).count();
        let is_whole = self.config.is_some() && path.iter().all(|link| is_proved(link));
        match is_whole {
            false => Level::Claimed,
            true if layers == self.diff_ids.len() && content.iter().all(|link| is_proved(link)) => Level::Content,
            true => Level::Manifest,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Proved => "proved",
            Self::Claimed => "claimed",
            Self::NotCheckable { .. } => "not checkable",
            Self::Failed { .. } => "failed",
        })
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<13}  {:<9}  {} → {}", self.status, self.step.name(), self.from, self.to)?;
        match &self.status {
            Status::NotCheckable { why, remedy } => write!(f, "\n{:15}why: {why}\n{:15}to check: {remedy}", "", ""),
            Status::Failed { kind, why } => write!(f, "\n{:15}why: {kind}: {why}", ""),
            Status::Proved | Status::Claimed => Ok(()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.requested, self.platform)?;
        self.links.iter().try_for_each(|link| write!(f, "\n{link}"))
    }
}
