//! The Podman backend.
//!
//! It knows how Podman speaks: its JSON, the lines of a pull, the words of its errors, and what it needs to work. All
//! that it could ever run stands in `grants.toml`.

mod detect;
mod errors;
mod images;
mod preflight;

use portreeve_plugin::{
    Arguments, Backend, ContainerSpec, ContainerStatus, Description, Engine, ExecSpec, Finding, HealthState, Image,
    ImageSummary, Intention, Label, LogOptions, NetworkSpec, Plan, PodSpec, Probe, Probes, Result, Usage, cli::Cli,
    logs::Log, pull,
};

/// The engine's client.
const PODMAN: Cli = Cli::new(errors::PHRASES).without(errors::NOISE);

/// The backend.
#[derive(Debug)]
pub struct Podman;

portreeve_plugin::backend!(Podman, request = "grants.toml");

impl Backend for Podman {
    fn describe() -> Description {
        Description {
            name: "podman".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Podman, as root or rootless".into(),
        }
    }

    fn detect(probes: &[Probe]) -> Result<Engine> {
        detect::detect(Probes(probes))
    }

    fn preflight(intention: &Intention, probes: &[Probe]) -> Result<Vec<Finding>> {
        Ok(preflight::preflight(intention, Probes(probes)))
    }

    fn explain(spec: &ContainerSpec) -> Result<Plan> {
        PODMAN.explain(spec)
    }

    fn image_pull(image: &Image) -> Result<()> {
        pull::pull(&PODMAN, image, images::step)
    }

    fn image_present(image: &Image) -> Result<bool> {
        PODMAN.image_present(image)
    }

    fn image_inspect(image: &Image) -> Result<ImageSummary> {
        PODMAN.image_inspect(image)
    }

    fn image_list() -> Result<Vec<ImageSummary>> {
        images::list()
    }

    fn image_size(image: &Image) -> Result<u64> {
        PODMAN.image_inspect(image).map(|image| image.size)
    }

    fn image_remove(image: &Image, _force: bool) -> Result<()> {
        // Podman's own force removes containers: a container that uses the image is in the way.
        PODMAN.image_remove(image, false)
    }

    fn image_load(_file: &str) -> Result<ImageSummary> {
        PODMAN.image_load()
    }

    fn container_create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(spec)
    }

    fn container_start(name: &str) -> Result<()> {
        PODMAN.container_start(name)
    }

    fn container_run_to_completion(name: &str) -> Result<Log> {
        PODMAN.container_run_to_completion(name)
    }

    fn container_stop(name: &str, grace: u32) -> Result<()> {
        PODMAN.container_stop(name, grace)
    }

    fn container_kill(name: &str, signal: &str) -> Result<()> {
        PODMAN.container_kill(name, signal)
    }

    fn container_remove(name: &str, force: bool) -> Result<()> {
        PODMAN.container_remove(name, force)
    }

    fn container_wait(name: &str) -> Result<i32> {
        PODMAN.container_wait(name)
    }

    fn container_inspect(name: &str) -> Result<ContainerStatus> {
        PODMAN.container_inspect(name)
    }

    fn container_list() -> Result<Vec<String>> {
        PODMAN.container_list()
    }

    fn container_exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        PODMAN.container_exec(name, spec)
    }

    fn container_copy_in(name: &str, _: &str, target: &str) -> Result<()> {
        PODMAN.container_copy_in(name, target)
    }

    fn container_copy_out(name: &str, source: &str, _: &str) -> Result<()> {
        PODMAN.container_copy_out(name, source)
    }

    fn container_logs(name: &str, options: &LogOptions) -> Result<Log> {
        PODMAN.container_logs(name, options)
    }

    fn container_pause(name: &str) -> Result<()> {
        PODMAN.container_pause(name)
    }

    fn container_unpause(name: &str) -> Result<()> {
        PODMAN.container_unpause(name)
    }

    fn container_top(name: &str) -> Result<Vec<String>> {
        PODMAN.container_top(name)
    }

    fn container_stats(name: &str) -> Result<Usage> {
        PODMAN.container_stats(name)
    }

    fn container_health(name: &str) -> Result<HealthState> {
        PODMAN.container_health_run(name)
    }

    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        PODMAN.volume_ensure(name, labels)
    }

    fn volume_exists(name: &str) -> Result<bool> {
        PODMAN.volume_exists(name)
    }

    fn volume_list() -> Result<Vec<String>> {
        PODMAN.volume_list()
    }

    fn volume_remove(name: &str, force: bool) -> Result<()> {
        PODMAN.volume_remove(name, force)
    }

    fn pod_ensure(spec: &PodSpec) -> Result<bool> {
        PODMAN.pod_ensure(spec)
    }

    fn pod_exists(name: &str) -> Result<bool> {
        PODMAN.pod_exists(name)
    }

    fn pod_list() -> Result<Vec<String>> {
        PODMAN.pod_list()
    }

    fn pod_remove(name: &str, _: bool) -> Result<()> {
        PODMAN.pod_remove(name)
    }

    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        PODMAN.network_ensure(spec)
    }

    fn network_exists(name: &str) -> Result<bool> {
        PODMAN.network_exists(name)
    }

    fn network_list() -> Result<Vec<String>> {
        PODMAN.network_list()
    }

    /// By its name: told an ID, Podman 4.3 does not mind who uses it.
    fn network_remove(name: &str) -> Result<()> {
        PODMAN.network_remove(Arguments::none().network_name(name))
    }
}
