//! Named networks: made once, found by their whole name, joined and removed only where they are ours; names on them.

use std::sync::Arc;

use portreeve::spec::{Label, NetworkMode, NetworkSpec};
use portreeve::{ContainerSpec, Error, FaultKind, Policy, Portreeve, Removed, Rule};
use serde_json::Value;

use crate::setting::Setting;

const OWNER: &str = "io.portreeve.owner";

/// The words of every command about a network that does more than look.
const DOES: [&str; 5] = ["create", "rm", "prune", "connect", "disconnect"];

pub(crate) async fn a_network_is_made_once_and_found(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("network"));
    assert!(!host.network_exists(&name).await.unwrap());
    let label = Label::new("org.example.a", "1, b='2'").unwrap();
    let spec = NetworkSpec { labels: vec![label.clone()], ..network(&name) };
    let made = host.ensure_network(&spec).await.unwrap();
    assert_eq!((made.name.as_str(), made.driver.as_str(), made.internal), (name.as_str(), "bridge", false));
    assert_eq!(made.labels, [(label.key().to_owned(), label.value().to_owned())].into());
    let truth = setting.network(&name).unwrap();
    let id = truth.get("id").or(truth.get("Id")).and_then(Value::as_str);
    assert_eq!(id, Some(made.id.as_str()));
    let mark = setting.mark();
    for again in [&spec, &network(&name)] {
        assert_eq!(host.ensure_network(again).await.unwrap(), made);
    }
    assert!(!acted(&setting, mark));
    assert!(host.network_exists(&name).await.unwrap());
    assert_eq!(host.inspect_network(&name).await.unwrap(), made);
    assert!(host.networks().await.unwrap().contains(&made));
    assert_eq!(host.remove_network(&name, false).await.unwrap(), Removed::Removed);
    assert!(setting.network(&name).is_none() && !host.network_exists(&name).await.unwrap());
    for error in [host.remove_network(&name, false).await.err(), host.inspect_network(&name).await.err()] {
        assert!(matches!(error, Some(Error::NotFound { kind: "network", .. })), "{error:?}");
    }
    assert_eq!(host.remove_network(&name, true).await.unwrap(), Removed::Absent);
}

pub(crate) async fn another_network_of_the_name_is_a_conflict_that_says_what_differs(setting: Arc<Setting>) {
    let name = setting.name("differs");
    setting.host.ensure_network(&network(&name)).await.unwrap();
    let other =
        NetworkSpec { internal: true, labels: vec![Label::new("org.example.a", "2").unwrap()], ..network(&name) };
    let mark = setting.mark();
    let error = setting.host.ensure_network(&other).await.unwrap_err();
    let Error::Conflict(conflict) = &error else { panic!("{error:?}") };
    let fields: Vec<_> = conflict.differs.iter().map(|one| one.field.as_str()).collect();
    assert_eq!((conflict.kind, fields), ("network", vec!["reach", "label org.example.a"]));
    assert!(!acted(&setting, mark));
}

pub(crate) async fn an_internal_network_is_internal(setting: Arc<Setting>) {
    let name = setting.name("internal");
    let spec = NetworkSpec { internal: true, ..network(&name) };
    assert!(setting.host.ensure_network(&spec).await.unwrap().internal);
    let truth = setting.network(&name).unwrap();
    assert_eq!(truth.get("internal").or(truth.get("Internal")), Some(&Value::Bool(true)));
}

pub(crate) async fn containers_of_one_network_find_each_other_by_name(setting: Arc<Setting>) {
    let (back, front) = (setting.name("back"), setting.name("front"));
    for name in [&back, &front] {
        // With a way out: the firewall of another engine may drop what passes an internal bridge.
        setting.host.ensure_network(&network(name)).await.unwrap();
    }
    let server = joining(&setting, &back, &["listen", "8080"]);
    let name = server.name.to_string();
    let info = setting.host.run(&server).await.unwrap();
    assert_eq!(info.networks, std::slice::from_ref(&back));
    setting.until("it listens", || setting.ground.ask(&["logs", &name]).stdout.contains("listening")).await;
    let client = joining(&setting, &back, &["lookup", &name, "fetch", &name, "8080"]);
    let heard = setting.hear(&client).await;
    assert!(heard.out.starts_with(&format!("{name} is known: ")) && heard.out.ends_with("aye\n"), "{heard:?}");
    assert_eq!(heard.status(), 0);
    // Nobody on another network does.
    let stranger = setting.hear(&joining(&setting, &front, &["lookup", &name])).await;
    assert_eq!(stranger.out, format!("{name} is not known\n"), "{stranger:?}");
}

