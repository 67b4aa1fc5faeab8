use super::*;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, lchown, symlink};
use std::path::Path;
use tempfile::TempDir;

fn spec(text: &str) -> ProbeSpec {
    toml::from_str(text).unwrap()
}

fn refused(text: &str) -> String {
    match toml::from_str::<ProbeSpec>(text) {
        Ok(spec) => spec.parse().unwrap_err().to_string(),
        Err(error) => error.to_string(),
    }
}

fn home() -> (TempDir, ProbeContext) {
    let dir = tempfile::tempdir().unwrap();
    let context = ProbeContext { home: Some(dir.path().canonicalize().unwrap()), uid: 1000, ..ProbeContext::default() };
    (dir, context)
}

async fn found(text: &str, context: &ProbeContext) -> ProbeResult {
    run(&spec(text), context).await
}

fn failed(why: Fault) -> ProbeResult {
    ProbeResult::Failed { why }
}

#[test]
fn every_kind_says_which_keys_it_has() {
    assert_eq!(refused("kind = 'file'"), "a probe of this kind needs `path`");
    assert_eq!(refused("kind = 'cgroup'\npath = '/x'"), "a probe of this kind has no `path`");
    assert_eq!(refused("kind = 'space'\npath = '/x'\ncap = 3"), "a probe of this kind has no `cap`");
    assert_eq!(refused("kind = 'port'\nport = 80"), "a probe of this kind needs `address`");
    assert_eq!(refused("kind = 'port'\naddress = '::1'"), "a probe of this kind needs `port`");
    assert_eq!(refused("kind = 'port'\nprotocol = 'udp'"), "a probe of this kind has no `protocol`");
    assert_eq!(refused("kind = 'port'\naddress = '192.0.2.1'\nport = 80"), ProbeError::Address.to_string());
    assert_eq!(refused("kind = 'port'\naddress = '0.0.0.0'\nport = 0"), ProbeError::Port.to_string());
    assert_eq!(refused("kind = 'file'\npath = '/x'\ncap = 0"), "`cap` must be from 1 to 65536");
    assert_eq!(refused("kind = 'directory'\npath = '/x'\ncap = 1025"), "`cap` must be from 1 to 1024");
    assert!(refused("kind = 'secret'").contains("unknown variant `secret`"));
    assert!(refused("kind = 'user'\nshell = 'x'").contains("unknown field `shell`"));
}

#[test]
fn places_are_fixed_but_for_the_user() {
    let context = ProbeContext { home: Some("/h".into()), runtime_dir: Some("/r".into()), uid: 7, ports: Vec::new() };
    let expand = |text: &str| Place::parse(text).unwrap().expand(&context).unwrap();
    assert_eq!(expand("/run/user/{UID}/x.sock"), Path::new("/run/user/7/x.sock"));
    assert_eq!(expand("{HOME}/.config/x"), Path::new("/h/.config/x"));
    assert_eq!(expand("{HOME}"), Path::new("/h"));
    assert_eq!(expand("{XDG_RUNTIME_DIR}/x-{UID}"), Path::new("/r/x-7"));
    let bad = [
        "",
        "/",
        "x",
        "./x",
        "/x/",
        "/x//y",
        "/x/../y",
        "/x/./y",
        "/x\0",
        "/x\n",
        "{HOME}x",
        "{HOME}/../x",
        "/x/{HOME}",
        "{UID}/x",
        "/{USER}",
        "/x{",
        "{PATH}/x",
        "$HOME/x",
        "~/x",
    ];
    for place in bad {
        assert!(Place::parse(place).is_err(), "{place}");
    }
    assert!(Place::parse(&format!("/{}", "x".repeat(2000))).is_err());
}

#[tokio::test]
async fn a_place_without_a_value_is_absent_and_a_bad_value_is_invalid() {
    let none = ProbeContext::default();
    assert_eq!(found("kind = 'file'\npath = '{HOME}/x'", &none).await, ProbeResult::Absent);
    for home in ["relative", "/tmp/../etc"] {
        let context = ProbeContext { home: Some(home.into()), ..ProbeContext::default() };
        assert_eq!(found("kind = 'path'\npath = '{HOME}/x'", &context).await, failed(Fault::Invalid), "{home}");
    }
}

