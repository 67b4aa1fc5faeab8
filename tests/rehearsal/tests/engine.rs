//! The program itself, called as podman and as docker, with a registry of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails, in what it calls too"
)]

mod harbour;
#[path = "engine/volumes.rs"]
mod volumes;

use std::io::Read;
use std::time::{Duration, Instant};

use harbour::{Harbour, Heard};
use serde_json::{Value, json};

/// Runs a test on both dialects.
fn on_both(test: impl Fn(&Harbour)) {
    for program in ["podman", "docker"] {
        test(&Harbour::new(program));
    }
}

fn pulled(harbour: &Harbour) -> String {
    let digest = harbour.registry.manifest.clone();
    assert_eq!(harbour.pull(&harbour.by(&digest)).status, 0);
    harbour.registry.config.clone()
}

fn created(harbour: &Harbour, flags: &[&str], words: &[&str]) -> String {
    let image = pulled(harbour);
    let heard = harbour.run(&[&["create", "--pull=never"], flags, &[&image], words].concat());
    assert_eq!((heard.status, heard.err.as_str()), (0, ""));
    heard.out.trim().to_owned()
}

fn container(harbour: &Harbour, name: &str) -> Value {
    harbour.run(&["container", "inspect", name]).json()[0].clone()
}

#[test]
fn versions_tell_the_engines_apart() {
    let podman = Harbour::new("podman").run(&["version", "--format=json"]).json();
    assert_eq!((podman["Client"]["Version"].as_str(), podman.get("Server")), (Some("4.3.1"), None));
    let docker = Harbour::new("docker");
    assert_eq!(docker.run(&["version", "--format={{json .}}"]).json()["Server"]["Components"][0]["Name"], "Engine");
    docker.write("mode", "foreign-service");
    assert_eq!(
        docker.run(&["version", "--format={{json .}}"]).json()["Server"]["Components"][0]["Name"],
        "Podman Engine"
    );
    docker.write("mode", "masquerade");
    let heard = docker.run(&["--host=unix:///run/docker.sock", "version", "--format={{json .}}"]);
    assert!(heard.err.contains("Emulate Docker CLI using podman") && heard.json().get("Server").is_none());
    assert_eq!(docker.read("endpoint"), "unix:///run/docker.sock\n");
}

#[test]
fn a_daemon_that_is_down_leaves_the_client() {
    let docker = Harbour::new("docker");
    docker.write("mode", "docker:down");
    let heard = docker.run(&["version", "--format={{json .}}"]);
    assert_eq!((heard.status, &heard.json()["Server"]), (1, &Value::Null));
    assert!(heard.err.contains("Cannot connect to the Docker daemon"));
    assert_eq!(docker.run(&["ps", "--quiet"]).status, 1);
    let podman = Harbour::new("podman");
    podman.write("mode", "down");
    assert_eq!(podman.run(&["ps", "--quiet"]).status, 125);
}

#[test]
fn a_single_manifest_is_pulled_by_digest() {
    on_both(|harbour| {
        let reference = harbour.by(&harbour.registry.manifest);
        let heard = harbour.pull(&reference);
        assert_eq!(heard.status, 0, "{}", heard.err);
        let last = heard.out.lines().last().unwrap();
        assert_eq!(last, if harbour.is_podman() { &harbour.registry.config } else { &reference });
        let image = harbour.run(&["image", "inspect", &reference]).json()[0].clone();
        let prefix = if harbour.is_podman() { "" } else { "sha256:" };
        assert_eq!(image["Id"], format!("{prefix}{}", harbour.registry.config));
        assert_eq!(image["RepoDigests"], json!([reference]));
        assert_eq!(image["Config"]["Entrypoint"], json!(["/deckhand"]));
    });
}

#[test]
fn an_index_is_pulled_by_digest() {
    on_both(|harbour| {
        let index = harbour.by(&harbour.registry.index);
        assert_eq!(harbour.pull(&index).status, 0);
        let platform = harbour.by(&harbour.registry.manifest);
        let expected = if harbour.is_podman() { json!([index, platform]) } else { json!([index]) };
        assert_eq!(harbour.run(&["image", "inspect", &harbour.registry.config]).json()[0]["RepoDigests"], expected);
    });
}

#[test]
fn containerds_store_names_images_by_what_was_asked_for() {
    let docker = Harbour::new("docker");
    docker.write("mode", "containerd-store");
    let index = docker.by(&docker.registry.index);
    assert_eq!(docker.pull(&index).status, 0);
    let image = docker.run(&["image", "inspect", &index]).json()[0].clone();
    assert_eq!((&image["Id"], &image["RepoDigests"]), (&json!(docker.registry.index), &json!([index])));
}