pub(crate) async fn a_container_joins_the_network_by_its_id(setting: Arc<Setting>) {
    let name = setting.name("by-id");
    let made = setting.host.ensure_network(&network(&name)).await.unwrap();
    let spec = joining(&setting, &name, &["wait"]);
    let argv = setting.host.explain(&spec).await.unwrap();
    assert!(argv.contains(&format!("--network={}", made.id)), "{argv:?}");
    let mark = setting.mark();
    let created = setting.host.create(&spec).await.unwrap();
    assert_eq!(created.networks, std::slice::from_ref(&name));
    let told = setting.argvs_since(mark, false);
    assert!(told.iter().any(|argv| argv.contains(&format!("--network={}", made.id))), "{told:?}");
    let mark = setting.mark();
    assert_eq!(setting.host.create(&spec).await.unwrap().id, created.id);
    assert!(!acted(&setting, mark));
    let other = setting.name("by-id-other");
    setting.host.ensure_network(&network(&other)).await.unwrap();
    let moved = ContainerSpec { network: Some(NetworkMode::Named(other.parse().unwrap())), ..spec };
    let error = setting.host.create(&moved).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.differs[0].field == "network"), "{error:?}");
}

pub(crate) async fn a_container_is_on_several_networks(setting: Arc<Setting>) {
    let names = ["several-back", "several-front"].map(|label| setting.name(label));
    let mut ids = Vec::new();
    for name in &names {
        ids.push(setting.host.ensure_network(&network(name)).await.unwrap().id);
    }
    let mut neighbours = Vec::new();
    for name in &names {
        let server = joining(&setting, name, &["listen", "8080"]);
        setting.host.run(&server).await.unwrap();
        neighbours.push(server.name.to_string());
    }
    let words = neighbours.iter().flat_map(|name| ["lookup", name]).collect::<Vec<_>>();
    let mut spec = joining(&setting, &names[0], &words);
    (spec.further_networks, spec.aliases) = (vec![names[1].parse().unwrap()], vec!["site".parse().unwrap()]);
    let dry = setting.builder().dry_run(true).build().await.unwrap();
    let mark = setting.mark();
    dry.create(&spec).await.unwrap();
    let imagined = [&ids[1][..], &"0".repeat(64)];
    let left_out = setting.argvs_since(mark, true);
    assert!(left_out.iter().any(|argv| argv.ends_with(&imagined.map(str::to_owned))), "{left_out:?}");
    assert!(!setting.exists(spec.name.as_str()));
    let created = setting.host.create(&spec).await.unwrap();
    assert_eq!(created.networks, names);
    let told = setting.argvs_since(mark, false);
    let joins = |argv: &&Vec<String>| is_about_networks(argv, "connect");
    let joined: Vec<_> = told.iter().filter(joins).map(|argv| argv[argv.len() - 3..].to_vec()).collect();
    assert_eq!(joined, [["--alias=site".to_owned(), ids[1].clone(), created.id.clone()]]);
    let mark = setting.mark();
    assert_eq!(setting.host.create(&spec).await.unwrap().id, created.id);
    assert!(!acted(&setting, mark));
    let fewer = ContainerSpec { further_networks: Vec::new(), ..spec.clone() };
    let error = setting.host.create(&fewer).await.unwrap_err();
    let Error::Conflict(conflict) = &error else { panic!("{error:?}") };
    let [differs] = conflict.differs.as_slice() else { panic!("{conflict:?}") };
    assert_eq!((differs.field.as_str(), &differs.existing), ("network", &names.join(" ")));
    let heard = setting.hear(&spec).await;
    let all_known = neighbours.iter().all(|name| heard.out.contains(&format!("{name} is known: ")));
    assert!(all_known && heard.status() == 0, "{heard:?}");
}

pub(crate) async fn a_further_network_is_ours_too(setting: Arc<Setting>) {
    let (ours, foreign) = (setting.name("ours"), setting.name("foreign-further"));
    setting.host.ensure_network(&network(&ours)).await.unwrap();
    setting.foreign_network(&foreign, &[]);
    let with = |further: &str| {
        let spec = joining(&setting, &ours, &["wait"]);
        ContainerSpec { further_networks: vec![further.parse().unwrap()], ..spec }
    };
    let mark = setting.mark();
    let error = setting.host.create(&with(&foreign)).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(conflict) if conflict.name == foreign), "{error:?}");
    let error = setting.host.create(&with(&setting.name("absent"))).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { kind: "network", .. }), "{error:?}");
    let alone = ContainerSpec { network: Some(NetworkMode::None), ..with(&foreign) };
    assert!(matches!(setting.host.create(&alone).await, Err(Error::Spec(_))));
    assert!(!acted(&setting, mark));
}

