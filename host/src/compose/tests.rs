//! Whole files: what is supported, and where what is not stands.

use super::*;

fn read_with(text: &str, profiles: &[&str]) -> Result<Project, Finding> {
    let profiles: Vec<String> = profiles.iter().map(ToString::to_string).collect();
    let inputs = Inputs {
        folder: Path::new("/srv/shop"),
        project: None,
        variable: &|name| (name == "TAG").then(|| "2".to_owned()),
        env_file: &|path| match path.to_str() {
            Some("/srv/shop/app.env") => Ok(Some("# note\nA=file\nexport B='b c'\nTAG\n".to_owned())),
            _ => Ok(None),
        },
        profiles: &profiles,
    };
    Project::read(text, &inputs)
}

fn read(text: &str) -> Project {
    read_with(text, &[]).unwrap()
}

fn told(project: &Project) -> Vec<String> {
    project.problems().map(ToString::to_string).collect()
}

/// What a service became, a fact a line.
fn shown(service: &Service) -> String {
    let spec = &service.spec;
    let Service { aliases, cap_add, health, depends_on, secrets, .. } = service;
    format!(
        "{} {} of {}\n  words {:?} {:?}\n  env {:?}\n  mounts {:?} {:?}\n  ports {:?}\n  network {:?} {aliases:?}\n  labels {:?}\n  \
         limits {:?} {:?} {:?}\n  caps {:?} {cap_add:?}\n  gpus {:?}\n  stop {:?} {:?}, restart {:?}, read-only {}\n  {health:?}\n  \
         {depends_on:?}\n  {secrets:?}\n",
        service.name,
        spec.name,
        spec.image,
        spec.entrypoint,
        spec.words,
        spec.env.iter().map(|one| format!("{}={}", one.name, one.value)).collect::<Vec<_>>(),
        spec.mounts.iter().map(|one| (&one.source, one.target.as_str(), one.read_only)).collect::<Vec<_>>(),
        spec.tmpfs.iter().map(|one| one.target.as_str()).collect::<Vec<_>>(),
        spec.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
        spec.network.as_ref().map(ToString::to_string),
        spec.labels.iter().map(|one| format!("{}={}", one.key(), one.value())).collect::<Vec<_>>(),
        spec.memory.map(crate::spec::Memory::bytes),
        spec.cpus.map(|cpus| cpus.to_string()),
        spec.ulimits.iter().map(|one| format!("{}={}:{}", one.name, one.soft, one.hard)).collect::<Vec<_>>(),
        spec.cap_drop,
        spec.gpus,
        spec.stop_signal.as_ref().map(|signal| signal.as_str().to_owned()),
        spec.stop_grace,
        spec.restart.map(|restart| restart.to_string()),
        spec.read_only,
    )
}

const SHOP: &str = r#"
name: shop
x-common: &common
  restart: unless-stopped
  labels: {tier: back}
services:
  web:
    <<: *common
    image: registry.example/web:${TAG:-1}
    command: ["serve", "--port=80"]
    environment:
      A: own
      EMPTY: ""
      ABSENT:
    env_file: app.env
    ports:
      - "8080:80"
      - {target: 443, published: "8443", host_ip: 127.0.0.1}
    depends_on:
      db: {condition: service_healthy}
    networks: [back]
    secrets: [token]
    read_only: true
    tmpfs: /tmp:size=16m
    deploy:
      resources:
        limits: {cpus: "0.5", memory: 64m}
        reservations:
          devices: [{driver: nvidia, device_ids: ["1"], capabilities: [gpu]}]
  db:
    <<: *common
    image: registry.example/db@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    entrypoint: /bin/db --data '/var/lib/my db'
    volumes:
      - data:/var/lib/db
      - ./conf:/etc/db:ro
    networks:
      back: {aliases: [database]}
    healthcheck: {test: ["CMD", "ready"], interval: 1s, retries: 5}
    cap_drop: [ALL]
    cap_add: [CHOWN]
    ulimits: {nofile: {soft: 100, hard: 200}, nproc: 50}
    stop_grace_period: 1m30s
    stop_signal: INT
  tool:
    image: registry.example/tool:1
    profiles: [debug]
volumes:
  data:
networks:
  back: {internal: true}
secrets:
  token: {file: ./token.txt}
"#;

#[test]
fn a_whole_file_becomes_specs() {
    let project = read(SHOP);
    assert_eq!(told(&project), Vec::<String>::new());
    assert_eq!(project.services.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["db", "web"]);
    insta::assert_snapshot!("shop", project.services.iter().map(shown).collect::<String>());
    let shared: Vec<_> =
        project.networks.iter().chain(&project.volumes).map(|one| (one.name.as_str(), one.internal)).collect();
    assert_eq!(shared, [("shop_back", true), ("shop_data", false)]);
    let debug = read_with(SHOP, &["debug"]).unwrap();
    assert_eq!(debug.services.len(), 3);
    assert!(debug.networks.iter().any(|network| network.name.as_str() == "shop_default"));
}

