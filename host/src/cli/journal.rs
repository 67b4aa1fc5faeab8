//! `journal`: what was asked, what was decided, what ran.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use portreeve::Error;
use portreeve::journal::{
    Decision, Filter, Head, Journal, JournalError, KeptHead, Kind, Reader, Record, Seq, Severity, VerifyReport,
};
use portreeve::state::{StateDir, default_path};

use super::arguments::Common;
use super::backend;
use super::exit::{Failure, Outcome, Status};
use super::parse;
use super::show::{self, Out, command_line, plain};

/// How often a journal that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// `journal …`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show records, oldest first; with --backend those of one backend
    Show(Show),
    /// Show records as they are added, from now on, or from --since on
    Follow(Filters),
    /// Look for records that were edited, removed, reordered or cut, and print the head
    Verify(Verify),
    /// Print the very lines of the journal, with their hashes and MACs, to be kept or read elsewhere
    Export(Export),
}

impl Command {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let state = StateDir::open(state_path(common)?).map_err(Error::from)?;
        match self {
            Self::Show(show) => show.filters.show(common, &state, show.follow),
            Self::Follow(filters) => filters.since_now().show(common, &state, true),
            Self::Verify(verify) => verify.run(common, &state),
            Self::Export(export) => export.run(common, &state),
        }
    }
}

/// Where the state directory is.
pub(super) fn state_path(common: &Common) -> Result<PathBuf, Failure> {
    if let Some(path) = &common.state {
        return Ok(path.clone());
    }
    let variable = std::env::var_os;
    let root = rustix::process::geteuid().is_root();
    let usual = default_path(variable("XDG_STATE_HOME").as_deref(), variable("HOME").as_deref(), root);
    Ok(usual.map_err(Error::from)?)
}

fn unreadable(error: JournalError) -> Failure {
    Error::State(error.to_string()).into()
}

/// How an ask was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Decided {
    /// It was permitted, and ran.
    Permitted,
    /// It was refused.
    Refused,
    /// The backend broke.
    Faulted,
}

impl From<Decided> for Decision {
    fn from(decided: Decided) -> Self {
        match decided {
            Decided::Permitted => Self::Permitted,
            Decided::Refused => Self::Refused,
            Decided::Faulted => Self::Faulted,
        }
    }
}

/// Which records are wanted. Those of one backend are asked for by --backend.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Filters {
    /// About this container (or another object of this name)
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// Decided so
    #[arg(long, value_enum)]
    decision: Option<Decided>,
    /// From then on: RFC 3339, seconds since the epoch, or a duration such as 10m
    #[arg(long, value_name = "TIME", value_parser = parse::moment)]
    since: Option<Timestamp>,
    /// Before then
    #[arg(long, value_name = "TIME", value_parser = parse::moment)]
    until: Option<Timestamp>,
}

/// `journal show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    filters: Filters,
    /// Go on as records are added
    #[arg(long, short)]
    follow: bool,
}

impl Filters {
    fn since_now(self) -> Self {
        Self { since: self.since.or_else(|| Some(Timestamp::now())), ..self }
    }

    /// The records of these times, and what else is wanted of them.
    fn read(self, common: &Common, state: &StateDir) -> Result<(Reader, Wanted), Failure> {
        backend::check_recorded(common, Some(state))?;
        let times = Filter { since: self.since, until: self.until, ..Filter::default() };
        let (backend, name) = (common.backend.clone(), self.container);
        let wanted =
            Wanted::new(Filter { backend, name, decision: self.decision.map(Into::into), ..Filter::default() });
        Ok((Journal::read(state, times).map_err(unreadable)?, wanted))
    }

