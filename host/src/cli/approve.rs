//! `backend approve`: shows what an approval would mean, asks, and approves what was agreed to.

use std::io::{self, BufRead, Write};

use portreeve::approval::{Approvals, Consent, Review};
use portreeve::state::StateDir;
use portreeve::{BackendInfo, CommandInfo, Error, Refusal};
use rustix::termios::isatty;

use super::arguments::Common;
use super::backend::{Approve, of_file, state_path};
use super::dossier::{page, told_changes};
use super::exit::{Failure, Outcome, Status};
use super::show::{self, plain};

/// How an operator is asked.
pub(super) trait Operator {
    /// Shows a text.
    fn show(&mut self, text: &str) -> io::Result<()>;
    /// Asks a question; only a `yes` is one.
    fn asked(&mut self, question: &str) -> io::Result<bool>;
}

/// Somebody at a terminal: what is shown and asked goes to standard error, for results are not mixed with it.
struct AtTerminal;

impl Operator for AtTerminal {
    fn show(&mut self, text: &str) -> io::Result<()> {
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn asked(&mut self, question: &str) -> io::Result<bool> {
        let mut stderr = io::stderr().lock();
        write!(stderr, "{question} Type yes to approve: ")?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }
}

pub(super) fn run(common: &Common, command: &Approve) -> Outcome {
    let source = of_file(&command.file, command.grants.as_deref())?;
    let state = StateDir::open(state_path(common)?).map_err(Error::from)?;
    let approvals = Approvals::of(&state);
    let review = approvals.review(source)?;
    let consent = consent(command, &review)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Output(error).during("starting"))?;
    runtime.block_on(approvals.approve(&review, &consent))?;
    if common.json {
        show::json(&review.backend)?;
    } else {
        show::line(&format!("{} {}", plain(&review.backend.name), review.backend.digest))?;
    }
    Ok(Status::OK)
}

fn consent(command: &Approve, review: &Review) -> Result<Consent, Failure> {
    if let Some(digest) = command.digest {
        let said = Consent { widening: command.widen, replacing: command.replace, ..Consent::to(digest) };
        if command.yes {
            review.check(&said).map_err(Error::from)?;
            return Ok(said);
        }
        let whole = Consent { dangers: true, widening: true, replacing: true, request: true, ..said };
        review.check(&whole).map_err(Error::from)?;
    }
    if !isatty(io::stdin()) || !isatty(io::stderr()) {
        let why = "there is nobody to ask: --yes and --digest DIGEST approve without a terminal";
        return Err(Failure::Usage(why.to_owned()));
    }
    ask(&mut AtTerminal, review)
}

/// One question for each thing that needs a word of its own, and one for the whole.
fn ask(operator: &mut impl Operator, review: &Review) -> Result<Consent, Failure> {
    let name = plain(&review.backend.name).into_owned();
    operator.show(&page(&review.backend))?;
    if review.replaces.is_some() {
        operator.show(&format!("\ncompared with the {name} that is there\n\n{}\n", told_changes(&review.changes)))?;
    }
    let mut need = |needed: bool, question: String| match !needed || operator.asked(&question)? {
        true => Ok(needed),
        false => Err(Failure::from(Error::from(Refusal::not_approved(&name)))),
    };
    if review.is_by_its_author_alone() {
        for question in claims(&review.backend) {
            need(true, question)?;
        }
    }
    let taken = format!("{name} is the name of an embedded backend. This one would take its place.");
    let wider = "It may do more than the one that is there: see `widened` above.".to_owned();
    let consent = Consent {
        replacing: need(review.takes_over(), taken)?,
        widening: need(review.widened().next().is_some(), wider)?,
        dangers: need(review.unmarked().next().is_some(), dangers(review))?,
        request: review.is_by_its_author_alone(),
        ..Consent::to(*review.digest())
    };
    need(true, format!("Approve {name} {}?", review.digest()))?;
    Ok(consent)
}

