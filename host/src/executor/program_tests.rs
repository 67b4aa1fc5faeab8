use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use tempfile::TempDir;

const OTHER_USER: u32 = 54_321;

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A copy of a real program, 0755.
fn copy(to: &Path) -> PathBuf {
    fs::copy("/bin/true", to).unwrap();
    chmod(to, 0o755);
    to.to_owned()
}

fn script(to: &Path, text: &str) -> PathBuf {
    fs::write(to, text).unwrap();
    chmod(to, 0o755);
    to.to_owned()
}

fn grant(search: &[&Path]) -> ProgramGrant {
    let search = search.iter().map(|path| path.to_path_buf()).collect();
    ProgramGrant { name: "tool".to_owned(), search, wrapper: false, sha256: None }
}

fn resolve(path: &Path) -> Result<CheckedProgram, ProgramError> {
    CheckedProgram::resolve(&grant(&[path]))
}

#[test]
fn takes_a_program_of_the_system_by_its_path_without_links() {
    let program = resolve(Path::new("/bin/sh")).unwrap();
    assert_eq!(program.path(), Path::new("/bin/sh").canonicalize().unwrap());
    assert!(program.exec_path().starts_with("/proc/self/fd"));
    assert!(program.interpreter().is_none());
}

#[test]
fn takes_the_first_that_exists_and_lists_all_when_none_does() {
    let (_dir, root) = folder();
    let (absent, there) = (root.join("absent"), copy(&root.join("there")));
    let program = CheckedProgram::resolve(&grant(&[&absent, &there, Path::new("/bin/sh")])).unwrap();
    assert_eq!(program.path(), there);
    let error = CheckedProgram::resolve(&grant(&[&absent, &root.join("neither")])).unwrap_err();
    assert!(error.is_not_found());
    let expected = format!("looked for `{0}/absent`, `{0}/neither`", root.display());
    assert!(error.to_string().ends_with(&expected), "{error}");
}

#[test]
fn a_refused_file_is_not_passed_over_for_a_later_one() {
    let (_dir, root) = folder();
    let writable = copy(&root.join("tool"));
    chmod(&writable, 0o757);
    let error = CheckedProgram::resolve(&grant(&[&writable, Path::new("/bin/sh")])).unwrap_err();
    assert!(matches!(error, ProgramError::WritableFile { mode: 0o757, .. }), "{error}");
}

#[test]
fn a_writable_folder_without_the_program_is_passed_over() {
    let (_dir, root) = folder();
    chmod(&root, 0o777);
    assert!(CheckedProgram::resolve(&grant(&[&root.join("absent"), Path::new("/bin/sh")])).is_ok());
}

#[test]
fn refuses_a_file_that_others_can_write() {
    let (_dir, root) = folder();
    let tool = copy(&root.join("tool"));
    for mode in [0o775, 0o757, 0o777] {
        chmod(&tool, mode);
        let error = resolve(&tool).unwrap_err();
        assert!(matches!(error, ProgramError::WritableFile { mode: found, .. } if found == mode), "{error}");
    }
    chmod(&tool, 0o755);
    assert!(resolve(&tool).is_ok());
}

#[test]
fn refuses_any_folder_above_that_others_can_write() {
    let (_dir, root) = folder();
    fs::create_dir_all(root.join("a/b")).unwrap();
    let tool = copy(&root.join("a/b/tool"));
    for folder in [root.join("a"), root.join("a/b")] {
        for mode in [0o775, 0o757] {
            chmod(&folder, mode);
            let error = resolve(&tool).unwrap_err();
            assert!(matches!(&error, ProgramError::WritableFolder { path, .. } if *path == folder), "{error}");
        }
        chmod(&folder, 0o755);
    }
    assert!(resolve(&tool).is_ok());
}

#[test]
fn judges_the_folders_of_every_link_not_only_of_the_target() {
    let (_dir, root) = folder();
    for name in ["open", "closed"] {
        fs::create_dir(root.join(name)).unwrap();
    }
    let tool = copy(&root.join("closed/tool"));
    symlink(&tool, root.join("open/second")).unwrap();
    symlink("open/second", root.join("first")).unwrap();
    assert_eq!(resolve(&root.join("first")).unwrap().path(), tool);
    chmod(&root.join("open"), 0o777);
    let error = resolve(&root.join("first")).unwrap_err();
    assert!(matches!(&error, ProgramError::WritableFolder { path, .. } if *path == root.join("open")), "{error}");
}

