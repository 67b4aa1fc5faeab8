//! A `.container`, with what it needs, for an engine that brings a generator: each option of the command line that the broker would run becomes
//! a key, or stands as it is under the key for all others. Nothing is left out, and nothing is made up.

use super::syntax::{self, Word};
use super::{Command, Plan, UnitError, UnitFile, UnitOptions};
use crate::grants::QuadletGrant;
use crate::spec::SecretDelivery;

pub(super) fn render(plan: &Plan, grant: &QuadletGrant, options: &UnitOptions) -> Result<Vec<UnitFile>, UnitError> {
    let create = plan.create.as_ref().ok_or_else(|| UnitError::Unsupported("there is nothing to create".to_owned()))?;
    let mut files = vec![container(plan, create, grant, options)?];
    if let Some((name, make)) = &plan.pod {
        files.push(pod(plan, grant, name, make, create)?);
    }
    for (name, make) in &plan.volumes {
        files.push(made(plan, grant, Made { section: "Volume", key: "VolumeName", suffix: "volume", name }, make)?);
    }
    if let Some((name, make)) = &plan.network {
        files.push(made(plan, grant, Made { section: "Network", key: "NetworkName", suffix: "network", name }, make)?);
    }
    Ok(files)
}

fn container(
    plan: &Plan,
    create: &Command,
    grant: &QuadletGrant,
    options: &UnitOptions,
) -> Result<UnitFile, UnitError> {
    let mut file = syntax::File::default();
    plan.about(&mut file);
    file.comment(&format!("Needs {} {} or newer, for its Quadlet.", plan.backend, needed(plan, grant)));
    for secret in &plan.secrets {
        file.comment(&format!(
            "Needs a secret of the engine's own: {0} secret create {1} FILE",
            plan.backend, secret.name
        ));
    }
    plan.describe(&mut file)?;
    plan.start_limit(&mut file);
    file.section("Container");
    file.set("Image", syntax::value(&plan.image)?);
    if let Some((pod, _)) = &plan.pod {
        file.set("Pod", format!("{pod}.pod"));
    }
    let (options_of, own) = parts(create, plan.own_words)?;
    let of_container = options_of.iter().filter(|word| !is_of_pod(plan, grant, word));
    of_container.into_iter().try_for_each(|word| option(plan, grant, word, &mut file))?;
    for secret in &plan.secrets {
        file.set("Secret", secret_key(&secret.name, &secret.delivery)?);
    }
    if !own.is_empty() {
        file.set("Exec", quoted(own)?);
    }
    file.section("Service");
    if let Some(reload) = &plan.reload {
        let words: Vec<Word> = reload.words.iter().map(|word| Word::from(word.as_str())).collect();
        file.set("ExecReload", syntax::command_line(&reload.program, &words)?);
    }
    file.set("SuccessExitStatus", "143");
    plan.service_policy(&mut file);
    file.section("Install");
    file.set("WantedBy", options.manager.wanted_by());
    Ok(UnitFile { name: format!("{}.container", plan.name), text: file.render() })
}

/// The newest of the versions that what it needs came with.
fn needed<'a>(plan: &Plan, grant: &'a QuadletGrant) -> &'a str {
    match plan {
        Plan { pod: Some(_), .. } => grant.pods.as_deref().unwrap_or(&grant.named),
        Plan { volumes, network, .. } if !volumes.is_empty() || network.is_some() => &grant.named,
        Plan { secrets, .. } if !secrets.is_empty() => &grant.secrets,
        _ => &grant.since,
    }
}

/// The options, and the container's own words: what stands between them is the image.
fn parts(create: &Command, own_words: usize) -> Result<(Vec<&str>, &[String]), UnitError> {
    let at = create.words.len().checked_sub(own_words + 1);
    let split = at.and_then(|at| Some((create.words.get(..at)?, create.words.get(at + 1..)?)));
    let (before, own) = split.ok_or_else(|| UnitError::Unsupported("the command line names no image".to_owned()))?;
    let options = before.iter().map(String::as_str).skip_while(|word| !word.starts_with('-')).collect::<Vec<_>>();
    match options.iter().find(|word| !word.starts_with('-')) {
        None => Ok((options, own)),
        Some(word) => Err(UnitError::Unsupported(format!("{word:?} is no option in one word"))),
    }
}

fn option(plan: &Plan, grant: &QuadletGrant, word: &str, file: &mut syntax::File) -> Result<(), UnitError> {
    if grant.implied.iter().any(|implied| implied == word) || is_secret(plan, grant, word) {
        return Ok(());
    }
    let (name, value) = word.trim_start_matches('-').split_once('=').unwrap_or((word, ""));
    let key = grant.key(name).filter(|_| word.starts_with("--"));
    match key {
        Some(key) if name == "mount" => match volume(plan, value) {
            Some(volume) => file.set(key, syntax::value(&volume)?),
            None => file.set(&grant.rest, quoted(&[word.to_owned()])?),
        },
        Some(key) if is_network(plan, value) && name == "network" => file.set(key, format!("{value}.network")),
        Some(key) if is_simple(value) => file.set(key, value),
        _ => file.set(&grant.rest, quoted(&[word.to_owned()])?),
    }
    Ok(())
}

