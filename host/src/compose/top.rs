//! The file as a whole: its name, its services, and what they share.

use super::parts::{get, labels, only, resolved};
use super::service::{self, Around};
use super::yaml::{Key, Node, Place, Wrong};
use super::{Inputs, Ledger, PART_LABEL, PROJECT_LABEL, Project, SecretSource, Service, Shared, order, unsupported};
use crate::spec::{Label, Name};

const KNOWN: &[&str] = &["name", "services", "networks", "volumes", "secrets", "version"];
const NOT_HERE: &[(&str, &str)] = &[
    ("include", "write the other file's parts here"),
    ("configs", "hand a file over as a volume or a secret"),
    ("models", "there are no models here"),
];

pub(super) fn read(root: &Node, inputs: &Inputs<'_>, mut ledger: Ledger) -> Result<Project, Wrong> {
    let name = project(root, inputs)?;
    for (key, _) in root.map()? {
        about(&mut ledger, key);
    }
    let networks = shared(root, "networks", &name, &mut ledger)?;
    let volumes = shared(root, "volumes", &name, &mut ledger)?;
    let secrets = secrets(root, inputs, &mut ledger)?;
    let pairs = |all: &[Shared]| all.iter().map(|one| (one.part.clone(), one.name.clone())).collect::<Vec<_>>();
    let (network_names, volume_names) = (pairs(&networks), pairs(&volumes));
    let around = Around { inputs, project: &name, secrets: &secrets, networks: &network_names, volumes: &volume_names };
    let node = get(root, "services")?.ok_or_else(|| root.wrong("the file has no services"))?;
    if node.map()?.is_empty() {
        return Err(node.wrong("the file has no services"));
    }
    let entries = node.map()?.iter();
    let read: Vec<_> = entries.filter_map(|(key, node)| service::read(key, node, &around, &mut ledger)).collect();
    let names: Vec<_> = node.map()?.iter().map(|(key, _)| key.text.as_str()).collect();
    let (services, uses) = chosen(read, inputs, &names, &mut ledger);
    let labelled = services.into_iter().map(|service| ours(service, &name)).collect();
    let wrong = |names| Wrong::new(node.at, format!("these services wait for one another: {names}"));
    let services = ledger.refuse("services", order::sorted(labelled).map_err(wrong)).unwrap_or_default();
    let used = |kind: &str, all: Vec<Shared>| {
        all.into_iter().filter(|one| uses.contains(&format!("{kind}.{}", one.part))).collect::<Vec<_>>()
    };
    let (networks, volumes) = (used("networks", networks), used("volumes", volumes));
    ledger.findings.sort_by_key(|finding| (finding.line, finding.column));
    Ok(Project { name, services, networks, volumes, findings: ledger.findings })
}

fn about(ledger: &mut Ledger, key: &Key) {
    let word = key.text.as_str();
    match NOT_HERE.iter().find(|(known, _)| *known == word) {
        Some((_, why)) => ledger.unsupported(word, key.at, *why),
        None if KNOWN.contains(&word) || word.starts_with("x-") => ledger.supported(word, key.at),
        None => ledger.unknown(word, key.at, word, KNOWN),
    }
}

/// As the caller says, or the file, or its folder is called.
fn project(root: &Node, inputs: &Inputs<'_>) -> Result<String, Wrong> {
    let said = get(root, "name")?.map(Node::text).transpose()?;
    let folder = inputs.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = match inputs.project.or(said) {
        Some(name) => name.to_owned(),
        None => folder.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).collect(),
    };
    check_name(&name).map_err(|why| root.wrong(why))?;
    Ok(name)
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(format!("{name:?} is no name of a project: lower-case letters, digits, `_` and `-`"))
}

/// Networks or volumes; the network that services are on by default is among them.
fn shared(root: &Node, kind: &str, project: &str, ledger: &mut Ledger) -> Result<Vec<Shared>, Wrong> {
    let mut all = Vec::new();
    for (key, node) in get(root, kind)?.map_or(Ok(&[][..]), Node::map)? {
        let path = format!("{kind}.{}", key.text);
        all.extend(ledger.take(&path, key.at, one(kind, key, node, project)));
    }
    if kind == "networks" && !all.iter().any(|one: &Shared| one.part == "default") {
        let name = named(root.at, &format!("{project}_default"))?;
        let labels = own_labels(project, "default", root.at)?;
        all.push(Shared { part: "default".to_owned(), name, external: false, internal: false, labels });
    }
    Ok(all)
}

