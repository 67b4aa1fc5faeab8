//! What all calls share.

use std::sync::Arc;

use super::{Turns, Waiters};
use crate::devices::DeviceChecker;
use crate::event::Events;
use crate::evidence::ContainerInfo;
use crate::evidence::image::ImageFacts;
use crate::executor::Executor;
use crate::journal::Journal;
use crate::owner::GivenLabels;
use crate::quarantine::Quarantine;

/// The parts that act, shared by all calls of one host.
pub(crate) struct Services {
    pub(crate) journal: Journal,
    pub(crate) executor: Executor,
    pub(crate) devices: DeviceChecker,
    pub(crate) quarantine: Quarantine,
    pub(crate) turns: Turns,
    pub(crate) container_waiters: Waiters<Arc<[ContainerInfo]>>,
    pub(crate) image_waiters: Waiters<Option<ImageFacts>>,
    pub(crate) labels: GivenLabels,
    pub(crate) events: Events,
    /// Only commands that look are run.
    pub(crate) dry_run: bool,
}