pub(crate) async fn a_container_that_left_a_network_is_no_longer_the_same(setting: Arc<Setting>) {
    let (stays, leaves) = (setting.name("stays"), setting.name("leaves"));
    for name in [&stays, &leaves] {
        setting.host.ensure_network(&network(name)).await.unwrap();
    }
    let spec = joining(&setting, &stays, &["wait"]);
    let spec = ContainerSpec { further_networks: vec![leaves.parse().unwrap()], ..spec };
    setting.host.create(&spec).await.unwrap();
    // As where a host is killed between two networks.
    let left = setting.ground.ask(&["network", "disconnect", &leaves, spec.name.as_str()]);
    assert_eq!(left.status, 0, "{left:?}");
    let error = setting.host.create(&spec).await.unwrap_err();
    assert!(matches!(&error, Error::Conflict(_)) && error.to_string().contains(&leaves), "{error}");
}

pub(crate) async fn a_network_that_is_not_there_is_not_joined(setting: Arc<Setting>) {
    let mark = setting.mark();
    let spec = joining(&setting, &setting.name("absent"), &["wait"]);
    for error in [setting.host.create(&spec).await.err(), setting.host.explain(&spec).await.err()] {
        assert!(matches!(error, Some(Error::NotFound { kind: "network", .. })), "{error:?}");
    }
    assert!(!acted(&setting, mark) && !setting.exists(spec.name.as_str()));
}

pub(crate) async fn a_network_in_use_is_not_removed(setting: Arc<Setting>) {
    let name = setting.name("used-network");
    setting.host.ensure_network(&network(&name)).await.unwrap();
    let spec = joining(&setting, &name, &["wait"]);
    // One that was only created counts as well: it could never be started again.
    setting.host.create(&spec).await.unwrap();
    for started in [false, true] {
        if started {
            setting.host.start(spec.name.as_str()).await.unwrap();
        }
        for force in [false, true] {
            let error = setting.host.remove_network(&name, force).await.unwrap_err();
            assert!(matches!(&error, Error::InUse(why) if why.contains(spec.name.as_str())), "{error:?}");
        }
    }
    assert!(setting.is_running(spec.name.as_str()) && setting.network(&name).is_some());
    setting.host.remove(spec.name.as_str(), true).await.unwrap();
    assert_eq!(setting.host.remove_network(&name, false).await.unwrap(), Removed::Removed);
}

pub(crate) async fn a_foreign_container_is_not_cut_off(setting: Arc<Setting>) {
    let (name, foreign) = (setting.name("shared-network"), setting.name("guest"));
    setting.host.ensure_network(&network(&name)).await.unwrap();
    setting.foreign_on(&foreign, &name);
    for force in [false, true] {
        let error = setting.host.remove_network(&name, force).await.unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error:?}");
    }
    assert!(setting.is_running(&foreign) && setting.network(&name).is_some());
    setting.ground.ask(&["rm", "--force", &foreign]);
    assert_eq!(setting.host.remove_network(&name, false).await.unwrap(), Removed::Removed);
}

pub(crate) async fn a_foreign_network_is_not_touched(setting: Arc<Setting>) {
    let name = setting.name("foreign-network");
    setting.foreign_network(&name, &[]);
    not_touched(&setting, &setting.host, &name).await;
}

/// It can be neither joined nor named, and the engine is told nothing but to look.
async fn not_touched(setting: &Setting, host: &Portreeve, name: &str) {
    let (mark, before) = (setting.mark(), setting.network(name));
    let spec = joining(setting, name, &["say", "never"]);
    let taken = [
        ("ensure", host.ensure_network(&network(name)).await.err()),
        ("create", host.create(&spec).await.err()),
        ("run", host.run(&spec).await.err()),
        ("explain", host.explain(&spec).await.err()),
    ];
    for (call, error) in taken {
        let error = error.unwrap_or_else(|| panic!("{call}: it was done"));
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.name == name), "{call}: {error:?}");
        assert!(error.to_string().contains("network that is not ours"), "{call}: {error}");
    }
    let named = [
        ("inspect", host.inspect_network(name).await.err()),
        ("remove", host.remove_network(name, false).await.err()),
        ("remove by force", host.remove_network(name, true).await.err()),
    ];
    for (call, error) in named {
        assert!(matches!(&error, Some(Error::Refused(refusal)) if refusal.rule == Rule::NotOurs), "{call}: {error:?}");
    }
    assert!(!host.network_exists(name).await.unwrap());
    assert!(!host.networks().await.unwrap().iter().any(|network| network.name == name));
    assert!(!acted(setting, mark) && !setting.exists(spec.name.as_str()));
    assert_eq!(setting.network(name), before);
}

