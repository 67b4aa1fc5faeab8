//! The interface as Rust types: the only `bindgen!` of the host.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::restriction, reason = "generated; documented in wit/")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "backend",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "portreeve:backend/engine.lines": super::host::LinesHandle,
        "portreeve:backend/logs.log": super::host::LogHandle,
    },
});