#[test]
fn a_sticky_folder_will_do_when_the_next_part_is_ours() {
    let (_dir, root) = folder();
    chmod(&root, 0o1777);
    let tool = copy(&root.join("tool"));
    symlink("tool", root.join("link")).unwrap();
    assert!(resolve(&tool).is_ok());
    assert!(resolve(&root.join("link")).is_ok());
}

/// As root a file is given away; otherwise we pretend to be somebody else than its owner.
fn as_foreigner(path: &Path) -> u32 {
    if geteuid().is_root() {
        std::os::unix::fs::lchown(path, Some(OTHER_USER), None).unwrap();
        return 0;
    }
    OTHER_USER
}

#[test]
fn refuses_a_file_of_another_user() {
    let (_dir, root) = folder();
    let tool = copy(&root.join("tool"));
    let me = as_foreigner(&tool);
    let error = locate(&tool, me).unwrap_err();
    assert!(matches!(error, ProgramError::ForeignOwner { .. }), "{error}");
}

#[test]
fn refuses_a_folder_and_a_sticky_link_of_another_user() {
    if !geteuid().is_root() {
        // Only root can give a single part away; the owner of a file is tested above for everybody.
        let (_dir, root) = folder();
        assert!(locate(&copy(&root.join("tool")), OTHER_USER).is_err());
        return;
    }
    let (_dir, root) = folder();
    fs::create_dir(root.join("theirs")).unwrap();
    let tool = copy(&root.join("theirs/tool"));
    chown(root.join("theirs"), Some(OTHER_USER), None).unwrap();
    assert!(matches!(resolve(&tool), Err(ProgramError::ForeignOwner { owner: OTHER_USER, .. })));
    chmod(&root, 0o1777);
    symlink("/bin/sh", root.join("link")).unwrap();
    std::os::unix::fs::lchown(root.join("link"), Some(OTHER_USER), None).unwrap();
    assert!(matches!(resolve(&root.join("link")), Err(ProgramError::ForeignOwner { .. })));
}

#[test]
fn refuses_what_is_no_executable_file() {
    let (_dir, root) = folder();
    let plain = copy(&root.join("plain"));
    chmod(&plain, 0o644);
    assert!(matches!(resolve(&plain), Err(ProgramError::NotExecutable { .. })));
    assert!(matches!(resolve(&root), Err(ProgramError::NotRegular { .. })));
    assert!(matches!(
        resolve(Path::new("/dev/null")),
        Err(ProgramError::ForeignOwner { .. } | ProgramError::NotRegular { .. })
    ));
    let text = script(&root.join("text"), "echo a shell would run this\n");
    assert!(matches!(resolve(&text), Err(ProgramError::UnknownFormat { .. })));
    let empty = script(&root.join("empty"), "");
    assert!(matches!(resolve(&empty), Err(ProgramError::UnknownFormat { .. })));
}

#[test]
fn refuses_paths_that_are_not_plain() {
    for path in ["sh", "bin/sh", "/bin/../bin/sh", "/usr/./bin/sh"] {
        let error = resolve(Path::new(path)).unwrap_err();
        assert!(matches!(error, ProgramError::Walk(WalkError::NotPlain { .. })), "{error}");
    }
}

#[test]
fn a_script_runs_only_as_a_granted_wrapper() {
    let (_dir, root) = folder();
    let tool = script(&root.join("tool"), "#! /bin/sh -e\nexec true\n");
    let error = resolve(&tool).unwrap_err();
    assert!(matches!(&error, ProgramError::Script { interpreter, .. } if interpreter == "/bin/sh"), "{error}");
    let program = CheckedProgram::resolve(&ProgramGrant { wrapper: true, ..grant(&[&tool]) }).unwrap();
    assert_eq!(program.interpreter(), Some(&*Path::new("/bin/sh").canonicalize().unwrap()));
    assert_eq!(program.exec_path(), tool);
}

