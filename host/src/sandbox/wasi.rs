//! WASI that does nothing, for components whose grant says `wasi = "inert"`: no folder, no variable, no argument, no
//! socket, nothing to read. What it prints is narration; its waiting is the guest's own time.

use std::time::{Duration, Instant};

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{DynPollable, add_to_linker_async};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_io::bindings::wasi::io::poll::{self, Host, HostPollable};

use super::store::State;

/// The most random bytes that one call of `wasi:random` gives.
const RANDOM: u64 = 64 << 10;

/// Bytes that each of both outputs holds beyond what may be said.
const ROOM: usize = 8 << 10;

/// What stands behind the imports of one call.
pub(super) struct Inert {
    context: WasiCtx,
    printed: [MemoryOutputPipe; 2],
}

impl Inert {
    /// Standard output and error hold more than the `words` that may be said, whatever the ends of lines are, so that
    /// too many are noticed when they are told; what is beyond that is not taken.
    pub(super) fn new(words: usize) -> Self {
        let room = words.saturating_mul(2).saturating_add(ROOM);
        let printed = [MemoryOutputPipe::new(room), MemoryOutputPipe::new(room)];
        let [stdout, stderr] = printed.clone();
        let mut context = WasiCtx::builder();
        context.stdout(stdout).stderr(stderr).max_random_size(RANDOM);
        context.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
        Self { context: context.build(), printed }
    }

    /// What was printed, standard output first.
    pub(super) fn printed(&self) -> impl Iterator<Item = String> {
        let text = |pipe: &MemoryOutputPipe| String::from_utf8_lossy(&pipe.contents()).into_owned();
        self.printed.iter().map(text)
    }
}

/// Adds all of WASI 0.2 but `wasi:http`. Waiting, which wasmtime's clock does not see, is charged to the guest.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    poll::add_to_linker::<_, Waits>(linker, |state| Waiting(state))?;
    linker.allow_shadowing(false);
    Ok(())
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { wasi, words, table, .. } = self;
        WasiCtxView { ctx: &mut wasi.get_or_insert_with(|| Box::new(Inert::new(*words))).context, table }
    }
}

struct Waits;

impl HasData for Waits {
    type Data<'a> = Waiting<'a>;
}

/// `wasi:io/poll` as it is, within the time that the call has left.
struct Waiting<'a>(&'a mut State);

impl Waiting<'_> {
    fn charge<T>(&mut self, begun: Instant, outcome: Result<T, tokio::time::error::Elapsed>) -> wasmtime::Result<T> {
        self.0.waited(begun.elapsed());
        outcome.map_err(|_| wasmtime::format_err!("it waited for longer than a call may take"))
    }

    fn left(&self) -> Duration {
        self.0.left()
    }
}

impl Host for Waiting<'_> {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> wasmtime::Result<Vec<u32>> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.left(), Host::poll(&mut self.0.table, pollables)).await;
        self.charge(begun, outcome)?
    }
}

impl HostPollable for Waiting<'_> {
    async fn block(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        let begun = Instant::now();
        let outcome = tokio::time::timeout(self.left(), HostPollable::block(&mut self.0.table, pollable)).await;
        self.charge(begun, outcome)?
    }

    async fn ready(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<bool> {
        HostPollable::ready(&mut self.0.table, pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> wasmtime::Result<()> {
        HostPollable::drop(&mut self.0.table, pollable)
    }
}
