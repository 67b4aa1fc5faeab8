//! What each test has of its own: a state directory, links to the program, a registry that can lie.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is how a test fails, in what it calls too"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How long something that has to come is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Harbour {
    program: &'static str,
    folder: tempfile::TempDir,
    pub(crate) registry: Registry,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Harbour {
    pub(crate) fn new(program: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_rehearsal"), folder.path().join(program)).unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        Self { program, folder, registry: Registry::start() }
    }

    pub(crate) fn is_podman(&self) -> bool {
        self.program == "podman"
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        std::fs::write(self.state().join(file), text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.state().join(file)).unwrap()
    }

    pub(crate) fn spawn(&self, words: &[&str]) -> Child {
        let mut command = Command::new(self.folder.path().join(self.program));
        command.args(words).env_clear().env("PORTREEVE_REHEARSAL", self.state()).env("SECRET", "sesame");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Heard {
        use std::os::unix::process::ExitStatusExt;
        let output = self.spawn(words).wait_with_output().unwrap();
        let status = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Heard { status, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Says it again until the answer is the one that has to come.
    pub(crate) fn until(&self, words: &[&str], is_it: impl Fn(&Heard) -> bool) -> Heard {
        let begun = Instant::now();
        loop {
            let heard = self.run(words);
            if is_it(&heard) {
                return heard;
            }
            assert!(begun.elapsed() < PATIENCE, "{words:?}: {heard:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn pull(&self, reference: &str) -> Heard {
        if self.is_podman() {
            self.run(&["pull", "--tls-verify=false", reference])
        } else {
            self.run(&["pull", reference])
        }
    }

    pub(crate) fn by(&self, digest: &str) -> String {
        format!("{}/some/app@{digest}", self.registry.address)
    }
}

impl Drop for Harbour {
    fn drop(&mut self) {
        self.write("faults", "");
        let ids = self.run(&["ps", "--all", "--quiet", "--no-trunc"]).out;
        for id in ids.lines() {
            self.run(&["rm", "--force", id]);
        }
    }
}

/// Serves one small image: an index, its manifest, a config and a layer.
pub(crate) struct Registry {
    pub(crate) address: String,
    pub(crate) index: String,
    pub(crate) manifest: String,
    /// Without `sha256:`, as Podman has it.
    pub(crate) config: String,
    layer: String,
    served: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Registry {
    fn start() -> Self {
        let layer = b"not really a tar".to_vec();
        let config = json!({"architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
            "config": {"Entrypoint": ["/deckhand"], "Env": ["FROM_IMAGE=yes"], "Labels": {"org.example.a": "b"}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}});
        let config = config.to_string().into_bytes();
        let part = |bytes: &[u8]| json!({"digest": digest(bytes), "size": bytes.len()});
        let media = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({"schemaVersion": 2, "mediaType": media, "config": part(&config), "layers": [part(&layer)]})
                .to_string()
                .into_bytes();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let mut entry = part(&manifest);
        entry["platform"] = json!({"os": "linux", "architecture": architecture});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string().into_bytes();
        let names = [&index, &manifest, &config, &layer].map(|bytes| digest(bytes));
        let served = names.iter().cloned().zip([index, manifest, config, layer]).collect();
        let [index, manifest, config, layer] = names;
        let served = Arc::new(Mutex::new(served));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shelf = Arc::clone(&served);
        std::thread::spawn(move || listener.incoming().for_each(|stream| answer(stream.unwrap(), &shelf)));
        Self { address, index, manifest, config: config.trim_start_matches("sha256:").to_owned(), layer, served }
    }

    /// Serves one byte more under the same digest.
    pub(crate) fn lie_about(&self, part: &str) {
        let digest = match part {
            "manifest" => self.manifest.clone(),
            "layer" => self.layer.clone(),
            _ => format!("sha256:{}", self.config),
        };
        self.served.lock().unwrap().get_mut(&digest).unwrap().push(b' ');
    }
}

fn answer(mut stream: TcpStream, served: &Mutex<BTreeMap<String, Vec<u8>>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    lines.find(String::is_empty);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match served.lock().unwrap().get(path.rsplit('/').next().unwrap_or_default()) {
        Some(bytes) => ("200 OK", bytes.clone()),
        None => ("404 Not Found", b"{}".to_vec()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The answer to a request of HTTP.
pub(crate) fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