/// As Debian has it.
const IMPERSONATOR: &str = "#!/usr/bin/sh\n[ -e /etc/containers/nodocker ] || \\\necho \"Emulate it. \
    Create /etc/containers/nodocker to quiet msg.\" >&2\nexec /usr/bin/another \"$@\"\n";

#[test]
fn a_wrapper_is_reported_with_what_it_starts_and_not_followed() {
    let (_dir, root) = folder();
    let padding = "# nothing\n".repeat(100);
    for (text, expected) in [
        (IMPERSONATOR.to_owned(), Some("/usr/bin/another")),
        ("#!/bin/sh\nexec another \"$@\"".to_owned(), Some("another")),
        ("#!/bin/sh\n  exec '/opt/x' \"$@\"".to_owned(), Some("/opt/x")),
        (format!("#!/bin/sh\n{padding}exec /opt/x \"$@\"\n"), Some("/opt/x")),
        ("#!/bin/sh\nexec \"$ENGINE\" \"$@\"\n".to_owned(), None),
        ("#!/bin/sh\nexec -a x /opt/x\n".to_owned(), None),
        ("#!/bin/sh\necho executed\n".to_owned(), None),
    ] {
        let error = resolve(&script(&root.join("tool"), &text)).unwrap_err();
        let told = format!("that starts `{}`", expected.unwrap_or_default());
        assert!(matches!(&error, ProgramError::Script { starts, .. } if starts.as_deref() == expected), "{error}");
        assert_eq!(error.to_string().contains(&told), expected.is_some(), "{error}");
    }
}

#[test]
fn the_interpreter_of_a_wrapper_is_checked_too() {
    let (_dir, root) = folder();
    let inner = copy(&root.join("inner"));
    chmod(&inner, 0o777);
    let script_inner = script(&root.join("script"), "#!/bin/sh\n");
    for interpreter in [inner.to_str().unwrap(), script_inner.to_str().unwrap(), "sh", "", "/no/such"] {
        let tool = script(&root.join("tool"), &format!("#!{interpreter}\n"));
        let result = CheckedProgram::resolve(&ProgramGrant { wrapper: true, ..grant(&[&tool]) });
        assert!(matches!(result, Err(ProgramError::Interpreter { .. })), "{interpreter}");
    }
}

#[test]
fn a_pin_is_compared_with_the_bytes() {
    let (_dir, root) = folder();
    let tool = copy(&root.join("tool"));
    let digest: String = Sha256::digest(fs::read(&tool).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
    let pinned = |pin: &str| CheckedProgram::resolve(&ProgramGrant { sha256: Some(pin.to_owned()), ..grant(&[&tool]) });
    assert!(pinned(&digest).is_ok());
    assert!(pinned(&format!("sha256:{}", digest.to_uppercase())).is_ok());
    assert!(matches!(pinned(&"0".repeat(64)), Err(ProgramError::PinMismatch { found, .. }) if found == digest));
    for bad in ["", "sha256:", &"0".repeat(63), &"g".repeat(64)] {
        assert!(matches!(pinned(bad), Err(ProgramError::BadPin { .. })), "{bad}");
    }
}

#[test]
fn notices_every_change_after_the_check() {
    let changes: [fn(&Path); 4] = [
        |tool| fs::write(tool, "other").unwrap(),
        |tool| chmod(tool, 0o700),
        |tool| fs::remove_file(tool).unwrap(),
        |tool| fs::rename(tool, tool.with_extension("old")).unwrap(),
    ];
    for change in changes {
        let (_dir, root) = folder();
        let tool = copy(&root.join("tool"));
        let program = resolve(&tool).unwrap();
        program.recheck().unwrap();
        // The kernel's clock for ctime ticks every few milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(20));
        change(&tool);
        assert!(matches!(program.recheck(), Err(ProgramError::Changed { .. })));
    }
}

#[test]
fn notices_a_wrapper_replaced_under_its_name() {
    let (_dir, root) = folder();
    let tool = script(&root.join("tool"), "#!/bin/sh\n");
    let program = CheckedProgram::resolve(&ProgramGrant { wrapper: true, ..grant(&[&tool]) }).unwrap();
    let other = script(&root.join("other"), "#!/bin/sh\n");
    fs::rename(other, &tool).unwrap();
    assert!(matches!(program.recheck(), Err(ProgramError::Changed { .. })));
}