    fn show(self, common: &Common, state: &StateDir, follow: bool) -> Outcome {
        let (records, mut wanted) = self.read(common, state)?;
        let mut records = records.filter(move |record| record.as_ref().map_or(true, |record| wanted.admits(record)));
        let mut status = Status::OK;
        loop {
            if !print(common.json, &mut records)? {
                status = Status::FAILED;
            }
            if !follow {
                return told(status);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// What went wrong was told of when it did.
fn told(status: Status) -> Outcome {
    if status == Status::OK { Ok(status) } else { Err(Failure::Told(status)) }
}

/// `journal export`.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    filters: Filters,
    /// Into this new file, which others can't read, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Export {
    fn run(self, common: &Common, state: &StateDir) -> Outcome {
        let (records, wanted) = self.filters.read(common, state)?;
        let Some(path) = self.output else { return export(records, wanted, std::io::stdout().lock(), common.json) };
        let named = |error: std::io::Error| Failure::Output(error).during(&path.display().to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(named)?;
        export(records, wanted, &file, common.json)
    }
}

/// Writes the lines as they stand in the journal; one that is not this install's is told of, and left out.
fn export(mut records: Reader, mut wanted: Wanted, output: impl Write, json: bool) -> Outcome {
    let (mut output, mut status) = (BufWriter::new(output), Status::OK);
    while let Some(record) = records.next() {
        match record {
            Ok(record) if wanted.admits(&record) => {
                output.write_all(records.line())?;
                output.write_all(b"\n")?;
            }
            Ok(_) => {}
            Err(error) => {
                super::exit::report(&unreadable(error), json);
                status = Status::FAILED;
            }
        }
    }
    output.flush()?;
    told(status)
}

/// Which records are shown. An outcome names its intent alone, and goes with it.
struct Wanted {
    filter: Filter,
    /// Intents that were shown, and still wait for their outcome.
    open: BTreeSet<Seq>,
}

impl Wanted {
    fn new(filter: Filter) -> Self {
        Self { filter, open: BTreeSet::new() }
    }

    fn admits(&mut self, record: &Record) -> bool {
        let of_shown = record.intent.is_some_and(|intent| self.open.remove(&intent));
        let admitted = of_shown || self.filter.admits(record);
        if admitted && record.kind == Kind::Intent {
            self.open.insert(record.seq);
        }
        admitted
    }
}

/// Prints what there is for now; whether all of it was this install's own.
fn print(json: bool, records: &mut impl Iterator<Item = Result<Record, JournalError>>) -> Result<bool, Failure> {
    let (mut out, mut whole) = (Out::open(), true);
    for record in records {
        match record {
            Ok(record) if json => out.json(&record)?,
            Ok(record) => out.line(&words(&record))?,
            Err(error) => {
                out.flush()?;
                super::exit::report(&unreadable(error), json);
                whole = false;
            }
        }
    }
    out.finish()?;
    Ok(whole)
}

/// A record as a line.
fn words(record: &Record) -> String {
    let time = Timestamp::from_second(record.time.as_second()).unwrap_or(record.time);
    let text = |part: &Option<String>| part.as_deref().map(|part| plain(part).into_owned()).unwrap_or_default();
    let kind = word(record.kind);
    let said = match record.kind {
        Kind::Intent => command_line(record.argv.as_deref().unwrap_or_default()),
        Kind::Outcome => outcome(record),
        Kind::Refusal => refusal(record),
        _ => text(&record.why),
    };
    let facts =
        record.facts.iter().map(|(name, value)| format!(" {}={}", plain(name), plain(value))).collect::<String>();
    let line = format!(
        "{:>6}  {time}  {kind:<12}  {:<8}  {:<16}  {:<20}  {said}{facts}",
        record.seq,
        text(&record.backend),
        text(&record.command),
        text(&record.name),
    );
    line.trim_end().to_owned()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Intent => "intent",
        Kind::Outcome => "outcome",
        Kind::Refusal => "refusal",
        Kind::Verification => "verification",
        Kind::Fault => "fault",
        Kind::Rotation => "rotation",
        Kind::Prune => "prune",
        Kind::Note => "note",
        Kind::Damage => "damage",
        _ => "other",
    }
}

fn outcome(record: &Record) -> String {
    let intent = record.intent.map(|intent| format!("of {intent}: ")).unwrap_or_default();
    let status = record.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
    let time =
        record.duration_us.map(|time| format!(" in {}.{} ms", time / 1000, time % 1000 / 100)).unwrap_or_default();
    let why = record.why.as_deref().map(|why| format!("; {}", plain(why))).unwrap_or_default();
    format!("{intent}{status}{time}{why}")
}

fn refusal(record: &Record) -> String {
    let parts = [("", &record.rule), ("slot ", &record.slot), ("value ", &record.value)];
    let known =
        parts.iter().filter_map(|(what, part)| Some(format!("{what}{}", plain(part.as_deref()?)))).collect::<Vec<_>>();
    format!("{} [{}]", plain(record.why.as_deref().unwrap_or_default()), known.join(", "))
}

/// `journal verify`.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// A head that was kept elsewhere, which the journal has to continue
    #[arg(long, value_name = "COUNT:HASH")]
    head: Option<Head>,
}

impl Verify {
    fn run(self, common: &Common, state: &StateDir) -> Outcome {
        let report = Journal::verify(state, self.head).map_err(unreadable)?;
        if common.json {
            show::json(&document(&report)?)?;
        } else if common.quiet {
            show::line(&report.head.to_string())?;
        } else {
            let mut out = Out::open();
            out.text(&verdict(&report))?;
            out.finish()?;
        }
        let sound = report.is_intact() && !matches!(report.kept, Some(KeptHead::Differs));
        Ok(if sound { Status::OK } else { Status::FAILED })
    }
}

/// The report, and its verdict beside it.
pub(super) fn document(report: &VerifyReport) -> Result<serde_json::Value, Failure> {
    let mut document = serde_json::to_value(report).map_err(std::io::Error::from)?;
    if let Some(members) = document.as_object_mut() {
        // Not part of the schema: `intact` says the same.
        members.remove("damaged");
        members.insert("intact".to_owned(), report.is_intact().into());
    }
    Ok(document)
}

fn verdict(report: &VerifyReport) -> String {
    let intact = if report.is_intact() { "intact" } else { "DAMAGED" };
    let mut text =
        format!("{intact}: {} records in {} segments, from record {}\n", report.records, report.segments, report.first);
    for finding in &report.findings {
        let weight = if finding.severity == Severity::Damage { "damage" } else { "crash" };
        text.push_str(&format!("  {weight}: {}\n", plain(&finding.to_string())));
    }
    if report.more_findings > 0 {
        text.push_str(&format!("  and {} more\n", report.more_findings));
    }
    if !report.unfinished.is_empty() {
        let numbers = report.unfinished.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(" ");
        text.push_str(&format!("intents without an outcome: {} ({numbers})\n", report.unfinished.len()));
    }
    if report.repairs > 0 {
        text.push_str(&format!("traces of crashes that were repaired: {}\n", report.repairs));
    }
    match report.kept {
        None => {}
        Some(KeptHead::Continues) => text.push_str("it continues the head that was kept\n"),
        Some(KeptHead::Pruned) => {
            text.push_str("the record of the head that was kept was pruned: nothing can be said of it\n")
        }
        Some(KeptHead::Differs) => text.push_str("it does NOT continue the head that was kept\n"),
    }
    text.push_str(&format!("head {}\n", report.head));
    text
}

#[cfg(test)]
mod tests {
    use portreeve::journal::{Entry, JournalOptions};
    use serde_json::json;

    use super::*;

    fn record(mut members: serde_json::Value) -> Record {
        let base = json!({ "seq": 7, "time": "2026-01-02T03:04:05.678901Z", "pid": 1, "backend": "podman" });
        members.as_object_mut().unwrap().extend(base.as_object().unwrap().clone());
        serde_json::from_value(members).unwrap()
    }

    #[test]
    fn records_read_as_lines() {
        let argv = json!(["/usr/bin/podman", "create", "--env=A=b c", "x\u{1b}y"]);
        let records = [
            json!({ "kind": "intent", "command": "create", "name": "web", "argv": argv }),
            json!({ "kind": "outcome", "command": "create", "name": "web", "intent": 6, "status": 0, "duration_us": 81_400 }),
            json!({ "kind": "refusal", "command": "create", "why": "not there", "rule": "out-of-scope", "slot": "port", "value": "\u{7}" }),
            json!({ "kind": "verification", "name": "app", "facts": { "digest": "sha256:ab" } }),
        ];
        let lines: Vec<String> = records.map(|members| words(&record(members))).to_vec();
        insta::assert_snapshot!("records", lines.join("\n"));
    }

    #[test]
    fn an_outcome_goes_with_its_intent() {
        let mut wanted = Wanted::new(Filter { name: Some("web".to_owned()), ..Filter::default() });
        let outcome = record(json!({ "kind": "outcome", "intent": 7 }));
        assert!(!wanted.admits(&outcome));
        assert!(wanted.admits(&record(json!({ "kind": "intent", "name": "web" }))));
        assert!(wanted.admits(&outcome) && !wanted.admits(&outcome));
    }

    #[test]
    fn what_is_exported_is_the_journal_itself() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        let journal = Journal::open(&state, JournalOptions::default()).unwrap();
        for (backend, name) in [("podman", "a"), ("docker", "a"), ("podman", "b")] {
            let entry = Entry { backend: Some(backend), name: Some(name), ..Entry::new(Kind::Refusal) };
            journal.append(&Entry { why: Some("\u{1b}[31m"), ..entry }).unwrap();
        }
        let exported = |filters: Filters, backend: Option<&str>| {
            let common = Common { backend: backend.map(str::to_owned), ..Common::default() };
            let ((records, wanted), mut output) = (filters.read(&common, &state).unwrap(), Vec::new());
            assert_eq!(export(records, wanted, &mut output, false).unwrap(), Status::OK);
            String::from_utf8(output).unwrap()
        };
        let whole = std::fs::read_to_string(folder.path().join("state/journal/00000001.jsonl")).unwrap();
        assert_eq!(exported(Filters::default(), None), whole);
        assert!(!whole.contains('\u{1b}') && whole.contains(r"\u001b"));
        assert_eq!(exported(Filters::default(), Some("podman")).lines().count(), 2);
        let named = || Filters { container: Some("a".to_owned()), ..Filters::default() };
        assert_eq!(exported(named(), Some("podman")).lines().count(), 1);
        assert_eq!(exported(Filters { decision: Some(Decided::Faulted), ..named() }, None), "");
        assert_eq!(exported(named().since_now(), None), "");
        let mistyped = Common { backend: Some("podmann".to_owned()), ..Common::default() };
        let failure = Filters::default().read(&mistyped, &state).err().unwrap();
        assert!(format!("{failure:?}").contains("docker, podman, unit-check"), "{failure:?}");
        let common = Common { state: Some(folder.path().join("state")), ..Common::default() };
        let file = folder.path().join("kept");
        let export = || Command::Export(Export { filters: Filters::default(), output: Some(file.clone()) });
        assert_eq!(export().run(&common).unwrap(), Status::OK);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
        assert!(export().run(&common).is_err(), "an export never writes over another");
    }

    #[test]
    fn a_journal_is_shown_and_verified() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        let journal = Journal::open(&state, JournalOptions::default()).unwrap();
        journal.append(&Entry { why: Some("one"), ..Entry::new(Kind::Note) }).unwrap();
        let mut records = Journal::read(&state, Filter::default()).unwrap();
        assert!(records.next().unwrap().is_ok());
        let report = Journal::verify(&state, Some(journal.head().unwrap())).unwrap();
        let text = verdict(&report);
        assert!(text.starts_with("intact: 1 records in 1 segments") && text.contains("it continues"), "{text}");
        assert_eq!(document(&report).unwrap()["intact"], true);
        assert!(text.ends_with(&format!("head {}\n", report.head)));
    }
}
