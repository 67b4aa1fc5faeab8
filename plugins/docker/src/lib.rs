//! The Docker backend.
//!
//! It knows how Docker speaks: its JSON, the lines of a pull, the words of its errors, and what it needs to work. All
//! that it could ever run stands in `grants.toml`.

mod detect;
mod errors;
mod images;
mod preflight;

use portreeve_plugin::{
    Arguments, Backend, ContainerOption, ContainerSpec, ContainerStatus, Description, Engine, Error, ExecSpec, Finding,
    HealthState, Image, ImageSummary, Intention, Label, LogOptions, NetworkSpec, Plan, Probe, Probes, Result, Usage,
    cli::Cli, logs::Log, pull,
};

/// The engine's client.
const DOCKER: Cli = Cli::new(errors::PHRASES).with_health_in_a_shell();

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
        detect::detect(Probes(probes)).map(|docker| docker.engine)
    }

    fn preflight(intention: &Intention, probes: &[Probe]) -> Result<Vec<Finding>> {
        Ok(preflight::preflight(intention, Probes(probes)))
    }

    fn explain(spec: &ContainerSpec) -> Result<Plan> {
        possible(spec)?;
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

    fn image_load(_file: &str) -> Result<ImageSummary> {
        DOCKER.image_load()
    }

    fn container_create(spec: &ContainerSpec) -> Result<String> {
        possible(spec)?;
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

    fn container_exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        DOCKER.container_exec(name, spec)
    }

    fn container_copy_in(name: &str, _: &str, target: &str) -> Result<()> {
        DOCKER.container_copy_in(name, target)
    }

    fn container_copy_out(name: &str, source: &str, _: &str) -> Result<()> {
        DOCKER.container_copy_out(name, source)
    }

    fn container_logs(name: &str, options: &LogOptions) -> Result<Log> {
        DOCKER.container_logs(name, options)
    }

    fn container_pause(name: &str) -> Result<()> {
        DOCKER.container_pause(name)
    }

    fn container_unpause(name: &str) -> Result<()> {
        DOCKER.container_unpause(name)
    }

    fn container_top(name: &str) -> Result<Vec<String>> {
        DOCKER.container_top(name)
    }

    fn container_stats(name: &str) -> Result<Usage> {
        DOCKER.container_stats(name)
    }

    fn container_health(name: &str) -> Result<HealthState> {
        DOCKER.container_health(name)
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

/// Docker maps users for a whole daemon: a container can only be left out of that.
fn possible(spec: &ContainerSpec) -> Result<()> {
    let other = spec.options.iter().find_map(|option| match option {
        ContainerOption::UserNamespace(mode) if mode != "host" => Some(mode),
        _ => None,
    });
    other.map_or(Ok(()), |mode| {
        Err(Error::Unsupported(format!(
            "Docker has no user namespace {mode} for one container: its daemon has one for all"
        )))
    })
}
