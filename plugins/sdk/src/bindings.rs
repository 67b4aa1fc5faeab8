//! What `wit-bindgen` makes of `wit/`. The rest of the crate wraps it; only [`crate::backend!`] reaches in from outside.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    rust_2018_idioms,
    clippy::all,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "generated: the canonical ABI is made of raw memory, and modules get no documentation"
)]

wit_bindgen::generate!({
    world: "backend",
    path: "../../wit",
    pub_export_macro: true,
    default_bindings_module: "portreeve_plugin::bindings",
    additional_derives: [PartialEq, Eq],
});
