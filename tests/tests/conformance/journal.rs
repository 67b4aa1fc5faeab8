//! The journal after all of it: whole, and with every command that was run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve::BackendSource;
use portreeve::grants::{Explanation, Grants, Variables};
use portreeve::journal::{Filter, Journal, Kind, Record};
use portreeve::redaction::{Redactor, RuleSet};
use portreeve::state::StateDir;
use serde_json::Value;

use crate::ground::BY_HAND;
use crate::setting::Setting;

/// Every record of an install's journal.
pub(crate) fn records(state: &Path) -> Vec<Record> {
    let state = StateDir::open(state).unwrap();
    Journal::read(&state, Filter::default()).unwrap().map(Result::unwrap).collect()
}

pub(crate) async fn the_journal_verifies_and_has_every_command(setting: Arc<Setting>) {
    let report = setting.host.verify_journal(Some(setting.host.journal_head().unwrap())).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    assert!(report.unfinished.is_empty(), "intents without an outcome: {:?}", report.unfinished);
    let records = records(&setting.state());
    assert_eq!(u64::try_from(records.len()).unwrap(), report.records);
    every_outcome_has_its_intent(&records);
    let intents = counted(
        records.iter().filter(|record| record.kind == Kind::Intent).filter_map(|record| record.argv.as_deref()),
    );
    let others: Vec<Record> = others(&setting).iter().flat_map(|folder| crate::journal::records(folder)).collect();
    let theirs =
        counted(others.iter().filter(|record| record.kind == Kind::Intent).filter_map(|record| record.argv.as_deref()));
    let told = setting.argvs_since(0, false);
    for (argv, count) in counted(told.iter().map(Vec::as_slice)) {
        let recorded = [&intents, &theirs].iter().filter_map(|intents| intents.get(&argv)).sum::<usize>();
        assert!(recorded >= count, "ran {count} times, and is recorded {recorded} times: {argv:?}");
    }
    if !setting.kind().is_real() {
        every_call_has_its_intent(&setting, &[&intents, &theirs]);
    }
}

/// What `policy explain` would say of everything that was run here, by whichever host.
pub(crate) async fn every_command_that_ran_is_reachable(setting: Arc<Setting>) {
    let mut held: Vec<Grants> = BackendSource::embedded().into_iter().map(|source| source.holding().unwrap()).collect();
    held.push(portreeve::units::checks().unwrap());
    // what a behaviour set up itself is addressed by the folder that it is in
    let made = ["login", "service"].map(|name| Variables::new([("XDG_RUNTIME_DIR", path_of(&setting, name))]));
    let mut count = 0;
    for state in others(&setting).into_iter().chain([setting.state()]) {
        let lines: BTreeSet<Vec<String>> = records(&state)
            .into_iter()
            .filter(|record| record.kind == Kind::Intent)
            .filter_map(|record| record.argv)
            .collect();
        // Also where it is known whose they are: its labels are its own, its files lie in its state.
        let state = StateDir::open(&state).unwrap();
        let none = Variables::default().of_state(&state);
        let made = made.each_ref().map(|made| made.clone().of_state(&state));
        count += lines.len();
        are_reachable(&setting, &held, lines, (&none, &made));
    }
    assert!(count > 0);
}

fn are_reachable(
    setting: &Setting,
    held: &[Grants],
    lines: BTreeSet<Vec<String>>,
    (none, made): (&Variables, &[Variables]),
) {
    let backend = setting.kind().backend();
    for line in lines {
        let known = held.iter().find(|grants| grants.backend() == line[0]);
        let (grants, own) = match known.or_else(|| held.iter().find(|grants| grants.program(&line[0]).is_some())) {
            Some(grants) => (grants, line[0] == backend && setting.kind().is_real()),
            None => panic!("no backend has such a program: {line:?}"),
        };
        // the real ones are addressed as their users' logins say
        let tried = if own { std::slice::from_ref(none) } else { made };
        let explained: Vec<_> = tried.iter().map(|variables| grants.explain_with(&line, variables)).collect();
        let reachable = explained.iter().any(|explanation| matches!(explanation, Explanation::Reachable { .. }));
        assert!(reachable, "{line:?} ran: {explained:?}");
    }
}

/// The states of the other installs, whichever behaviour made them.
fn others(setting: &Setting) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(&setting.ground.folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.join("journal").is_dir() && *path != setting.state()).collect()
}

fn path_of(setting: &Setting, name: &str) -> String {
    setting.ground.folder.join(name).to_string_lossy().into_owned()
}

fn every_outcome_has_its_intent(records: &[Record]) {
    let mut open = BTreeMap::new();
    for record in records {
        match (record.kind, record.intent) {
            (Kind::Intent, _) => {
                open.insert(record.seq, record);
            }
            (Kind::Outcome, Some(intent)) => {
                assert!(open.remove(&intent).is_some(), "an outcome of no intent: {record:?}");
            }
            (Kind::Outcome, None) => panic!("an outcome without an intent: {record:?}"),
            _ => {}
        }
    }
}

/// What the rehearsal engine noted: every process that was really started.
fn every_call_has_its_intent(setting: &Setting, intents: &[&BTreeMap<Vec<String>, usize>]) {
    let notes = std::fs::read_to_string(setting.ground.rehearsal().join("calls")).unwrap();
    let calls: Vec<Value> = notes.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ours: Vec<Vec<String>> = calls.iter().filter(|call| !has(call, BY_HAND)).map(words).collect();
    assert!(ours.len() > 100, "{}", ours.len());
    let doomed = setting.ground.folder.join("doomed-state");
    let doomed = if doomed.exists() { records(&doomed) } else { Vec::new() };
    let recorded = |argv: &[String]| {
        let by_doomed =
            doomed.iter().filter(|record| record.kind == Kind::Intent).filter_map(|record| record.argv.as_ref());
        let in_journals: usize = intents
            .iter()
            .flat_map(|intents| intents.iter())
            .filter(|(known, _)| known[1..] == *argv)
            .map(|(_, count)| count)
            .sum();
        in_journals + by_doomed.filter(|known| known[1..] == *argv).count()
    };
    // What has the form of a secret is masked in the journal, in a plain variable too.
    let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
    for (argv, count) in counted(ours.iter().map(Vec::as_slice)) {
        let recorded = recorded(&redactor.words(&argv));
        assert!(recorded >= count, "was started {count} times, and is recorded {recorded} times: {argv:?}");
    }
}

fn has(call: &Value, variable: &str) -> bool {
    call["env"].as_array().unwrap().iter().any(|name| name == variable)
}

/// Without the program: a path in one place, a word in the other.
fn words(call: &Value) -> Vec<String> {
    let argv: Vec<String> = serde_json::from_value(call["argv"].clone()).unwrap();
    argv[1..].to_vec()
}

fn counted<'a>(argvs: impl Iterator<Item = &'a [String]>) -> BTreeMap<Vec<String>, usize> {
    let mut counts = BTreeMap::new();
    for argv in argvs {
        *counts.entry(argv.to_vec()).or_default() += 1;
    }
    counts
}
