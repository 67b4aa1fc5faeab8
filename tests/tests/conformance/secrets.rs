//! Secrets: in the container, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portreeve::spec::{Secret, SecretDelivery, SecretValue};
use portreeve::{ContainerSpec, Error, LogOptions, Refusal, Rule};

use crate::setting::{Heard, Setting};

/// A secret in the container's environment.
pub(crate) fn secret(name: &str, value: &str) -> Secret {
    let value = SecretValue::new(value.as_bytes().to_vec());
    Secret { name: name.parse().unwrap(), value, delivery: SecretDelivery::Environment }
}

/// Where secrets that are files may lie, for an install.
pub(crate) fn folders(install: &str) -> Vec<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let uid = fs::metadata("/proc/self").unwrap().uid();
    let login = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let places = login.into_iter().chain([format!("/dev/shm/portreeve-{uid}").into()]);
    places.map(|place| place.join(portreeve::grants::SECRETS_FOLDER).join(install)).collect()
}

/// A secret's value that nothing else has, and every form in which it may be met.
pub(crate) struct Watched {
    value: String,
    forms: Vec<(&'static str, String)>,
}

impl Watched {
    /// With letters that every encoding writes in its own way.
    pub(crate) fn new(setting: &Setting, prefix: &str) -> Self {
        let value = format!("{}/+\"?&=ß~", setting.name(prefix));
        let forms = forms(&value);
        Self { value, forms }
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn is_not_in(&self, place: &str, text: &str) {
        for (form, needle) in &self.forms {
            assert!(!text.contains(needle.as_str()), "{place} has the secret, as {form}");
        }
    }

    /// Neither in what was heard nor in any file of the state.
    pub(crate) fn is_nowhere(&self, setting: &Setting) {
        for event in setting.events_since(0) {
            self.is_not_in("an event", &format!("{event:?}"));
            self.is_not_in("an event's JSON", &serde_json::to_string(&event).unwrap());
        }
        self.is_in_no_file(&setting.state());
    }

    fn is_in_no_file(&self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => self.is_in_no_file(&path),
                kind if kind.is_file() => {
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    self.is_not_in(&path.display().to_string(), &text);
                }
                _ => {}
            }
        }
    }
}

fn forms(value: &str) -> Vec<(&'static str, String)> {
    let bytes = value.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("itself", value.to_owned()),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("percent", bytes.iter().map(|byte| percent(*byte)).collect()),
        ("JSON", serde_json::to_string(value).unwrap().trim_matches('"').to_owned()),
        ("debug text", format!("{value:?}").trim_matches('"').to_owned()),
    ];
    for before in 0..3 {
        let letters = base64_core(bytes, before);
        forms.push(("base64 for URLs", letters.replace('+', "-").replace('/', "_")));
        forms.push(("base64", letters));
    }
    forms
}

