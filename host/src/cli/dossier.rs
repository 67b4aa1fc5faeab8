//! A backend for people: the page that an auditor reads, and what changed between two.

use portreeve::grants::{Change, Verdict};
use portreeve::{BackendInfo, CommandInfo, Standing};

use super::show::{bytes, plain};

/// The size of a component.
pub(super) fn size(backend: &BackendInfo) -> String {
    bytes(u64::try_from(backend.bytes).unwrap_or(u64::MAX))
}

/// All that a backend is and may do.
pub(super) fn page(backend: &BackendInfo) -> String {
    let mut text = plain(&backend.name).into_owned();
    let facts = [
        ("state", backend.standing.as_str()),
        ("digest", &backend.digest),
        ("grants", &backend.grants),
        ("size", &size(backend)),
        ("origin", &backend.origin),
        ("wasi", &backend.wasi),
    ];
    facts.iter().for_each(|(what, fact)| text.push_str(&format!("\n  {what:<8} {}", plain(fact))));
    text.push('\n');
    section(&mut text, "imports", &backend.imports);
    section(&mut text, "exports", &backend.exports);
    section(&mut text, "programs that it needs", &backend.programs);
    section(&mut text, "devices that it may look at", &backend.devices);
    section(&mut text, "what the host looks at and tells it", &backend.probes);
    section(&mut text, "logs that it may read, by these commands", &backend.log_reads);
    section(&mut text, "what does not hold", &backend.dropped);
    let asks = backend.standing == Standing::Asking;
    let heading = if asks { "asks for; nothing of it holds without a grant" } else { "may run" };
    text.push_str(&format!("\n{heading}\n"));
    backend.commands.iter().for_each(|one| command(&mut text, one));
    dangers(&mut text, backend);
    text
}

fn command(text: &mut String, command: &CommandInfo) {
    let alone = if command.evidence_only { " (evidence: the host alone runs it)" } else { "" };
    text.push_str(&format!(
        "\n  {}: {} {}, {}{alone}. {}\n    {}\n",
        plain(&command.name),
        plain(&command.effect),
        plain(&command.object),
        plain(&command.timeout),
        plain(&command.purpose),
        plain(&command.line)
    ));
    for danger in &command.dangers {
        let marked = if danger.marked { "" } else { " (not marked)" };
        text.push_str(&format!("    !! {}: {}{marked}\n", plain(&danger.token), plain(&danger.why)));
    }
}

fn dangers(text: &mut String, backend: &BackendInfo) {
    let all = || backend.commands.iter().flat_map(|command| &command.dangers);
    let (count, unmarked) = (all().count(), all().filter(|danger| !danger.marked).count());
    match count {
        0 => text.push_str("\nno dangerous token\n"),
        1 => text.push_str(&format!("\n1 dangerous token, {unmarked} not marked in the file\n")),
        _ => text.push_str(&format!("\n{count} dangerous tokens, {unmarked} not marked in the file\n")),
    }
}

fn section(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("\n{heading}\n"));
    lines.iter().for_each(|line| text.push_str(&format!("  {}\n", plain(line))));
}

/// A comparison: what widened first, then what narrowed, then what is the same.
pub(super) fn told_changes(changes: &[Change]) -> String {
    let mut text = String::new();
    for verdict in [Verdict::Widened, Verdict::Narrowed, Verdict::Same] {
        for change in changes.iter().filter(|change| change.verdict == verdict) {
            text.push_str(&format!("{:<9} {}\n", verdict.as_str(), plain(&change.subject)));
            change.why.iter().for_each(|why| text.push_str(&format!("            {}\n", plain(why))));
            if change.old != change.new {
                line(&mut text, '-', change.old.as_deref());
                line(&mut text, '+', change.new.as_deref());
            }
        }
    }
    text
}

fn line(text: &mut String, sign: char, line: Option<&str>) {
    line.into_iter().for_each(|line| text.push_str(&format!("          {sign} {}\n", plain(line))));
}

#[cfg(test)]
mod tests {
    use portreeve::BackendSource;

    use super::*;

    #[test]
    fn an_embedded_backend_reads_as_a_page() {
        for source in BackendSource::embedded() {
            let page = page(&BackendInfo::read(source).unwrap());
            for text in [
                "state    embedded",
                "wasi     none",
                "may run",
                "  create: create container, 2m.",
                "(evidence: the host alone runs it)",
                "!! --network=host: the container has the host's network",
                " dangerous tokens, 0 not marked",
                "logs that it may read",
            ] {
                assert!(page.contains(text), "{text}: {page}");
            }
            assert!(!page.contains("what does not hold"), "{page}");
        }
    }

    #[test]
    fn changes_are_told_the_widened_first() {
        let grants = |argv: &str, limit: u32| {
            let text = format!(
                "backend = \"x\"\n[programs.x]\nsearch = [\"/usr/bin/x\"]\n[limits]\ncommands = {limit}\n\
                 [commands.look]\npurpose = \"p\"\neffect = \"read\"\nobject = \"engine\"\ntimeout = \"1s\"\nargv = [\"x\"]\n\
                 [commands.do]\npurpose = \"p\"\neffect = \"change\"\nobject = \"container\"\ntimeout = \"1s\"\nargv = {argv}\n"
            );
            portreeve::grants::Grants::parse(&text, "x").unwrap()
        };
        let (old, new) = (grants("[\"x\", \"do\"]", 9), grants("[\"x\", \"--privileged\", \"do\"]", 8));
        insta::assert_snapshot!(told_changes(&old.compare(&new)), @r"
        widened   command do
                    the command line has another token at place 1
                  - x do
                  + x --privileged do
        narrowed  limits
                    commands was 9 and is 8
        same      command look
        ");
    }
}
