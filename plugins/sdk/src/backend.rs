//! What a backend is.

use crate::{
    ContainerSpec, ContainerStatus, Description, Engine, Error, ExecSpec, Finding, HealthState, Image, ImageSummary,
    Intention, Label, Layer, LogOptions, NetworkSpec, Plan, PodSpec, PodStatus, Probe, Usage, logs::Log,
};

/// What a backend's functions and the host's answers end in.
pub type Result<T, E = Error> = core::result::Result<T, E>;

fn none<T>(function: &str) -> Result<T> {
    Err(unsupported(function))
}

#[cold]
#[inline(never)]
fn unsupported(function: &str) -> Error {
    Error::Unsupported(format!("this backend has no `{function}`"))
}

/// One container engine, behind the host.
///
/// There is a function for each one that the world exports, named after its interface. All but two answer
/// [`Error::Unsupported`] until a backend says otherwise. Each call runs in an instance of its own: nothing in a
/// `static` survives it.
pub trait Backend {
    /// Says who this is. The host answers no ask in this call.
    fn describe() -> Description;

    /// Finds out whether the engine works, not merely whether its program is installed.
    fn detect(probes: &[Probe]) -> Result<Engine>;

    /// Judges whether the intention can work here, from the probes and from commands that only read.
    fn preflight(intention: &Intention, probes: &[Probe]) -> Result<Vec<Finding>> {
        let _ = (intention, probes);
        none("preflight")
    }

    /// Says which command would create this container. Nothing is run.
    fn explain(spec: &ContainerSpec) -> Result<Plan> {
        let _ = spec;
        none("explain")
    }

    /// Brings an image from its registry, and tells its progress.
    fn image_pull(image: &Image) -> Result<()> {
        let _ = image;
        none("images.pull")
    }

    /// Whether the engine holds an image.
    fn image_present(image: &Image) -> Result<bool> {
        let _ = image;
        none("images.present")
    }

    /// Tells of one image.
    fn image_inspect(image: &Image) -> Result<ImageSummary> {
        let _ = image;
        none("images.inspect")
    }

    /// Tells of all images.
    fn image_list() -> Result<Vec<ImageSummary>> {
        none("images.list")
    }

    /// The size of an image in bytes.
    fn image_size(image: &Image) -> Result<u64> {
        let _ = image;
        none("images.size")
    }

    /// Removes an image.
    fn image_remove(image: &Image, force: bool) -> Result<()> {
        let _ = (image, force);
        none("images.remove")
    }

    /// Brings those of the layers that the engine does not hold, and says which it brought.
    fn image_ensure_layers(layers: &[Layer]) -> Result<Vec<Layer>> {
        let _ = layers;
        none("images.ensure-layers")
    }

    /// Makes an image of layers that are held.
    fn image_assemble(image: &Image, layers: &[Layer]) -> Result<()> {
        let _ = (image, layers);
        none("images.assemble")
    }

    /// Loads an image from a file of the exchange folder, by its name there.
    fn image_load(file: &str) -> Result<ImageSummary> {
        let _ = file;
        none("images.load")
    }

    /// Saves an image to a file of the exchange folder, by its name there.
    fn image_save(image: &Image, file: &str) -> Result<()> {
        let _ = (image, file);
        none("images.save")
    }

    /// Creates a container, exactly as the spec says, and gives its ID.
    fn container_create(spec: &ContainerSpec) -> Result<String> {
        let _ = spec;
        none("containers.create")
    }

    /// Starts it.
    fn container_start(name: &str) -> Result<()> {
        let _ = name;
        none("containers.start")
    }

    /// Starts it with its output attached; the stream ends when the container does.
    fn container_run_to_completion(name: &str) -> Result<Log> {
        let _ = name;
        none("containers.run-to-completion")
    }

    /// Asks it to stop, and ends it when the grace, in seconds, is over.
    fn container_stop(name: &str, grace: u32) -> Result<()> {
        let _ = (name, grace);
        none("containers.stop")
    }

    /// Sends it a signal.
    fn container_kill(name: &str, signal: &str) -> Result<()> {
        let _ = (name, signal);
        none("containers.kill")
    }

    /// Removes it; a running one only by force.
    fn container_remove(name: &str, force: bool) -> Result<()> {
        let _ = (name, force);
        none("containers.remove")
    }

