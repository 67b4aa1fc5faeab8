//! What hostile guests have in common: an honest backend for Podman, of which each of them does one thing otherwise.
//!
//! A guest is an example of this package, `examples/NAME.rs`, listed in `Cargo.toml`; `tests/build.rs` makes a component of
//! it. Its test has its name and stands below `tests/tests/hostile`: without one, the tests do not compile. Natively the
//! guests are not built at all.

use std::marker::PhantomData;

use portreeve_plugin::{
    Arguments, Backend, ContainerSpec, ContainerStatus, Description, Engine, EngineIdentity, ExecSpec, Finding,
    HealthState, Image, ImageSummary, Intention, Label, LogOptions, NetworkSpec, PodSpec, Probe, Result, Usage,
    cli::Cli, logs::Log,
};

/// The engine's client.
pub const PODMAN: Cli = Cli::new(&[]);

/// What a guest does otherwise. Whatever it leaves as it is, is honest.
#[allow(missing_docs, reason = "the functions are those of `Backend`, which documents them")]
pub trait Mischief {
    fn preflight(_intention: &Intention) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    fn image_pull(image: &Image) -> Result<()> {
        PODMAN.run("pull", Arguments::none().image(image)).map(drop)
    }

    fn image_remove(image: &Image, force: bool) -> Result<()> {
        PODMAN.image_remove(image, force)
    }

    fn image_load(_file: &str) -> Result<ImageSummary> {
        PODMAN.image_load()
    }

    fn create(spec: &ContainerSpec) -> Result<String> {
        PODMAN.container_create(spec)
    }

    fn start(name: &str) -> Result<()> {
        PODMAN.container_start(name)
    }

    fn run_to_completion(name: &str) -> Result<Log> {
        PODMAN.container_run_to_completion(name)
    }

    fn stop(name: &str, grace: u32) -> Result<()> {
        PODMAN.container_stop(name, grace)
    }

    fn kill(name: &str, signal: &str) -> Result<()> {
        PODMAN.container_kill(name, signal)
    }

    fn remove(name: &str, force: bool) -> Result<()> {
        PODMAN.container_remove(name, force)
    }

    fn wait(name: &str) -> Result<i32> {
        PODMAN.container_wait(name)
    }

    fn inspect(name: &str) -> Result<ContainerStatus> {
        PODMAN.container_inspect(name)
    }

    fn list() -> Result<Vec<String>> {
        PODMAN.container_list()
    }

    fn logs(name: &str, options: &LogOptions) -> Result<Log> {
        PODMAN.container_logs(name, options)
    }

    fn exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        PODMAN.container_exec(name, spec)
    }

    fn copy_in(name: &str, target: &str) -> Result<()> {
        PODMAN.container_copy_in(name, target)
    }

    fn copy_out(name: &str, source: &str) -> Result<()> {
        PODMAN.container_copy_out(name, source)
    }

    fn pause(name: &str) -> Result<()> {
        PODMAN.container_pause(name)
    }

    fn top(name: &str) -> Result<Vec<String>> {
        PODMAN.container_top(name)
    }

    fn stats(name: &str) -> Result<Usage> {
        PODMAN.container_stats(name)
    }

    fn health(name: &str) -> Result<HealthState> {
        PODMAN.container_health_run(name)
    }

    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        PODMAN.volume_ensure(name, labels)
    }

    fn volume_remove(name: &str, force: bool) -> Result<()> {
        PODMAN.volume_remove(name, force)
    }

    fn pod_ensure(spec: &PodSpec) -> Result<bool> {
        PODMAN.pod_ensure(spec)
    }

    fn pod_remove(name: &str) -> Result<()> {
        PODMAN.pod_remove(name)
    }

    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        PODMAN.network_ensure(spec)
    }

    fn network_remove(name: &str) -> Result<()> {
        PODMAN.network_remove(Arguments::none().network_name(name))
    }
}

/// The backend that a [`Mischief`] makes; [`guest!`] names it.
#[derive(Debug)]
pub struct Guest<M>(PhantomData<M>);

impl<M: Mischief> Backend for Guest<M> {
    fn describe() -> Description {
        Description { name: "podman".into(), version: "0".into(), summary: "not to be trusted".into() }
    }