#[tokio::test]
async fn files_are_read_to_the_cap() {
    let (dir, context) = home();
    fs::write(dir.path().join("file"), b"abc\xffdef").unwrap();
    let read = async |cap: usize| found(&format!("kind = 'file'\npath = '{{HOME}}/file'\ncap = {cap}"), &context).await;
    assert_eq!(read(7).await, ProbeResult::Text { text: "abc\u{fffd}def".to_owned(), truncated: false });
    assert_eq!(read(3).await, ProbeResult::Text { text: "abc".to_owned(), truncated: true });
    assert_eq!(found("kind = 'file'\npath = '{HOME}/none'", &context).await, ProbeResult::Absent);
    assert_eq!(found("kind = 'file'\npath = '{HOME}'", &context).await, failed(Fault::Kind));
    assert_eq!(found("kind = 'file'\npath = '/dev/zero'", &context).await, failed(Fault::Kind));
}

#[tokio::test]
async fn files_of_the_kernel_and_links_of_root_can_be_read() {
    let context = ProbeContext::default();
    let result = found("kind = 'file'\npath = '/proc/sys/kernel/ostype'", &context).await;
    assert_eq!(result, ProbeResult::Text { text: "Linux\n".to_owned(), truncated: false });
    let result = found("kind = 'file'\npath = '/etc/os-release'", &context).await;
    assert!(matches!(result, ProbeResult::Text { text, .. } if text.contains("NAME=")));
}

#[tokio::test]
async fn a_pipe_does_not_hang_a_probe() {
    let (dir, context) = home();
    rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(found("kind = 'file'\npath = '{HOME}/pipe'", &context).await, failed(Fault::Kind));
}

#[tokio::test]
async fn links_of_others_lead_nowhere() {
    let (dir, context) = home();
    fs::create_dir(dir.path().join("real")).unwrap();
    for (link, target) in [("end", "/etc/passwd"), ("way", "real")] {
        let link = dir.path().join(link);
        symlink(target, &link).unwrap();
        // An ordinary user's links are its own; root has to give them away.
        if rustix::process::geteuid().is_root() {
            lchown(&link, Some(54_321), None).unwrap();
        }
    }
    for probe in [
        "kind = 'file'\npath = '{HOME}/end'",
        "kind = 'directory'\npath = '{HOME}/way'",
        "kind = 'path'\npath = '{HOME}/way/x'",
    ] {
        assert_eq!(found(probe, &context).await, failed(Fault::Link), "{probe}");
    }
}

#[tokio::test]
async fn names_are_sorted_and_cut() {
    let (dir, context) = home();
    for name in ["c", "a", "b"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let result = found("kind = 'directory'\npath = '{HOME}'\ncap = 2", &context).await;
    assert_eq!(result, ProbeResult::Names { names: vec!["a".to_owned(), "b".to_owned()], truncated: true });
    let result = found("kind = 'directory'\npath = '{HOME}'\ncap = 3", &context).await;
    assert!(matches!(result, ProbeResult::Names { names, truncated: false } if names.len() == 3));
    assert_eq!(found("kind = 'directory'\npath = '{HOME}/a'", &context).await, failed(Fault::Kind));
}

#[tokio::test]
async fn space_is_told_of_the_nearest_folder_there_is() {
    let (_dir, context) = home();
    for path in ["{HOME}", "{HOME}/not/yet/made"] {
        let result = found(&format!("kind = 'space'\npath = '{path}'"), &context).await;
        let ProbeResult::Space { total, available } = result else { panic!("{result:?}") };
        assert!(total > 0 && available <= total);
    }
}

#[tokio::test]
async fn paths_are_told_by_kind_owner_and_mode() {
    let (dir, context) = home();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let result = found("kind = 'path'\npath = '{HOME}/file'", &context).await;
    let ProbeResult::Path(fact) = result else { panic!("{result:?}") };
    assert_eq!((fact.kind, fact.mode, fact.readable, fact.writable), ("file", 0o640, true, true));
    assert_eq!(fact.owner, rustix::process::geteuid().as_raw());
    let result = found("kind = 'path'\npath = '/dev/null'", &context).await;
    assert!(matches!(result, ProbeResult::Path(PathFact { kind: "char-device", owner: 0, .. })));
}

#[tokio::test]
async fn ports_are_bound_not_listened_on() {
    let (any, loopback) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST);
    let tcp = TcpListener::bind((loopback, 0)).unwrap();
    let udp = UdpSocket::bind((loopback, 0)).unwrap();
    let free = TcpListener::bind((loopback, 0)).unwrap().local_addr().unwrap().port();
    let port = |address: Ipv4Addr, port, protocol| Port { address: address.into(), port, protocol };
    let (taken_tcp, taken_udp) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let ports = vec![
        port(loopback, taken_tcp, Protocol::Tcp),
        port(any, taken_tcp, Protocol::Tcp),
        port(loopback, taken_udp, Protocol::Udp),
        port(loopback, free, Protocol::Tcp),
        port(Ipv4Addr::new(192, 0, 2, 1), free, Protocol::Tcp),
    ];
    let context = ProbeContext { ports, ..ProbeContext::default() };
    let ProbeResult::Ports { ports } = found("kind = 'port'", &context).await else { panic!() };
    let states: Vec<_> = ports.iter().map(|fact| fact.state).collect();
    use PortState::{Free, Taken, Unusable};
    assert_eq!(states, [Taken, Taken, Taken, Free, Unusable]);
}

