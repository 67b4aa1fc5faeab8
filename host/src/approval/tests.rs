use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::*;
use crate::Portreeve;
use crate::grants::Verdict;
use crate::journal::Filter;

const REQUEST: &str = r#"
backend = "x"
[programs.x]
search = ["/usr/bin/x"]
[commands.look]
purpose = "Look"
effect = "read"
object = "container"
timeout = "10s"
argv = ["x", "look", "{container.id}"]
"#;

const DANGEROUS: &str = "[commands.all]\npurpose = \"p\"\neffect = \"change\"\nobject = \"container\"\ntimeout = \"1s\"\nargv = [\"x\", \"--privileged\", \"{container.id}\"]\n";

struct Install {
    _folder: tempfile::TempDir,
    state: StateDir,
}

impl Install {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path().join("state")).unwrap();
        Self { _folder: folder, state }
    }

    fn approvals(&self) -> Approvals<'_> {
        Approvals::of(&self.state)
    }

    /// Approves a component that asks for this, under this grant.
    async fn approve(&self, request: &str, grants: &str) -> Result<Digest, Error> {
        let review = self.approvals().review(BackendSource::new("x.wasm", asking(request), grants))?;
        self.approvals().approve(&review, &Consent::to(*review.digest())).await?;
        Ok(*review.digest())
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.state.path().join("backends")).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.files().into_iter().find(|path| path.extension().is_some_and(|found| found == kind)).unwrap()
    }

    fn is_refused(&self, what: &str) {
        match self.approvals().read("x") {
            Err(Error::Refused(refusal)) => assert_eq!(refusal.rule, Rule::Approval, "{what}: {refusal}"),
            other => panic!("{what}: {:?}", other.map(|_| ())),
        }
    }
}

/// A real component, its own request made unreadable, with another one at its end.
fn asking(request: &str) -> Vec<u8> {
    let name = b"portreeve:request";
    let mut bytes = BackendSource::embedded().remove(0).component.into_owned();
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"portreeve:nothing");
    let mut section = leb(name.len());
    section.extend_from_slice(name);
    section.extend_from_slice(request.as_bytes());
    bytes.push(0);
    bytes.extend(leb(section.len()));
    bytes.extend(section);
    bytes
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(0x80 | u8::try_from(number & 127).unwrap());
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

fn rule(error: &Error) -> Rule {
    match error {
        Error::Refused(refusal) => refusal.rule,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_is_approved_is_there_until_it_is_revoked() {
    let install = Install::new();
    assert!(install.approvals().names().unwrap().is_empty());
    assert!(!install.state.path().join("backends").exists(), "looking makes no folder");
    let digest = install.approve(REQUEST, REQUEST).await.unwrap();
    assert_eq!(install.approvals().names().unwrap(), ["x"]);
    let source = install.approvals().read("x").unwrap();
    assert_eq!(source.standing, Standing::Approved);
    assert_eq!(Digest::sha256(&source.component), digest);
    assert_eq!(source.grants, REQUEST);
    for file in install.files() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
    }
    assert!(install.approvals().revoke("x").unwrap());
    assert!(!install.approvals().revoke("x").unwrap());
    assert!(install.files().is_empty(), "{:?}", install.files());
    assert!(matches!(install.approvals().read("x"), Err(Error::Backend { .. })));
    let said: Vec<_> = Journal::read(&install.state, Filter::default())
        .unwrap()
        .map(|record| record.unwrap())
        .filter(|record| record.backend.as_deref() == Some("x") && record.plugin == Some(digest.to_string()))
        .filter_map(|record| record.why)
        .collect();
    assert_eq!(said, ["approved by the operator", "revoked by the operator"]);
}

#[tokio::test]
async fn it_is_compiled_when_it_is_approved_and_used_by_its_name() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    assert_eq!(fs::read_dir(install.state.path().join("code")).unwrap().count(), 1);
    let host = Portreeve::builder().state_dir(install.state.path()).prefer("x").build().await.unwrap();
    let [backend] = &host.backends()[..] else { panic!("more than one") };
    assert_eq!((backend.name.as_str(), backend.standing), ("x", Standing::Approved));
    let all = Portreeve::builder().state_dir(install.state.path()).build().await.unwrap();
    let names: Vec<_> = all.backends().into_iter().map(|backend| backend.name).collect();
    assert_eq!(names, ["podman", "docker", "x"]);
}

