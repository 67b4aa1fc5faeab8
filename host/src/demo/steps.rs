//! The steps of the demonstration: each does the real thing, and says what it did and how long it took.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::image::{BuiltinImage, ImageOptions};
use super::registry::Registry;
use crate::spec::{Mount, Secret, SecretDelivery, SecretValue};
use crate::{
    BackendSource, ContainerSpec, Error, Intention, LogChunk, LogOptions, Portreeve, PortreeveBuilder, Reference,
    Severity,
};

/// The variable that tells the rehearsal engine where its state lies.
const REHEARSAL: &str = "PORTREEVE_REHEARSAL";
/// What the container is given, and prints in many encodings.
const SECRET: &str = "demo-tigerlily-4821-parade";
/// How long the container's own words are waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the demonstration is to be done.
#[derive(Debug, Clone, Default)]
pub struct Demo {
    /// The backend; the first whose engine works by default.
    pub backend: Option<String>,
    /// The state directory; the user's own by default.
    pub state: Option<PathBuf>,
    /// Use the rehearsal engine even where a real one works.
    pub rehearse: bool,
}

/// A step that was done.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct Step {
    /// What the step is.
    pub name: &'static str,
    /// What it did, a line each.
    pub said: Vec<String>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Tells each step when it is done.
struct Teller<'a> {
    tell: &'a mut dyn FnMut(&Step),
    begun: Instant,
}

impl Teller<'_> {
    fn done(&mut self, name: &'static str, said: Vec<String>) {
        let milliseconds = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.tell)(&Step { name, said, milliseconds });
        self.begun = Instant::now();
    }
}

/// Does the main job, step by step: serve, detect, preflight, pull by digest, verify, run with a secret, read the log,
/// have an ask refused, stop, remove, verify the journal.
///
/// # Errors
/// Of the first step that did not do what it should, or `Cancelled` when `until` comes first. What was begun is taken
/// away again.
pub async fn perform(
    demo: &Demo,
    configure: impl Fn(PortreeveBuilder) -> PortreeveBuilder,
    tell: &mut dyn FnMut(&Step),
    until: impl Future<Output = ()>,
) -> Result<(), Error> {
    let mut teller = Teller { tell, begun: Instant::now() };
    let registry = Registry::start().await.map_err(|error| Error::io("the demo's registry", error))?;
    let image = publish(&registry)?;
    let size = format!("a registry of our own on {}, read-only, with one image", registry.address());
    teller.done("serve", vec![size, format!("its name: {image}")]);
    let portreeve = engine(demo, &configure, &mut teller).await?;
    let name = format!("portreeve-demo-{}", std::process::id());
    let done = tokio::select! {
        done = steps(&portreeve, &image, &name, &mut teller) => done,
        () = until => Err(Error::Cancelled),
    };
    if done.is_err() {
        // The error that led here is the one to tell.
        let _gone = portreeve.remove(&name, true).await;
        let _gone = portreeve.remove_image(&image, false).await;
    }
    done?;
    journal(&portreeve, &mut teller)
}

pub(super) fn publish(registry: &Registry) -> Result<Reference, Error> {
    let built =
        BuiltinImage::build(&ImageOptions::default()).map_err(|error| Error::io("the built-in image", error))?;
    registry.publish("portreeve/deckhand", "demo", &built);
    Ok(registry.reference("portreeve/deckhand", &built.index()).parse()?)
}

/// A real engine where one works; the rehearsal engine otherwise, and loudly.
async fn engine(
    demo: &Demo,
    configure: impl Fn(PortreeveBuilder) -> PortreeveBuilder,
    teller: &mut Teller<'_>,
) -> Result<Portreeve, Error> {
    let builder = || {
        let builder = configure(Portreeve::builder());
        let builder = match &demo.state {
            Some(path) => builder.state_dir(path),
            None => builder,
        };
        match &demo.backend {
            Some(name) => builder.prefer(name),
            None => builder,
        }
    };
    let real = builder().build().await?;
    let mut said = Vec::new();
    if !demo.rehearse {
        for found in real.detect().await? {
            let rootless = if found.rootless { ", rootless" } else { "" };
            let version = found.version.as_deref().unwrap_or_default();
            said.push(match &found.problem {
                None => format!("{} {version}{rootless} works", found.backend),
                Some(problem) => format!("{}: {problem}", found.backend),
            });
            if found.works {
                teller.done("detect", said);
                return Ok(real);
            }
        }
        said.push("NO ENGINE WORKS HERE. To install one on Debian or Ubuntu: apt-get install podman".to_owned());
    }
    let state = real.state_dir().join("rehearsal");
    drop(real);
    said.push("THE REHEARSAL ENGINE STANDS IN: no container is really run in what follows".to_owned());
    let rehearsed = rehearsal(builder(), demo.backend.as_deref(), &state)?.build().await?;
    teller.done("detect", said);
    Ok(rehearsed)
}

