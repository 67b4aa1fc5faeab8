//! Portreeve: a host that loads container-runtime backends as WebAssembly components and runs only what an operator
//! approved.
//!
//! A backend sees nothing and runs nothing. It asks for an approved command by its name and repeats facts of the call;
//! the host decides, writes the command line, runs it, redacts what comes back, verifies digests, and keeps a journal.
//!
//! ```no_run
//! # async fn example() -> Result<(), portreeve::Error> {
//! let portreeve = portreeve::Portreeve::builder().build().await?;
//! let image = portreeve.pull(&"docker.io/library/alpine:3".parse()?).await?;
//! println!("{} is {}", image.image, image.id);
//! # Ok(())
//! # }
//! ```
//!
//! # Trust
//!
//! Not trusted: a backend, an image, what a container or an engine prints, a registry, other local users, and callers
//! beyond the policy. Trusted: the operator, root and the same user, the kernel, and the engine except for what it
//! says of digests. `SECURITY.md` says what is left.
//!
//! # Map
//!
//! [`Portreeve`] is the façade. `policy` bounds callers; `scope` holds the facts of one call; `grants` holds what an
//! operator approved; `decision` makes of them a permit or a refusal; `broker` is the one place where an ask becomes
//! an action; `executor` alone starts programs; `redaction` cleans whatever leaves; `evidence` is what the host saw
//! for itself; `journal` is the record; `sandbox` runs guest code. `ARCHITECTURE.md` has the invariants.

mod ambient;
pub mod approval;
pub mod audit;
mod backend;
mod broker;
pub mod compose;
mod conceive;
mod decision;
#[cfg(feature = "demo")]
pub mod demo;
mod devices;
pub mod digest;
mod embedded;
mod endpoint;
mod error;
mod event;
pub mod evidence;
mod exchange;
mod executor;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grants;
pub mod journal;
mod limits;
mod mounted;
mod output;
pub mod owner;
pub mod policy;
mod probes;
mod quarantine;
pub mod redaction;
pub mod reference;
mod runtime;
mod runtimes;
mod sandbox;
pub mod scope;
pub mod spec;
pub mod standard;
pub mod state;
pub mod units;
mod walk;
mod within;

pub use backend::{BackendSource, Standing};
pub use digest::Digest;
pub use error::{Conflict, Difference, Error, Fault, FaultKind, Refusal, Rule};
pub use event::{Event, Level};
pub use evidence::{
    ContainerEvent, ContainerInfo, ContainerState, Happening, Health, HeldLayer, MountInfo, NetworkInfo, PodInfo,
    PodMember, Processes, Usage, VolumeInfo,
};
pub use executor::{CommandInput, close_inherited};
pub use output::LogChunk;
pub use policy::Policy;
pub use reference::Reference;
pub use runtime::{
    AssembledImage, BackendInfo, Cleaned, CommandInfo, Completed, Condition, DangerInfo, Detection, DownOptions,
    EngineIdentity, EventStream, ExplainedPart, ImageAdvice, ImageDetails, ImageInfo, Intention, LayerInfo, Leftover,
    ListFilter, LoadedImage, LogStream, Ownership, PartResult, Portreeve, PortreeveBuilder, PreflightReport,
    ProjectState, PulledImage, Removed, SavedImage, UnitCheck, UpOptions, UsageStream,
};
pub use sandbox::{Finding, Severity};
pub use scope::{Call, LogOptions};
pub use spec::{ContainerSpec, ExecSpec};
pub use within::within;
