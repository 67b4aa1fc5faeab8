//! Wasmtime's engine, its clock, and the linker that knows the imports and nothing else.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Engine};

use super::bindings::{Backend, BackendPre};
use super::cache::CodeCache;
use super::component::Component;
use super::store::State;
use super::wasi;
use crate::error::Error;
use crate::grants::Wasi;

/// The length of an epoch: how finely guest time is measured.
pub(super) const TICK: Duration = Duration::from_millis(2);
/// The most stack that guest code may use, in bytes.
const STACK: usize = 512 << 10;

/// Compiles, keeps and starts components.
pub(crate) struct Sandbox {
    engine: Engine,
    linker: Linker<State>,
    /// The same with an inert WASI; made when the first component comes that was granted one.
    with_wasi: OnceLock<Linker<State>>,
    cache: Option<CodeCache>,
    clock: Arc<Clock>,
}

impl Sandbox {
    /// An engine that keeps compiled code in `cache`. It compiles nothing itself: the compiler costs time and memory, and is
    /// only there while there is something to compile.
    pub(crate) fn new(cache: Option<CodeCache>) -> Result<Self, Error> {
        let engine = Engine::new(config().enable_compiler(false)).map_err(|error| sandbox_error(&error))?;
        let mut linker = Linker::new(&engine);
        Backend::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)
            .map_err(|error| sandbox_error(&error))?;
        let clock = Clock::start(&engine);
        Ok(Self { engine, linker, with_wasi: OnceLock::new(), cache, clock })
    }

    /// A component, linked: from the cache where it is there, compiled otherwise. Done once.
    pub(crate) async fn ready(&self, component: &Component, wasi: Wasi) -> Result<(), Error> {
        self.prepare(component, wasi).await.map(drop)
    }

    /// The same, to be instantiated.
    pub(super) async fn prepare<'a>(
        &self,
        component: &'a Component,
        wasi: Wasi,
    ) -> Result<&'a BackendPre<State>, Error> {
        component.linked().get_or_try_init(|| async { self.link(component, wasi).await }).await
    }

    async fn link(&self, component: &Component, wasi: Wasi) -> Result<BackendPre<State>, Error> {
        let linker = self.linker(wasi)?;
        let code = self.code(component).await?;
        let linked = linker.instantiate_pre(&code).and_then(BackendPre::new);
        linked.map_err(|error| Error::Backend {
            name: component.digest().to_string(),
            why: format!("it does not fit the interface portreeve:backend@0.1: {error:#}"),
        })
    }

    /// What a component may import.
    fn linker(&self, wasi: Wasi) -> Result<&Linker<State>, Error> {
        if wasi == Wasi::None {
            return Ok(&self.linker);
        }
        if let Some(linker) = self.with_wasi.get() {
            return Ok(linker);
        }
        let mut linker = self.linker.clone();
        wasi::add_to_linker(&mut linker).map_err(|error| sandbox_error(&error))?;
        Ok(self.with_wasi.get_or_init(|| linker))
    }

    async fn code(&self, component: &Component) -> Result<wasmtime::component::Component, Error> {
        if let Some(code) = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, component.digest())) {
            return Ok(code);
        }
        let bytes = component.bytes();
        let compiling = tokio::task::spawn_blocking(move || Compiled::from_component(&bytes)).await;
        let compiled = compiling.map_err(|error| Error::State(error.to_string()))?;
        let code = compiled.and_then(|compiled| {
            if let Some(cache) = &self.cache {
                cache.store(&self.engine, component.digest(), &compiled);
            }
            compiled.load(&self.engine)
        });
        code.map_err(|error| Error::Backend {
            name: component.digest().to_string(),
            why: format!("it can't be compiled: {error:#}"),
        })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// While it is held, the clock ticks.
    pub(super) fn ticking(&self) -> Ticking {
        self.clock.wind()
    }
}

fn sandbox_error(error: &wasmtime::Error) -> Error {
    Error::State(format!("the sandbox can't be made: {error:#}"))
}

/// What the compiler made of a component, just now and in this process.
pub(super) struct Compiled(Vec<u8>);

impl Compiled {
    pub(super) fn from_component(bytes: &[u8]) -> wasmtime::Result<Self> {
        let compiler = Engine::new(&config())?;
        wasmtime::component::Component::from_binary(&compiler, bytes)?.serialize().map(Self)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The code as an engine runs it.
    #[allow(unsafe_code, reason = "native code can't be checked; it was compiled here and never left this process")]
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<wasmtime::component::Component> {
        // SAFETY: these are the bytes that `Component::serialize` gave, of the same wasmtime; nobody else had them.
        unsafe { wasmtime::component::Component::deserialize(engine, &self.0) }
    }
}

/// Each option that matters is said, for other crates in the same build may change the defaults.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .gc_support(false)
        .wasm_multi_memory(false)
        .wasm_memory64(false)
        .max_wasm_stack(STACK)
        .async_stack_size(2 * STACK);
    config
}

/// Advances the engine's epoch, while somebody runs guest code and no longer.
struct Clock {
    users: AtomicUsize,
    wake: Condvar,
    lock: Mutex<()>,
}

impl Clock {
    fn start(engine: &Engine) -> Arc<Self> {
        let clock = Arc::new(Self { users: AtomicUsize::new(0), wake: Condvar::new(), lock: Mutex::new(()) });
        let (weak, shared) = (engine.weak(), Arc::downgrade(&clock));
        thread::spawn(move || {
            // By appointment: sleeping for a tick takes longer than a tick, and guests would get the difference.
            let mut next = Instant::now();
            while let (Some(engine), Some(clock)) = (weak.upgrade(), shared.upgrade()) {
                clock.rest();
                engine.increment_epoch();
                drop((engine, clock));
                next = (next + TICK).max(Instant::now());
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        clock
    }

    /// Waits until there is somebody to tick for, or a second has passed.
    fn rest(&self) {
        if self.users.load(Ordering::Acquire) > 0 {
            return;
        }
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |_: &mut ()| self.users.load(Ordering::Acquire) == 0;
        drop(self.wake.wait_timeout_while(guard, Duration::from_secs(1), idle));
    }

    fn wind(self: &Arc<Self>) -> Ticking {
        if self.users.fetch_add(1, Ordering::AcqRel) == 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
        Ticking(Arc::clone(self))
    }
}

/// Keeps the clock ticking.
pub(super) struct Ticking(Arc<Clock>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::AcqRel);
    }
}