#[tokio::test]
async fn a_fixed_port_is_the_only_one_looked_at() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let number = listener.local_addr().unwrap().port();
    let other = Port { address: Ipv6Addr::LOCALHOST.into(), port: 1, protocol: Protocol::Tcp };
    let context = ProbeContext { ports: vec![other], ..ProbeContext::default() };
    let result = found(&format!("kind = 'port'\naddress = '127.0.0.1'\nport = {number}"), &context).await;
    let ProbeResult::Ports { ports } = result else { panic!("{result:?}") };
    assert_eq!(ports.iter().map(|fact| (fact.port.port, fact.state)).collect::<Vec<_>>(), [(number, PortState::Taken)]);
}

#[tokio::test]
async fn no_more_ports_are_looked_at_than_the_bound() {
    let one = Port { address: Ipv4Addr::LOCALHOST.into(), port: 9, protocol: Protocol::Udp };
    let context = ProbeContext { ports: vec![one; 1000], ..ProbeContext::default() };
    let result = found("kind = 'port'", &context).await;
    assert!(matches!(result, ProbeResult::Ports { ports } if ports.len() == MAX_PORTS));
}

#[tokio::test]
async fn control_groups_agree_with_the_mounts() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let has = |kind: &str| {
        mounts.lines().any(|line| line.split(' ').nth(2) == Some(kind) && line.contains(" /sys/fs/cgroup"))
    };
    let version = match (has("cgroup"), has("cgroup2")) {
        (false, false) => Cgroup::None,
        (false, true) => Cgroup::V2,
        (true, false) => Cgroup::V1,
        (true, true) => Cgroup::Hybrid,
    };
    assert_eq!(found("kind = 'cgroup'", &ProbeContext::default()).await, ProbeResult::Cgroup { version });
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(look::cgroup_or_none(empty.path()), Cgroup::None);
    assert_eq!(look::cgroup_or_none(&empty.path().join("x")), Cgroup::None);
}

#[test]
fn the_user_has_its_own_ranges_by_name_and_by_number() {
    let etc = tempfile::tempdir().unwrap();
    let path = etc.path().canonicalize().unwrap();
    fs::write(path.join("passwd"), "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbroken\n").unwrap();
    fs::write(path.join("subuid"), "root:1:2\nann:100000:65536\n1000:300000:10\nannie:5:5\nann:x:1\nann:7\n").unwrap();
    let user = look::user(1000, &path);
    assert_eq!((user.name.as_deref(), user.rootless), (Some("ann"), true));
    let expected = [Range { start: 100_000, count: 65_536 }, Range { start: 300_000, count: 10 }];
    assert_eq!((user.subuid.as_slice(), user.subgid.as_slice()), (&expected[..], &[][..]));
    let root = look::user(0, &path);
    assert_eq!((root.rootless, root.subuid), (false, vec![Range { start: 1, count: 2 }]));
    assert_eq!(look::user(42, &path).name, None);
}

#[tokio::test]
async fn results_are_plain_documents() {
    let result = found("kind = 'user'", &ProbeContext::default()).await;
    let json = serde_json::to_value(&result).unwrap();
    assert_eq!((json["found"].as_str(), json["uid"].as_u64()), (Some("user"), Some(0)));
    let port = Port { address: Ipv4Addr::LOCALHOST.into(), port: 9, protocol: Protocol::Tcp };
    let ports = ProbeResult::Ports { ports: vec![PortFact { port, state: PortState::Free }] };
    let expected = r#"{"found":"ports","ports":[{"address":"127.0.0.1","port":9,"protocol":"tcp","state":"free"}]}"#;
    assert_eq!(serde_json::to_string(&ports).unwrap(), expected);
    assert_eq!(serde_json::to_string(&ProbeResult::Absent).unwrap(), r#"{"found":"absent"}"#);
}