#[test]
fn gpus_are_named_counted_or_all_of_them() {
    let of = |devices: &str| {
        let devices = format!("[{{capabilities: [gpu]{devices}}}]");
        let deploy = format!("{{resources: {{reservations: {{devices: {devices}}}}}}}");
        let project = read(&format!("services: {{a: {{image: registry.example/a:1, deploy: {deploy}}}}}"));
        (project.services.first().map(|service| service.spec.gpus.to_string()), told(&project))
    };
    for (devices, asked) in [
        ("", "all"),
        (", count: all", "all"),
        (", count: 1", "0"),
        (", count: 3", "0,1,2"),
        (", device_ids: ['1', '3']", "1,3"),
    ] {
        assert_eq!(of(devices), (Some(asked.to_owned()), Vec::new()), "{devices}");
    }
    for count in ["0", "65", "-1", "some"] {
        let told = of(&format!(", count: {count}")).1.join("\n");
        assert!(told.contains("a number from 1 to 64"), "{count}: {told}");
    }
}

#[test]
fn a_service_is_on_several_networks_with_the_same_aliases_on_each() {
    let of = |networks: &str| {
        let text =
            format!("services: {{a: {{image: 'x/a:1', networks: {networks}}}}}\nnetworks: {{back: , front: }}\n");
        let project = read(&text);
        let spec = project.services.first().map(|service| service.spec.clone());
        let names = spec.iter().flat_map(ContainerSpec::named_networks).map(ToString::to_string);
        let aliases =
            project.services.first().map(|one| one.aliases.iter().map(ToString::to_string).collect::<Vec<_>>());
        (names.collect::<Vec<_>>(), aliases.unwrap_or_default(), told(&project).join("\n"))
    };
    let (names, aliases, wrong) = of("[front, back]");
    assert_eq!((names, aliases, wrong.as_str()), (vec!["shop_front".into(), "shop_back".into()], vec!["a".into()], ""));
    let (names, aliases, wrong) = of("{back: {aliases: [x, y]}, front: {aliases: [y, x]}}");
    assert_eq!((names.len(), aliases, wrong.as_str()), (2, vec!["a".into(), "x".into(), "y".into()], ""));
    for (networks, why) in [
        ("{back: {aliases: [x]}, front: }", "unsupported services.a.networks: aliases that are not the same"),
        ("[back, back]", "it stands there twice"),
        ("[back, gone]", "there is no `gone` under `networks`"),
    ] {
        let (.., wrong) = of(networks);
        assert!(wrong.contains(why), "{networks}: {wrong}");
    }
}