fn one(kind: &str, key: &Key, node: &Node, project: &str) -> Result<Shared, Wrong> {
    let driver = if kind == "networks" { "bridge" } else { "local" };
    match kind {
        "networks" => only(node, &["name", "external", "labels", "driver", "internal"])?,
        _ => only(node, &["name", "external", "labels", "driver"])?,
    }
    if let Some(other) = get(node, "driver")?.filter(|node| node.text().is_ok_and(|text| text != driver)) {
        return Err(unsupported(other.at, format!("another driver than `{driver}`")));
    }
    let truth = |key| get(node, key)?.map_or(Ok(false), Node::truth);
    let external = truth("external")?;
    let said = get(node, "name")?.map(Node::text).transpose()?.map(str::to_owned);
    let name = match (said, external) {
        (Some(name), _) => name,
        (None, true) => key.text.clone(),
        (None, false) => format!("{project}_{}", key.text),
    };
    let mut all = own_labels(project, &key.text, key.at)?;
    all.extend(get(node, "labels")?.map(labels).transpose()?.unwrap_or_default());
    let (part, name) = (key.text.clone(), named(node.at, &name)?);
    Ok(Shared { part, name, external, internal: truth("internal")?, labels: all })
}

fn named(at: Place, name: &str) -> Result<Name, Wrong> {
    name.parse().map_err(|error| Wrong::new(at, format!("{error}")))
}

fn own_labels(project: &str, part: &str, at: Place) -> Result<Vec<Label>, Wrong> {
    let label = |key, value| Label::new(key, value).map_err(|error| Wrong::new(at, error.to_string()));
    Ok(vec![label(PROJECT_LABEL, project)?, label(PART_LABEL, part)?])
}

/// The labels by which a project's containers are found again.
fn ours(mut service: Service, project: &str) -> Service {
    let place = Place::default();
    // Names of projects and services are well formed by now.
    let labels = own_labels(project, &service.name, place).unwrap_or_default();
    service.spec.labels.retain(|label| label.key() != PROJECT_LABEL && label.key() != PART_LABEL);
    service.spec.labels.extend(labels);
    service
}

fn secrets(root: &Node, inputs: &Inputs<'_>, ledger: &mut Ledger) -> Result<Vec<(String, SecretSource)>, Wrong> {
    let mut all = Vec::new();
    for (key, node) in get(root, "secrets")?.map_or(Ok(&[][..]), Node::map)? {
        let source = secret(node, inputs);
        all.extend(ledger.take(&format!("secrets.{}", key.text), key.at, source).map(|one| (key.text.clone(), one)));
    }
    Ok(all)
}

fn secret(node: &Node, inputs: &Inputs<'_>) -> Result<SecretSource, Wrong> {
    only(node, &["file", "environment", "name"])?;
    match (get(node, "file")?, get(node, "environment")?) {
        (Some(file), None) => Ok(SecretSource::File(resolved(inputs.folder, file.text()?))),
        (None, Some(variable)) => Ok(SecretSource::Variable(variable.text()?.to_owned())),
        _ => Err(node.wrong("a secret has either a `file` or an `environment`")),
    }
}

/// The services of the profiles that were asked for, with what they depend on, and what they use.
fn chosen(
    read: Vec<service::Read>,
    inputs: &Inputs<'_>,
    names: &[&str],
    ledger: &mut Ledger,
) -> (Vec<Service>, Vec<String>) {
    let asked = |profiles: &[String]| profiles.is_empty() || profiles.iter().any(|one| inputs.profiles.contains(one));
    let (chosen, others): (Vec<_>, Vec<_>) = read.into_iter().partition(|one| asked(&one.profiles));
    for one in &chosen {
        for on in one.service.depends_on.iter().filter(|on| on.required) {
            let to = &on.service;
            let why = match others.iter().any(|other| other.service.name == *to) {
                true => format!("the profile of {to} was not asked for"),
                false if !names.contains(&to.as_str()) => format!("there is no service {to}"),
                false => continue,
            };
            ledger.invalid(&format!("services.{}.depends_on", one.service.name), one.depends_at, why);
        }
    }
    let uses = chosen.iter().flat_map(|one| one.uses.clone()).collect();
    (chosen.into_iter().map(|one| one.service).collect(), uses)
}