/// "Any single byte": all of the small files, and of the component every byte of its headers and samples of all the rest.
#[tokio::test]
async fn a_changed_byte_is_refused_before_anything_is_compiled() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    fs::remove_dir_all(install.state.path().join("code")).unwrap();
    for (kind, step) in [("approval", 1), ("toml", 1), ("wasm", 997)] {
        let file = install.file(kind);
        let whole = fs::read(&file).unwrap();
        let places = (0..whole.len()).filter(|at| *at < 128 || whole.len() - at < 128 || at % step == 0);
        for (at, bit) in places.zip((0..8_u32).cycle()) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            fs::write(&file, &changed).unwrap();
            install.is_refused(&format!("{kind}, byte {at}, bit {bit}"));
        }
        for (what, bytes) in [
            ("cut", whole[..whole.len() - 1].to_vec()),
            ("longer", [&whole[..], b"\n"].concat()),
            ("empty", Vec::new()),
        ] {
            fs::write(&file, bytes).unwrap();
            install.is_refused(&format!("{kind}, {what}"));
        }
        fs::write(&file, &whole).unwrap();
        assert!(install.approvals().read("x").is_ok());
    }
    assert!(!install.state.path().join("code").exists(), "something was compiled");
}

#[tokio::test]
async fn a_host_does_not_start_with_a_changed_backend() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    let file = install.file("wasm");
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    let build = |prefer: Option<&str>| {
        let builder = Portreeve::builder().state_dir(install.state.path());
        prefer.map_or(Portreeve::builder().state_dir(install.state.path()), |name| builder.prefer(name)).build()
    };
    let error = build(Some("x")).await.err().unwrap();
    assert_eq!(rule(&error), Rule::Approval);
    // Others are not held up by it, and nothing comes in its place.
    let host = build(None).await.unwrap();
    assert!(host.backends().iter().all(|backend| backend.standing == Standing::Embedded));
    let refusals = Journal::read(&install.state, Filter::default()).unwrap().map(Result::unwrap);
    assert_eq!(refusals.filter(|record| record.rule.as_deref() == Some("approval")).count(), 2);
}

#[tokio::test]
async fn a_damaged_approval_of_an_embedded_name_is_not_replaced_by_the_embedded_one() {
    let install = Install::new();
    let source = BackendSource::embedded().remove(0);
    let source = BackendSource::new("podman.wasm", source.component.into_owned(), &source.grants);
    let review = install.approvals().review(source).unwrap();
    let consent = Consent::to(*review.digest());
    assert_eq!(rule(&install.approvals().approve(&review, &consent).await.unwrap_err()), Rule::Approval);
    install.approvals().approve(&review, &Consent { replacing: true, ..consent }).await.unwrap();
    let host = Portreeve::builder().state_dir(install.state.path()).build().await.unwrap();
    let standing = |name: &str, host: &Portreeve| {
        host.backends().into_iter().filter(|one| one.name == name).map(|one| one.standing).collect::<Vec<_>>()
    };
    assert_eq!(standing("podman", &host), [Standing::Approved]);
    fs::write(install.file("approval"), "nonsense").unwrap();
    let host = Portreeve::builder().state_dir(install.state.path()).build().await.unwrap();
    assert_eq!(standing("podman", &host), []);
    assert!(Portreeve::builder().state_dir(install.state.path()).prefer("podman").build().await.is_err());
    // Taken back, the embedded one is there again.
    assert!(install.approvals().revoke("podman").unwrap());
    let host = Portreeve::builder().state_dir(install.state.path()).build().await.unwrap();
    assert_eq!(standing("podman", &host), [Standing::Embedded]);
}

#[tokio::test]
async fn files_that_are_gone_swapped_linked_or_open_to_others_are_refused() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    for kind in ["toml", "wasm"] {
        let (file, aside) = (install.file(kind), install.state.path().join("aside"));
        fs::rename(&file, &aside).unwrap();
        install.is_refused("gone");
        symlink(&aside, &file).unwrap();
        install.is_refused("a link");
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        install.is_refused("a folder");
        fs::remove_dir(&file).unwrap();
        fs::rename(&aside, &file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o622)).unwrap();
        install.is_refused("open to others");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(install.approvals().read("x").is_ok());
    }
    let folder = install.state.path().join("backends");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(install.approvals().read("x"), Err(Error::State(_))));
}