fn percent(byte: u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// The letters of base64 that the value alone decides, where so many bytes stand before it.
fn base64_core(value: &[u8], before: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes = [&vec![0; before][..], value].concat();
    let bit = |index: usize| usize::from(bytes[index / 8] >> (7 - index % 8) & 1);
    let letter = |group: usize| char::from(LETTERS[(0..6).fold(0, |sum, at| sum * 2 + bit(group * 6 + at))]);
    ((before * 8).div_ceil(6)..bytes.len() * 8 / 6).map(letter).collect()
}

pub(crate) async fn a_secret_appears_nowhere(setting: Arc<Setting>) {
    let watched = Watched::new(&setting, "hidden");
    let name = setting.name("tells");
    let words = ["env", "API_TOKEN", "encodings", "API_TOKEN", "environ", "sleep", "0.2", "warn", "done"];
    let mut spec = setting.named(&name, &words);
    spec.secrets = vec![secret("API_TOKEN", watched.value())];
    let attached = setting.hear(&spec).await;
    assert_eq!(attached.status(), 0, "{attached:?}");
    let logged = Heard::all(setting.host.logs(&name, &LogOptions::default()).await.unwrap()).await;
    let truth = setting.ground.ask(&["logs", &name]);
    assert!(truth.stdout.contains(&format!("raw: {}\n", watched.value())), "the container did not have it: {truth:?}");
    for (what, heard) in [("what was attached", &attached), ("the log", &logged)] {
        watched.is_not_in(what, &heard.out);
        watched.is_not_in(what, &heard.err);
        let lines = |text: &str| text.lines().count();
        assert_eq!(lines(&heard.out), lines(&truth.stdout), "{what} lost lines: {}", heard.out);
        assert!(heard.out.contains("raw: ") && heard.out.contains("json: ") && heard.err == "done\n", "{heard:?}");
    }
    let info = setting.host.inspect(&name).await.unwrap();
    watched.is_not_in("inspect", &format!("{info:?}").replace(&env_of(&info), ""));
    watched.is_not_in("inspect's JSON", &serde_json::to_string(&info).unwrap());
    watched.is_not_in("the list's JSON", &serde_json::to_string(&setting.host.list().await.unwrap()).unwrap());
    spec.words = vec!["exit".to_owned()];
    let error = setting.host.run(&spec).await.unwrap_err();
    watched.is_not_in("an error", &format!("{error} {error:?}"));
    watched.is_nowhere(&setting);
}

/// The container's environment as the host keeps it for itself: the value has to be known to be masked.
fn env_of(info: &portreeve::ContainerInfo) -> String {
    let text = format!("{info:?}");
    let begin = text.find(", env: [").unwrap_or(text.len());
    let end = text[begin..].find("], words: ").map_or(text.len(), |end| begin + end);
    text[begin..end].to_owned()
}

pub(crate) async fn a_secret_as_a_file_is_only_there(setting: Arc<Setting>) {
    let watched = Watched::new(&setting, "filed");
    let name = setting.name("reads");
    let mut spec = setting.named(&name, &["file", "/run/secrets/db", "env", "DB_PASSWORD", "sleep", "1"]);
    spec.secrets = vec![Secret {
        delivery: SecretDelivery::File("/run/secrets/db".parse().unwrap()),
        ..secret("DB_PASSWORD", watched.value())
    }];
    let mark = setting.mark();
    let heard = setting.hear(&spec).await;
    assert_eq!(heard.status(), 0, "{heard:?}");
    let truth = setting.ground.ask(&["logs", &name]).stdout;
    assert_eq!(truth, format!("{}DB_PASSWORD is not set\n", watched.value()));
    watched.is_not_in("what was attached", &heard.out);
    watched.is_not_in("the engine's document", &setting.truth(&name).unwrap().to_string());
    for argv in setting.argvs_since(mark, false) {
        watched.is_not_in("an argv", &argv.join(" "));
        assert!(!argv.iter().any(|word| word.starts_with("--env=DB_PASSWORD")), "{argv:?}");
    }
    watched.is_nowhere(&setting);
    let kept = || folders(&install(&setting)).iter().any(|folder| folder.join(&name).exists());
    assert!(kept(), "the file is not where it is looked for");
    setting.host.remove(&name, false).await.unwrap();
    assert!(!kept(), "the secret's file is still there");
}

fn install(setting: &Setting) -> String {
    portreeve::state::StateDir::open(setting.state()).unwrap().install().as_str().to_owned()
}

pub(crate) async fn a_secret_that_the_client_would_read_is_refused(setting: Arc<Setting>) {
    let watched = Watched::new(&setting, "read");
    for name in ["PATH", "DOCKER_HOST", "CONTAINERS_CONF", "LD_PRELOAD", "https_proxy"] {
        let mut spec = setting.spec(&["say", "never"]);
        spec.secrets = vec![secret(name, watched.value())];
        let refusal = refused(&setting, &spec, Rule::Secret).await;
        assert!(refusal.remedy.is_some_and(|remedy| remedy.contains("as=file")), "{name}");
    }
    watched.is_nowhere(&setting);
}

pub(crate) async fn a_secret_that_can_not_be_masked_is_refused(setting: Arc<Setting>) {
    for value in ["abc", "8080", "password", "aaaaaaaaaaaa"] {
        let mut spec = setting.spec(&["say", "never"]);
        spec.secrets = vec![secret("API_TOKEN", value)];
        let refusal = refused(&setting, &spec, Rule::Secret).await;
        assert!(refusal.remedy.is_some(), "{refusal}");
    }
}

/// In a word, a label, a plain variable; as it is, or encoded.
pub(crate) async fn a_secret_in_a_word_is_refused(setting: Arc<Setting>) {
    let watched = Watched::new(&setting, "spoken");
    let hex: String = watched.value().bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spec = setting.spec(&["say", "never"]);
    spec.secrets = vec![secret("API_TOKEN", watched.value())];
    let with = |change: &dyn Fn(&mut ContainerSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        spec
    };
    let value = watched.value();
    let cases = [
        with(&|spec| spec.words = vec!["say".to_owned(), format!("--token={value}")]),
        with(&|spec| spec.words = vec!["say".to_owned(), hex.clone()]),
        with(&|spec| spec.env = vec![format!("URL=https://u:{value}@host").parse().unwrap()]),
        with(&|spec| spec.labels = vec![portreeve::spec::Label::new("org.example.token", value).unwrap()]),
        with(&|spec| spec.mounts = vec![format!("/srv/{value}:/x").parse().unwrap()]),
    ];
    for spec in cases {
        let refusal = refused(&setting, &spec, Rule::SecretInArgv).await;
        watched.is_not_in("the refusal", &format!("{refusal} {refusal:?}"));
    }
    watched.is_nowhere(&setting);
    named_after_a_secret(&setting).await;
}

/// What is looked at or brought before a container is made is no place for one either.
async fn named_after_a_secret(setting: &Setting) {
    let value = setting.name("hunter2correcthorse");
    let mut spec = setting.spec(&["say", "never"]);
    spec.secrets = vec![secret("API_TOKEN", &value)];
    let with = |change: &dyn Fn(&mut ContainerSpec)| {
        let mut spec = spec.clone();
        change(&mut spec);
        spec
    };
    let cases = [
        with(&|spec| spec.name = value.parse().unwrap()),
        with(&|spec| spec.network = Some(portreeve::spec::NetworkMode::Named(value.parse().unwrap()))),
        with(&|spec| {
            spec.pod = Some(value.parse().unwrap());
            spec.network = None;
        }),
        with(&|spec| spec.image = format!("127.0.0.1:1/{value}/x:1").parse().unwrap()),
    ];
    let mark = setting.events_since(0).len();
    for spec in cases {
        let refusal = refused(setting, &spec, Rule::SecretInArgv).await;
        assert!(!format!("{refusal} {refusal:?}").contains(&value), "{refusal}");
    }
    assert!(!format!("{:?}", setting.events_since(mark)).contains(&value), "it was told, or run");
    assert!(!format!("{:?}", crate::journal::records(&setting.state())).contains(&value), "it was recorded");
}

/// It is refused by this rule, and nothing is created.
async fn refused(setting: &Setting, spec: &ContainerSpec, rule: Rule) -> Refusal {
    let mark = setting.mark();
    let error = setting.host.run(spec).await.unwrap_err();
    assert!(!setting.was_told_to("create", mark) && !setting.exists(spec.name.as_str()));
    match error {
        Error::Refused(refusal) => {
            assert_eq!(refusal.rule, rule, "{refusal}");
            refusal
        }
        other => panic!("{other:?}"),
    }
}
