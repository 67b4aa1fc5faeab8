//! Files and folders into containers and out of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve::{Error, ExecSpec, FaultKind, Policy, Rule};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::behaviours::folder;
use crate::setting::Setting;

/// A container that goes on, its name, and a folder of this machine.
async fn ready(setting: &Setting) -> (String, PathBuf) {
    let name = setting.name("copies");
    setting.run_waiting(&name).await;
    let folder = folder(setting, &name);
    (name, folder)
}

/// What the words print in the container, and their status.
async fn inside(setting: &Setting, name: &str, words: &[&str]) -> (String, i32) {
    let spec = ExecSpec::new(["/deckhand"].iter().chain(words).copied());
    let done = setting.host.exec_to_completion(name, &spec, b"").await.unwrap();
    (String::from_utf8(done.stdout).unwrap(), done.status)
}

async fn into(setting: &Setting, source: &Path, name: &str, target: &str) -> Result<(), Error> {
    setting.host.copy_in(source, name, &target.parse().unwrap()).await
}

async fn out(setting: &Setting, name: &str, source: &str, target: &Path) -> Result<PathBuf, Error> {
    setting.host.copy_out(name, &source.parse().unwrap(), target).await
}

/// Nothing of a copy is left: neither half a file here, nor what the host had laid ready.
fn leaves_nothing(setting: &Setting, folder: &Path) {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    assert_eq!(names(&setting.state().join("exchange")), Vec::<String>::new());
    assert!(!names(folder).iter().any(|name| name.starts_with(".portreeve")), "{:?}", names(folder));
}

pub(crate) async fn a_file_is_copied_in_and_out(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let source = folder.join("note: 1");
    fs::write(&source, "ahoy").unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o640)).unwrap();
    let mark = setting.mark();
    into(&setting, &source, &name, "/note").await.unwrap();
    assert_eq!(inside(&setting, &name, &["file", "/note"]).await, ("ahoy".to_owned(), 0));
    let id = setting.host.inspect(&name).await.unwrap().id;
    let argvs = setting.argvs_since(mark, false);
    let argv = argvs.iter().find(|argv| argv.iter().any(|word| word == "cp")).unwrap();
    let [.., from, to] = argv.as_slice() else { panic!("{argv:?}") };
    assert!(from.contains("/exchange/") && *to == format!("{id}:/note"), "{argv:?}");
    inside(&setting, &name, &["write", "/note", "ahoy again"]).await;
    let made = out(&setting, &name, "/note", &folder.join("back")).await.unwrap();
    assert_eq!(
        (made.as_path(), fs::read_to_string(&made).unwrap().as_str()),
        (folder.join("back").as_path(), "ahoy again")
    );
    // A file takes the place of a file, whole.
    inside(&setting, &name, &["write", "/note", "third"]).await;
    out(&setting, &name, "/note", &made).await.unwrap();
    assert_eq!(fs::read_to_string(&made).unwrap(), "third");
    let owner = |path: &Path| std::os::unix::fs::MetadataExt::uid(&fs::metadata(path).unwrap());
    assert_eq!(owner(&made), owner(&folder));
    leaves_nothing(&setting, &folder);
}

/// `SOURCE/.`: into the folder that is there, or as the one that is named.
pub(crate) async fn what_is_in_a_folder_is_copied(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let source = folder.join("parts");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("one"), "1").unwrap();
    symlink("one", source.join("link")).unwrap();
    fs::create_dir(folder.join("there")).unwrap();
    fs::write(folder.join("there/kept"), "k").unwrap();
    into(&setting, &folder.join("there"), &name, "/there").await.unwrap();
    let dotted = PathBuf::from(format!("{}/.", source.display()));
    for target in ["/there", "/fresh"] {
        into(&setting, &dotted, &name, target).await.unwrap();
        assert_eq!(inside(&setting, &name, &["file", &format!("{target}/one")]).await, ("1".to_owned(), 0), "{target}");
    }
    assert_eq!(inside(&setting, &name, &["file", "/there/kept"]).await, ("k".to_owned(), 0));
    let file = PathBuf::from(format!("{}/one/.", source.display()));
    assert!(matches!(into(&setting, &file, &name, "/there").await, Err(Error::Io { .. })));
    // Out of it: among what is there, and as a folder that is not.
    let here = folder.join("here");
    fs::create_dir(&here).unwrap();
    let out_of = async |target: &Path| setting.host.copy_out_of(&name, &"/there".parse().unwrap(), target).await;
    for target in [&here, &folder.join("new")] {
        assert_eq!(out_of(target).await.unwrap(), *target);
        assert_eq!(fs::read_to_string(target.join("link")).unwrap(), "1");
        assert_eq!(fs::read_to_string(target.join("kept")).unwrap(), "k");
    }
    fs::remove_file(here.join("one")).unwrap();
    fs::create_dir(here.join("one")).unwrap();
    fs::write(here.join("kept"), "own").unwrap();
    assert!(matches!(out_of(&here).await, Err(Error::InUse(_))));
    assert_eq!(fs::read_to_string(here.join("kept")).unwrap(), "own", "nothing is put there by halves");
    leaves_nothing(&setting, &folder);
    leaves_nothing(&setting, &here);
}

