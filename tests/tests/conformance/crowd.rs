//! Many calls at once on one host: none is lost, they take turns, and those that wait look together.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use portreeve::compose::Project;
use portreeve::{
    ContainerInfo, ContainerSpec, ContainerState, Error, LogOptions, PartResult, Portreeve, Removed, Rule, UpOptions,
};
use tokio::task::JoinSet;

use crate::compose;
use crate::program::says;
use crate::setting::{Heard, Setting};

/// How often each container is asked for.
const EACH: usize = 4;

async fn host(setting: &Setting, at_once: usize) -> Portreeve {
    setting.builder().commands_at_once(NonZeroUsize::new(at_once).unwrap()).build().await.unwrap()
}

pub(crate) async fn many_containers_at_once_lose_no_call(setting: Arc<Setting>) {
    let host = host(&setting, 2).await;
    let specs: Vec<_> = (0..3).map(|_| setting.spec(&["say", "aboard", "wait"])).collect();
    let lives: JoinSet<String> = specs.iter().cloned().map(|spec| life(host.clone(), spec)).collect();
    let mut ids = lives.join_all().await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), specs.len());
    assert!(specs.iter().all(|spec| !setting.exists(spec.name.as_str())));
    assert!(host.verify_journal(None).unwrap().is_intact());
}

async fn life(host: Portreeve, spec: ContainerSpec) -> String {
    let name = spec.name.as_str();
    let id = host.run(&spec).await.unwrap().id;
    let stopped = host.stop(name, Duration::from_secs(10)).await.unwrap();
    assert_eq!((stopped.id.as_str(), stopped.state), (id.as_str(), ContainerState::Exited));
    let heard = Heard::all(host.logs(name, &LogOptions::default()).await.unwrap()).await;
    assert_eq!(heard.out, "aboard\n", "{heard:?}");
    assert_eq!(host.remove(name, false).await.unwrap(), Removed::Removed);
    id
}

/// Containers of ours, one of others, and one that is not there.
struct Asked {
    ours: Vec<ContainerInfo>,
    foreign: String,
    absent: String,
}

impl Asked {
    async fn of(setting: &Setting) -> Self {
        let (foreign, absent) = (setting.name("others"), setting.name("nobodys"));
        setting.foreign(&foreign, &[]);
        let mut ours = Vec::new();
        for _ in 0..3 {
            ours.push(setting.host.create(&setting.spec(&["wait"])).await.unwrap());
        }
        Self { ours, foreign, absent }
    }

    /// Each of them, so many times at once; and calls that nobody waits for.
    async fn ask(&self, host: &Portreeve) {
        let names = self.ours.iter().map(|ours| &ours.name).chain([&self.foreign, &self.absent]);
        let each = names.flat_map(|name| std::iter::repeat_n(name.clone(), EACH)).map(|name| inspect(host, name));
        let calls: JoinSet<_> = each.collect();
        let mut given_up = JoinSet::new();
        given_up.spawn(inspect(host, self.ours[0].name.clone()));
        tokio::task::yield_now().await;
        drop(given_up);
        for (name, told) in calls.join_all().await {
            self.check(&name, told);
        }
    }

    fn check(&self, name: &str, told: Result<ContainerInfo, Error>) {
        match (self.ours.iter().find(|ours| ours.name == name), told) {
            (Some(ours), Ok(told)) => assert_eq!((&told.id, &told.name), (&ours.id, &ours.name)),
            (None, Err(Error::NotFound { .. })) => assert_eq!(name, self.absent),
            (None, Err(Error::Refused(refusal))) => {
                assert_eq!((name, refusal.rule), (self.foreign.as_str(), Rule::NotOurs));
            }
            (_, told) => panic!("{name}: {told:?}"),
        }
    }
}

fn inspect(
    host: &Portreeve,
    name: String,
) -> impl Future<Output = (String, Result<ContainerInfo, Error>)> + Send + 'static {
    let host = host.clone();
    async move {
        let told = host.inspect(&name).await;
        (name, told)
    }
}

/// How many containers each look since then was at.
fn looks(setting: &Setting, mark: usize) -> Vec<usize> {
    let argvs = setting.argvs_since(mark, false);
    let at = |argv: &Vec<String>| argv.iter().position(|word| word == "inspect").map(|at| argv.len() - at - 1);
    argvs.iter().filter_map(at).collect()
}

pub(crate) async fn calls_that_wait_look_together(setting: Arc<Setting>) {
    let asked = Asked::of(&setting).await;
    let host = host(&setting, 1).await;
    let mark = setting.mark();
    asked.ask(&host).await;
    let looks = looks(&setting, mark);
    assert!(looks.iter().any(|containers| *containers > 1), "{looks:?}");
    // What the backend itself looks at, and at most half of the host's own looks.
    assert!(looks.len() <= asked.ours.len() * EACH + (asked.ours.len() + 2) * EACH / 2, "{looks:?}");
}

