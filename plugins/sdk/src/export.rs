//! From the component's exports to a [`Backend`]'s functions.

use core::marker::PhantomData;
use std::{panic, sync::Once};

use crate::bindings::exports::portreeve::backend::{containers, images, networks, pods, runtime, volumes};
use crate::bindings::portreeve::backend::logs::Log;
use crate::{
    Backend, ContainerSpec, ContainerStatus, Description, Engine, ExecSpec, Finding, HealthState, Image, ImageSummary,
    Intention, Label, Layer, LogOptions, NetworkSpec, Plan, PodSpec, PodStatus, Probe, Result, Usage, narration,
};

/// What [`crate::backend!`] exports for a backend.
#[derive(Debug)]
pub struct Component<B>(PhantomData<B>);

/// A component has no start-up hook, so each export sees to it that a panic is told before it traps.
#[inline(never)]
fn awake() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(|panic| narration::warning(&panic.to_string()))));
}

impl<B: Backend> runtime::Guest for Component<B> {
    fn describe() -> Description {
        awake();
        B::describe()
    }

    fn detect(probes: Vec<Probe>) -> Result<Engine> {
        awake();
        B::detect(&probes)
    }

    fn preflight(intention: Intention, probes: Vec<Probe>) -> Result<Vec<Finding>> {
        awake();
        B::preflight(&intention, &probes)
    }

    fn explain(spec: ContainerSpec) -> Result<Plan> {
        awake();
        B::explain(&spec)
    }
}

impl<B: Backend> images::Guest for Component<B> {
    fn pull(image: Image) -> Result<()> {
        awake();
        B::image_pull(&image)
    }

    fn present(image: Image) -> Result<bool> {
        awake();
        B::image_present(&image)
    }

    fn inspect(image: Image) -> Result<ImageSummary> {
        awake();
        B::image_inspect(&image)
    }

    fn list() -> Result<Vec<ImageSummary>> {
        awake();
        B::image_list()
    }

    fn size(image: Image) -> Result<u64> {
        awake();
        B::image_size(&image)
    }

    fn remove(image: Image, force: bool) -> Result<()> {
        awake();
        B::image_remove(&image, force)
    }

    fn ensure_layers(layers: Vec<Layer>) -> Result<Vec<Layer>> {
        awake();
        B::image_ensure_layers(&layers)
    }

    fn assemble(image: Image, layers: Vec<Layer>) -> Result<()> {
        awake();
        B::image_assemble(&image, &layers)
    }

    fn load(file: String) -> Result<ImageSummary> {
        awake();
        B::image_load(&file)
    }

    fn save(image: Image, file: String) -> Result<()> {
        awake();
        B::image_save(&image, &file)
    }
}

impl<B: Backend> containers::Guest for Component<B> {
    fn create(spec: ContainerSpec) -> Result<String> {
        awake();
        B::container_create(&spec)
    }

    fn start(name: String) -> Result<()> {
        awake();
        B::container_start(&name)
    }

    fn run_to_completion(name: String) -> Result<Log> {
        awake();
        B::container_run_to_completion(&name).map(Into::into)
    }

    fn stop(name: String, grace: u32) -> Result<()> {
        awake();
        B::container_stop(&name, grace)
    }

    fn kill(name: String, signal: String) -> Result<()> {
        awake();
        B::container_kill(&name, &signal)
    }

    fn remove(name: String, force: bool) -> Result<()> {
        awake();
        B::container_remove(&name, force)
    }

    fn wait(name: String) -> Result<i32> {
        awake();
        B::container_wait(&name)
    }

    fn inspect(name: String) -> Result<ContainerStatus> {
        awake();
        B::container_inspect(&name)
    }

    fn list() -> Result<Vec<String>> {
        awake();
        B::container_list()
    }

    fn exec(name: String, spec: ExecSpec) -> Result<Log> {
        awake();
        B::container_exec(&name, &spec).map(Into::into)
    }

    fn copy_in(name: String, file: String, target: String) -> Result<()> {
        awake();
        B::container_copy_in(&name, &file, &target)
    }

    fn copy_out(name: String, source: String, file: String) -> Result<()> {
        awake();
        B::container_copy_out(&name, &source, &file)
    }

    fn logs(name: String, options: LogOptions) -> Result<Log> {
        awake();
        B::container_logs(&name, &options).map(Into::into)
    }

    fn pause(name: String) -> Result<()> {
        awake();
        B::container_pause(&name)
    }

    fn unpause(name: String) -> Result<()> {
        awake();
        B::container_unpause(&name)
    }

    fn top(name: String) -> Result<Vec<String>> {
        awake();
        B::container_top(&name)
    }

    fn stats(name: String) -> Result<Usage> {
        awake();
        B::container_stats(&name)
    }

    fn health(name: String) -> Result<HealthState> {
        awake();
        B::container_health(&name)
    }

    fn events() -> Result<Log> {
        awake();
        B::container_events().map(Into::into)
    }
}

impl<B: Backend> volumes::Guest for Component<B> {
    fn ensure(name: String, labels: Vec<Label>) -> Result<bool> {
        awake();
        B::volume_ensure(&name, &labels)
    }

    fn exists(name: String) -> Result<bool> {
        awake();
        B::volume_exists(&name)
    }

    fn list() -> Result<Vec<String>> {
        awake();
        B::volume_list()
    }

    fn remove(name: String, force: bool) -> Result<()> {
        awake();
        B::volume_remove(&name, force)
    }
}

impl<B: Backend> pods::Guest for Component<B> {
    fn ensure(spec: PodSpec) -> Result<bool> {
        awake();
        B::pod_ensure(&spec)
    }

    fn exists(name: String) -> Result<bool> {
        awake();
        B::pod_exists(&name)
    }

    fn list() -> Result<Vec<String>> {
        awake();
        B::pod_list()
    }

    fn stop(name: String, grace: u32) -> Result<()> {
        awake();
        B::pod_stop(&name, grace)
    }

    fn remove(name: String, force: bool) -> Result<()> {
        awake();
        B::pod_remove(&name, force)
    }

    fn status(name: String) -> Result<String> {
        awake();
        B::pod_status(&name)
    }

    fn inspect(name: String) -> Result<PodStatus> {
        awake();
        B::pod_inspect(&name)
    }
}

impl<B: Backend> networks::Guest for Component<B> {
    fn ensure(spec: NetworkSpec) -> Result<bool> {
        awake();
        B::network_ensure(&spec)
    }

    fn exists(name: String) -> Result<bool> {
        awake();
        B::network_exists(&name)
    }

    fn list() -> Result<Vec<String>> {
        awake();
        B::network_list()
    }

    fn remove(name: String) -> Result<()> {
        awake();
        B::network_remove(&name)
    }
}