#[tokio::test]
async fn a_record_of_another_install_or_under_another_name_does_not_hold() {
    let (install, other) = (Install::new(), Install::new());
    install.approve(REQUEST, REQUEST).await.unwrap();
    other.approve(REQUEST, REQUEST).await.unwrap();
    fs::copy(other.file("approval"), install.file("approval")).unwrap();
    install.is_refused("of another install");
    let record = other.file("approval");
    fs::copy(&record, record.with_file_name("y.approval")).unwrap();
    assert_eq!(rule(&other.approvals().read("y").unwrap_err()), Rule::Approval);
}

#[tokio::test]
async fn an_older_record_put_back_names_what_is_gone() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    let old = fs::read(install.file("approval")).unwrap();
    install.approve(&REQUEST.replace("10s", "9s"), REQUEST).await.unwrap();
    assert_eq!(install.files().len(), 3, "{:?}", install.files());
    fs::write(install.file("approval"), old).unwrap();
    install.is_refused("an older record");
}

#[tokio::test]
async fn a_dangerous_token_needs_a_mark_of_the_operators_or_their_word() {
    let install = Install::new();
    let request = format!("{REQUEST}{DANGEROUS}");
    let marked = format!("{request}dangerous = [\"--privileged\"]\n");
    let refusal = install.approve(&request, &request).await.unwrap_err();
    assert!(refusal.to_string().contains("dangerous = [\"--privileged\"]"), "{refusal}");
    // Marked by the author alone.
    let review = install.approvals().review(BackendSource::asking("x", asking(&marked)).unwrap()).unwrap();
    assert_eq!(review.unmarked().collect::<Vec<_>>(), [("all", "--privileged")]);
    let consent = Consent { request: true, ..Consent::to(*review.digest()) };
    assert!(review.check(&consent).is_err());
    assert!(review.check(&Consent { dangers: true, ..consent }).is_ok());
    // Not granted at all: nothing to mark.
    assert!(install.approve(&request, REQUEST).await.is_ok());
    assert_eq!(rule(&install.approve(&request, &marked).await.unwrap_err()), Rule::Approval);
    assert!(install.approvals().revoke("x").unwrap());
    assert!(install.approve(&request, &marked).await.is_ok());
}

/// It says of a removal that it only looks.
fn lying() -> String {
    REQUEST.replace("\"look\", ", "\"rm\", \"--force\", ")
}

#[tokio::test]
async fn an_effect_is_never_the_authors_word_alone() {
    let install = Install::new();
    let review = install.approvals().review(BackendSource::asking("x", asking(&lying())).unwrap()).unwrap();
    assert!(review.is_by_its_author_alone());
    let all = Consent { dangers: true, widening: true, replacing: true, ..Consent::to(*review.digest()) };
    let refusal = install.approvals().approve(&review, &all).await.unwrap_err();
    assert_eq!(rule(&refusal), Rule::Approval);
    assert!(refusal.to_string().contains("--grants FILE"), "{refusal}");
    assert!(install.approvals().names().unwrap().is_empty());
    install.approvals().approve(&review, &Consent { request: true, ..all }).await.unwrap();
}

#[tokio::test]
async fn the_effect_that_holds_is_the_operators() {
    let install = Install::new();
    let truth = lying().replace("\"read\"", "\"remove\"");
    install.approve(&lying(), &truth).await.unwrap();
    let info = install.approvals().read("x").and_then(crate::BackendInfo::read).unwrap();
    assert_eq!(info.commands.iter().map(|command| command.effect.as_str()).collect::<Vec<_>>(), ["remove"]);
}

#[tokio::test]
async fn a_component_without_a_grant_comes_under_the_one_that_its_name_has() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    let asks = format!("{}{DANGEROUS}", lying());
    let review = install.approvals().review(BackendSource::asking("x", asking(&asks)).unwrap()).unwrap();
    assert!(!review.is_by_its_author_alone());
    assert_eq!(review.backend.commands.len(), 0, "its command is another one than the granted one");
    let longer = format!("{}{DANGEROUS}", REQUEST.replace("10s", "90s"));
    let review = install.approvals().review(BackendSource::asking("x", asking(&longer)).unwrap()).unwrap();
    install.approvals().approve(&review, &Consent::to(*review.digest())).await.unwrap();
    let source = install.approvals().read("x").unwrap();
    assert_eq!(source.grants, REQUEST);
    let info = crate::BackendInfo::read(source).unwrap();
    assert_eq!(info.commands.iter().map(|command| command.timeout.as_str()).collect::<Vec<_>>(), ["10s"]);
}

