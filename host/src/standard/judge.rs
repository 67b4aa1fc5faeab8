//! Whether a standard holds, from what was seen.

use std::fmt;

use super::{Demand, Standard};
use crate::evidence::ContainerInfo;
use crate::reference::Reference;
use crate::runtime::{Detection, EngineIdentity};

/// What was seen of a host.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What is behind the program of each backend that is used.
    pub engines: Vec<Detection>,
    /// The same of those that a preference leaves aside: no item rests on what they hold, and yet they are of the host.
    pub others: Vec<Detection>,
    /// Where the engine in use keeps its images, where that could be told.
    pub graph_root: Option<String>,
    /// `name:tag` or `name@digest` of every image that it holds.
    pub images: Vec<String>,
    /// The containers of this install.
    pub containers: Vec<ContainerInfo>,
    /// How the smoke run went, where there was one.
    pub smoke: Option<SmokeRun>,
}

impl Facts {
    fn of_the_host(&self) -> impl Iterator<Item = &Detection> {
        self.engines.iter().chain(&self.others)
    }
}

/// How a container of the built-in image went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SmokeRun {
    /// It ran to its end, with 0.
    Ran,
    /// It did not, and why.
    Failed(String),
}

/// One thing that a standard says, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Item {
    /// Its short, stable name.
    pub id: String,
    /// Whether it holds.
    pub holds: bool,
    /// What is wanted.
    pub wanted: String,
    /// What was seen.
    pub seen: String,
}

/// What a standard says of a host, and what of it holds.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct Checklist {
    /// The standard's name.
    pub standard: String,
    /// The class of host.
    pub class: String,
    /// Its items.
    pub items: Vec<Item>,
}

impl Checklist {
    /// Whether all of it holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.items.iter().all(|item| item.holds)
    }
}

impl fmt::Display for Checklist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for item in &self.items {
            let mark = if item.holds { "holds" } else { "FAILS" };
            writeln!(f, "{mark}  {:<14} wanted {}; seen {}", item.id, item.wanted, item.seen)?;
        }
        let count = self.items.iter().filter(|item| item.holds).count();
        write!(f, "{} for a {}: {count} of {} hold", self.standard, self.class, self.items.len())
    }
}

impl Standard {
    /// The backend that a class of host has to use; none where any will do.
    #[must_use]
    pub fn runtime(&self, class: &str) -> Option<&str> {
        self.runtimes.get(class).map(String::as_str).filter(|runtime| *runtime != "any")
    }

    /// Compares what it says with what was seen. What could not be told does not hold.
    #[must_use]
    pub fn judge(&self, class: &str, facts: &Facts) -> Checklist {
        let mut items = vec![self.engine(class, facts)];
        let used = self.used(class, facts);
        items.extend(self.aliases.iter().map(|(name, demand)| alias(name, *demand, facts)));
        items.extend(demanded(self.daemon, || daemon(self.daemon, facts)));
        items.extend(demanded(self.rootless, || rootless(self.rootless, used)));
        items.extend(self.graph_root.as_ref().map(|root| {
            let seen = facts.graph_root.clone();
            let holds = seen.as_deref() == root.to_str();
            item(
                "graph-root",
                holds,
                root.display().to_string(),
                seen.unwrap_or_else(|| "nothing that tells".to_owned()),
            )
        }));
        items.extend(self.registries.as_ref().map(|allowed| registries(allowed, &facts.images)));
        items.extend(self.smoke.then(|| smoke(facts.smoke.as_ref())));
        items.extend(self.services.iter().map(|name| service(name.as_str(), &facts.containers)));
        items.extend(demanded(self.memory_limits, || limits(self.memory_limits, &facts.containers)));
        Checklist { standard: self.name.clone(), class: class.to_owned(), items }
    }

    fn used<'a>(&self, class: &str, facts: &'a Facts) -> Option<&'a Detection> {
        let wanted = self.runtime(class);
        facts.engines.iter().find(|one| one.works && wanted.is_none_or(|wanted| one.backend == wanted))
    }

    fn engine(&self, class: &str, facts: &Facts) -> Item {
        let wanted = self.runtime(class).unwrap_or("any engine that works").to_owned();
        let used = self.used(class, facts);
        let seen = match used {
            Some(used) => format!("{} {}", used.backend, used.version.as_deref().unwrap_or("of no version")),
            None => {
                let works: Vec<_> =
                    facts.engines.iter().filter(|one| one.works).map(|one| one.backend.as_str()).collect();
                if works.is_empty() { "none that works".to_owned() } else { works.join(", ") }
            }
        };
        item("runtime", used.is_some(), wanted, seen)
    }
}

