//! One short container of the built-in image: served, proved, run, removed.

use std::time::Duration;

use super::registry::Registry;
use super::steps::publish;
use crate::spec::{ContainerSpec, Gpus, NetworkMode};
use crate::{Error, Portreeve};

/// How long it may take to its end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs it, and takes away what it made, the image among it.
pub(crate) async fn smoke(portreeve: &Portreeve, gpus: &Gpus) -> Result<(), Error> {
    let registry = Registry::start().await.map_err(|error| Error::io("the registry of the built-in image", error))?;
    let image = publish(&registry)?;
    let name = format!("portreeve-smoke-{}", std::process::id());
    let mut spec = ContainerSpec::new(image.clone(), name.parse()?);
    spec.words = ["say", "smoke"].map(str::to_owned).to_vec();
    spec.network = Some(NetworkMode::None);
    spec.gpus = gpus.clone();
    let ran = tokio::time::timeout(PATIENCE, run(portreeve, &spec)).await;
    // What is gone already is no matter, and the image may be another's too.
    let _gone = portreeve.remove(&name, true).await;
    let _kept = portreeve.remove_image(&image, false).await;
    ran.map_err(|_| Error::Timeout(format!("it did not end within {PATIENCE:?}")))?
}

async fn run(portreeve: &Portreeve, spec: &ContainerSpec) -> Result<(), Error> {
    portreeve.pull(&spec.image).await?;
    portreeve.run(spec).await?;
    match portreeve.wait(spec.name.as_str()).await? {
        0 => Ok(()),
        status => {
            let message = "the container should have ended with 0".to_owned();
            Err(Error::Engine { command: "start".to_owned(), status, message })
        }
    }
}