#[test]
fn wrong_bytes_end_a_pull() {
    let texts = [
        ("manifest", "Manifest does not match provided manifest digest", "manifest verification failed for digest"),
        ("layer", "Digest did not match, expected", "filesystem layer verification failed"),
        ("config", "does not match expected", "image config verification failed"),
    ];
    for (part, podman, docker) in texts {
        on_both(|harbour| {
            harbour.registry.lie_about(part);
            let heard = harbour.pull(&harbour.by(&harbour.registry.manifest));
            let (status, text) = if harbour.is_podman() { (125, podman) } else { (1, docker) };
            assert!(heard.status == status && heard.err.contains(text), "{part}: {heard:?}");
            assert_eq!(harbour.run(&["image", "inspect", &harbour.registry.config]).out.trim(), "[]");
        });
    }
}

#[test]
fn pulls_that_cannot_work_say_why() {
    on_both(|harbour| {
        let fails = |reference: &str, text: &str| {
            let heard = harbour.pull(reference);
            let status = if harbour.is_podman() { 125 } else { 1 };
            assert!(heard.status == status && heard.err.contains(text), "{text}: {heard:?}");
        };
        fails(&harbour.by(&format!("sha256:{}", "0".repeat(64))), "manifest unknown");
        fails(&harbour.by("sha256:abc"), "invalid checksum digest length");
        fails("registry.example/app:v1", "no such host");
    });
    let podman = Harbour::new("podman");
    let heard = podman.run(&["pull", &podman.by(&podman.registry.manifest)]);
    assert!(heard.status == 125 && heard.err.contains("server gave HTTP response to HTTPS client"), "{heard:?}");
}

#[test]
fn a_container_lives_from_create_to_rm() {
    on_both(|harbour| {
        let id = created(harbour, &["--name=web", "--label=a=b,c"], &["say", "out", "warn", "err", "wait"]);
        assert_eq!(container(harbour, "web")["State"]["Status"], "created");
        assert_eq!(harbour.run(&["start", &id]).out.trim(), id);
        let seen = container(harbour, &id);
        assert_eq!((&seen["State"]["Status"], &seen["Config"]["Labels"]["a"]), (&json!("running"), &json!("b,c")));
        let name = if harbour.is_podman() { "web" } else { "/web" };
        assert_eq!(seen["Name"], name);
        assert_eq!(harbour.run(&["ps", "--all", "--quiet", "--no-trunc", "--filter=label=a=b,c"]).out.trim(), id);
        let logs = harbour.until(&["logs", &id], |heard| heard.err.ends_with('\n'));
        assert_eq!((logs.out.as_str(), logs.err.as_str()), ("out\n", "err\n"));
        assert_eq!(harbour.run(&["start", &id]).status, 0);
        let running = harbour.run(&["rm", &id]);
        assert_eq!(running.status, if harbour.is_podman() { 2 } else { 1 });
        assert_eq!(harbour.run(&["stop", "-t", "5", &id]).status, 0);
        let seen = container(harbour, &id);
        assert_eq!((&seen["State"]["Status"], &seen["State"]["ExitCode"]), (&json!("exited"), &json!(143)));
        assert_eq!(harbour.run(&["stop", "-t", "5", &id]).status, 0);
        assert_eq!(harbour.run(&["wait", &id]).out, "143\n");
        assert_eq!(harbour.run(&["rm", "--volumes", &id]).status, 0);
        assert_eq!(harbour.run(&["ps", "--all", "--quiet"]).out, "");
    });
}

#[test]
fn attached_it_prints_and_ends_as_its_container() {
    on_both(|harbour| {
        let id = created(harbour, &["--rm"], &["say", "out", "warn", "err", "print", "half", "exit", "7"]);
        let heard = harbour.run(&["start", "--attach", &id]);
        assert_eq!((heard.status, heard.out.as_str(), heard.err.as_str()), (7, "out\nhalf", "err\n"));
        harbour.until(&["container", "inspect", &id], |heard| heard.status != 0);
    });
}

#[test]
fn a_second_run_prints_only_its_own_and_logs_have_both() {
    on_both(|harbour| {
        let id = created(harbour, &[], &["say", "aye"]);
        for _ in 0..2 {
            assert_eq!(harbour.run(&["start", "--attach", &id]).out, "aye\n");
        }
        assert_eq!(harbour.run(&["logs", &id]).out, "aye\naye\n");
    });
}