fn item(id: &str, holds: bool, wanted: impl Into<String>, seen: impl Into<String>) -> Item {
    Item { id: id.to_owned(), holds, wanted: wanted.into(), seen: seen.into() }
}

/// What is merely allowed is no item.
fn demanded(demand: Demand, judge: impl FnOnce() -> Item) -> Option<Item> {
    (demand != Demand::Allowed).then(judge)
}

/// A program that is another engine's, as it says itself or as the script that it is says.
fn is_alias(found: &Detection) -> bool {
    let scripted = |problem: &String| problem.contains("is a script") && problem.contains("that starts `");
    matches!(found.identity, Some(EngineIdentity::Masquerade(_))) || found.problem.as_ref().is_some_and(scripted)
}

fn alias(name: &str, demand: Demand, facts: &Facts) -> Item {
    let found = facts.of_the_host().find(|one| one.backend == name);
    let there = found.is_some_and(is_alias);
    let seen = match found {
        Some(found) if there => found.problem.clone().unwrap_or_else(|| "another engine's program".to_owned()),
        Some(found) if found.works => "the engine itself".to_owned(),
        _ => "no such program".to_owned(),
    };
    item(&format!("alias.{name}"), demand.holds(there), format!("an alias {}", demand.as_str()), seen)
}

fn daemon(demand: Demand, facts: &Facts) -> Item {
    let answers = |one: &&Detection| {
        one.endpoint.is_some() && (one.works || matches!(one.identity, Some(EngineIdentity::ForeignService(_))))
    };
    let answering = facts.of_the_host().find(answers);
    let seen = answering.and_then(|one| one.endpoint.clone()).unwrap_or_else(|| "none that answers".to_owned());
    item("daemon", demand.holds(answering.is_some()), format!("a daemon {}", demand.as_str()), seen)
}

fn rootless(demand: Demand, used: Option<&Detection>) -> Item {
    let Some(used) = used else {
        return item("rootless", false, format!("without root {}", demand.as_str()), "no engine");
    };
    let seen = if used.rootless { "it runs without root" } else { "it runs as root" };
    item("rootless", demand.holds(used.rootless), format!("without root {}", demand.as_str()), seen)
}

fn registries(allowed: &[String], images: &[String]) -> Item {
    let below = |name: &str| {
        allowed
            .iter()
            .any(|allowed| name == allowed || name.strip_prefix(allowed).is_some_and(|rest| rest.starts_with('/')))
    };
    let others: Vec<&str> = images
        .iter()
        .filter(|image| image.parse::<Reference>().is_ok_and(|reference| !below(&reference.name())))
        .map(String::as_str)
        .collect();
    let seen = match others.split_first() {
        None => format!("{} images, all from there", images.len()),
        Some((first, rest)) => format!("{first} and {} others", rest.len()),
    };
    item("registries", others.is_empty(), format!("images from {}", allowed.join(", ")), seen)
}

fn smoke(run: Option<&SmokeRun>) -> Item {
    let (holds, seen) = match run {
        Some(SmokeRun::Ran) => (true, "it ran, and ended with 0".to_owned()),
        Some(SmokeRun::Failed(why)) => (false, why.clone()),
        None => (false, "it was not tried".to_owned()),
    };
    item("smoke", holds, "a container of the built-in image runs", seen)
}

fn service(name: &str, containers: &[ContainerInfo]) -> Item {
    let found = containers.iter().find(|container| container.name == name);
    let running = found.is_some_and(|container| container.state == crate::ContainerState::Running);
    let seen = found.map_or("no such container", |container| container.state.as_str());
    item(&format!("service.{name}"), running, "it runs", seen)
}