/// What only the author of a component says, each thing as a question of its own.
fn claims(backend: &BackendInfo) -> Vec<String> {
    let said = |command: &CommandInfo| {
        format!(
            "Its author says that {} does no more than {} {}:\n    {}\nIs that so?",
            plain(&command.name),
            plain(&command.effect),
            plain(&command.object),
            plain(&command.line)
        )
    };
    let lists = [
        ("programs, sockets and OCI runtimes it needs", &backend.programs),
        ("commands the host believes", &backend.evidence),
        ("devices are looked at", &backend.devices),
        ("files and places the host looks at for it", &backend.probes),
    ];
    let listed = |(what, list): (&str, &Vec<String>)| {
        let list: Vec<_> = list.iter().map(|one| format!("\n    {}", plain(one))).collect();
        format!("Its author says which {what}:{}\nIs that right?", list.concat())
    };
    let wasi =
        (backend.wasi == "inert").then(|| "It wants a WASI, which would lead nowhere. Is that right?".to_owned());
    let lists = lists.into_iter().filter(|(_, list)| !list.is_empty()).map(listed);
    backend.commands.iter().map(said).chain(lists).chain(wasi).collect()
}

fn dangers(review: &Review) -> String {
    let list = review.unmarked().map(|(command, token)| format!("{} ({})", plain(token), plain(command)));
    format!("It has dangerous tokens that its grants do not mark: {}.", list.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use portreeve::BackendSource;

    use super::*;

    /// Answers yes so many times, and keeps what it saw.
    struct Scripted {
        yes: usize,
        seen: String,
    }

    impl Operator for Scripted {
        fn show(&mut self, text: &str) -> io::Result<()> {
            self.seen.push_str(text);
            Ok(())
        }

        fn asked(&mut self, question: &str) -> io::Result<bool> {
            self.seen.push_str(&format!("? {question}\n"));
            let yes = self.yes > 0;
            self.yes = self.yes.saturating_sub(1);
            Ok(yes)
        }
    }

    fn embedded() -> BackendSource {
        BackendSource::embedded().into_iter().next().unwrap()
    }

    fn with_review(test: impl Fn(&Review)) {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        test(&Approvals::of(&state).review(embedded()).unwrap());
    }

    #[test]
    fn every_question_is_asked_and_each_no_ends_it() {
        with_review(|review| {
            let questions = ["would take its place", "dangerous tokens that its grants do not mark: ", "Approve "];
            for yes in 0..questions.len() {
                let mut operator = Scripted { yes, seen: String::new() };
                let failure = ask(&mut operator, review).unwrap_err();
                assert_eq!(failure.status().code(), 126);
                let asked: Vec<&str> = operator.seen.lines().filter(|line| line.starts_with("? ")).collect();
                assert_eq!(asked.len(), yes + 1, "{asked:?}");
                assert!(asked[yes].contains(questions[yes]), "{asked:?}");
            }
            let mut operator = Scripted { yes: questions.len(), seen: String::new() };
            let consent = ask(&mut operator, review).unwrap();
            assert!(consent.replacing && consent.dangers && !consent.widening);
            assert!(operator.seen.contains("    podman create "), "{}", operator.seen);
            assert!(operator.seen.contains("same      command create"), "{}", operator.seen);
        });
    }

    #[test]
    fn what_an_author_alone_says_is_asked_for_thing_by_thing() {
        let page = BackendInfo::read(embedded()).unwrap();
        let questions = claims(&page);
        for (command, question) in page.commands.iter().zip(&questions) {
            assert!(question.contains(&command.line) && question.contains(&command.effect), "{question}");
        }
        let lists = questions[page.commands.len()..].concat();
        for said in page.programs.iter().chain(&page.evidence).chain(&page.devices).chain(&page.probes) {
            assert!(lists.contains(said), "{said}: {lists}");
        }
        assert!(
            page.programs[0].contains("/usr/bin/podman") && page.programs[0].contains("HOME"),
            "{:?}",
            page.programs
        );
    }

    #[test]
    fn without_a_terminal_nobody_is_asked() {
        with_review(|review| {
            let command = |yes: bool, digest: Option<portreeve::Digest>| Approve {
                file: "x.wasm".into(),
                grants: None,
                yes,
                digest,
                widen: false,
                replace: true,
            };
            let status = |yes, digest| consent(&command(yes, digest), review).unwrap_err().status().code();
            let (right, wrong) = (Some(*review.digest()), Some(portreeve::Digest::sha256(b"other")));
            // Its grants are not the operator's own, so neither are their marks.
            assert_eq!(status(true, right), 126);
            assert_eq!(status(true, wrong), 126);
            if !isatty(io::stdin()) {
                assert_eq!(status(false, right), 2);
                assert_eq!(status(false, None), 2);
            }
        });
    }
}
