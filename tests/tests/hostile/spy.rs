//! A secret's value is never in a guest's memory: a backend that looks through all of its own finds nothing.

use std::fmt::Write as _;
use std::time::Duration;

use portreeve::spec::{Secret, SecretDelivery, SecretValue};
use portreeve::{ContainerSpec, LogChunk, LogOptions, Portreeve};

use crate::stand::Stand;

/// As the guest has it.
const MASK: u8 = 0x5a;

/// A name that tells the guest what to look for, in disguise.
fn name(secret: &str) -> String {
    secret.bytes().fold("spy-".to_owned(), |mut name, byte| {
        write!(name, "{:02x}", byte ^ MASK).unwrap();
        name
    })
}

fn secret(value: &str, delivery: SecretDelivery) -> Secret {
    Secret { name: "API_TOKEN".parse().unwrap(), value: SecretValue::new(value.as_bytes().to_vec()), delivery }
}

async fn read(mut stream: portreeve::LogStream) -> String {
    let mut all = Vec::new();
    while let Some(chunk) = stream.next().await {
        if let LogChunk::Stdout(bytes) | LogChunk::Stderr(bytes) = chunk {
            all.extend_from_slice(&bytes);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Everything that is done with a container, by the spy; what its container printed.
async fn voyage(stand: &Stand, host: &Portreeve, spec: &ContainerSpec) -> String {
    let name = spec.name.as_str();
    host.run(spec).await.unwrap();
    let begun = std::time::Instant::now();
    while !stand.podman(&["logs", name]).contains("aye") && begun.elapsed() < Duration::from_secs(30) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    host.inspect(name).await.unwrap();
    let logged = read(host.logs(name, &LogOptions::default()).await.unwrap()).await;
    host.stop(name, Duration::from_secs(1)).await.unwrap();
    logged
}

/// What the spy found, call by call; each call looked for each form, in a memory that is one.
fn found(stand: &Stand) -> Vec<String> {
    let words = stand.words();
    let of_spy = words.iter().filter(|line| line.contains(" bytes searched"));
    let sizes = of_spy.clone().map(|line| line.split(' ').nth_back(2).unwrap().parse::<usize>().unwrap());
    assert!(sizes.min().unwrap() > 1 << 20);
    for call in ["create", "start", "inspect", "logs", "stop"] {
        let told = of_spy.clone().filter(|line| line.starts_with(&format!("{call}:"))).count();
        assert!(told >= 3 && told.is_multiple_of(3), "{call} was not looked through: {words:?}");
    }
    let found = |line: &&String| line.contains(": found ");
    of_spy.filter(found).map(|line| line.split(',').next().unwrap().to_owned()).collect()
}

fn telling(stand: &Stand, variable: &str, value: &str) -> ContainerSpec {
    let mut spec = stand.spec(&name(value));
    spec.words =
        ["env", variable, "encodings", variable, "environ", "say", "aye", "sleep", "600"].map(Into::into).into();
    spec
}

/// The control: what is no secret is found, in each form, wherever the guest is told of it.
#[tokio::test]
async fn a_plain_value_is_found() {
    let stand = Stand::new(crate::SPY).await;
    let value = "Vk3pQz8wTn5rXy2m";
    let mut spec = telling(&stand, "COLOUR", value);
    spec.env = vec![format!("COLOUR={value}").parse().unwrap()];
    let logged = voyage(&stand, &stand.hostile, &spec).await;
    assert!(logged.contains(value));
    let found = found(&stand);
    for wanted in
        ["create: found itself", "inspect: found itself", "logs: found itself", "logs: found hex", "logs: found base64"]
    {
        assert!(found.iter().any(|line| line == wanted), "{wanted}: {found:?}");
    }
}

#[tokio::test]
pub(crate) async fn spy() {
    let stand = Stand::new(crate::SPY).await;
    let value = "Hq7sLd4vBc9nJw6k";
    let mut spec = telling(&stand, "API_TOKEN", value);
    spec.secrets = vec![secret(value, SecretDelivery::Environment)];
    let logged = voyage(&stand, &stand.hostile, &spec).await;
    assert!(stand.podman(&["logs", &name(value)]).contains(value), "the container never had it");
    assert!(!logged.contains(value) && logged.contains("aye"), "{logged}");
    // A host that never knew the secret, as a later process would be: it learns of it from the engine, and hides it too.
    stand.hostile_again(crate::SPY).await.inspect(&name(value)).await.unwrap();
    assert_eq!(found(&stand), [""; 0]);
}

#[tokio::test]
async fn a_secret_file_is_not_found() {
    let stand = Stand::new(crate::SPY).await;
    let value = "Rf2tGb8yNh5uMj3i";
    let mut spec = telling(&stand, "API_TOKEN", value);
    spec.words = ["file", "/run/secrets/API_TOKEN", "say", "aye", "sleep", "600"].map(Into::into).into();
    spec.secrets = vec![secret(value, SecretDelivery::File("/run/secrets/API_TOKEN".parse().unwrap()))];
    let logged = voyage(&stand, &stand.hostile, &spec).await;
    assert!(stand.podman(&["logs", &name(value)]).contains(value), "the container never had it");
    assert!(!logged.contains(value) && logged.contains("aye"), "{logged}");
    assert_eq!(found(&stand), [""; 0]);
}

/// An engine that prints its environment while it fails.
#[tokio::test]
async fn a_secret_in_an_error_is_not_found() {
    let stand = Stand::new(crate::SPY).await;
    let value = "Wz6xEc4rVt8yBn2u";
    let mut spec = telling(&stand, "API_TOKEN", value);
    spec.secrets = vec![secret(value, SecretDelivery::Environment)];
    stand.misbehave("create:leak-env\ncreate:fail\n");
    let error = stand.hostile.run(&spec).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(value), "{error}");
    let words = stand.words();
    let looked = words.iter().filter(|line| line.starts_with("create:")).collect::<Vec<_>>();
    assert_eq!(looked.len(), 3, "{words:?}");
    assert!(looked.iter().all(|line| line.contains(": nothing ")), "{looked:?}");
    stand.misbehave("");
}