#[test]
fn a_draft_is_a_grants_file_without_its_authors_marks_and_comments() {
    let asks = format!("# all of it is harmless\n{REQUEST}{DANGEROUS}dangerous = [\"--privileged\"]\n");
    let draft = BackendSource::asking("x", asking(&asks)).unwrap().draft().unwrap();
    assert!(!draft.contains("dangerous") && !draft.contains("harmless"), "{draft}");
    let (read, asked) = (|text: &str| crate::grants::Grants::parse(text, "x").unwrap(), asks);
    assert!(read(&asked).compare(&read(&draft)).iter().all(|change| change.verdict == Verdict::Same), "{draft}");
}

#[tokio::test]
async fn a_component_that_only_asks_is_not_run() {
    let install = Install::new();
    let source = BackendSource::asking("x", asking(REQUEST)).unwrap();
    let error = Portreeve::builder().state_dir(install.state.path()).backend(source).build().await.err().unwrap();
    assert_eq!(rule(&error), Rule::Approval);
}

#[tokio::test]
async fn a_widening_is_never_silent_and_a_narrowing_is_free() {
    let install = Install::new();
    install.approve(REQUEST, REQUEST).await.unwrap();
    let wider = REQUEST.replace("10s", "20s");
    let review = install.approvals().review(BackendSource::new("x", asking(&wider), &wider)).unwrap();
    assert_eq!(review.widened().map(|change| change.subject.as_str()).collect::<Vec<_>>(), ["command look"]);
    let consent = Consent::to(*review.digest());
    assert_eq!(rule(&install.approvals().approve(&review, &consent).await.unwrap_err()), Rule::Approval);
    assert_eq!(install.approvals().read("x").unwrap().grants, REQUEST);
    install.approvals().approve(&review, &Consent { widening: true, ..consent }).await.unwrap();
    assert!(install.approve(REQUEST, REQUEST).await.is_ok());
    // What the earlier one was can't be told any more: then anything is more.
    fs::write(install.file("approval"), "nonsense").unwrap();
    let review = install.approvals().review(BackendSource::new("x", asking(REQUEST), REQUEST)).unwrap();
    assert!(review.changes.iter().any(|change| change.verdict == Verdict::Widened));
}

#[tokio::test]
async fn another_component_than_the_one_that_was_meant_is_not_approved() {
    let install = Install::new();
    let review = install.approvals().review(BackendSource::new("x", asking(REQUEST), REQUEST)).unwrap();
    let consent = Consent { dangers: true, widening: true, replacing: true, ..Consent::to(Digest::sha256(b"another")) };
    assert_eq!(rule(&install.approvals().approve(&review, &consent).await.unwrap_err()), Rule::Approval);
    assert!(install.approvals().names().unwrap().is_empty());
}

#[tokio::test]
async fn what_can_not_be_compiled_or_does_not_fit_is_not_approved() {
    let install = Install::new();
    let empty = |request: &str| {
        let mut section = leb("portreeve:request".len());
        section.extend_from_slice(b"portreeve:request");
        section.extend_from_slice(request.as_bytes());
        [&b"\0asm\x0d\0\x01\0\0"[..], &leb(section.len()), &section].concat()
    };
    let review = install.approvals().review(BackendSource::new("x", empty(REQUEST), REQUEST)).unwrap();
    let error = install.approvals().approve(&review, &Consent::to(*review.digest())).await.unwrap_err();
    assert!(error.to_string().contains("does not fit the interface"), "{error}");
    assert!(install.approvals().names().unwrap().is_empty());
    // Two requests are none.
    let mut twice = asking(REQUEST);
    twice.extend_from_slice(&empty(REQUEST)[8..]);
    let error = install.approvals().review(BackendSource::new("x", twice, REQUEST)).err().unwrap();
    assert!(error.to_string().contains("has exactly one"), "{error}");
}

#[tokio::test]
async fn without_a_journal_nothing_is_approved() {
    let install = Install::new();
    fs::write(install.state.path().join("journal"), "no folder").unwrap();
    let error = install.approve(REQUEST, REQUEST).await.unwrap_err();
    assert!(matches!(error, Error::State(_)), "{error}");
    assert!(install.approvals().names().unwrap().is_empty());
}

#[test]
fn names_are_those_of_records_alone() {
    let install = Install::new();
    let folder = install.state.area(Area::Backends).unwrap();
    for name in ["a.approval", "b.wasm", "c.toml", "d.approval.0123.new"] {
        folder.write(Path::new(name), "").unwrap();
    }
    assert_eq!(install.approvals().names().unwrap(), ["a"]);
}