/// The embedded backends, with this very program under the engines' names.
fn rehearsal(mut builder: PortreeveBuilder, backend: Option<&str>, state: &Path) -> Result<PortreeveBuilder, Error> {
    let failed = |error| Error::io("the rehearsal engine", error);
    let folder = state.join("bin");
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let own = std::env::current_exe().map_err(failed)?;
    for source in BackendSource::embedded() {
        let name = source.name()?;
        let program = folder.join(&name);
        // A copy of an older build may stand there, and may be running.
        let _absent = std::fs::remove_file(&program);
        std::fs::copy(&own, &program).map_err(failed)?;
        if backend.is_none_or(|backend| backend == name) {
            builder = builder.backend(source.with_program(&name, &program, &[REHEARSAL])?);
        }
    }
    Ok(builder.variable(REHEARSAL, state.join("state").to_string_lossy().into_owned()))
}

async fn steps(portreeve: &Portreeve, image: &Reference, name: &str, teller: &mut Teller<'_>) -> Result<(), Error> {
    preflight(portreeve, teller).await?;
    let pulled = portreeve.pull(image).await?;
    let proof = pulled.verification.as_ref().map(ToString::to_string).unwrap_or_default();
    teller.done("pull and verify", proof.lines().map(str::to_owned).collect());
    let container = portreeve.run(&spec(image, name)?).await?;
    teller.done(
        "run",
        vec![format!("{} is {}, from image {}", container.name, container.state.as_str(), container.image_id)],
    );
    let log = read_log(portreeve, name).await?;
    teller.done("read the log", log);
    refusal(portreeve, image, teller).await?;
    let ended = portreeve.stop(name, Duration::from_secs(5)).await?;
    let code = ended.exit_code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    teller.done("stop", vec![format!("{name} is {}, exit status {code}", ended.state.as_str())]);
    portreeve.remove(name, false).await?;
    // It may have been there before, for a pod's holder.
    let _kept = portreeve.remove_image(image, false).await;
    teller.done("remove", vec![format!("{name} is gone")]);
    Ok(())
}

async fn preflight(portreeve: &Portreeve, teller: &mut Teller<'_>) -> Result<(), Error> {
    let report = portreeve.preflight(&Intention::default()).await?;
    let notable = report.findings.iter().filter(|finding| finding.severity > Severity::Ok);
    let mut said: Vec<String> = notable.map(|finding| format!("{}: {}", finding.id, finding.seen)).collect();
    said.insert(0, format!("{} findings, the worst: {:?}", report.findings.len(), report.worst()));
    teller.done("preflight", said);
    Ok(())
}

/// A container that prints its secret in every encoding it knows, and waits.
fn spec(image: &Reference, name: &str) -> Result<ContainerSpec, Error> {
    let mut spec = ContainerSpec::new(image.clone(), name.parse()?);
    spec.words = ["say", "hello from a container", "encodings", "TOKEN", "say", "waiting to be stopped", "wait"]
        .map(str::to_owned)
        .to_vec();
    spec.network = Some(crate::spec::NetworkMode::None);
    let value = SecretValue::new(SECRET.as_bytes().to_vec());
    spec.secrets = vec![Secret { name: "TOKEN".parse()?, value, delivery: SecretDelivery::Environment }];
    Ok(spec)
}

/// Reads until the container's last word; the secret must not be in it.
async fn read_log(portreeve: &Portreeve, name: &str) -> Result<Vec<String>, Error> {
    let mut log = portreeve.logs(name, &LogOptions { follow: true, ..LogOptions::default() }).await?;
    let mut text = String::new();
    while !text.contains("waiting to be stopped") {
        match tokio::time::timeout(PATIENCE, log.next()).await {
            Ok(Some(LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes))) => {
                text.push_str(&String::from_utf8_lossy(&bytes))
            }
            Ok(None) => break,
            Err(_) => return Err(Error::Timeout("the container's log".to_owned())),
        }
    }
    if text.contains(SECRET) || !text.contains("[redacted:TOKEN]") {
        return Err(Error::State("the log was not redacted".to_owned()));
    }
    Ok(text.lines().map(str::to_owned).collect())
}

/// An ask that the policy refuses, and why.
async fn refusal(portreeve: &Portreeve, image: &Reference, teller: &mut Teller<'_>) -> Result<(), Error> {
    let mut greedy = ContainerSpec::new(image.clone(), "portreeve-demo-greedy".parse()?);
    greedy.mounts = vec!["/:/host".parse::<Mount>()?];
    match portreeve.run(&greedy).await {
        Err(error @ Error::Refused(_)) => {
            teller.done("have an ask refused", vec!["run -v /:/host".to_owned(), error.to_string()]);
            Ok(())
        }
        Err(error) => Err(error),
        Ok(_) => Err(Error::State("a mount of the whole file system was not refused".to_owned())),
    }
}

fn journal(portreeve: &Portreeve, teller: &mut Teller<'_>) -> Result<(), Error> {
    let report = portreeve.verify_journal(None)?;
    if !report.is_intact() {
        return Err(Error::State(format!("the journal does not verify: {:?}", report.findings)));
    }
    teller.done("verify the journal", vec![format!("{} records, head {}", report.records, portreeve.journal_head()?)]);
    Ok(())
}
