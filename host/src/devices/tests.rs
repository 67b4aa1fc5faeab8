use super::*;
use proptest::prelude::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

fn patterns(texts: &[&str]) -> Vec<DevicePattern> {
    texts.iter().map(|text| DevicePattern::parse(text).unwrap()).collect()
}

fn nvidia() -> Vec<DevicePattern> {
    patterns(&["/dev/nvidia[0-9]*", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap[0-9]*"])
}

fn fake() -> (TempDir, DeviceChecker) {
    let dir = tempfile::tempdir().unwrap();
    let checker = DeviceChecker::open(dir.path()).unwrap();
    (dir, checker)
}

#[test]
fn patterns_are_literal_but_for_digits() {
    let pattern = DevicePattern::parse("/dev/dri/card[0-9]*-x").unwrap();
    assert_eq!(pattern.to_string(), "/dev/dri/card[0-9]*-x");
    for path in ["/dev/dri/card0-x", "/dev/dri/card128-x"] {
        assert!(pattern.matches(path), "{path}");
    }
    for path in ["/dev/dri/card-x", "/dev/dri/card0", "/dev/dri/card0-xy", "/dev/dri/card[0-9]*-x", "dri/card0-x"] {
        assert!(!pattern.matches(path), "{path}");
    }
    assert!(!DevicePattern::parse("/dev/a[0-9]*").unwrap().matches("/dev/a\u{0661}"));
}

#[test]
fn patterns_outside_the_grammar_do_not_load() {
    let bad = [
        "",
        "/",
        "/dev",
        "/dev/",
        "dev/null",
        "/devil",
        "/dev//null",
        "/dev/null/",
        "/dev/./null",
        "/dev/../etc/x",
        "/dev/a/..",
        "/dev/*",
        "/dev/nvidia*",
        "/dev/nvidia?",
        "/dev/nvidia[0-9]",
        "/dev/nvidia[0-8]*",
        "/dev/[0-9]+",
        "/dev/{a,b}",
        "/dev/a b",
        "/dev/a:b",
        "/dev/a,b",
        "/dev/a\0",
        "/dev/a\n",
        "/dev/\u{e9}",
        "/dev/x[0-9]*[0-9]*",
        "/dev/x[0-9]*7",
    ];
    for text in bad {
        assert!(DevicePattern::parse(text).is_err(), "{text}");
    }
    assert!(DevicePattern::parse(&format!("/dev/{}", "a".repeat(MAX_PATH))).is_err());
    let error = "/dev/nvidia*".parse::<DevicePattern>().unwrap_err();
    assert!(matches!(error, DeviceError::Pattern(_)));
    assert!(error.to_string().starts_with("`*` in `/dev/nvidia*`: only letters"), "{error}");
}

proptest! {
    #[test]
    fn a_match_has_nothing_but_digits_in_the_slot(tail in "\\PC{0,12}") {
        let pattern = DevicePattern::parse("/dev/nvidia[0-9]*").unwrap();
        let matches = pattern.matches(&format!("/dev/nvidia{tail}"));
        prop_assert_eq!(matches, !tail.is_empty() && tail.bytes().all(|byte| byte.is_ascii_digit()));
    }

    #[test]
    fn parsing_never_panics_and_what_loads_stays_in_dev(text in "(/dev/)?[a-z0-9./*\\[\\]-]{0,20}") {
        if let Ok(pattern) = DevicePattern::parse(&text) {
            prop_assert!(!pattern.matches("/etc/passwd") && !text.contains(".."));
        }
    }
}

#[test]
fn sees_a_real_character_device() {
    let checker = DeviceChecker::open(Path::new("/dev")).unwrap();
    let node = checker.check(&patterns(&["/dev/null"]), "/dev/null").unwrap();
    let expected = DeviceNode {
        path: "/dev/null".to_owned(),
        exists: true,
        char_device: true,
        major: 1,
        minor: 3,
        readable: true,
        writable: true,
    };
    assert_eq!(node, expected);
}

#[test]
fn nothing_there_is_an_answer() {
    let (_dir, checker) = fake();
    for path in ["/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap1"] {
        assert_eq!(checker.check(&nvidia(), path).unwrap(), absent(path));
    }
}

#[test]
fn a_file_is_no_device_and_its_permissions_are_told() {
    let (dir, checker) = fake();
    let file = dir.path().join("nvidia0");
    fs::write(&file, "x").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o400)).unwrap();
    let node = checker.check(&nvidia(), "/dev/nvidia0").unwrap();
    assert!(node.exists && !node.char_device && node.readable);
    assert_eq!(node.writable, rustix::process::geteuid().is_root());
    assert_eq!((node.major, node.minor), (0, 0));
}

#[test]
fn links_are_refused_wherever_they_are_and_lead() {
    let (dir, checker) = fake();
    fs::create_dir(dir.path().join("real")).unwrap();
    fs::write(dir.path().join("real/nvidia-cap1"), "x").unwrap();
    symlink("real", dir.path().join("nvidia-caps")).unwrap();
    symlink("/dev/null", dir.path().join("nvidia0")).unwrap();
    symlink("real/nvidia-cap1", dir.path().join("nvidia1")).unwrap();
    symlink("nowhere", dir.path().join("nvidiactl")).unwrap();
    for path in ["/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-caps/nvidia-cap1"] {
        let error = checker.check(&nvidia(), path).unwrap_err();
        assert!(matches!(error, DeviceError::Link { .. }), "{path}: {error}");
    }
}

#[test]
fn hostile_paths_match_no_pattern() {
    let (_dir, checker) = fake();
    let long = format!("/dev/nvidia{}", "0".repeat(MAX_PATH));
    let paths = [
        "",
        "/",
        "nvidia0",
        "/dev/nvidia",
        "/dev/nvidia0/",
        "/dev//nvidia0",
        "/dev/../dev/nvidia0",
        "/dev/./nvidia0",
        "/dev/nvidia0/../mem",
        "/dev/nvidia0\0",
        "/dev/nvidia0\n",
        "/DEV/nvidia0",
        "/dev/nvidia0:/dev/mem",
        "/dev/sda",
        "/proc/self/root/dev/nvidia0",
        "/dev/fd/0",
        "/dev/nvidia-1",
        &long,
    ];
    for path in paths {
        let error = checker.check(&nvidia(), path).unwrap_err();
        assert!(matches!(error, DeviceError::NotGranted { .. }), "{path}");
        assert!(!error.to_string().contains(['\0', '\n']));
    }
    assert!(checker.check(&[], "/dev/null").is_err());
}