pub(crate) async fn an_engine_that_fails_on_several_is_asked_for_each(setting: Arc<Setting>) {
    let asked = Asked::of(&setting).await;
    let host = host(&setting, 1).await;
    setting.ground.rehearse("faults", "inspect:fail-several");
    asked.ask(&host).await;
    let error = host.list().await.unwrap_err();
    setting.ground.rehearse("faults", "");
    assert!(matches!(&error, Error::NoEngine(_)), "{error:?}");
}

/// Whoever comes too late finds it gone.
pub(crate) async fn removals_side_by_side_are_one(setting: Arc<Setting>) {
    let name = setting.name("gone");
    setting.host.run(&setting.named(&name, &["wait"])).await.unwrap();
    let hosts = [setting.host.clone(), setting.builder().build().await.unwrap()];
    let four = || hosts.iter().cycle().take(4).cloned();
    let removals: JoinSet<_> = four().map(|host| remove(host, name.clone())).collect();
    for removed in removals.join_all().await {
        assert!(matches!(removed, Ok(Removed::Removed) | Err(Error::NotFound { .. })), "{removed:?}");
    }
    assert!(!setting.exists(&name));
    let pod = setting.name("ashore");
    setting.host.ensure_pod(&crate::pods::pod(&pod)).await.unwrap();
    let removals: JoinSet<_> = four().map(|host| remove_pod(host, pod.clone())).collect();
    for removed in removals.join_all().await {
        assert!(matches!(removed, Ok(Removed::Removed | Removed::Absent)), "{removed:?}");
    }
    assert!(setting.host.pods().await.unwrap().iter().all(|found| found.name != pod));
}

async fn remove(host: Portreeve, name: String) -> Result<Removed, Error> {
    host.remove(&name, true).await
}

async fn remove_pod(host: Portreeve, name: String) -> Result<Removed, Error> {
    host.remove_pod(&name, true).await
}

/// Who comes second to a project, and is cut short, takes nothing of it away.
pub(crate) async fn what_another_host_made_is_left_alone(setting: Arc<Setting>) {
    let (ours, other) = (&setting.host, setting.builder().build().await.unwrap());
    let image = setting.image.single();
    let text = format!(
        "services: {{web: {{image: {image}, command: [wait], volumes: ['data:/data']}}}}\nvolumes: {{data: }}\n"
    );
    let project = compose::read(&setting.name("shared"), &text);
    let before = other.compose_state(&project.name).await.unwrap();
    let (made, found) = (up(ours, &project).await, up(&other, &project).await);
    assert!(made.len() > 1 && made.iter().all(|done| *done != "present"), "{made:?}");
    assert!(found.len() == made.len() && found.iter().all(|done| *done == "present"), "{found:?}");
    other.compose_undo(&project.name, &before).await;
    let there = ours.compose_list(Some(&project.name)).await.unwrap();
    assert!(there.len() == 1 && there.iter().all(|one| one.state.is_alive()), "{there:?}");
    assert!(there.iter().all(|one| ours.made(one) && ours.started(one) && !other.made(one) && !other.started(one)));
    ours.compose_undo(&project.name, &other.compose_state(&project.name).await.unwrap()).await;
    assert_eq!(ours.compose_list(Some(&project.name)).await.unwrap().len(), 1, "it was there before");
    ours.compose_undo(&project.name, &before).await;
    assert!(ours.compose_list(Some(&project.name)).await.unwrap().is_empty());
    assert!(!ours.volume_exists(&format!("{}_data", project.name)).await.unwrap());
}

async fn up(host: &Portreeve, project: &Project) -> Vec<&'static str> {
    let mut done = Vec::new();
    host.compose_up(project, &UpOptions::default(), &compose::secret, &mut |part: &PartResult| done.push(part.done))
        .await
        .unwrap();
    done
}

pub(crate) async fn programs_side_by_side_make_it_once(setting: Arc<Setting>) {
    let (name, image) = (setting.name("twins"), setting.image.single().to_string());
    let words = ["run", "-d", "--network", "none", "--name", &name, &image, "wait"];
    let (one, another) = tokio::join!(says(&setting, 0, &words), says(&setting, 0, &words));
    assert_eq!(one.stdout, another.stdout);
    let id = one.stdout.trim();
    // One that waits for what does not come takes away what it made, and this it did not make.
    let words = [
        "run",
        "-d",
        "--network",
        "none",
        "--wait",
        "log=never",
        "--wait-timeout",
        "1s",
        "--name",
        &name,
        &image,
        "wait",
    ];
    let late = says(&setting, 125, &words).await;
    assert!(!late.stderr.contains("left behind") && setting.is_running(&name), "{late:?}");
    assert!(setting.truth(&name).is_some_and(|truth| truth["Id"].as_str().is_some_and(|found| found.starts_with(id))));
    says(&setting, 0, &["rm", "-f", &name]).await;
}
