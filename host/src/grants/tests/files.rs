//! Files that load and files that don't.

use std::fmt::Write as _;

use super::*;

/// The least file with one command of this `argv`.
fn with_argv(argv: &str) -> String {
    with_command(&format!("effect = \"read\"\nobject = \"container\"\nargv = {argv}"))
}

fn with_command(keys: &str) -> String {
    format!(
        "backend = \"x\"\n[programs.x]\nsearch = [\"/usr/bin/x\"]\n[commands.c]\npurpose = \"p\"\ntimeout = \"1s\"\n{keys}\n"
    )
}

fn words(argv: &[&str]) -> Vec<String> {
    argv.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_shipped_files_load_and_read_well() {
    for grants in shipped() {
        assert!(grants.commands().len() > 10);
        assert!(grants.command("create").unwrap().template().has(Slot::OwnerLabel));
        assert!(!grants.command("look").unwrap().is_for_backends());
        assert!(grants.command("start").unwrap().is_for_backends());
        assert!(grants.evidence().container.is_some() && grants.evidence().manifest.registry);
    }
    let [podman, docker] = shipped();
    assert_eq!(podman.command("start").unwrap().template().to_string(), "podman start <container.id>");
    assert_eq!(docker.endpoint().unwrap().sockets().len(), 2);
    assert_eq!(podman.runtimes().len(), 2);
    assert_eq!((podman.evidence().manifest.stores.len(), docker.evidence().manifest.stores.len()), (4, 0));
    for grants in [podman, docker] {
        let export = grants.evidence().export.as_ref().unwrap();
        assert!(!grants.command(&export.command).unwrap().is_for_backends());
    }
}

#[test]
fn stores_and_exports_name_what_they_need() {
    let file = |evidence: &str| {
        let command = "effect = \"read\"\nobject = \"image\"\nargv = [\"x\", \"save\", \"{image.query}\"]";
        let blind = "[commands.blind]\npurpose = \"p\"\ntimeout = \"1s\"\neffect = \"read\"\nobject = \"image\"\nargv = [\"x\"]";
        Grants::parse(&format!("{}{blind}\n{evidence}\n", with_command(command)), "x")
    };
    let store = |keys: &str| file(&format!("[evidence.manifest]\nstores = [{{ {keys} }}]"));
    let good = store("folder = \"{HOME}/store\", manifest = \"{id}/={base64:manifest-{digest}}\"").unwrap();
    assert_eq!(good.evidence().manifest.stores.len(), 1);
    for bad in [
        "folder = \"store\", manifest = \"{digest}\"",
        "folder = \"/\", manifest = \"{digest}\"",
        "folder = \"/a/../b\", manifest = \"{digest}\"",
        "folder = \"{PATH}/b\", manifest = \"{digest}\"",
        "folder = \"/store\"",
        "folder = \"/store\", manifest = \"{id}\"",
        "folder = \"/store\", manifest = \"../{digest}\"",
        "folder = \"/store\", manifest = \"/{digest}\"",
        "folder = \"/store\", manifest = \"{digest}\", config = \"{name}\"",
        "folder = \"/store\", manifest = \"{digest}\", links = true",
    ] {
        let error = store(bad).unwrap_err().to_string();
        assert!(error.starts_with("x:"), "{bad}: {error}");
    }
    assert!(file("[evidence.export]\ncommand = \"c\"\ndamaged = [\"checksum\"]").is_ok());
    assert!(file("[evidence.manifest]\ncommand = \"c\"").is_ok());
    for section in ["export", "manifest"] {
        let error = file(&format!("[evidence.{section}]\ncommand = \"blind\"")).unwrap_err().to_string();
        assert!(error.contains("{image.query}"), "{error}");
    }
}

#[test]
fn dangers_of_the_shipped_files_are_these() {
    let mut list = String::new();
    for grants in shipped() {
        for (command, danger) in
            grants.commands().iter().flat_map(|command| command.dangers().into_iter().map(move |it| (command, it)))
        {
            writeln!(list, "{} {}: {} ({})", grants.backend(), command.name(), danger.token, danger.why).unwrap();
        }
    }
    insta::assert_snapshot!(list);
}

#[test]
fn dangers_in_all_spellings() {
    let dangerous =
        |argv: &str| !Grants::parse(&with_argv(argv), "x").unwrap().command("c").unwrap().dangers().is_empty();
    for argv in [
        r#"["x", "--privileged"]"#,
        r#"["x", "--privileged=true"]"#,
        r#"["x", "--pid=host"]"#,
        r#"["x", "--pid", "host"]"#,
        r#"["x", "-v", "/:/h"]"#,
        r#"["x", "--device=/dev/{container.name}"]"#,
        r#"["x", "--root=/tmp"]"#,
        r#"["x", "--security-opt=seccomp=unconfined"]"#,
        r#"["x", { each = "cap.add", token = "--cap-add={name}" }]"#,
        r#"["x", { token = "--network=host", when = "network.host" }]"#,
        r#"["x", "-H", "tcp://h"]"#,
        r#"["x", { literal = "--host=tcp://h" }]"#,
        r#"["x", "-v/:/h"]"#,
        r#"["x", "-itv", "/:/h"]"#,
        r#"["x", "-dP"]"#,
        r#"["x", "--mount", "type=bind,source=/,target=/h"]"#,
        r#"["x", "--mount=type=volume,target=/h,volume-opt=device=/"]"#,
        r#"["x", "--net=container:x"]"#,
        r#"["x", "--net", "ns:/proc/1/ns/net"]"#,
        r#"["x", "--cgroupns=ns:/x"]"#,
        r#"["x", "--security-opt=no-new-privileges:false"]"#,
        r#"["x", "--security-opt", "label:disable"]"#,
        r#"["x", "--use-api-socket"]"#,
        r#"["x", "--env=*"]"#,
        r#"["x", "-e=A*"]"#,
        r#"["x", "--gpus=all"]"#,
        r#"["x", "--tls-verify=0"]"#,
        r#"["x", "--pull=ALWAYS"]"#,
        r#"["x", "--pull"]"#,
        r#"["x", "--http-proxy=1"]"#,
    ] {
        assert!(dangerous(argv), "{argv}");
    }
    for argv in [
        r#"["x", "--host={engine.endpoint}"]"#,
        r#"["x", "--volumes"]"#,
        r#"["x", "--pidx=host"]"#,
        r#"["x", "ps", "--all"]"#,
        r#"["x", "--pull=never"]"#,
        r#"["x", "--http-proxy=false"]"#,
        r#"["x", "--tls-verify=true"]"#,
        r#"["x", "--security-opt=no-new-privileges"]"#,
        r#"["x", "-eo", "pid"]"#,
        r#"["x", { each = "mount.volume", token = "--mount=type=volume,source={source},target={target}", csv = true }]"#,
    ] {
        assert!(!dangerous(argv), "{argv}");
    }
}

/// Each file, and what is wrong with it: one snapshot holds all the messages.
#[test]
fn what_is_wrong_is_said_with_its_place_and_the_nearest_word() {
    let mut messages = String::new();
    for (name, text) in bad_files() {
        let error = Grants::parse(&text, "x.toml").expect_err(name);
        writeln!(messages, "{name}\n    {error}").unwrap();
    }
    insta::assert_snapshot!(messages);
}

fn bad_files() -> Vec<(&'static str, String)> {
    let mut files: Vec<(&str, String)> = vec![
        ("no TOML", "backend = ".into()),
        ("a key twice", "backend = \"x\"\nbackend = \"y\"".into()),
        ("a command twice", format!("{}[commands.c]\n", with_argv(r#"["x"]"#))),
        ("an unknown section", "backend = \"x\"\n[comands.a]\n".into()),
        ("no backend", "wasi = \"none\"".into()),
        ("a backend's name", "backend = \"X\"".into()),
        ("an unknown word", "backend = \"x\"\nwasi = \"innert\"".into()),
        ("a program in a relative place", "backend = \"x\"\n[programs.x]\nsearch = [\"bin/x\"]".into()),
        ("a program in `..`", "backend = \"x\"\n[programs.x]\nsearch = [\"/usr/../x\"]".into()),
        (
            "a loader variable",
            "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"HOME\", \"LD_PRELOAD\"]".into(),
        ),
        ("a wildcard variable", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"K*\"]".into()),
        ("a short pin", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nsha256 = \"abc\"".into()),
        ("a socket by TCP", "backend = \"x\"\n[endpoint]\nsockets = [\"tcp://h\"]".into()),
        ("an unknown variable, nearly", "backend = \"x\"\n[endpoint]\nsockets = [\"{XDG_RUNTIME}/s\"]".into()),
        ("a path twice", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\", \"/y\", \"/x\"]".into()),
        ("a variable handed on and set", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"GOGC\", \"GOGC=400\"]".into()),
        ("a home of the grants' own", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"HOME=/y\"]".into()),
        ("a variable with a blank", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"A=b c\"]".into()),
        ("an engine's socket, set", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"DOCKER_HOST=unix:///s\"]".into()),
        ("a variable twice", "backend = \"x\"\n[programs.x]\nsearch = [\"/x\"]\nenvironment = [\"HOME\", \"HOME\"]".into()),
        ("a socket twice", "backend = \"x\"\n[endpoint]\nsockets = [\"/s\", \"/s\"]".into()),
        ("a device twice", "backend = \"x\"\n[devices]\npatterns = [\"/dev/a\", \"/dev/a\"]".into()),
        ("a call twice", "backend = \"x\"\n[probes.p]\nkind = \"user\"\ncalls = [\"detect\", \"detect\"]".into()),
        ("a runtime twice", "backend = \"x\"\n[[runtimes]]\nname = \"r\"\nsearch = [\"/r\"]\ncgroups = [\"v1\"]\n[[runtimes]]\nname = \"r\"\nsearch = [\"/r\"]\ncgroups = [\"v1\"]".into()),
        ("a section twice", "backend = \"x\"\n[limits]\ncommands = 1\n[limits]\nhandles = 10".into()),
        ("an unknown key of a program", "backend = \"x\"\n[programs.x]\nserch = [\"/x\"]".into()),
        ("an unknown key of a runtime", "backend = \"x\"\n[[runtimes]]\nname = \"r\"\nsearch = [\"/r\"]\ncgroup = [\"v1\"]".into()),
        ("an unknown cgroup", "backend = \"x\"\n[[runtimes]]\nname = \"r\"\nsearch = [\"/r\"]\ncgroups = [\"hybird\"]".into()),
        ("an unknown key of an endpoint", "backend = \"x\"\n[endpoint]\nsocket = [\"/s\"]".into()),
        ("an unknown key of devices", "backend = \"x\"\n[devices]\npattern = [\"/dev/a\"]".into()),
        ("an unknown kind of evidence", "backend = \"x\"\n[evidence.contaner]\ncommand = \"c\"".into()),
        ("an unknown place of evidence", format!("{}[evidence.image]\ncommand = \"c\"\nid = \"/I\"\ndigest = \"/D\"", with_argv(r#"["x"]"#))),
        ("an unknown key of a manifest", "backend = \"x\"\n[evidence.manifest]\nregistries = true".into()),
        ("an unknown call of a probe", "backend = \"x\"\n[probes.p]\nkind = \"user\"\ncalls = [\"prefligth\"]".into()),
        ("an unknown key of an example", "backend = \"x\"\n[[examples]]\nunreachabel = [\"x\"]".into()),
        ("an example of both kinds", "backend = \"x\"\n[[examples]]\nunreachable = [\"x\"]\nreachable = [\"y\"]".into()),
        ("an unknown key of a command", with_command("efect = \"read\"\nobject = \"image\"\nargv = [\"x\"]")),
        ("an unknown object", with_command("effect = \"read\"\nobject = \"contaner\"\nargv = [\"x\"]")),
        ("an unknown word of a time", with_command("effect = \"read\"\nobject = \"image\"\nargv = [\"x\"]").replace("1s", "grce")),
        ("a not-match that matches", with_command("effect = \"read\"\nobject = \"image\"\nargv = [\"x\"]\nnot-match = [[\"y\"], [\"x\"]]")),
        ("an unknown variable", "backend = \"x\"\n[endpoint]\nsockets = [\"{TMPDIR}/s\"]".into()),
        ("a device anywhere", "backend = \"x\"\n[devices]\npatterns = [\"/dev/*\"]".into()),
        ("a device outside", "backend = \"x\"\n[devices]\npatterns = [\"/dev/../etc/shadow\"]".into()),
        ("a probe's kind", "backend = \"x\"\n[probes.p]\nkind = \"fil\"\ncalls = [\"detect\"]".into()),
        ("a probe's key", "backend = \"x\"\n[probes.p]\nkind = \"user\"\npath = \"/x\"\ncalls = [\"detect\"]".into()),
        (
            "a probe's cap",
            "backend = \"x\"\n[probes.p]\nkind = \"file\"\npath = \"/x\"\ncap = 99999999\ncalls = [\"detect\"]".into(),
        ),
        ("a limit out of bounds", "backend = \"x\"\n[limits]\nmemory-mib = 99999".into()),
        ("an unknown limit", "backend = \"x\"\n[limits]\nmemory-mb = 1".into()),
        ("a mark of nothing", with_argv("[\"x\", \"--privileged\"]\ndangerous = [\"--priviledged\"]")),
        ("a negative limit", "backend = \"x\"\n[limits]\ncommands = -1".into()),
        ("evidence without its command", "backend = \"x\"\n[evidence.containers]\ncommand = \"lok\"".into()),
        (
            "evidence that removes",
            format!(
                "{}[evidence.containers]\ncommand = \"c\"",
                with_command("effect = \"remove\"\nobject = \"image\"\nargv = [\"x\"]")
            ),
        ),
        (
            "a pointer",
            format!("{}[evidence.volume]\ncommand = \"c\"\nname = \"Name\"\nlabels = \"/L\"", with_argv(r#"["x"]"#)),
        ),
        ("an example that fails", format!("{}[[examples]]\nunreachable = [\"x\"]", with_argv(r#"["x"]"#))),
        ("an example out of reach", format!("{}[[examples]]\nreachable = [\"x\", \"z\"]", with_argv(r#"["x", "y"]"#))),
        (
            "a match that fails",
            with_command("effect = \"read\"\nobject = \"image\"\nargv = [\"x\"]\nmatch = [[\"y\"]]"),
        ),
        ("a time", with_command("effect = \"read\"\nobject = \"image\"\nargv = [\"x\"]").replace("1s", "1 s")),
        ("an effect", with_command("effect = \"reed\"\nobject = \"image\"\nargv = [\"x\"]")),
        ("no object", with_command("effect = \"read\"\nargv = [\"x\"]")),
        (
            "a create without an owner",
            with_command("effect = \"create\"\nobject = \"container\"\nargv = [\"x\", \"{image.id}\"]"),
        ),
        (
            "an optional owner",
            with_command(
                "effect = \"create\"\nobject = \"volume\"\nargv = [\"x\", { token = \"{owner.label}\", when = \"owner.label\" }]",
            ),
        ),
        (
            "a network changed otherwise",
            with_command("effect = \"change\"\nobject = \"network\"\nargv = [\"x\", \"{network.also}\"]"),
        ),
        (
            "a further network elsewhere",
            with_command("effect = \"change\"\nobject = \"container\"\nargv = [\"x\", \"{network.also}\", \"{container.id}\"]"),
        ),
        (
            "a query that changes",
            with_command("effect = \"change\"\nobject = \"image\"\nargv = [\"x\", \"{image.query}\"]"),
        ),
    ];
    files.extend(bad_argvs().into_iter().map(|(name, argv)| (name, with_argv(argv))));
    files
}

/// A duplicate within one file of many commands is found as well, and so is a slot that no catalogue has.
#[test]
fn places_are_right_in_the_shipped_files() {
    let misspelt = PODMAN.replacen("{seconds}", "{secands}", 1);
    let line = PODMAN.lines().position(|line| line.contains("{seconds}")).unwrap() + 1;
    let column = PODMAN.lines().nth(line - 1).unwrap().find("\"{seconds}\"").unwrap() + 1;
    let error = Grants::parse(&misspelt, "podman.toml").unwrap_err();
    assert_eq!(
        (error.file(), error.line(), error.column(), error.nearest()),
        ("podman.toml", line, column, Some("seconds"))
    );
    let doubled = PODMAN.replacen("[commands.wait]", "[commands.start]", 1);
    let error = Grants::parse(&doubled, "podman.toml").unwrap_err();
    assert_eq!(error.line(), PODMAN.lines().position(|line| line == "[commands.wait]").unwrap() + 1);
}

fn bad_argvs() -> Vec<(&'static str, &'static str)> {
    vec![
        ("no words", "[]"),
        ("another program", r#"["y"]"#),
        ("a program from a slot", r#"["{runtime}"]"#),
        ("a shell's word", r#"["x", 7]"#),
        ("an unknown slot", r#"["x", "{container.nane}"]"#),
        ("an unknown field", r#"["x", { each = "label", token = "--label={key}={valeu}" }]"#),
        ("a field left out", r#"["x", { each = "port", token = "--publish={host}:{container}/{protocol}" }]"#),
        ("a secret's name shown", r#"["x", { each = "secret.file", token = "--s={name}:{source}:{target}" }]"#),
        ("an unknown key", r#"["x", { tokn = "--a", when = "force" }]"#),
        ("when and each", r#"["x", { token = "--a", when = "force", each = "label" }]"#),
        ("a flag with a value", r#"["x", "--force={force}"]"#),
        ("a flag's token with a slot", r#"["x", { token = "--f={memory}", when = "force" }]"#),
        ("a list as a word", r#"["x", "{label}"]"#),
        ("a list with when", r#"["x", { token = "--a", when = "label" }]"#),
        ("a scalar with each", r#"["x", { token = "{memory}", each = "memory" }]"#),
        ("a value left out", r#"["x", { token = "--memory=1", when = "memory" }]"#),
        ("join without each", r#"["x", { token = "{memory}", when = "memory", join = "," }]"#),
        ("join by a word", r#"["x", { token = "{id}", each = "gpu", join = "and" }]"#),
        ("an open brace", r#"["x", "--format={json"]"#),
        ("a closing brace", r#"["x", "--format=json}"]"#),
        ("an empty token", r#"["x", ""]"#),
        ("a control character", r#"["x", "a\nb"]"#),
        ("slots that touch", r#"["x", "{container.name}{container.id}"]"#),
        ("no mark behind a slot", r#"["x", "{container.name}x{container.id}"]"#),
        ("a dash behind a slot", r#"["x", "{container.name}-{container.id}"]"#),
        ("a slot twice", r#"["x", "{container.id}", "{container.id}"]"#),
        ("a slot twice in a token", r#"["x", "{container.id}:{container.id}"]"#),
        ("free text at the start", r#"["x", { each = "env.plain", token = "{value}:{name}" }]"#),
        ("words before the operand", r#"["x", { each = "word", token = "{word}" }, "{image.id}"]"#),
        ("words without an operand", r#"["x", "run", { each = "word", token = "{word}" }]"#),
        (
            "words after an optional operand",
            r#"["x", { token = "{image.id}", when = "image.id" }, { each = "word", token = "{word}" }]"#,
        ),
        ("words within a token", r#"["x", "{image.id}", { each = "word", token = "--{word}" }]"#),
        (
            "two lists alike",
            r#"["x", { each = "cap.drop", token = "--cap={name}" }, { each = "cap.add", token = "--cap={name}" }]"#,
        ),
        ("two options alike", r#"["x", { token = "-f", when = "force" }, { token = "-f", when = "follow" }]"#),
        ("an option like the operand", r#"["x", { token = "{hostname}", when = "hostname" }, "{container.name}"]"#),
        ("an option like a fixed word", r#"["x", { token = "{hostname}", when = "hostname" }, "all"]"#),
        (
            "a fixed mode like a name",
            r#"["x", { token = "--h=no", when = "force" }, { token = "--h={restart}", when = "restart" }]"#,
        ),
        (
            "an address like another",
            r#"["x", { token = "--p=[::1]:1:2/tcp", when = "force" }, { each = "port", token = "--p={address}:{host}:{container}/{protocol}" }]"#,
        ),
        (
            "a limit like a caller's",
            r#"["x", { each = "ulimit", token = "--u={name}={soft}:{hard}" }, { token = "--u=nofile={limit.nofile}:1", when = "limit.nofile" }]"#,
        ),
        (
            "joined lists alike",
            r#"["x", { each = "gpu", token = "--g={id}", join = "," }, { each = "cap.add", token = "--g={name}" }]"#,
        ),
    ]
}

#[test]
fn what_looks_alike_and_is_not_loads() {
    for argv in [
        r#"["x", { each = "ulimit", token = "--u={name}={soft}:{hard}" }, { token = "--u=nofile={limit.nofile}", when = "limit.nofile" }]"#,
        r#"["x", { each = "env.plain", token = "-e={name}={value}" }, { each = "env.secret", token = "-e={name}" }]"#,
        r#"["x", { token = "--n=host", when = "network.host" }, { token = "--n={network.named}", when = "network.named" }]"#,
        r#"["x", "cp", "{exchange.file}", "{container.id}:{inside.path}"]"#,
        r#"["x", "exec", { token = "-i", when = "stdin" }, "{container.id}", { each = "word", token = "{word}" }]"#,
    ] {
        assert!(Grants::parse(&with_argv(argv), "x").is_ok(), "{argv}: {:?}", Grants::parse(&with_argv(argv), "x"));
    }
}

/// A create that would be reachable but for one thing.
fn nearly(change: impl Fn(&mut Vec<String>)) -> Vec<String> {
    let (id, install) = ("a".repeat(64), "0123456789abcdef");
    let owner = format!("--label=io.portreeve.owner={install}:{}:{id}", "b".repeat(32));
    let mut argv = words(&[
        "podman",
        "create",
        "--pull=never",
        "--security-opt=no-new-privileges",
        "--http-proxy=false",
        "--name=app",
        &owner,
        &format!("--label=io.portreeve.install={install}"),
        &format!("--label=io.portreeve.spec={id}"),
        "--label=io.portreeve.secrets=",
        "--ulimit=nofile=1024",
        "--ulimit=nproc=512",
        &id,
        "sh",
        "-c",
        "true",
    ]);
    change(&mut argv);
    argv
}

fn reachable(grants: &Grants, argv: &[String]) -> bool {
    matches!(grants.explain(argv), Explanation::Reachable { .. })
}

#[test]
fn hostile_command_lines_that_are_otherwise_right() {
    let [podman, _] = shipped();
    assert!(reachable(podman, &nearly(|_| {})), "{:?}", podman.explain(&nearly(|_| {})));
    for added in [
        "--privileged",
        "--pid=host",
        "--volume=/:/h",
        "--env=DOCKER_HOST",
        "--env=LD_PRELOAD",
        "--env=KEY*",
        "--env=*",
        "--mount=type=bind,source=/,target=/h,readonly=true",
        "--mount=type=bind,source=/a/../etc,target=/h,readonly=true",
        "--mount=type=bind,source=a,target=/h,readonly=true",
        "--mount=type=bind,source=/a,target=/h,readonly=true,bind-propagation=shared",
        "--mount=type=bind,source=/a,target=/../h,readonly=true",
        "--publish=8080:80/tcp",
        "--publish=[::1:80:80/tcp",
        "--publish=0177.0.0.1:80:80/tcp",
        "--label=io.portreeve.owner=x",
        "--label=IO.PORTREEVE.owner=x",
        "--device=/dev/sda",
        "--device=nvidia.com/gpu=0,1",
        "--network=container:x",
        "--network=ns:/proc/1/ns/net",
        "--ulimit=nofile=1:1:1",
        "--runtime=/tmp/runc",
        "--runtime=kata",
        "--restart=sometimes",
        "--entrypoint=[\"sh\"]",
        "--entrypoint=-c",
        "--memory=1g",
        "--user=0:0:0",
        "--tmpfs=/a:exec:size=1",
        "--hostname=-x",
        "--stop-timeout=86400",
        "--cap-add=ALL",
        "--rm=false",
    ] {
        for at in 1..=12 {
            let argv = nearly(|argv| argv.insert(at, added.to_owned()));
            assert!(!reachable(podman, &argv), "{added} at {at}");
        }
    }
}

#[test]
fn images_and_endpoints_are_whole_and_granted() {
    let [podman, docker] = shipped();
    for image in [
        "alpine",
        "alpine:latest",
        "dir:/etc",
        "oci-archive:/x",
        "docker-archive:/x",
        "containers-storage:x",
        "a/b",
        "-q",
        "docker.io/library/a@md5:00000000000000000000000000000000",
        "docker.io/library/A:1",
        "docker.io/library/a:1 --all",
    ] {
        assert!(!reachable(podman, &words(&["podman", "pull", image])), "{image}");
    }
    assert!(reachable(podman, &words(&["podman", "pull", "docker.io/library/alpine:3"])));
    let version = |endpoint: &str| words(&["docker", &format!("--host={endpoint}"), "info", "--format={{json .}}"]);
    assert!(reachable(docker, &version("unix:///run/user/1000/docker.sock")));
    for endpoint in [
        "unix:///tmp/docker.sock",
        "unix:///run/user/1000/../docker.sock",
        "tcp://127.0.0.1:2375",
        "ssh://h",
        "fd://",
        "",
    ] {
        assert!(!reachable(docker, &version(endpoint)), "{endpoint}");
    }
    let elsewhere = Variables::new([("XDG_RUNTIME_DIR", "/tmp/run")]);
    assert!(matches!(
        docker.explain_with(&version("unix:///tmp/run/docker.sock"), &elsewhere),
        Explanation::Reachable { .. }
    ));
    assert!(matches!(
        docker.explain_with(&version("unix:///run/user/1000/docker.sock"), &elsewhere),
        Explanation::Unreachable { .. }
    ));
}

#[test]
fn the_first_difference_is_told() {
    let [podman, _] = shipped();
    let Explanation::Unreachable { nearest, first_difference, expected, found, .. } =
        podman.explain(&words(&["podman", "version", "--format=yaml"]))
    else {
        panic!("reachable")
    };
    assert_eq!((nearest.as_deref(), first_difference), (Some("version"), 2));
    assert_eq!((expected.as_str(), found.as_deref()), ("--format=json", Some("--format=yaml")));
    let Explanation::Unreachable { nearest, first_difference, expected, .. } =
        podman.explain(&words(&["/tmp/podman", "ps"]))
    else {
        panic!("reachable")
    };
    assert_eq!((nearest, first_difference, expected.as_str()), (None, 0, "a granted program"));
    assert!(!reachable(podman, &[]));
}

#[test]
fn a_grant_only_narrows() {
    let [podman, docker] = shipped();
    assert!(podman.narrow(docker).is_err());
    let same = podman.narrow(podman).unwrap();
    assert!(same.dropped().is_empty());
    assert_eq!(same.commands(), podman.commands());
    let request = PODMAN
        .replace("\"podman\", \"kill\", ", "\"podman\", \"kill\", \"--all\", ")
        .replace("[commands.wait]", "[commands.wait-for]")
        .replace("effect = \"remove\"", "effect = \"read\"")
        .replace("timeout = \"2h\"", "timeout = \"1h\"")
        .replace("[commands.look]", "[commands.peek]")
        .replace("command = \"look\"", "command = \"peek\"");
    let narrow = podman.narrow(&Grants::parse(&request, "request").unwrap()).unwrap();
    let reasons: Vec<_> = narrow.dropped().iter().map(|it| (it.command.as_str(), it.reason.clone())).collect();
    assert_eq!(
        reasons,
        [
            ("kill", DropReason::Differs(2)),
            ("wait", DropReason::NotRequested),
            ("look", DropReason::NotRequested),
            ("wait-for", DropReason::NotGranted),
            ("peek", DropReason::NotGranted),
        ]
    );
    assert_eq!(narrow.command("remove").unwrap().effect(), Effect::Remove);
    assert_eq!(narrow.command("pull").unwrap().timeout(), Timeout::After(std::time::Duration::from_secs(3600)));
    assert!(narrow.command("look").is_some_and(|look| !look.is_for_backends()));
    assert_eq!(narrow.evidence(), podman.evidence());
}

#[test]
fn a_joined_token_goes_there_and_back() {
    let [_, docker] = shipped();
    let text = with_argv(r#"["x", { each = "gpu", token = '--gpus="device={id}"', join = ",", csv = true }]"#);
    let grants = Grants::parse(&text, "x").unwrap();
    let template = grants.command("c").unwrap().template();
    let gpus: Bindings = ["0", "1:2"].map(|id| (Slot::Gpu, Binding::fields([("id", id)]))).into_iter().collect();
    let argv = template.render(&gpus).unwrap();
    assert_eq!(argv, ["x", "--gpus=\"device=0,1:2\""]);
    assert_eq!(template.recognise(&argv).unwrap().bindings(), &gpus);
    assert_eq!(template.render(&Bindings::new()).unwrap(), ["x"]);
    for bad in ["--gpus=\"device=\"", "--gpus=\"device=0,\"", "--gpus=\"device=0\",\"1\"", "--gpus=\"device=0"] {
        assert_eq!(template.recognise(&words(&["x", bad])), None, "{bad}");
    }
    assert!(docker.command("create").unwrap().template().has(Slot::Gpu));
}

#[test]
fn a_refusal_names_slot_value_and_remedy() {
    let [podman, _] = shipped();
    let stop = podman.command("stop").unwrap().template();
    let bindings = |seconds: &str| {
        [(Slot::Seconds, Binding::scalar(seconds)), (Slot::ContainerId, Binding::scalar("a".repeat(64)))]
            .into_iter()
            .collect::<Bindings>()
    };
    let error = stop.render(&bindings("86400")).unwrap_err();
    assert_eq!((error.slot, error.value.as_str(), error.rule), (Slot::Seconds, "86400", Rule::Length));
    assert_eq!(stop.render(&bindings("9999")).unwrap_err().rule, Rule::Grammar);
    assert_eq!(stop.render(&bindings("-1")).unwrap_err().rule, Rule::Dash);
    let mut twice = bindings("1");
    twice.insert(Slot::Seconds, Binding::scalar("2"));
    assert_eq!(stop.render(&twice).unwrap_err().rule, Rule::Once);
    let mut foreign = bindings("1");
    foreign.insert(Slot::Force, Binding::flag());
    assert_eq!(stop.render(&foreign).unwrap_err().rule, Rule::Unknown);
    let missing = [(Slot::Seconds, Binding::scalar("1"))].into_iter().collect();
    assert_eq!(stop.render(&missing).unwrap_err().rule, Rule::Missing);
    let message = stop.render(&bindings("-1")).unwrap_err().to_string();
    assert_eq!(
        message,
        "slot seconds with \"-1\": no value but a word begins with `-`; right would be a number of seconds, at most 3600, at most 4 bytes"
    );
}

#[test]
fn separators_and_comma_separated_values() {
    let [podman, _] = shipped();
    let create = podman.command("create").unwrap().template();
    let rule = |slot: Slot, fields: &[(&str, &str)]| {
        let mut bindings = valid_bindings(&mut runner(1), create);
        bindings.insert(slot, Binding::fields(fields.iter().copied()));
        create.render(&bindings).map_err(|error| error.rule)
    };
    let mount = |source| rule(Slot::MountBind, &[("source", source), ("target", "/t"), ("readonly", "true")]);
    assert!(mount("/srv/a").is_ok());
    assert_eq!(mount("/srv/a,readonly=false"), Err(Rule::Csv));
    assert_eq!(mount("/srv/\"a"), Err(Rule::Csv));
    assert_eq!(mount("/"), Err(Rule::Grammar));
    assert_eq!(mount("/run/portreeve-secrets/1/key"), Err(Rule::Grammar));
    assert_eq!(rule(Slot::Tmpfs, &[("target", "/t:exec"), ("size", "1")]), Err(Rule::Separator));
    assert!(rule(Slot::Ulimit, &[("name", "nofile"), ("soft", "5"), ("hard", "5")]).is_ok());
    assert_eq!(rule(Slot::EnvSecret, &[("name", "LD_PRELOAD")]), Err(Rule::Grammar));
    assert_eq!(rule(Slot::Label, &[("key", "io.portreeve.owner"), ("value", "x")]), Err(Rule::Grammar));
    assert_eq!(rule(Slot::Label, &[("value", "x"), ("key", "a")]), Err(Rule::Fields));
    assert!(rule(Slot::EnvPlain, &[("name", "JAVA_OPTS"), ("value", "-Xmx1g\n")]).is_ok());
    assert!(rule(Slot::Port, &[("address", "[::1]"), ("host", ""), ("container", "80"), ("protocol", "tcp")]).is_ok());
}
