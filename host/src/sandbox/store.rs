//! The store of one call: its limits, and what the guest's imports reach.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store, UpdateDeadline};

use super::engine::{Sandbox, TICK};
use super::wasi::Inert;
use crate::broker::Broker;
use crate::grants::{Limit, Limits};

/// What the imports of one call work with.
pub(crate) struct State {
    pub(super) broker: Arc<Broker>,
    pub(super) table: ResourceTable,
    /// Made when it is first asked for.
    pub(super) wasi: Option<Box<Inert>>,
    /// The most that it may print through WASI, in bytes.
    pub(super) words: usize,
    /// Bytes of memory that are left to the call, over all its instances.
    memory: usize,
    table_elements: usize,
    instances: usize,
    /// The time that guest code may still run.
    left: Duration,
    /// The last command that ended with a failure, and its status.
    pub(super) failed: Option<(String, i32)>,
    /// The guest wanted more memory than it may have.
    pub(super) starved: bool,
    /// The guest's time is up.
    pub(super) late: bool,
}

/// A store for one call, and nothing else. Its limits are those of the grants; `host/docs/grants.md` lists the defaults.
pub(super) fn open(sandbox: &Sandbox, broker: Arc<Broker>) -> Store<State> {
    let limits = broker.backend().grants().limits().clone();
    let handles = size(&limits, Limit::Handles);
    let mut store = Store::new(sandbox.engine(), State::new(broker, &limits));
    store.limiter(|state| state);
    store.set_hostcall_fuel(size(&limits, Limit::HostcallMib) << 20);
    store.set_max_component_handles(handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| Ok(context.data_mut().tick()));
    store
}

fn size(limits: &Limits, limit: Limit) -> usize {
    usize::try_from(limits.value(limit)).unwrap_or(usize::MAX)
}

impl State {
    fn new(broker: Arc<Broker>, limits: &Limits) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(size(limits, Limit::Handles));
        Self {
            broker,
            table,
            wasi: None,
            words: size(limits, Limit::NarrationBytes),
            memory: size(limits, Limit::MemoryMib) << 20,
            table_elements: size(limits, Limit::TableElements),
            instances: size(limits, Limit::Instances),
            left: Duration::from_millis(limits.value(Limit::DeadlineMs)),
            failed: None,
            starved: false,
            late: false,
        }
    }

    /// A command of the guest's ended.
    pub(super) fn ended(&mut self, command: &str, status: i32) {
        if status != 0 {
            self.failed = Some((command.to_owned(), status));
        }
    }

    /// How much time of its own the guest has left.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// The guest waited for so long, by its own choice.
    pub(super) fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
        self.late |= self.left.is_zero();
    }

    /// One tick of guest time has passed.
    fn tick(&mut self) -> UpdateDeadline {
        self.left = self.left.saturating_sub(TICK);
        if self.left.is_zero() {
            self.late = true;
            return UpdateDeadline::Interrupt;
        }
        UpdateDeadline::Yield(1)
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let left = self.memory.checked_sub(desired.saturating_sub(current));
        self.starved |= left.is_none();
        self.memory = left.unwrap_or(self.memory);
        Ok(left.is_some())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements)
    }

    fn instances(&self) -> usize {
        self.instances
    }

    fn tables(&self) -> usize {
        self.instances
    }

    fn memories(&self) -> usize {
        self.instances
    }
}