#[test]
fn what_is_not_supported_is_told_with_its_place() {
    let project = read(
        "servces: {}\nservices:\n  a:\n    image: x/a:1\n    privileged: true\n    ports: [\"80-90:80-90\", \"x\"]\n    \
         imgae: b\n    volumes: [gone:/d, \"./a:/b:z\"]\n    x-note: 1\n  b:\n    build: .\n  c:\n    image: x/c:1\n    \
         networks: [one, two]\n    deploy: {replicas: 3}\n    depends_on: [a]\n",
    );
    insta::assert_snapshot!(told(&project).join("\n"), @r#"
    1:1: unknown servces: there is no such key here; did you mean `services`?
    5:5: unsupported services.a.privileged: no container is ever privileged
    6:13: unsupported services.a.ports[0]: ranges of ports: write each port
    6:28: invalid services.a.ports[1]: port "x" is not valid: "x" is no port from 0 to 65535; expected [ADDRESS:][HOST-PORT]:PORT[/tcp|udp|sctp], IPv6 in brackets
    7:5: unknown services.a.imgae: there is no such key here; did you mean `image`?
    8:15: invalid services.a.volumes[0]: there is no `gone` under `volumes`
    8:24: unsupported services.a.volumes[1]: the option "z" of a mount: it is `ro` or `rw`
    11:5: unsupported services.b.build: images are not built; build it elsewhere, and name it under `image`
    14:15: invalid services.c.networks: there is no `one` under `networks`
    15:24: unsupported services.c.deploy: another number of containers of a service than 1
    "#);
}

#[test]
fn what_no_container_can_be_made_with_is_told_before_one_is() {
    let project = read(
        "services:\n  a:\n    image: x/a:1\n    cap_add: [ALL]\n    cap_drop: [foo-bar]\n    entrypoint: ['[']\n    \
         environment: [A=1, A=2]\n    ulimits: {foo: 1}\n    labels: [io.containers.autoupdate=registry]\n    \
         tmpfs: /proc\n    stop_grace_period: 2h\n    secrets: [s, s]\n    deploy: {resources: {reservations: {devices: \
         [{driver: amd, capabilities: [gpu]}]}}}\n  b:\n    image: x/b:1\n    volumes: [./a:/d, ./b:/d]\n    \
         healthcheck: {tset: a, intervall: b}\n    gpus: all\nsecrets: {s: {environment: S}}\n",
    );
    insta::assert_snapshot!(told(&project).join("\n"), @r#"
    4:5: invalid services.a.cap_add: capability "ALL" is not valid: they are added one by one; expected a name such as NET_ADMIN
    5:5: invalid services.a.cap_drop: capability "foo-bar" is not valid: it is no name of one; expected a name such as NET_RAW, or ALL
    6:5: invalid services.a.entrypoint: slot entrypoint with "[": the value is not of the slot's kind; right would be a program; not beginning with a blank or `[`, which an engine reads as JSON, at most 4096 bytes
    7:5: invalid services.a.environment: variable "A" is not valid: it stands there twice; expected a name once
    8:5: invalid services.a.ulimits: slot ulimit.name with "foo": the value is not of the slot's kind; right would be a resource of setrlimit(2), at most 10 bytes
    9:14: invalid services.a.labels: label "io.containers.autoupdate" is not valid: engines act upon such keys: `io.containers.…`, `io.podman.…`, `PODMAN_SYSTEMD_UNIT`; expected KEY=VALUE, with a key of letters, digits, `.`, `_`, `/` or `-`
    10:5: invalid services.a.tmpfs: mount target "/proc" is not valid: a mount there would take the place of the image, or of what the engine makes; expected a folder other than /, /proc, /sys and /dev
    11:24: invalid services.a.stop_grace_period: a grace is at most 3600 seconds
    12:18: invalid services.a.secrets[1]: s stands at /run/secrets/s already
    13:60: unsupported services.a.deploy: another driver than `nvidia`
    14:3: invalid services.b: mount target "/d" is not valid: it stands there twice; expected a target once
    17:19: unknown services.b.healthcheck.tset: there is no such key here; did you mean `test`?
    17:28: unknown services.b.healthcheck.intervall: there is no such key here; did you mean `interval`?
    18:5: unsupported services.b.gpus: GPUs are handed over under `deploy`
    "#);
}

#[test]
fn every_problem_is_told_at_once() {
    let project = read(
        "services:\n  a: {image: 'x/a:${V:?which}', depends_on: [c]}\n  b:\n    image: x/b:1\n    user: '${'\n    depends_on:\n      \
         - gone\n  d: {image: x/d:1, profiles: [p]}\n  e: {image: x/e:1, depends_on: [d, f]}\n  f: {image: x/f:1, \
         depends_on: [e]}\n",
    );
    insta::assert_snapshot!(told(&project).join("\n"), @r#"
    2:3: invalid services: these services wait for one another: e, f
    2:14: invalid services.a.image: the variable V is needed: which
    5:11: invalid services.b.user: in "${" a `}` is missing
    6:5: invalid services.b.depends_on: there is no service gone
    9:21: invalid services.e.depends_on: the profile of d was not asked for
    "#);
}

#[test]
fn what_can_not_be_read_at_all_is_an_error_with_its_place() {
    let error = |text: &str| read_with(text, &[]).unwrap_err().to_string();
    assert_eq!(error("name: a\n"), "1:1: invalid: the file has no services");
    assert!(error("services: {a: [}\n").starts_with("1:"), "{}", error("services: {a: [}\n"));
}

#[test]
fn a_file_of_variables_may_be_absent_where_it_is_said_so() {
    let file = |required: &str| {
        format!(
            "services:\n  a:\n    image: example.org/a:1\n    env_file:\n      - path: app.env\n      - path: none.env\n        \
             required: {required}\n"
        )
    };
    let project = read(&file("false"));
    assert_eq!(told(&project), [""; 0]);
    assert!(shown(&project.services[0]).contains("file"), "{}", shown(&project.services[0]));
    assert!(told(&read(&file("true")))[0].contains("no such file"));
}

#[test]
fn a_dependency_of_a_profile_is_there_when_it_was_asked_for() {
    let profile = "services:\n  a: {image: x/a:1, depends_on: [b]}\n  b: {image: x/b:1, profiles: [p]}\n";
    assert_eq!(told(&read(profile)), ["2:21: invalid services.a.depends_on: the profile of b was not asked for"]);
    assert_eq!(told(&read_with(profile, &["p"]).unwrap()), Vec::<String>::new());
}

#[test]
fn labels_of_a_project_are_not_the_files_to_set() {
    let project = read("services: {a: {image: x/a:1, labels: {portreeve.compose.project: other}}}\n");
    let labels: Vec<_> = project.services[0].spec.labels.iter().filter(|one| one.key() == PROJECT_LABEL).collect();
    assert_eq!(labels.iter().map(|label| label.value()).collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn a_file_of_variables_may_use_those_before_and_those_around() {
    let text = "A=1\nB=${A}x$T\nC='$A'\nD=\"$A$$\"\nE=${F:-none}\n";
    let read = super::env_lines(text, &|name| (name == "T").then(|| "t".to_owned())).unwrap();
    let values: Vec<&str> = read.iter().map(|variable| variable.value.as_str()).collect();
    assert_eq!(values, ["1", "1xt", "$A", "1$", "none"]);
    assert!(super::env_lines("A=${B\n", &|_| None).unwrap_err().contains("is missing"));
}
