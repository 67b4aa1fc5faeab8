//! `verify`: the chain of an image, link by link. For one in a layout no engine is asked and no state is needed.

use std::path::{Path, PathBuf};

use clap::Args;
use portreeve::evidence::chain::{Level, Link, Report, Status as LinkStatus};
use portreeve::evidence::layout::{Layout, LayoutError};
use portreeve::evidence::manifest::Platform;
use portreeve::{Digest, Error, PulledImage, Reference};
use serde_json::{Value, json};

use super::arguments::Common;
use super::desk::{self, Desk};
use super::exit::{Failure, Outcome, Status};
use super::show::{self, plain_lines};
use super::standard;

/// `verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Down to the content of each layer, as the engine exports it: every byte is read. A layout always is
    #[arg(long)]
    deep: bool,
    /// Ask no engine: the image lies in this OCI layout, a directory or a tar archive
    #[arg(long, value_name = "DIR|FILE.tar")]
    layout: Option<PathBuf>,
    /// The entry of an index to follow; otherwise this machine's
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "layout")]
    platform: Option<Platform>,
    /// Compare this host with a declared standard, and print a checklist
    #[arg(long, value_name = "FILE", conflicts_with_all = ["deep", "layout", "what"])]
    standard: Option<PathBuf>,
    /// The class of host that the standard is asked about; otherwise the one that it names
    #[arg(long, value_name = "NAME", requires = "standard")]
    class: Option<String>,
    /// The image; with --layout the digest of its manifest or index
    #[arg(value_name = "IMAGE|DIGEST", required_unless_present = "standard")]
    what: Option<String>,
}

impl Verify {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        if let Some(file) = &self.standard {
            return standard::verify(file, self.class.as_deref(), common);
        }
        match &self.layout {
            Some(path) => self.of_layout(path, common),
            None => {
                let image = self.what().parse::<Reference>().map_err(Error::from)?;
                desk::open(common, async |desk| of_engine(desk, &image, self.deep).await)
            }
        }
    }

    fn what(&self) -> &str {
        self.what.as_deref().unwrap_or_default()
    }

    fn of_layout(&self, path: &Path, common: &Common) -> Outcome {
        let digest = self.what().parse::<Digest>();
        let digest = digest.map_err(|error| Failure::Usage(format!("{}: {error}", self.what())))?;
        let layout = Layout::at(path).map_err(unproved)?;
        let report = match &self.platform {
            Some(platform) => layout.examine_for(&digest, platform),
            None => layout.examine(&digest, &Platform::current()),
        };
        let shown = json!({ "layout": path.display().to_string(), "verification": report });
        conclude(shown, &report, Level::Content, common.json)
    }
}

async fn of_engine(desk: &Desk, image: &Reference, deep: bool) -> Outcome {
    let demanded = if deep { Level::Content } else { desk.portreeve.policy().demand().level() };
    let verified = desk.portreeve.examine(image, deep).await.map_err(no_or_failed)?;
    desk.teller.finish();
    let report = verified.verification.as_ref();
    let report = report.ok_or_else(|| unproved_because(format!("the engine names no digest for {image}")))?;
    conclude(document(&verified)?, report, demanded, desk.json)
}

fn document(verified: &PulledImage) -> Result<Value, Failure> {
    Ok(serde_json::to_value(verified).map_err(std::io::Error::from)?)
}

/// Prints the report, and says no where less was proved than is demanded.
fn conclude(mut shown: Value, report: &Report, demanded: Level, json: bool) -> Outcome {
    let level = report.level();
    if json {
        if let Some(members) = shown.as_object_mut() {
            members.insert("verified".to_owned(), json!(level));
            members.insert("demanded".to_owned(), json!(demanded));
            members.insert("failed".to_owned(), json!(report.failure()));
        }
        show::json(&shown)?;
    } else {
        show::line(&plain_lines(&format!("{report}\n{}", verdict(report))))?;
    }
    if let Some(Link { status: LinkStatus::Failed { why, .. }, step, .. }) = report.failure() {
        return Err(unproved_because(format!("the chain breaks at its link `{}`: {why}", step.name())));
    }
    if level >= demanded {
        return Ok(Status::OK);
    }
    Err(unproved_because(format!("demanded is `{}`, proved is `{}`", demanded.as_str(), level.as_str())))
}

fn verdict(report: &Report) -> &'static str {
    match report.level() {
        _ if report.failure().is_some() => "wrong: not the image that was asked for, or not as it was made",
        Level::Content => "proved down to the content of its layers",
        Level::Manifest => "proved but for the content of its layers",
        Level::Claimed => "not proved",
    }
}

fn unproved_because(why: String) -> Failure {
    Failure::Unproved(Box::new(Error::Digest(why)))
}

/// What is wrong with an image is an answer; that nobody could look is none.
fn no_or_failed(error: Error) -> Failure {
    match error {
        Error::Digest(_) => Failure::Unproved(Box::new(error)),
        other => other.into(),
    }
}

fn unproved(error: LayoutError) -> Failure {
    match error {
        LayoutError::Open { path, error } => Error::Io { what: path, source: error }.into(),
        LayoutError::NotALayout { .. } => Error::Config(error.to_string()).into(),
        wrong => unproved_because(wrong.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::arguments::{Arguments, Command};
    use super::*;

    fn verify(words: &[&str]) -> Outcome {
        let words = ["portreeve", "verify"].iter().chain(words);
        let Command::Verify(verify) = Arguments::try_parse_from(words).unwrap().command else { panic!("verify") };
        verify.run(&Common::default())
    }

    #[test]
    fn a_layout_needs_no_engine_and_its_status_tells() {
        let folder = tempfile::tempdir().unwrap();
        let (path, digest) = (folder.path().to_str().unwrap(), Digest::sha256(b"{}").to_string());
        let status = |words: &[&str]| verify(words).map_or_else(|failure| failure.status().code(), Status::code);
        assert_eq!(status(&["--layout", "/nonesuch", &digest]), 125);
        assert_eq!(status(&["--layout", path, &digest]), 125, "an empty folder is no layout");
        assert_eq!(status(&["--layout", path, "sha256:00"]), 2);
        std::fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        std::fs::write(folder.path().join("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        assert_eq!(status(&["--layout", path, &digest]), 1, "what is not there is not proved");
        let blobs = folder.path().join("blobs/sha256");
        std::fs::create_dir_all(&blobs).unwrap();
        std::fs::write(blobs.join(Digest::sha256(b"{}").hex()), "{} ").unwrap();
        assert_eq!(status(&["--layout", path, &digest]), 1, "other bytes");
        let Err(failure) = verify(&["--layout", path, &digest]) else { panic!("other bytes") };
        let Failure::Unproved(error) = failure else { panic!("{failure:?}") };
        assert!(error.to_string().contains("the chain breaks at its link `requested`: digest mismatch"), "{error}");
    }

    #[test]
    fn a_layout_is_always_verified_deeply() {
        let words = ["portreeve", "verify", "--deep", "--layout", "x", "sha256:00"];
        assert!(Arguments::try_parse_from(words).is_ok());
        assert!(Arguments::try_parse_from(["portreeve", "verify", "--platform", "linux/arm64", "alpine"]).is_err());
    }
}