#[test]
fn what_ignores_term_is_killed_after_the_grace() {
    on_both(|harbour| {
        let id = created(harbour, &["--name=stubborn"], &["ignore-term", "say", "ready", "wait"]);
        harbour.run(&["start", &id]);
        harbour.until(&["logs", &id], |heard| heard.out == "ready\n");
        let begun = Instant::now();
        let heard = harbour.run(&["stop", "-t", "1", &id]);
        assert!(heard.status == 0 && begun.elapsed() >= Duration::from_secs(1));
        assert_eq!(heard.err.contains("resorting to SIGKILL"), harbour.is_podman());
        assert_eq!(container(harbour, &id)["State"]["ExitCode"], 137);
    });
}

#[test]
fn followers_hear_everything_and_end_with_the_container() {
    on_both(|harbour| {
        let id = created(harbour, &[], &["lines", "20", "10"]);
        harbour.run(&["start", &id]);
        let followers: Vec<_> = (0..8).map(|_| harbour.spawn(&["logs", "--follow", &id])).collect();
        let expected: String = (1..=20).map(|number| format!("line {number}\n")).collect();
        for mut follower in followers {
            let mut out = String::new();
            follower.stdout.take().unwrap().read_to_string(&mut out).unwrap();
            assert_eq!((out.as_str(), follower.wait().unwrap().code()), (expected.as_str(), Some(0)));
        }
    });
}

#[test]
fn tail_since_and_timestamps() {
    on_both(|harbour| {
        let id = created(harbour, &[], &["lines", "5", "0", "sleep", "0.5", "warn", "six"]);
        harbour.run(&["start", "--attach", &id]);
        let heard = harbour.run(&["logs", "--tail=2", &id]);
        assert_eq!((heard.out.as_str(), heard.err.as_str()), ("line 5\n", "six\n"));
        assert_eq!(harbour.run(&["logs", "--tail=0", &id]).out, "");
        assert_eq!(harbour.run(&["logs", "--since=1h", &id]).out.lines().count(), 5);
        assert_eq!(harbour.run(&["logs", "--since=2100-01-01T00:00:00Z", &id]).out, "");
        let stamped = harbour.run(&["logs", "--timestamps", "--tail=1", &id]).err;
        assert!(stamped.starts_with("20") && stamped.ends_with("Z six\n"), "{stamped}");
    });
}

#[test]
fn environment_mounts_and_places_are_the_containers_own() {
    on_both(|harbour| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("note"), "hello\n").unwrap();
        let mount = format!("--mount=type=bind,source={},target=/mnt,readonly=false", folder.path().display());
        let flags = ["--env=A=b=c", "--env=SECRET", "--env=ABSENT", "--workdir=/mnt", "--user=1000:1001", &mount];
        let words = [
            "env",
            "A",
            "env",
            "SECRET",
            "env",
            "ABSENT",
            "env",
            "FROM_IMAGE",
            "file",
            "note",
            "write",
            "new",
            "x",
            "ls",
            "/mnt",
            "id",
            "pwd",
        ];
        let id = created(harbour, &flags, &words);
        let heard = harbour.run(&["start", "--attach", &id]);
        let expected = "A=b=c\nSECRET=sesame\nABSENT is not set\nFROM_IMAGE=yes\nhello\nnew\nnote\nuid=1000 gid=1001 groups=1001\n/mnt\n";
        assert_eq!((heard.out.as_str(), heard.err.as_str(), heard.status), (expected, "", 0));
        assert_eq!(std::fs::read(folder.path().join("new")).unwrap(), b"x");
        let env = container(harbour, &id)["Config"]["Env"].clone();
        assert!(env.as_array().unwrap().contains(&json!("SECRET=sesame")));
        assert_eq!(env.as_array().unwrap().contains(&json!("ABSENT")), !harbour.is_podman());
    });
}