pub(crate) async fn a_copied_label_makes_no_network_ours(setting: Arc<Setting>) {
    let name = setting.name("original-network");
    setting.host.ensure_network(&network(&name)).await.unwrap();
    let labels = setting.network_labels(&name);
    let copied = |key: &str| format!("--label={key}={}", labels[key].as_str().unwrap());
    let copy = setting.name("copied-network");
    setting.foreign_network(&copy, &[copied(OWNER), copied("io.portreeve.install")]);
    not_touched(&setting, &setting.host, &copy).await;
    assert!(setting.host.network_exists(&name).await.unwrap());
}

pub(crate) async fn another_installs_network_is_not_ours(setting: Arc<Setting>) {
    let other = setting.another_install("other-networks-state").await;
    let name = setting.name("their-network");
    other.ensure_network(&network(&name)).await.unwrap();
    not_touched(&setting, &setting.host, &name).await;
    assert!(other.networks().await.unwrap().iter().any(|network| network.name == name));
    assert_eq!(other.remove_network(&name, false).await.unwrap(), Removed::Removed);
}

pub(crate) async fn a_networks_name_is_a_whole_name(setting: Arc<Setting>) {
    let name = setting.name("whole-network");
    let longer = format!("{name}-2");
    let made = setting.host.ensure_network(&network(&longer)).await.unwrap();
    assert!(!setting.host.network_exists(&name).await.unwrap());
    // Engines take the beginning of an ID for a name.
    for beginning in [&made.id[..], &made.id[..12]] {
        assert!(!setting.host.network_exists(beginning).await.unwrap());
        let error = setting.host.remove_network(beginning, true).await;
        assert_eq!(error.unwrap(), Removed::Absent);
    }
    assert_eq!(setting.host.remove_network(&name, true).await.unwrap(), Removed::Absent);
    assert!(setting.network(&longer).is_some());
}

pub(crate) async fn a_policy_says_which_networks(setting: Arc<Setting>) {
    let (allowed, other) = (setting.name("allowed"), setting.name("not-allowed"));
    let text = format!("extends = \"home\"\n[networks]\nallow = [\"none\", {allowed:?}]\n");
    let host = setting.builder().policy(Policy::parse(&text, "p.toml").unwrap()).build().await.unwrap();
    host.ensure_network(&network(&allowed)).await.unwrap();
    setting.host.ensure_network(&network(&other)).await.unwrap();
    let mark = setting.mark();
    let refused = [
        host.ensure_network(&network(&other)).await.err(),
        host.create(&joining(&setting, &other, &["wait"])).await.err(),
    ];
    for error in refused {
        let Some(Error::Refused(refusal)) = &error else { panic!("{error:?}") };
        let remedy = refusal.remedy.as_deref().unwrap_or_default();
        assert!(refusal.rule == Rule::Policy && remedy.contains("p.toml:3") && remedy.contains(&other), "{refusal:?}");
    }
    assert!(!acted(&setting, mark));
    host.create(&joining(&setting, &allowed, &["wait"])).await.unwrap();
}

pub(crate) async fn a_dry_run_makes_no_network(setting: Arc<Setting>) {
    let (old, new) = (setting.name("old-network"), setting.name("new-network"));
    setting.host.ensure_network(&network(&old)).await.unwrap();
    let dry = setting.builder().dry_run(true).build().await.unwrap();
    let mark = setting.mark();
    let told = dry.ensure_network(&NetworkSpec { internal: true, ..network(&new) }).await.unwrap();
    assert_eq!((told.name.as_str(), told.internal), (new.as_str(), true));
    assert_eq!(dry.remove_network(&old, false).await.unwrap(), Removed::LeftOut);
    let left_out = setting.argvs_since(mark, true);
    for word in ["create", "rm"] {
        assert!(left_out.iter().any(|argv| is_about_networks(argv, word)), "{word} is not in {left_out:?}");
    }
    assert!(!acted(&setting, mark) && setting.network(&new).is_none() && setting.network(&old).is_some());
}

