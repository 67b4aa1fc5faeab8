//! What the host sees for itself: of images, of containers, of volumes, of networks, of pods, of who they belong to.
//!
//! What a backend says counts for nothing here. The commands, and the places in what they print, stand in the grants.

pub(crate) mod assembly;
pub mod blobs;
pub mod chain;
pub(crate) mod container;
pub(crate) mod document;
pub(crate) mod events;
pub mod export;
pub(crate) mod health;
pub(crate) mod image;
pub(crate) mod layers;
pub mod layout;
pub(crate) mod look;
pub mod manifest;
pub(crate) mod network;
pub(crate) mod pod;
pub(crate) mod proofs;
pub mod registry;
pub(crate) mod settings;
pub(crate) mod store;
mod tar;
pub(crate) mod tee;
pub(crate) mod usage;
pub(crate) mod volume;

pub(crate) use settings::Compared;

pub use container::{ContainerInfo, ContainerState, MountInfo};
pub use events::{ContainerEvent, Happening};
pub use health::Health;
pub use layers::HeldLayer;
pub use network::NetworkInfo;
pub use pod::{PodInfo, PodMember};
pub use usage::{Processes, Usage};
pub use volume::VolumeInfo;