#[test]
fn a_port_is_chosen_listened_on_and_taken() {
    on_both(|harbour| {
        let id = created(harbour, &["--publish=127.0.0.1::8080/tcp"], &["listen", "8080"]);
        assert_eq!(harbour.run(&["start", &id]).status, 0);
        let port =
            container(harbour, &id)["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap().to_owned();
        harbour.until(&["logs", &id], |heard| heard.out.contains("listening"));
        assert!(harbour::get(&format!("127.0.0.1:{port}")).ends_with("aye\n"));
        let image = harbour.registry.config.clone();
        let second = harbour.run(&["create", &format!("--publish=127.0.0.1:{port}:80/tcp"), &image, "wait"]).out;
        let heard = harbour.run(&["start", second.trim()]);
        let (status, text) =
            if harbour.is_podman() { (125, "address already in use") } else { (1, "port is already allocated") };
        assert!(heard.status == status && heard.err.contains(text), "{heard:?}");
        assert_eq!(container(harbour, second.trim())["State"]["Status"], "created");
    });
}

#[test]
fn every_flag_of_create_shows_in_inspect() {
    on_both(|harbour| {
        let flags = [
            "--security-opt=no-new-privileges",
            "--name=full",
            "--memory=67108864",
            "--cpus=0.5",
            "--pids-limit=64",
            "--shm-size=1m",
            "--restart=on-failure:3",
            "--network=none",
            "--hostname=h",
            "--stop-signal=INT",
            "--stop-timeout=3",
            "--read-only",
            "--cap-drop=CHOWN",
            "--ulimit=nofile=100:200",
            "--tmpfs=/t:size=65536",
            "--mount=type=volume,source=data,target=/data,ro=true",
            "--entrypoint=/deckhand",
        ];
        let id = created(harbour, &flags, &["say", "x"]);
        let seen = container(harbour, &id);
        let host = &seen["HostConfig"];
        assert_eq!(
            (&host["Memory"], &host["NanoCpus"], &host["PidsLimit"]),
            (&json!(67_108_864), &json!(500_000_000), &json!(64))
        );
        assert_eq!(host["RestartPolicy"], json!({"Name": "on-failure", "MaximumRetryCount": 3}));
        assert_eq!(
            (&host["NetworkMode"], &host["ReadonlyRootfs"], &host["ShmSize"]),
            (&json!("none"), &json!(true), &json!(1 << 20))
        );
        assert_eq!((&seen["Config"]["Hostname"], &seen["Config"]["StopTimeout"]), (&json!("h"), &json!(3)));
        assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
        assert_eq!((&seen["Path"], &seen["Args"]), (&json!("/deckhand"), &json!(["say", "x"])));
        let mounts = seen["Mounts"].as_array().unwrap();
        let data = mounts.iter().find(|mount| mount["Destination"] == "/data").unwrap();
        assert_eq!((&data["Type"], &data["Name"], &data["RW"]), (&json!("volume"), &json!("data"), &json!(false)));
        assert_eq!(host["Ulimits"][0]["Hard"], 200);
    });
}

#[test]
fn errors_end_as_the_real_ones_do() {
    on_both(|harbour| {
        let image = pulled(harbour);
        let says = |words: &[&str], podman: (i32, &str), docker: (i32, &str)| {
            let heard = harbour.run(words);
            let (status, text) = if harbour.is_podman() { podman } else { docker };
            assert!(heard.status == status && heard.err.contains(text), "{words:?}: {heard:?}");
        };
        assert_eq!(harbour.run(&["create", "--name=taken", &image]).status, 0);
        says(&["create", "--name=taken", &image], (125, "already in use"), (1, "Conflict."));
        says(&["create", "--pull=never", "nothing:here"], (125, "image not known"), (1, "No such image"));
        says(
            &["create", "--privileged", &image],
            (125, "unknown flag: --privileged"),
            (125, "unknown flag: --privileged"),
        );
        says(
            &["create", "--mount=type=bind,source=/nope,target=/m", &image],
            (125, "statfs /nope"),
            (1, "bind source path does not exist: /nope"),
        );
        says(&["create", "--name=-x", &image], (125, "names must match"), (1, "Invalid container name"));
        says(&["image", "inspect", "nothing"], (125, "image not known"), (1, "No such image"));
        says(&["container", "inspect", "none"], (125, "no such container none"), (1, "No such container: none"));
        for command in ["start", "stop", "logs", "wait", "kill"] {
            says(&[command, "none"], (125, "no such container"), (1, "No such container"));
        }
        says(&["rm", "none"], (1, "no such container"), (1, "No such container"));
        says(&["rm", "--force", "none"], (0, ""), (0, "No such container"));
        says(&["kill", "--signal=KILL", "taken"], (125, "can only kill running containers"), (1, "is not running"));
        says(&["rmi", &image], (2, "image is in use"), (1, "conflict"));
        says(&["commit", "taken"], (125, "unrecognized command"), (1, "is not a docker command"));
        let other = harbour.run(&["create", "--entrypoint=/bin/true", &image]).out;
        says(&["start", other.trim()], (125, "command that was not found"), (1, "no such file or directory"));
        let gpu = if harbour.is_podman() { "--device=nvidia.com/gpu=0" } else { "--gpus=\"device=0,1\"" };
        let gpu = harbour.run(&["create", gpu, &image, "say", "x"]).out;
        says(&["start", gpu.trim()], (125, "unresolvable CDI devices"), (1, "could not select device driver"));
    });
}

#[test]
fn images_are_listed_and_removed() {
    on_both(|harbour| {
        let image = pulled(harbour);
        let format = if harbour.is_podman() { "--format=json" } else { "--format={{json .}}" };
        let listed = harbour.run(&["images", "--no-trunc", "--digests", format]).json();
        let first = if harbour.is_podman() { &listed[0]["Id"] } else { &listed["ID"] };
        assert!(first.as_str().unwrap().ends_with(&image));
        assert_eq!(harbour.run(&["rmi", "--force", &image]).status, 0);
        assert_eq!(harbour.run(&["images", "--quiet"]).out, "");
    });
}

#[test]
fn it_restarts_what_is_to_be_restarted() {
    on_both(|harbour| {
        let id = created(harbour, &["--restart=on-failure:2"], &["say", "again", "exit", "3"]);
        harbour.run(&["start", &id]);
        let heard = harbour.until(&["logs", &id], |heard| heard.out.lines().count() == 3);
        assert_eq!(heard.out, "again\n".repeat(3));
        let seen =
            harbour.until(&["container", "inspect", &id], |heard| heard.json()[0]["State"]["Status"] == "exited");
        assert_eq!(seen.json()[0]["RestartCount"], 2);
    });
}

#[test]
fn it_misbehaves_on_demand() {
    on_both(|harbour| {
        let image = pulled(harbour);
        let with = |fault: &str, words: &[&str]| -> Heard {
            harbour.write("faults", fault);
            let heard = harbour.run(words);
            harbour.write("faults", "");
            heard
        };
        let inspect = ["image", "inspect", &image];
        assert!(
            with("image-inspect:lie-digest", &inspect).json()[0]["RepoDigests"][0]
                .as_str()
                .unwrap()
                .contains("deadbeef")
        );
        assert!(serde_json::from_str::<Value>(&with("image-inspect:garbage", &inspect).out).is_err());
        assert_eq!(with("version:exit-42", &["version"]).status, 42);
        assert_eq!(with("version:die-halfway", &["version"]).status, -9);
        assert!(with("create:leak-env", &["create", &image]).err.contains("SECRET=sesame"));
        assert_eq!(with("version:huge-json", &["version"]).json().as_array().unwrap().len(), 65);
        assert!(with("ps:typo", &["ps"]).err.contains("is no fault"));
        harbour.write("faults", "create:leave-out-label");
        let id = harbour.run(&["create", "--label=io.portreeve.owner=me", &image]).out;
        assert!(container(harbour, id.trim())["Config"]["Labels"].get("io.portreeve.owner").is_none());
        harbour.write("faults", "logs:half-utf8");
        assert!(String::from_utf8(harbour.spawn(&["logs", id.trim()]).wait_with_output().unwrap().stdout).is_err());
    });
}

#[test]
fn a_flood_ends_with_its_reader() {
    let harbour = Harbour::new("podman");
    harbour.write("faults", "ps:flood");
    let mut child = harbour.spawn(&["ps"]);
    let mut some = [0; 100_000];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    assert!(child.wait().unwrap().code().is_some());
}

#[test]
fn calls_are_noted_with_names_and_without_values() {
    let harbour = Harbour::new("docker");
    harbour.write("calls", "");
    harbour.run(&["--host=unix:///x.sock", "ps", "--quiet"]);
    let call: Value = serde_json::from_str(&harbour.read("calls")).unwrap();
    assert_eq!(call["argv"].as_array().unwrap()[1..], [json!("--host=unix:///x.sock"), json!("ps"), json!("--quiet")]);
    assert_eq!(call["env"], json!(["PORTREEVE_REHEARSAL", "SECRET"]));
}

#[test]
fn many_at_once_take_one_name() {
    on_both(|harbour| {
        let image = pulled(harbour);
        let children: Vec<_> = (0..12).map(|_| harbour.spawn(&["create", "--name=one", &image])).collect();
        let ends: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
        assert_eq!(ends.iter().filter(|status| **status == 0).count(), 1, "{ends:?}");
        assert_eq!(harbour.run(&["ps", "--all", "--quiet"]).out.lines().count(), 1);
    });
}
