//! `audit`: backends, policy and journal for an auditor. No engine is asked, and nothing is made but the page.

use std::path::{Path, PathBuf};

use clap::Args;
use portreeve::approval::Approvals;
use portreeve::audit::{self, EVENTS, Listed, SaveError};
use portreeve::state::StateDir;
use portreeve::{BackendInfo, BackendSource, Error};

use super::arguments::Common;
use super::exit::{Failure, Outcome, Status};
use super::show::{self, Out, plain};
use super::{backend, desk, journal};

/// `audit`.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Write one self-contained page, in place of a file that may be there
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// How many of the newest entries of the journal the page shows; all are counted
    #[arg(long, value_name = "COUNT", default_value_t = EVENTS)]
    last: usize,
}

impl Audit {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let state = state(common)?;
        backend::check_recorded(common, state.as_ref())?;
        let (policy, backend) = (desk::policy(common)?, common.backend.as_deref());
        let audit = audit::Audit::gather(state.as_ref(), backends(state.as_ref())?, policy, backend, self.last);
        let audit = audit.map_err(|error| Error::State(error.to_string()))?;
        if let Some(path) = &self.html {
            audit::save(path, audit.html().as_bytes()).map_err(unsaved)?;
        }
        tell(common, &audit, self.html.as_deref())?;
        Ok(if audit.is_intact() { Status::OK } else { Status::FAILED })
    }
}

/// The state directory, where there is one: looking makes none.
fn state(common: &Common) -> Result<Option<StateDir>, Failure> {
    let path = journal::state_path(common)?;
    Ok(if path.exists() { Some(StateDir::open(path).map_err(Error::from)?) } else { None })
}

/// Every backend that could be used: the embedded ones but for those whose name an approved one took, and the approved.
fn backends(state: Option<&StateDir>) -> Result<Vec<Listed>, Failure> {
    let approvals = state.map(Approvals::of);
    let approved = approvals.as_ref().map_or(Ok(Vec::new()), Approvals::names)?;
    let named = |source: BackendSource| Ok((BackendInfo::read(source.clone())?.name, source));
    let embedded = BackendSource::embedded().into_iter().map(named).collect::<Result<Vec<_>, Error>>()?;
    let embedded = embedded.into_iter().filter(|(name, _)| !approved.contains(name));
    let embedded = embedded.map(|(name, source)| Listed::read(&name, source));
    let approved = approved.iter().zip(approvals.iter().cycle()).map(|(name, approvals)| match approvals.read(name) {
        Ok(source) => Listed::read(name, source),
        Err(error) => Listed::Refused { name: name.clone(), why: error.to_string() },
    });
    Ok(embedded.chain(approved).collect())
}

fn unsaved(error: SaveError) -> Failure {
    match error {
        SaveError::Io { doing, path, source } => {
            Error::Io { what: format!("{doing} {}", path.display()), source }.into()
        }
        other => Failure::Usage(other.to_string()),
    }
}

fn tell(common: &Common, audit: &audit::Audit, page: Option<&Path>) -> Result<(), Failure> {
    if common.json {
        return show::json(&document(audit)?);
    }
    if common.quiet {
        return Ok(());
    }
    let mut out = Out::open();
    out.text(&words(audit, page))?;
    out.finish()
}

/// All of it but the events, which `journal show` prints.
fn document(audit: &audit::Audit) -> Result<serde_json::Value, Failure> {
    let mut document = serde_json::to_value(audit).map_err(std::io::Error::from)?;
    let verified = audit.verified.as_ref().map(journal::document).transpose()?;
    if let Some(members) = document.as_object_mut() {
        members.insert("verified".to_owned(), verified.into());
    }
    Ok(document)
}

fn words(audit: &audit::Audit, page: Option<&Path>) -> String {
    let (counts, (commands, dangers)) = (&audit.counts, audit.commands());
    let journal = match &audit.verified {
        None => "none yet".to_owned(),
        Some(report) => {
            let state = if report.is_intact() { "intact" } else { "DAMAGED" };
            format!("{state}, {} records, head {}", report.records, report.head)
        }
    };
    let mut text = format!(
        "install   {}\nbackends  {} with {commands} command lines, {dangers} dangerous tokens\npolicy    {}\n\
         refused   {} asks\nran       {} commands, {} with another status than 0, {} not seen to the end\njournal   {journal}\n",
        audit.install.as_deref().unwrap_or("none yet"),
        audit.backends.len(),
        plain(audit.policy.origin()),
        counts.refused,
        counts.ran(),
        counts.nonzero,
        counts.unfinished,
    );
    if let Some(page) = page {
        text.push_str(&format!("page      {}\n", plain(&page.display().to_string())));
    }
    text
}

#[cfg(test)]
mod tests {
    use portreeve::journal::{Entry, Journal, JournalOptions, Kind};

    use super::*;

    fn common(folder: &Path) -> Common {
        Common { state: Some(folder.join("state")), quiet: true, ..Common::default() }
    }

    #[test]
    fn it_makes_a_page_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("audit.html");
        let audit = Audit { html: Some(page.clone()), last: EVENTS };
        assert_eq!(audit.run(&common(folder.path())).unwrap(), Status::OK);
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.starts_with("<!DOCTYPE html>") && text.contains("none yet"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no state was made");
    }

    #[test]
    fn a_backend_that_nobody_knows_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let common = Common { backend: Some("nonesuch".to_owned()), ..common(folder.path()) };
        let failure = Audit { html: None, last: EVENTS }.run(&common).unwrap_err();
        let told = format!("{failure:?}");
        assert!(told.contains("nonesuch") && told.contains("docker, podman, unit-check"), "{told}");
    }

    #[test]
    fn of_one_backend_its_own_records_alone_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        let journal = Journal::open(&state, JournalOptions::default()).unwrap();
        for backend in [Some("podman"), Some("podman"), Some("gone"), None] {
            journal.append(&Entry { backend, ..Entry::new(Kind::Refusal) }).unwrap();
        }
        let refused = |backend: Option<&str>| {
            let audit = audit::Audit::gather(Some(&state), Vec::new(), portreeve::Policy::home(), backend, EVENTS);
            audit.unwrap().counts.refused
        };
        assert_eq!([refused(Some("podman")), refused(Some("gone")), refused(None)], [2, 1, 4]);
        let gone = Common { backend: Some("gone".to_owned()), ..common(folder.path()) };
        assert_eq!(Audit { html: None, last: EVENTS }.run(&gone).unwrap(), Status::OK);
    }

    #[test]
    fn a_link_in_the_place_of_the_page_is_a_usage_error() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("link");
        std::os::unix::fs::symlink("elsewhere", &page).unwrap();
        let failure = Audit { html: Some(page), last: EVENTS }.run(&common(folder.path())).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(why) if why.contains("a symbolic link")), "{failure:?}");
    }

    #[test]
    fn the_summary_reads_as_lines() {
        let policy = portreeve::Policy::home();
        let audit = audit::Audit::gather(None, backends(None).unwrap(), policy, None, EVENTS).unwrap();
        let text = words(&audit, Some(Path::new("audit.html")));
        assert!(text.contains("install   none yet") && text.ends_with("page      audit.html\n"), "{text}");
        let document = document(&audit).unwrap();
        assert!(document["verified"].is_null() && document["counts"]["refused"] == 0);
        let first = &document["backends"][0]["whole"];
        assert_eq!(first["commands"][0]["tokens"][0]["parts"][0]["text"], first["name"]);
    }
}