    /// Waits for its end and gives its exit status.
    fn container_wait(name: &str) -> Result<i32> {
        let _ = name;
        none("containers.wait")
    }

    /// Tells of one container.
    fn container_inspect(name: &str) -> Result<ContainerStatus> {
        let _ = name;
        none("containers.inspect")
    }

    /// The IDs of all this install's containers, running or not.
    fn container_list() -> Result<Vec<String>> {
        none("containers.list")
    }

    /// Runs a command in it; the stream ends when the command does.
    fn container_exec(name: &str, spec: &ExecSpec) -> Result<Log> {
        let _ = (name, spec);
        none("containers.exec")
    }

    /// Copies a file of the exchange folder, by its name there, into it.
    fn container_copy_in(name: &str, file: &str, target: &str) -> Result<()> {
        let _ = (name, file, target);
        none("containers.copy-in")
    }

    /// Copies a file out of it into the exchange folder, by its name there.
    fn container_copy_out(name: &str, source: &str, file: &str) -> Result<()> {
        let _ = (name, source, file);
        none("containers.copy-out")
    }

    /// Opens its logs.
    fn container_logs(name: &str, options: &LogOptions) -> Result<Log> {
        let _ = (name, options);
        none("containers.logs")
    }

    /// Pauses it.
    fn container_pause(name: &str) -> Result<()> {
        let _ = name;
        none("containers.pause")
    }

    /// Ends a pause.
    fn container_unpause(name: &str) -> Result<()> {
        let _ = name;
        none("containers.unpause")
    }

    /// Its processes, one a line, with a heading.
    fn container_top(name: &str) -> Result<Vec<String>> {
        let _ = name;
        none("containers.top")
    }

    /// One reading of what it uses.
    fn container_stats(name: &str) -> Result<Usage> {
        let _ = name;
        none("containers.stats")
    }

    /// Whether it is well.
    fn container_health(name: &str) -> Result<HealthState> {
        let _ = name;
        none("containers.health")
    }

    /// The engine's events about this install's containers, a JSON document a line.
    fn container_events() -> Result<Log> {
        none("containers.events")
    }

    /// Makes a volume where there is none; whether one was made.
    fn volume_ensure(name: &str, labels: &[Label]) -> Result<bool> {
        let _ = (name, labels);
        none("volumes.ensure")
    }

    /// Whether there is such a volume.
    fn volume_exists(name: &str) -> Result<bool> {
        let _ = name;
        none("volumes.exists")
    }

    /// The names of all this install's volumes.
    fn volume_list() -> Result<Vec<String>> {
        none("volumes.list")
    }

    /// Removes a volume.
    fn volume_remove(name: &str, force: bool) -> Result<()> {
        let _ = (name, force);
        none("volumes.remove")
    }

    /// Makes a pod where there is none; whether one was made.
    fn pod_ensure(spec: &PodSpec) -> Result<bool> {
        let _ = spec;
        none("pods.ensure")
    }

    /// Whether there is such a pod.
    fn pod_exists(name: &str) -> Result<bool> {
        let _ = name;
        none("pods.exists")
    }

    /// The names of all this install's pods.
    fn pod_list() -> Result<Vec<String>> {
        none("pods.list")
    }

    /// Stops a pod's containers; the grace is in seconds.
    fn pod_stop(name: &str, grace: u32) -> Result<()> {
        let _ = (name, grace);
        none("pods.stop")
    }

    /// Removes a pod.
    fn pod_remove(name: &str, force: bool) -> Result<()> {
        let _ = (name, force);
        none("pods.remove")
    }

    /// The engine's word for a pod's state.
    fn pod_status(name: &str) -> Result<String> {
        let _ = name;
        none("pods.status")
    }

    /// Tells of a pod.
    fn pod_inspect(name: &str) -> Result<PodStatus> {
        let _ = name;
        none("pods.inspect")
    }

    /// Makes a network where there is none; whether one was made.
    fn network_ensure(spec: &NetworkSpec) -> Result<bool> {
        let _ = spec;
        none("networks.ensure")
    }

    /// Whether there is such a network.
    fn network_exists(name: &str) -> Result<bool> {
        let _ = name;
        none("networks.exists")
    }

    /// The names of all this install's networks.
    fn network_list() -> Result<Vec<String>> {
        none("networks.list")
    }

    /// Removes a network.
    fn network_remove(name: &str) -> Result<()> {
        let _ = name;
        none("networks.remove")
    }
}
