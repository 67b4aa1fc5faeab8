//! What units look like.

use super::*;

const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");
const FILE: &str = "/run/user/0/portreeve-secrets/i/web/KEY";

fn command(program: &str, words: &[&str]) -> Command {
    Command { program: program.to_owned(), words: words.iter().map(ToString::to_string).collect() }
}

fn grant(text: &str) -> UnitGrant {
    Grants::parse(text, "grants.toml").unwrap().unit().clone()
}

fn secret(name: &str, delivery: SecretDelivery, file: Option<&str>) -> UnitSecret {
    UnitSecret { name: name.to_owned(), delivery, file: file.map(str::to_owned) }
}

fn plan(engine: &str, text: &str) -> Plan {
    let program = format!("/usr/bin/{engine}");
    let key = format!("--mount=type=bind,source={FILE},target=/run/secrets/KEY,readonly=true");
    let create = [
        "create",
        "--pull=never",
        "--name=web",
        "--label=io.portreeve.owner=a:b:c",
        "--label=note=50% of $HOME",
        "--publish=127.0.0.1:8080:80/tcp",
        "--mount=type=bind,source=/srv/a b,target=/data,readonly=true",
        "--mount=type=volume,source=data,target=/var/lib/data,rw",
        &key,
        "--env=A=1",
        "--memory=1048576",
        "--rm",
        "sha256:0123",
        "serve",
        "--name=%n",
        "a;b \"c\"",
    ];
    Plan {
        backend: engine.to_owned(),
        name: "web".to_owned(),
        image: "registry.example/app@sha256:aa".to_owned(),
        image_id: "sha256:0123".to_owned(),
        create: Some(command(&program, &create)),
        own_words: 3,
        start: command(&program, &["start", "--attach", "web"]),
        stop: command(&program, &["stop", "-t", "10", "web"]),
        reload: Some(command(&program, &["kill", "--signal=HUP", "web"])),
        volumes: vec![("data".to_owned(), command(&program, &["volume", "create", "--label=a=b", "data"]))],
        network: None,
        pod: None,
        holder: None,
        secrets: vec![secret("KEY", SecretDelivery::File("/run/secrets/KEY".parse().unwrap()), Some(FILE))],
        restart: Some(RestartPolicy::OnFailure(Some(3))),
        grace: Duration::from_secs(10),
        grant: grant(text),
    }
}

fn shown(plan: &Plan, options: &UnitOptions) -> String {
    let files = render(plan, options).unwrap();
    files.iter().map(|file| format!("==> {}\n{}\n", file.name, file.text)).collect()
}

#[test]
fn a_container_in_the_generators_spelling() {
    let mut plan = plan("podman", PODMAN);
    plan.secrets.push(secret("TOKEN", SecretDelivery::Environment, None));
    plan.create.as_mut().unwrap().words.insert(4, "--env=TOKEN".to_owned());
    insta::assert_snapshot!("quadlet", shown(&plan, &UnitOptions::default()));
}

#[test]
fn a_plain_service() {
    let options =
        UnitOptions { credentials: vec![("KEY".to_owned(), "/etc/app/key".into())], ..UnitOptions::default() };
    insta::assert_snapshot!("plain", shown(&plan("docker", DOCKER), &options));
    let user = UnitOptions { manager: Manager::User, plain: true, ..UnitOptions::default() };
    let text = shown(&plan("podman", PODMAN), &user);
    assert!(text.contains("LoadCredential=KEY:%E/credstore/KEY") && text.contains("WantedBy=default.target"), "{text}");
    assert!(!text.contains(FILE));
}

#[test]
fn a_container_that_is_there_is_started_and_stopped() {
    let there = Plan { create: None, volumes: Vec::new(), secrets: Vec::new(), ..plan("podman", PODMAN) };
    insta::assert_snapshot!("existing", shown(&there, &UnitOptions::default()));
}

#[test]
fn a_pod_in_the_generators_spelling_and_its_container() {
    let mut plan = plan("podman", PODMAN);
    let make = ["pod", "create", "--infra=false", "--name=town", "--label=io.portreeve.owner=a:b:c"];
    plan.pod = Some(("town".to_owned(), command("/usr/bin/podman", &make)));
    plan.create.as_mut().unwrap().words.insert(4, "--network=bridge".to_owned());
    let files = render(&plan, &UnitOptions::default()).unwrap();
    let [container, pod, ..] = files.as_slice() else { panic!("{files:?}") };
    assert!(container.text.contains("Pod=town.pod\n") && container.text.contains("Needs podman 5.0"), "{container:?}");
    assert!(!container.text.contains("Network=") && !container.text.contains("PublishPort="), "{container:?}");
    insta::assert_snapshot!("pod", pod.text);
}

#[test]
fn a_container_of_a_pod_ends_with_what_holds_it() {
    let there = Plan {
        create: None,
        volumes: Vec::new(),
        secrets: Vec::new(),
        holder: Some("town-holder".to_owned()),
        ..plan("podman", PODMAN)
    };
    let text = shown(&there, &UnitOptions::default());
    assert!(text.contains("BindsTo=town-holder.service") && text.contains(" town-holder.service\n"), "{text}");
}

#[test]
fn what_a_unit_can_not_say_is_refused() {
    let mut variable = plan("docker", DOCKER);
    variable.secrets = vec![secret("TOKEN", SecretDelivery::Environment, None)];
    let error = render(&variable, &UnitOptions::default()).unwrap_err().to_string();
    assert!(error.contains("--secret TOKEN,as=file"), "{error}");
    for word in ["", ";"] {
        let mut plan = plan("podman", PODMAN);
        plan.create.as_mut().unwrap().words.pop();
        plan.create.as_mut().unwrap().words.push(word.to_owned());
        assert!(render(&plan, &UnitOptions::default()).unwrap_err().to_string().contains("--plain"));
        assert!(render(&plan, &UnitOptions { plain: true, ..UnitOptions::default() }).is_ok());
    }
    let relative = UnitOptions { credentials: vec![("KEY".to_owned(), "key".into())], ..UnitOptions::default() };
    assert!(render(&plan("docker", DOCKER), &relative).is_err());
}