fn limits(demand: Demand, containers: &[ContainerInfo]) -> Item {
    let alive = containers.iter().filter(|container| container.state.is_alive());
    let is_wrong = |container: &&ContainerInfo| !demand.holds(container.memory.is_some_and(|limit| limit > 0));
    let wrong: Vec<&str> = alive.filter(is_wrong).map(|container| container.name.as_str()).collect();
    let seen = if wrong.is_empty() { "none that is otherwise".to_owned() } else { wrong.join(", ") };
    item("limits.memory", wrong.is_empty(), format!("a memory limit {}", demand.as_str()), seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine(backend: &str, works: bool) -> Detection {
        Detection {
            backend: backend.to_owned(),
            works,
            engine: Some(backend.to_owned()),
            version: works.then(|| "5.0".to_owned()),
            rootless: works,
            identity: works.then_some(EngineIdentity::Genuine),
            endpoint: None,
            problem: None,
        }
    }

    fn standard(text: &str) -> Standard {
        Standard::parse(&format!("name = \"s\"\n[runtime]\nserver = \"one\"\n{text}"), "s.toml").unwrap()
    }

    fn verdict(text: &str, facts: &Facts) -> Vec<(String, bool)> {
        let items = standard(text).judge("server", facts).items;
        items.into_iter().skip(1).map(|item| (item.id, item.holds)).collect()
    }

    #[test]
    fn the_engine_that_is_wanted_has_to_work() {
        let none = standard("").judge("server", &Facts { engines: vec![engine("two", true)], ..Facts::default() });
        assert!(!none.holds());
        assert_eq!(none.items[0].seen, "two");
        let there = Facts { engines: vec![engine("two", true), engine("one", true)], ..Facts::default() };
        assert!(standard("").judge("server", &there).holds());
    }

    #[test]
    fn aliases_daemons_and_roots_are_judged() {
        let mut two = engine("two", false);
        two.problem =
            Some("`/usr/bin/two` is a script for `/bin/sh` that starts `/usr/bin/one`: use its backend".to_owned());
        let mut facts = Facts { engines: vec![engine("one", true), two], ..Facts::default() };
        let text = "[alias]\ntwo = \"required\"\n[engine]\ndaemon = \"forbidden\"\nrootless = \"required\"\ngraph-root = \"/a\"\n";
        let held = |facts: &Facts| verdict(text, facts).into_iter().map(|(_, holds)| holds).collect::<Vec<_>>();
        assert_eq!(held(&facts), [true, true, true, false]);
        facts.graph_root = Some("/a".to_owned());
        facts.engines[1] = Detection { endpoint: Some("unix:///x".to_owned()), ..engine("two", true) };
        facts.engines[0].rootless = false;
        assert_eq!(held(&facts), [false, false, false, true]);
    }

    #[test]
    fn what_is_left_aside_is_of_the_host_and_is_not_used() {
        let others = vec![Detection { endpoint: Some("unix:///x".to_owned()), ..engine("two", true) }];
        let mut facts = Facts { engines: vec![engine("one", true)], others, ..Facts::default() };
        let text = "[alias]\ntwo = \"forbidden\"\n[engine]\ndaemon = \"forbidden\"\n";
        let items = standard(text).judge("server", &facts).items;
        let told: Vec<_> = items.iter().map(|item| (item.id.as_str(), item.holds, item.seen.as_str())).collect();
        let expected =
            [("runtime", true, "one 5.0"), ("alias.two", true, "the engine itself"), ("daemon", false, "unix:///x")];
        assert_eq!(told, expected);
        std::mem::swap(&mut facts.engines, &mut facts.others);
        assert!(!standard(text).judge("server", &facts).items[0].holds);
    }

    #[test]
    fn images_and_services_are_judged() {
        let images = ["r.example/a:1", "r.example.evil/a:1"].map(str::to_owned).to_vec();
        let facts = Facts { images, ..Facts::default() };
        let text = "[registries]\nallow = [\"r.example\"]\n[services]\nrunning = [\"web\"]\n[smoke]\nrun = true\n";
        let told: Vec<_> = verdict(text, &facts).into_iter().map(|(id, holds)| format!("{id} {holds}")).collect();
        assert_eq!(told, ["registries false", "smoke false", "service.web false"]);
        let list = standard(text).judge("server", &facts);
        assert!(list.to_string().contains("FAILS  registries"), "{list}");
        assert!(list.to_string().ends_with("s for a server: 0 of 4 hold"), "{list}");
    }
}