pub(crate) async fn a_folder_is_copied_in_and_out(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let source = folder.join("tree");
    fs::create_dir_all(source.join("a/b")).unwrap();
    fs::write(source.join("a/b/leaf"), "green").unwrap();
    symlink("a/b/leaf", source.join("short")).unwrap();
    symlink("../a", source.join("a/round")).unwrap();
    into(&setting, &source, &name, "/planted").await.unwrap();
    assert_eq!(inside(&setting, &name, &["file", "/planted/short"]).await, ("green".to_owned(), 0));
    let made = out(&setting, &name, "/planted", &folder).await.unwrap();
    assert_eq!(made, folder.join("planted"));
    assert_eq!(fs::read_to_string(made.join("a/round/b/leaf")).unwrap(), "green");
    assert_eq!(fs::read_link(made.join("short")).unwrap(), Path::new("a/b/leaf"));
    // Nothing is mixed with a folder that is there.
    let error = out(&setting, &name, "/planted", &folder).await.unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error:?}");
    leaves_nothing(&setting, &folder);
}

pub(crate) async fn a_copy_into_a_folder_keeps_its_name(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let source = folder.join("leaf");
    fs::write(&source, "green").unwrap();
    for target in ["/tmp", "/tmp/"] {
        into(&setting, &source, &name, target).await.unwrap();
    }
    assert_eq!(inside(&setting, &name, &["file", "/tmp/leaf"]).await, ("green".to_owned(), 0));
    fs::remove_file(&source).unwrap();
    out(&setting, &name, "/tmp/leaf", &folder).await.unwrap();
    assert_eq!(fs::read_to_string(&source).unwrap(), "green");
}

/// The host refuses what this puts there, and no engine is told.
async fn is_refused(setting: &Setting, put: impl Fn(&Path)) {
    let (name, folder) = ready(setting).await;
    let source = folder.join("odd");
    put(&source);
    let mark = setting.mark();
    let error = into(setting, &source, &name, "/odd").await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::Policy), "{error:?}");
    assert!(!setting.was_told_to("cp", mark));
    leaves_nothing(setting, &folder);
}

pub(crate) async fn what_is_no_file_is_not_copied_in(setting: Arc<Setting>) {
    let pipe = |path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    is_refused(&setting, pipe).await;
    is_refused(&setting, |path| {
        fs::create_dir(path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap());
    })
    .await;
    let (name, _) = ready(&setting).await;
    for source in [Path::new("/dev/null").to_owned(), setting.state()] {
        let error = into(&setting, &source, &name, "/odd").await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{}: {error:?}", source.display());
    }
}

pub(crate) async fn what_leads_out_is_not_copied_in(setting: Arc<Setting>) {
    is_refused(&setting, |path| symlink("/etc/passwd", path).unwrap()).await;
    for leads in ["/etc/passwd", "../..", "deep/../../x"] {
        is_refused(&setting, |path| {
            fs::create_dir(path).unwrap();
            symlink(leads, path.join("link")).unwrap();
        })
        .await;
    }
}

pub(crate) async fn what_leads_out_is_not_copied_out(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let secret = folder.join("secret");
    fs::write(&secret, "of this machine").unwrap();
    fs::create_dir(folder.join("tree")).unwrap();
    into(&setting, &folder.join("tree"), &name, "/tree").await.unwrap();
    let (told, status) = inside(&setting, &name, &["link", secret.to_str().unwrap(), "/tree/link"]).await;
    assert_eq!(status, 0, "{told}");
    let error = out(&setting, &name, "/tree", &folder.join("back")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.why.contains("leads out")), "{error:?}");
    let error = out(&setting, &name, "/tree/link", &folder.join("back")).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(_) | Error::NotFound { .. } | Error::Engine { .. }), "{error:?}");
    assert!(fs::symlink_metadata(folder.join("back")).is_err());
    leaves_nothing(&setting, &folder);
}

