//! The guest side of Portreeve: what a backend is written with.
//!
//! A backend is a component that drives one container engine and can do nothing by itself. It names a command
//! that its grants file describes and fills the slots; the host decides, renders, runs, redacts and records.
//! Here is all of a backend that only knows whether its engine answers:
//!
//! ```
//! use portreeve_plugin::{Backend, Description, Engine, EngineIdentity, Phrase, Probe, Result, cli::Cli};
//!
//! struct Skiff;
//!
//! const SKIFF: Cli = Cli::new(&[Phrase::unavailable("is the daemon running")]);
//!
//! impl Backend for Skiff {
//!     fn describe() -> Description {
//!         Description { name: "skiff".into(), version: "0.1.0".into(), summary: "Skiff, a small engine".into() }
//!     }
//!
//!     fn detect(_probes: &[Probe]) -> Result<Engine> {
//!         let version = SKIFF.run("version", Default::default())?.stdout.trim().into();
//!         Ok(Engine { name: "skiff".into(), version, rootless: false, identity: EngineIdentity::Genuine })
//!     }
//! }
//! # // `portreeve_plugin::backend!(Skiff, request = "grants.toml");` makes the component.
//! ```
//!
//! The map: [`Backend`] and [`backend!`] make a component; [`engine`], [`logs`], [`devices`] and [`narration`] are all
//! that it can ask for; [`Arguments`] fills slots; [`Phrase`] turns an engine's words into errors; [`cli`], [`pull`],
//! [`inspect`], [`preflight`], [`machine`], [`floors`], [`distribution`], [`gpu`] and [`nvidia`] are what engines with a command line like Docker's have in common; off the
//! wasm target, `stage` plays the host in unit tests.

#[doc(hidden)]
pub mod bindings;

mod arguments;
mod backend;
pub mod cli;
pub mod devices;
pub mod distribution;
pub mod engine;
mod errors;
#[cfg(target_arch = "wasm32")]
mod export;
pub mod floors;
pub mod gpu;
#[cfg(target_arch = "wasm32")]
mod host;
pub mod inspect;
pub mod logs;
pub mod machine;
pub mod narration;
pub mod nvidia;
pub mod preflight;
mod probes;
pub mod pull;
#[cfg(not(target_arch = "wasm32"))]
pub mod stage;
pub mod usage;
mod version;

pub use arguments::{Arguments, further_networks};
pub use backend::{Backend, Result};
pub use errors::{Kind, Phrase, classify, closing_words, undressed};
#[doc(hidden)]
#[cfg(target_arch = "wasm32")]
pub use export::Component;
pub use probes::Probes;
pub use version::Version;

#[doc(inline)]
pub use bindings::exports::portreeve::backend::{
    containers::{ExecSpec, HealthState, LogOptions, Usage},
    images::{ImageSummary, Layer},
    networks::NetworkSpec,
    pods::{PodSpec, PodStatus},
    runtime::{Description, Engine, EngineIdentity, Finding, Intention, Plan, Probe, Severity},
};
#[doc(inline)]
pub use bindings::portreeve::backend::types::{
    Argument, ContainerOption, ContainerSpec, ContainerState, ContainerStatus, EngineFailure, Env, Error, Extension,
    Gpus, HealthCheck, Image, Label, Mount, MountSource, NetworkMode, Port, Protocol, Refusal, RestartPolicy, Tmpfs,
    Ulimit, Value, Variable,
};

/// Makes a component of a [`Backend`]: exports every interface and embeds its request file.
///
/// The path of the request is relative to the crate's folder. The request stands in the custom section
/// `portreeve:request`, of which a component has exactly one, so the macro is used once in a crate. Off the
/// wasm target it only checks that the type is a backend and the file is there, so that unit tests run natively.
#[macro_export]
macro_rules! backend {
    ($backend:ident, request = $request:literal) => {
        const _: () = {
            const REQUEST: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $request));

            const fn is_backend<B: $crate::Backend>() {}
            is_backend::<$backend>();

            #[cfg(target_arch = "wasm32")]
            #[allow(unsafe_code, reason = "naming a section is unsafe where it could hold code; this one holds text")]
            #[used]
            #[unsafe(link_section = "portreeve:request")]
            static SECTION: [u8; REQUEST.len()] =
                *include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $request));

            #[cfg(not(target_arch = "wasm32"))]
            const _: usize = REQUEST.len();
        };

        #[cfg(target_arch = "wasm32")]
        mod portreeve_component {
            #![allow(unsafe_code, reason = "the canonical ABI's exports, generated")]
            type Component = $crate::Component<super::$backend>;
            $crate::bindings::export!(Component with_types_in $crate::bindings);
        }
    };
}
