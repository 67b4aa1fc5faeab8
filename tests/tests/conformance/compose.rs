//! Compose projects: up, the same again, half-way, and down.

use std::path::Path;
use std::sync::Arc;

use portreeve::compose::{Inputs, Project, SecretSource};
use portreeve::demo::image::ImageOptions;
use portreeve::{DownOptions, Error, LogOptions, PartResult, Reference, UpOptions};

use crate::setting::{Heard, Setting};

const VALUE: &str = "compose-marigold-7745-lantern";

/// Two services, two networks, a volume, a health check, a secret and a dependency.
pub(crate) fn file(setting: &Setting, web: &Reference) -> String {
    let image = setting.image.single();
    format!(
        r#"
services:
  web:
    image: {web}
    command: [say, up, file, /run/secrets/token, say, ., wait]
    networks: [back, front]
    secrets: [token]
    depends_on:
      db: {{condition: service_healthy}}
  db:
    image: {image}
    command: [write, /data/ready, "yes", say, ready, wait]
    volumes: ["data:/data"]
    networks: [back]
    healthcheck: {{test: [CMD, /deckhand, file, /data/ready], interval: 300ms, timeout: 5s, retries: 3}}
    stop_grace_period: 2s
volumes:
  data:
networks:
  back:
  front:
secrets:
  token: {{environment: TOKEN}}
"#
    )
}

pub(crate) fn read(name: &str, text: &str) -> Project {
    let inputs = Inputs {
        folder: Path::new("/srv"),
        project: Some(name),
        variable: &|_| None,
        env_file: &|_| Ok(None),
        profiles: &[],
    };
    Project::read(text, &inputs).unwrap()
}

pub(crate) fn secret(_: &SecretSource) -> Result<Vec<u8>, Error> {
    Ok(VALUE.as_bytes().to_vec())
}

async fn up(setting: &Setting, project: &Project) -> Result<Vec<String>, Error> {
    let mut told = Vec::new();
    let mut tell = |part: &PartResult| told.push(format!("{} {}", part.name, part.done));
    let done = setting.host.compose_up(project, &UpOptions::default(), &secret, &mut tell).await;
    done.map(|()| told)
}

async fn down(setting: &Setting, project: &Project, volumes: bool) {
    let options = DownOptions { volumes, ..DownOptions::default() };
    setting.host.compose_down(project, &options, &mut |_| {}).await.unwrap();
}

/// The volume that it would make is there for the container that would use it.
pub(crate) async fn a_dry_run_of_a_project_makes_each_part_once(setting: Arc<Setting>) {
    let name = setting.name("dry");
    let project = read(&name, &file(&setting, &setting.image.single()));
    let host = setting.builder().dry_run(true).build().await.unwrap();
    let mark = setting.mark();
    host.compose_up(&project, &UpOptions::default(), &secret, &mut |_| {}).await.unwrap();
    let argvs = setting.argvs_since(mark, true);
    let makes = |argv: &&Vec<String>| argv.windows(2).any(|words| words == ["volume", "create"]);
    let made: Vec<_> = argvs.iter().filter(makes).collect();
    assert_eq!(made.len(), 1, "{made:?}");
    assert!(made[0].iter().any(|word| word.contains("portreeve.compose.project")), "{made:?}");
    assert!(setting.volume(&format!("{name}_data")).is_none());
}

pub(crate) async fn a_project_comes_up_and_goes_down(setting: Arc<Setting>) {
    let (host, name) = (&setting.host, setting.name("shop"));
    let mut project = read(&name, &file(&setting, &setting.image.single()));
    host.check_compose(&mut project);
    assert_eq!(project.problems().collect::<Vec<_>>(), Vec::<&portreeve::compose::Finding>::new());
    let [db, web] = ["db", "web"].map(|service| format!("{name}-{service}-1"));
    let (network, front, volume) = (format!("{name}_back"), format!("{name}_front"), format!("{name}_data"));
    let told = up(&setting, &project).await.unwrap();
    let wanted = [(&network, "made"), (&front, "made"), (&volume, "made"), (&db, "started"), (&web, "started")];
    assert_eq!(told, wanted.map(|(part, done)| format!("{part} {done}")));
    for container in [&db, &web] {
        assert!(setting.is_running(container), "{container}");
        let truth = setting.truth(container).unwrap();
        assert!(truth["NetworkSettings"]["Networks"][&network].is_object(), "{truth}");
    }
    assert_eq!(host.inspect(&web).await.unwrap().networks, [network.clone(), front.clone()]);
    setting.until("web reads its secret", || setting.ground.ask(&["logs", &web]).stdout.contains(VALUE)).await;
    let heard = Heard::all(host.logs(&web, &LogOptions::default()).await.unwrap()).await;
    assert!(heard.out.contains("[redacted:token]") && !heard.out.contains(VALUE), "{heard:?}");
    // The very same again does nothing.
    let told = up(&setting, &project).await.unwrap();
    assert!(told.iter().all(|line| line.ends_with(" present")), "{told:?}");
    let listed: Vec<String> = host.compose_list(Some(&name)).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(listed, [db.clone(), web.clone()]);
    down(&setting, &project, false).await;
    assert!(!setting.exists(&db) && !setting.exists(&web) && !host.network_exists(&network).await.unwrap());
    assert!(!host.network_exists(&front).await.unwrap() && setting.volume(&volume).is_some());
    down(&setting, &project, true).await;
    assert!(setting.volume(&volume).is_none());
}

pub(crate) async fn a_project_that_fails_half_way_leaves_nothing(setting: Arc<Setting>) {
    let name = setting.name("shop");
    let unknown = setting.publish(ImageOptions::default());
    let unknown = setting.image.by(&format!("@{}", unknown.image.manifest()));
    // The two images are the same bytes where nothing in them differs: then this digest would be known.
    let unknown: Reference = unknown.to_string().replace(&setting.image.repository, "nonesuch/image").parse().unwrap();
    let project = read(&name, &file(&setting, &unknown));
    let error = up(&setting, &project).await.unwrap_err();
    assert!(!matches!(error, Error::Unsupported(_)), "{error}");
    assert!(setting.host.compose_list(Some(&name)).await.unwrap().is_empty());
    assert!(!setting.host.network_exists(&format!("{name}_back")).await.unwrap());
    assert!(setting.volume(&format!("{name}_data")).is_none());
}

pub(crate) async fn a_project_with_an_unsupported_key_is_not_brought_up(setting: Arc<Setting>) {
    let name = setting.name("shop");
    let text = file(&setting, &setting.image.single()).replace("stop_grace_period: 2s", "privileged: true");
    let mark = setting.mark();
    let error = up(&setting, &read(&name, &text)).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.contains("services.db.privileged")), "{error}");
    assert!(setting.argvs_since(mark, false).is_empty());
}