// ---- engines that misbehave ----

pub(crate) async fn a_network_that_is_exchanged_is_noticed(setting: Arc<Setting>) {
    let name = setting.name("exchanged-network");
    setting.host.ensure_network(&network(&name)).await.unwrap();
    let spec = joining(&setting, &name, &["wait"]);
    let error = misbehaving(&setting, "create:swap-network", setting.host.run(&spec)).await;
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{error:?}");
    assert!(!setting.exists(spec.name.as_str()), "a container of another network is still there");
    // What somebody put there stays.
    assert!(setting.network(&name).is_some());
    setting.ground.ask(&["network", "rm", &name]);
}

pub(crate) async fn an_engine_that_lies_of_a_network_is_not_believed(setting: Arc<Setting>) {
    for lie in ["network-create:leave-out-label", "network-create:other-label"] {
        let name = setting.name("unlabelled-network");
        let error = misbehaving(&setting, lie, setting.host.ensure_network(&network(&name))).await;
        assert!(matches!(&error, Error::Conflict(conflict) if conflict.kind == "network"), "{lie}: {error:?}");
        setting.ground.ask(&["network", "rm", &name]);
    }
    let kept = setting.name("kept-network");
    setting.host.ensure_network(&network(&kept)).await.unwrap();
    let spec = joining(&setting, &kept, &["wait"]);
    let unmade = network(&setting.name("unmade-network"));
    let untrue = [
        misbehaving(&setting, "network-create:ignore", setting.host.ensure_network(&unmade)).await,
        misbehaving(&setting, "create:leave-out-network", setting.host.run(&spec)).await,
        misbehaving(&setting, "network-rm:ignore", setting.host.remove_network(&kept, false)).await,
    ];
    for error in untrue {
        assert!(matches!(&error, Error::Fault(fault) if fault.kind == FaultKind::Untrue), "{error:?}");
    }
    assert!(!setting.exists(spec.name.as_str()));
    setting.host.remove_network(&kept, false).await.unwrap();
}

async fn misbehaving<T: std::fmt::Debug>(
    setting: &Setting,
    fault: &str,
    call: impl Future<Output = Result<T, Error>>,
) -> Error {
    setting.ground.rehearse("faults", fault);
    let result = call.await;
    setting.ground.rehearse("faults", "");
    result.err().unwrap_or_else(|| panic!("{fault} was believed"))
}

// ---- what they share ----

pub(crate) fn network(name: &str) -> NetworkSpec {
    NetworkSpec::new(name.parse().unwrap())
}

pub(crate) fn joining(setting: &Setting, network: &str, words: &[&str]) -> ContainerSpec {
    let mut spec = setting.spec(words);
    spec.network = Some(NetworkMode::Named(network.parse().unwrap()));
    spec
}

/// Whether the engine was told to do something to a network, or to create a container, since then.
fn acted(setting: &Setting, mark: usize) -> bool {
    let about_networks = |argv: &Vec<String>| DOES.iter().any(|word| is_about_networks(argv, word));
    setting.argvs_since(mark, false).iter().any(about_networks) || setting.was_told_to("create", mark)
}

fn is_about_networks(argv: &[String], word: &str) -> bool {
    argv.windows(2).take(3).any(|pair| pair[0] == "network" && pair[1] == word)
}

impl Setting {
    /// The engine's document about a network of this very name.
    pub(crate) fn network(&self, name: &str) -> Option<Value> {
        let answer = self.ground.ask(&["network", "inspect", name]);
        let list: Value = serde_json::from_str(&answer.stdout).ok()?;
        let named = |network: &&Value| network.get("name").or(network.get("Name")).is_some_and(|found| found == name);
        list.get(0).filter(named).cloned()
    }

    fn network_labels(&self, name: &str) -> Value {
        let network = self.network(name).unwrap();
        network.get("labels").or(network.get("Labels")).cloned().unwrap()
    }

    /// A network that is not ours: made by the engine's own client.
    pub(crate) fn foreign_network(&self, name: &str, flags: &[String]) {
        let mark = format!("--label={}", self.foreign_mark());
        let mut words = vec!["network", "create", mark.as_str()];
        words.extend(flags.iter().map(String::as_str));
        words.push(name);
        let made = self.ground.ask(&words);
        assert_eq!(made.status, 0, "{made:?}");
    }
}
