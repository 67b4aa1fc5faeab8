//! From the text of a file to [`Grants`].

use super::command::Command;
use super::error::GrantsError;
use super::evidence::EvidenceGrant;
use super::explain::Explanation;
use super::floor::Floor;
use super::limits::Limits;
use super::probe::ProbeSpec;
use super::program::{EndpointGrant, ProgramGrant, RuntimeGrant};
use super::reader::{Entry, Section, Source};
use super::unit::UnitGrant;
use super::{Example, Grants, Wasi};
use crate::devices::DevicePattern;

pub(super) const KEYS: [&str; 13] = [
    "backend", "wasi", "programs", "endpoint", "runtimes", "commands", "evidence", "devices", "probes", "floors",
    "limits", "unit", "examples",
];

/// The most bytes of a file. The largest shipped one has a thirtieth of it.
const SIZE_MAX: usize = 512 * 1024;

pub(super) fn load(text: &str, file: &str) -> Result<Grants, GrantsError> {
    let source = Source::new(file, text);
    if text.len() > SIZE_MAX {
        return Err(source.error(0, format!("a grants file has at most {SIZE_MAX} bytes")));
    }
    let table = source.parse()?;
    let root = source.root(&table);
    root.only(&KEYS)?;
    let grants = read(&root, file)?;
    run_examples(&root, &grants)?;
    Ok(grants)
}

fn read(root: &Section<'_>, file: &str) -> Result<Grants, GrantsError> {
    let programs = all(root, "programs", ProgramGrant::read)?;
    let commands = all(root, "commands", |section| Command::read(section, &programs))?;
    let grants = Grants {
        file: file.to_owned(),
        backend: backend(root.need("backend")?)?,
        wasi: root
            .get("wasi")
            .map_or(Ok(Wasi::None), |entry| entry.choice(&[("none", Wasi::None), ("inert", Wasi::Inert)]))?,
        endpoint: part(root, "endpoint", EndpointGrant::read)?,
        runtimes: runtimes(root)?,
        evidence: part(root, "evidence", |section| EvidenceGrant::read(section, &commands))?.unwrap_or_default(),
        devices: part(root, "devices", devices)?.unwrap_or_default(),
        probes: all(root, "probes", |section| ProbeSpec::read(section, &commands))?,
        floors: all(root, "floors", Floor::read)?,
        limits: part(root, "limits", Limits::read)?.unwrap_or_default(),
        unit: part(root, "unit", UnitGrant::read)?.unwrap_or_default(),
        examples: examples(root)?.into_iter().map(|(_, example)| example).collect(),
        lines: root.sections("commands")?.iter().map(|section| (section.name().to_owned(), section.line())).collect(),
        dropped: Vec::new(),
        programs,
        commands,
    };
    Ok(grants)
}

fn all<'a, T>(
    root: &Section<'a>,
    key: &str,
    read: impl Fn(Section<'a>) -> Result<T, GrantsError>,
) -> Result<Vec<T>, GrantsError> {
    root.sections(key)?.into_iter().map(read).collect()
}

fn part<'a, T>(
    root: &Section<'a>,
    key: &str,
    read: impl Fn(Section<'a>) -> Result<T, GrantsError>,
) -> Result<Option<T>, GrantsError> {
    root.get(key).map(|entry| read(entry.section()?)).transpose()
}

fn backend(entry: Entry<'_>) -> Result<String, GrantsError> {
    let name = entry.text()?;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty()
        && name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fits)
    {
        return Ok(name.to_owned());
    }
    Err(entry.error("a backend's name is of lower-case letters, digits and `-`, beginning with a letter"))
}

fn runtimes(root: &Section<'_>) -> Result<Vec<RuntimeGrant>, GrantsError> {
    let Some(entry) = root.get("runtimes") else { return Ok(Vec::new()) };
    let mut runtimes: Vec<RuntimeGrant> = Vec::new();
    for entry in entry.list()? {
        let runtime = RuntimeGrant::read(entry.section()?)?;
        if runtimes.iter().any(|other| other.name() == runtime.name()) {
            return Err(entry.error(format!("the runtime `{}` stands twice", runtime.name())));
        }
        runtimes.push(runtime);
    }
    Ok(runtimes)
}

fn devices(section: Section<'_>) -> Result<Vec<String>, GrantsError> {
    section.only(&["patterns"])?;
    section.need("patterns")?.distinct()?.into_iter().map(device).collect()
}

/// Fixed parts below `/dev`, with `*` and `[a-z]` in names.
fn device(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_.-*[]:".contains(c);
    let parts_are_names = text.split('/').skip(2).all(|part| !matches!(part, "" | "." | ".." | "*"));
    if text.starts_with("/dev/") && text.chars().all(fits) && parts_are_names {
        let pattern = DevicePattern::parse(text);
        return pattern.map(|_| text.to_owned()).map_err(|error| entry.error(error.to_string()));
    }
    Err(entry
        .error(format!("{text:?} is not a pattern such as /dev/nvidia[0-9]*: below /dev, and no part is `*` alone")))
}

/// Each example, and where it stands.
fn examples<'a>(root: &Section<'a>) -> Result<Vec<(Entry<'a>, Example)>, GrantsError> {
    let Some(entry) = root.get("examples") else { return Ok(Vec::new()) };
    entry.list()?.into_iter().map(example).collect()
}

fn example(entry: Entry<'_>) -> Result<(Entry<'_>, Example), GrantsError> {
    let section = entry.section()?;
    section.only(&["reachable", "unreachable"])?;
    match (section.get("reachable"), section.get("unreachable")) {
        (Some(argv), None) => Ok((argv, Example { argv: argv.texts()?, reachable: true })),
        (None, Some(argv)) => Ok((argv, Example { argv: argv.texts()?, reachable: false })),
        _ => Err(entry.error("an example is `reachable` or `unreachable`")),
    }
}

/// Where an example differs that must be reachable.
fn differs(explanation: &Explanation) -> String {
    let at = match explanation {
        Explanation::Unreachable { first_difference, expected, .. } => {
            format!(", and differs at token {first_difference}: {expected} would stand there")
        }
        Explanation::Reachable { .. } => String::new(),
    };
    format!("this example must be reachable{at}")
}

fn run_examples(root: &Section<'_>, grants: &Grants) -> Result<(), GrantsError> {
    for (entry, example) in examples(root)? {
        match grants.reaching(&example.argv) {
            Some(command) if !example.reachable => {
                return Err(entry.error(format!("this example must be unreachable, and `{command}` renders to it")));
            }
            None if example.reachable => return Err(entry.error(differs(&grants.explain(&example.argv)))),
            _ => {}
        }
    }
    Ok(())
}