pub(crate) async fn a_copy_that_is_too_large_leaves_nothing(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let policy = Policy::parse("extends = \"home\"\n[copies]\nlargest = \"1k\"\n", "policy.toml").unwrap();
    let host = setting.builder().policy(policy).build().await.unwrap();
    let source = folder.join("large");
    fs::write(&source, vec![b'x'; 1025]).unwrap();
    let mark = setting.mark();
    let error = host.copy_in(&source, &name, &"/large".parse().unwrap()).await.unwrap_err();
    let remedy = |error: &Error| matches!(error, Error::Refused(refusal) if refusal.remedy.as_deref().unwrap_or_default().contains("[copies]"));
    assert!(remedy(&error), "{error:?}");
    assert!(!setting.was_told_to("cp", mark));
    into(&setting, &source, &name, "/large").await.unwrap();
    let back = folder.join("back");
    let error = host.copy_out(&name, &"/large".parse().unwrap(), &back).await.unwrap_err();
    assert!(remedy(&error) && !back.exists(), "{error:?}");
    fs::write(&source, vec![b'x'; 1024]).unwrap();
    host.copy_in(&source, &name, &"/small".parse().unwrap()).await.unwrap();
    leaves_nothing(&setting, &folder);
}

pub(crate) async fn a_copy_of_what_is_not_there_leaves_nothing(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let error = into(&setting, &folder.join("nonesuch"), &name, "/x").await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    let error = out(&setting, &name, "/nonesuch", &folder.join("back")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(matches!(out(&setting, &name, "/", &folder).await, Err(Error::Spec(_))));
    let file = folder.join("file");
    fs::write(&file, "x").unwrap();
    let error = into(&setting, &file, &name, "/no/such/way/x").await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(out(&setting, &name, "/deckhand", &folder.join("no/way")).await.is_err());
    assert!(!folder.join("back").exists());
    leaves_nothing(&setting, &folder);
}

pub(crate) async fn a_copy_never_goes_through_a_link(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    inside(&setting, &name, &["write", "/note", "new"]).await;
    let (other, link) = (folder.join("other"), folder.join("link"));
    fs::write(&other, "old").unwrap();
    for target in ["other", "nonesuch", "."] {
        symlink(target, &link).unwrap();
        let error = out(&setting, &name, "/note", &link).await.unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
        fs::remove_file(&link).unwrap();
    }
    assert_eq!(fs::read_to_string(&other).unwrap(), "old");
    assert!(!folder.join("note").exists());
}

pub(crate) async fn a_copy_in_what_is_not_ours_is_refused(setting: Arc<Setting>) {
    let (foreign, folder) = (setting.name("foreign"), folder(&setting, "copies-foreign"));
    setting.foreign(&foreign, &[]);
    fs::write(folder.join("note"), "x").unwrap();
    let mark = setting.mark();
    let copies = async |name: &str| {
        let into = into(&setting, &folder.join("note"), name, "/note").await.unwrap_err();
        [into, out(&setting, name, "/deckhand", &folder).await.unwrap_err()]
    };
    for error in copies(&foreign).await {
        assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == Rule::NotOurs), "{error:?}");
    }
    for error in copies("nonesuch").await {
        assert!(matches!(error, Error::NotFound { kind: "container", .. }), "{error:?}");
    }
    assert!(!setting.was_told_to("cp", mark));
}

pub(crate) async fn a_dry_run_copies_nothing(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    let host = setting.builder().dry_run(true).build().await.unwrap();
    fs::write(folder.join("note"), "x").unwrap();
    let mark = setting.mark();
    host.copy_in(&folder.join("note"), &name, &"/dry".parse().unwrap()).await.unwrap();
    let made = host.copy_out(&name, &"/deckhand".parse().unwrap(), &folder).await.unwrap();
    assert!(!made.exists() && !setting.was_told_to("cp", mark));
    assert_eq!(setting.argvs_since(mark, true).iter().filter(|argv| argv.iter().any(|word| word == "cp")).count(), 2);
    assert_eq!(inside(&setting, &name, &["file", "/dry"]).await.1, 1);
}

pub(crate) async fn an_engine_that_only_says_that_it_copied_is_not_believed(setting: Arc<Setting>) {
    let (name, folder) = ready(&setting).await;
    setting.ground.rehearse("faults", "cp:ignore");
    let copied = out(&setting, &name, "/tmp", &folder.join("back")).await;
    setting.ground.rehearse("faults", "");
    assert!(copied.is_err() && !folder.join("back").exists(), "{copied:?}");
    setting.ground.rehearse("faults", "cp:fail");
    fs::write(folder.join("note"), "x").unwrap();
    let copied = into(&setting, &folder.join("note"), &name, "/note").await;
    setting.ground.rehearse("faults", "");
    assert!(copied.is_err(), "{copied:?}");
    assert!(!matches!(&copied, Err(Error::Fault(fault)) if fault.kind == FaultKind::Untrue), "{copied:?}");
    leaves_nothing(&setting, &folder);
}
