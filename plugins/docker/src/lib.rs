//! The Docker backend.
//!
//! It knows how Docker speaks: its JSON, the lines of a pull, the words of its errors, and what it needs to work. All
//! that it could ever run stands in `grants.toml`.

mod detect;
mod errors;
mod images;
mod preflight;

use portreeve_plugin::{
    Arguments, Backend, ContainerSpec, ContainerStatus, Description, Engine, Finding, Image, ImageSummary, Intention,
    Label, LogOptions, NetworkSpec, Plan, Probe, Probes, Result, cli::Cli, logs::Log, pull,
};

/// The engine's client.
const DOCKER: Cli = Cli::new(errors::PHRASES);

/// The backend.
#[derive(Debug)]
pub struct Docker;

portreeve_plugin::backend!(Docker, request = "grants.toml");

impl Backend for Docker {
    fn describe() -> Description {
        Description {
            name: "docker".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Docker, its daemon addressed by a checked socket".into(),
        }
    }

    fn detect(probes: &[Probe]) -> Result<Engine> {
        let _ = probes;
        detect::detect().map(|docker| docker.engine)
    }

    fn preflight(intention: &Intention, probes: &[Probe]) -> Result<Vec<Finding>> {
        Ok(preflight::preflight(intention, Probes(probes)))
    }

    fn explain(spec: &ContainerSpec) -> Result<Plan> {
        DOCKER.explain(spec)
    }

    fn image_pull(image: &Image) -> Result<()> {
        pull::pull(&DOCKER, image, images::step)
    }

    fn image_present(image: &Image) -> Result<bool> {
        DOCKER.image_present(image)
    }

    fn image_inspect(image: &Image) -> Result<ImageSummary> {
        DOCKER.image_inspect(image)
    }

    fn image_list() -> Result<Vec<ImageSummary>> {
        images::list()
    }

    fn image_size(image: &Image) -> Result<u64> {
        DOCKER.image_inspect(image).map(|image| image.size)
    }

    fn image_remove(image: &Image, force: bool) -> Result<()> {
        DOCKER.image_remove(image, force)
    }

    fn container_create(spec: &ContainerSpec) -> Result<String> {
        DOCKER.container_create(spec)
    }

    fn container_start(name: &str) -> Result<()> {
        DOCKER.container_start(name)
    }

    fn container_run_to_completion(name: &str) -> Result<Log> {
        DOCKER.container_run_to_completion(name)
    }

    fn container_stop(name: &str, grace: u32) -> Result<()> {
        DOCKER.container_stop(name, grace)
    }

    fn container_kill(name: &str, signal: &str) -> Result<()> {
        DOCKER.container_kill(name, signal)
    }

    fn container_remove(name: &str, force: bool) -> Result<()> {
        DOCKER.container_remove(name, force)
    }

    fn container_wait(name: &str) -> Result<i32> {
        DOCKER.container_wait(name)
    }

    fn container_inspect(name: &str) -> Result<ContainerStatus> {
        DOCKER.container_inspect(name)
    }

    fn container_list() -> Result<Vec<String>> {
        DOCKER.container_list()
    }

    fn container_logs(name: &str, options: &LogOptions) -> Result<Log> {
        DOCKER.container_logs(name, options)
    }

    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        DOCKER.volume_ensure(name, labels)
    }

    fn volume_exists(name: &str) -> Result<bool> {
        DOCKER.volume_exists(name)
    }

    fn volume_list() -> Result<Vec<String>> {
        DOCKER.volume_list()
    }

    fn volume_remove(name: &str, force: bool) -> Result<()> {
        DOCKER.volume_remove(name, force)
    }

    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        DOCKER.network_ensure(spec)
    }

    fn network_exists(name: &str) -> Result<bool> {
        DOCKER.network_exists(name)
    }

    fn network_list() -> Result<Vec<String>> {
        DOCKER.network_list()
    }

    fn network_remove(name: &str) -> Result<()> {
        DOCKER.network_remove(Arguments::none().network_id(name))
    }
}
