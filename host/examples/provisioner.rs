//! A provisioner in under 60 lines: detect, preflight, pull, run, read the log, stop.
//!
//! `cargo run --example provisioner -- registry.example/app@sha256:… COMMAND…`

use std::io::Write;
use std::time::Duration;

use portreeve::spec::{EnvName, Secret, SecretDelivery, SecretValue};
use portreeve::{ContainerSpec, Event, LogChunk, LogOptions, Portreeve};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let image = words.next().ok_or("usage: provisioner IMAGE@DIGEST COMMAND…")?.parse()?;

    let portreeve = Portreeve::builder().on_event(hear).build().await?;
    for engine in portreeve.detect().await? {
        tell(&format!("{}: {}", engine.backend, engine.problem.unwrap_or_else(|| "works".to_owned())))?;
    }
    for finding in portreeve.preflight(&Default::default()).await?.findings {
        tell(&format!("{:?} {}: {}", finding.severity, finding.id, finding.seen))?;
    }

    let pulled = portreeve.pull(&image).await?;
    tell(&format!("{} is {}", pulled.digest.as_deref().unwrap_or(&pulled.image), pulled.id))?;

    let mut spec = ContainerSpec::new(image, "provisioned".parse()?);
    spec.words = words.collect();
    spec.secrets = vec![Secret {
        name: "API_TOKEN".parse::<EnvName>()?,
        value: SecretValue::new(b"correct-horse-battery-staple".to_vec()),
        delivery: SecretDelivery::Environment,
    }];
    let container = portreeve.run(&spec).await?;
    tell(&format!("{} is {}", container.name, container.state.as_str()))?;

    let mut log = portreeve.logs("provisioned", &LogOptions { follow: true, ..LogOptions::default() }).await?;
    while let Ok(Some(chunk)) = tokio::time::timeout(Duration::from_secs(5), log.next()).await {
        match chunk {
            LogChunk::Stdout(bytes) => std::io::stdout().write_all(&bytes)?,
            LogChunk::Stderr(bytes) => std::io::stderr().write_all(&bytes)?,
            _ => {}
        }
    }
    drop(log);
    portreeve.stop("provisioned", Duration::from_secs(10)).await?;
    portreeve.remove("provisioned", false).await?;
    Ok(())
}

fn hear(event: &Event) {
    if let Event::Narration { from, message, .. } = event {
        let _nobody_reads = tell(&format!("[{from}] {message}"));
    }
}

fn tell(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}