    fn detect(_: &[Probe]) -> Result<Engine> {
        PODMAN.run("version", Arguments::none())?;
        PODMAN.run("ping", Arguments::none())?;
        let (name, version) = ("podman".into(), "0".into());
        Ok(Engine { name, version, rootless: false, identity: EngineIdentity::Genuine })
    }

    fn preflight(intention: &Intention, _: &[Probe]) -> Result<Vec<Finding>> {
        M::preflight(intention)
    }

    fn image_pull(image: &Image) -> Result<()> {
        M::image_pull(image)
    }

    fn image_present(image: &Image) -> Result<bool> {
        PODMAN.image_present(image)
    }

    fn image_inspect(image: &Image) -> Result<ImageSummary> {
        PODMAN.image_inspect(image)
    }

    fn image_remove(image: &Image, force: bool) -> Result<()> {
        M::image_remove(image, force)
    }

    fn image_load(file: &str) -> Result<ImageSummary> {
        M::image_load(file)
    }

    fn container_create(spec: &ContainerSpec) -> Result<String> {
        M::create(spec)
    }

    fn container_start(name: &str) -> Result<()> {
        M::start(name)
    }

    fn container_run_to_completion(name: &str) -> Result<Log> {
        M::run_to_completion(name)
    }

    fn container_stop(name: &str, grace: u32) -> Result<()> {
        M::stop(name, grace)
    }

    fn container_kill(name: &str, signal: &str) -> Result<()> {
        M::kill(name, signal)
    }

    fn container_remove(name: &str, force: bool) -> Result<()> {
        M::remove(name, force)
    }

    fn container_wait(name: &str) -> Result<i32> {
        M::wait(name)
    }

    fn container_inspect(name: &str) -> Result<ContainerStatus> {
        M::inspect(name)
    }

    fn container_list() -> Result<Vec<String>> {
        M::list()
    }

    fn container_logs(name: &str, options: &LogOptions) -> Result<Log> {
        M::logs(name, options)
    }

    fn container_exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        M::exec(name, spec)
    }

    fn container_copy_in(name: &str, _: &str, target: &str) -> Result<()> {
        M::copy_in(name, target)
    }

    fn container_copy_out(name: &str, source: &str, _: &str) -> Result<()> {
        M::copy_out(name, source)
    }

    fn container_pause(name: &str) -> Result<()> {
        M::pause(name)
    }

    fn container_unpause(name: &str) -> Result<()> {
        PODMAN.container_unpause(name)
    }

    fn container_top(name: &str) -> Result<Vec<String>> {
        M::top(name)
    }

    fn container_stats(name: &str) -> Result<Usage> {
        M::stats(name)
    }

    fn container_health(name: &str) -> Result<HealthState> {
        M::health(name)
    }

    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        M::volume_ensure(name, labels)
    }

    fn volume_list() -> Result<Vec<String>> {
        PODMAN.volume_list()
    }

    fn volume_remove(name: &str, force: bool) -> Result<()> {
        M::volume_remove(name, force)
    }

    fn pod_ensure(spec: &PodSpec) -> Result<bool> {
        M::pod_ensure(spec)
    }

    fn pod_list() -> Result<Vec<String>> {
        PODMAN.pod_list()
    }

    fn pod_remove(name: &str, _: bool) -> Result<()> {
        M::pod_remove(name)
    }

    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        M::network_ensure(spec)
    }

    fn network_list() -> Result<Vec<String>> {
        PODMAN.network_list()
    }

    fn network_remove(name: &str) -> Result<()> {
        M::network_remove(name)
    }
}

/// Asks for the creation of a container with more than its spec says, and gives what the host answers.
///
/// # Errors
/// What the host says.
pub fn create_with(spec: &ContainerSpec, more: impl FnOnce(Arguments) -> Arguments) -> Result<String> {
    let output = PODMAN.run("create", more(Arguments::of_spec(spec)?))?;
    Ok(output.stdout.trim().into())
}

/// Makes a component of a [`Mischief`]. Its request is that of the Podman backend, unless another is given.
#[macro_export]
macro_rules! guest {
    ($mischief:ident) => {
        $crate::guest!($mischief, request = "../../plugins/podman/grants.toml");
    };
    ($mischief:ident, request = $request:literal) => {
        type Hostile = $crate::Guest<$mischief>;
        portreeve_plugin::backend!(Hostile, request = $request);
    };
}