/// What a container of a pod has from it: its network, and the ports that it publishes.
fn is_of_pod(plan: &Plan, grant: &QuadletGrant, word: &str) -> bool {
    let name = word.trim_start_matches('-').split_once('=').map_or(word, |(name, _)| name);
    plan.pod.is_some() && matches!(grant.key(name), Some("Network" | PUBLISH))
}

/// The key by which containers and pods publish ports.
const PUBLISH: &str = "PublishPort";

/// The pod, with the ports that its container was to publish. Of the keys it takes those that the first generators of pods
/// know.
fn pod(plan: &Plan, grant: &QuadletGrant, name: &str, make: &Command, create: &Command) -> Result<UnitFile, UnitError> {
    let mut file = syntax::File::default();
    file.comment(&format!("Written by portreeve {}, for {}.", env!("CARGO_PKG_VERSION"), plan.backend));
    file.section("Unit");
    file.set("Description", format!("Pod {name} of the container {}", plan.name));
    file.section("Pod");
    file.set("PodName", name);
    let (options_of, _) = parts(create, plan.own_words)?;
    for word in options_of {
        match word.strip_prefix("--").and_then(|option| option.split_once('=')) {
            Some((option, port)) if grant.key(option) == Some(PUBLISH) => file.set(PUBLISH, syntax::value(port)?),
            _ => {}
        }
    }
    let own = format!("--name={name}");
    let others = make.words.iter().filter(|word| word.starts_with("--") && **word != own);
    for word in others.filter(|word| !grant.implied.contains(word)) {
        file.set(&grant.rest, quoted(std::slice::from_ref(word))?);
    }
    Ok(UnitFile { name: format!("{name}.pod"), text: file.render() })
}

/// Text that is the same wherever in a unit file it stands.
fn is_simple(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || "_@+=:,./-".contains(c))
}

fn is_network(plan: &Plan, value: &str) -> bool {
    plan.network.as_ref().is_some_and(|(name, _)| name == value)
}

/// A variable without a value, or a mount of the host's own file, of one of the secrets.
fn is_secret(plan: &Plan, grant: &QuadletGrant, word: &str) -> bool {
    let (name, value) = word.trim_start_matches('-').split_once('=').unwrap_or((word, ""));
    let is_variable = grant.key(name) == Some("Environment");
    plan.secrets.iter().any(|secret| match &secret.file {
        Some(path) => value.contains(path.as_str()),
        None => is_variable && value == secret.name,
    })
}

/// `type=volume,source=NAME,target=PATH,ro|rw` as a generator that knows the volume's own file takes it.
fn volume(plan: &Plan, mount: &str) -> Option<String> {
    let mut parts = mount.split(',');
    let (kind, source, target, mode) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (source, target) = (source.strip_prefix("source=")?, target.strip_prefix("target=")?);
    let known = plan.volumes.iter().any(|(name, _)| name == source);
    let plain = kind == "type=volume" && known && is_simple(target) && !target.contains(':');
    (plain && matches!(mode, "ro" | "rw")).then(|| format!("{source}.volume:{target}:{mode}"))
}

fn secret_key(name: &str, delivery: &SecretDelivery) -> Result<String, UnitError> {
    let text = match delivery {
        SecretDelivery::Environment => format!("{name},type=env,target={name}"),
        SecretDelivery::File(target) => format!("{name},type=mount,target={target},mode=0444"),
    };
    if is_simple(&text) {
        return Ok(text);
    }
    Err(UnitError::Unsupported(format!("the target of the secret {name} holds a character that has a meaning here")))
}

/// Words as the generator reads them. It drops empty ones with all that follow, and hands a lone `;` on bare.
fn quoted(words: &[String]) -> Result<String, UnitError> {
    match words.iter().find(|word| word.is_empty() || *word == ";" || word.contains('\u{80}')) {
        Some(word) => Err(UnitError::Unsupported(format!(
            "the generator can't hand the word {word:?} on; a plain service can: --plain"
        ))),
        None => Ok(syntax::words(&words.iter().map(|word| Word::from(word.as_str())).collect::<Vec<_>>())?),
    }
}

/// A thing that a container needs, with a file of its own.
struct Made<'a> {
    section: &'static str,
    key: &'static str,
    suffix: &'static str,
    name: &'a str,
}

/// The labels of the command that would make it are kept: it is this install's own then.
fn made(plan: &Plan, grant: &QuadletGrant, made: Made<'_>, make: &Command) -> Result<UnitFile, UnitError> {
    let Made { section, key, suffix, name } = made;
    let mut file = syntax::File::default();
    file.comment(&format!("Written by portreeve {}, for {}.", env!("CARGO_PKG_VERSION"), plan.backend));
    file.section("Unit");
    file.set("Description", format!("{section} {name} of the container {}", plan.name));
    file.section(section);
    file.set(key, name);
    for word in make.words.iter().filter(|word| word.starts_with("--")) {
        match word.strip_prefix("--label=") {
            Some(label) if is_simple(label) => file.set("Label", label),
            _ => file.set(&grant.rest, quoted(std::slice::from_ref(word))?),
        }
    }
    Ok(UnitFile { name: format!("{name}.{suffix}"), text: file.render() })
}
