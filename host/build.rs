//! Makes what the host carries inside itself: the program of the built-in image, and the first-party backends.
//!
//! - With the feature `demo`, `image/main.rs` is compiled by the same `rustc` into a static program, whose path
//!   stands in `PORTREEVE_DECKHAND` for `include_bytes!`.
//! - With `backend-podman` or `backend-docker`, those packages are built as components by a nested `cargo build`;
//!   `$OUT_DIR/embedded.rs` names each with its bytes and its grants.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on its stdout")]

use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest as _, Sha256};

/// What components are compiled for: no WASI, so their imports are the backend's alone.
const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// The backends that can be carried, by the name of their folder under `plugins`.
const BACKENDS: [&str; 2] = ["podman", "docker"];

/// Variables of the outer build that would change what the nested one makes.
const OUTER_ONLY: [&str; 9] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "TARGET",
    "HOST",
    "OUT_DIR",
    "PROFILE",
    "DEBUG",
];

/// Variables that begin with `CARGO_` and say how to reach registries or share the job server, not what to build.
const NESTED_TOO: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_BUILD_JOBS",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // One directive a line: cargo shows each as an error of this package.
            why.lines().for_each(|line| println!("cargo::error={line}"));
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let places = Places::from_environment()?;
    println!("cargo::rustc-env=PORTREEVE_WASMTIME={}", locked_wasmtime(&places)?);
    if has_feature("demo") {
        build_deckhand(&places)?;
    }
    build_backends(&places)
}

/// Wasmtime's whole version: compiled code of one is not for another, and its own check looks at the major alone.
fn locked_wasmtime(places: &Places) -> Result<String, String> {
    let path = places.workspace.join("Cargo.lock");
    println!("cargo::rerun-if-changed={}", path.display());
    let lock = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let version = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).and_then(|rest| rest.split('"').next());
    version.map(str::to_owned).ok_or_else(|| format!("{}: it names no version of wasmtime", path.display()))
}

/// Where things are, as cargo told this build script.
struct Places {
    /// `host`.
    package: PathBuf,
    /// The folder above it.
    workspace: PathBuf,
    /// Where this script may write.
    out: PathBuf,
}

impl Places {
    fn from_environment() -> Result<Self, String> {
        let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
        let workspace = package.parent().ok_or("the package has no parent folder")?.to_owned();
        Ok(Self { package, workspace, out: PathBuf::from(variable("OUT_DIR")?) })
    }
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}

fn has_feature(name: &str) -> bool {
    let name = name.to_uppercase().replace('-', "_");
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

// ---- the built-in image's program ----

fn build_deckhand(places: &Places) -> Result<(), String> {
    require_linux()?;
    let source = places.package.join("image/main.rs");
    watch(&places.package.join("image"));
    let program = places.out.join("deckhand");
    let mut rustc = rustc()?;
    rustc.args(["--edition=2024", "--crate-name=deckhand", "--target"]).arg(variable("TARGET")?);
    rustc.args(codegen_options()).arg("-o").arg(&program).arg(&source);
    run(&mut rustc, "can't compile the built-in image's program").map_err(with_static_hint)?;
    println!("cargo::rustc-env=PORTREEVE_DECKHAND={}", program.display());
    Ok(())
}

fn require_linux() -> Result<(), String> {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => Ok(()),
        _ => {
            Err("the feature `demo` carries a Linux program: build for Linux, or with --no-default-features".to_owned())
        }
    }
}

/// Small, static, and without an unwinder.
fn codegen_options() -> Vec<OsString> {
    let fixed = ["opt-level=z", "panic=abort", "strip=symbols", "codegen-units=1", "target-feature=+crt-static"];
    let linker = env::var_os("RUSTC_LINKER").map(|linker| joined("linker=", &linker));
    let options = fixed.into_iter().map(OsString::from).chain(linker);
    options.flat_map(|option| [OsString::from("-C"), option]).collect()
}

fn joined(key: &str, value: &OsStr) -> OsString {
    let mut option = OsString::from(key);
    option.push(value);
    option
}

fn with_static_hint(why: String) -> String {
    let hint = "it is linked statically: the C library's static archive must be installed \
                (Debian, Ubuntu: libc6-dev; Fedora: glibc-static), or build with --no-default-features";
    format!("{why}\n{hint}")
}

// ---- the backends ----

fn build_backends(places: &Places) -> Result<(), String> {
    let wanted: Vec<_> = BACKENDS.into_iter().filter(|name| has_feature(&format!("backend-{name}"))).collect();
    if !wanted.is_empty() {
        require_sources(places)?;
        require_guest_target()?;
        watch_sources(places);
        compile_backends(places, &wanted)?;
    }
    let text = embedded_source(places, &wanted)?;
    let file = places.out.join("embedded.rs");
    std::fs::write(&file, text).map_err(|error| format!("can't write {}: {error}", file.display()))
}

fn require_sources(places: &Places) -> Result<(), String> {
    let plugins = places.workspace.join("plugins");
    if plugins.is_dir() {
        return Ok(());
    }
    let plugins = plugins.display();
    Err(format!("the backends' sources are not at {plugins}: build from a clone, or without the features backend-*"))
}

/// Asks the compiler itself where the target's library would be, so that no message need be guessed at.
fn require_guest_target() -> Result<(), String> {
    let asked = rustc()?.args(["--print=target-libdir", "--target", GUEST_TARGET]).output();
    let output = asked.map_err(|error| format!("can't run rustc: {error}"))?;
    let library = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && library.is_dir() {
        return Ok(());
    }
    Err(format!(
        "the backends are compiled for {GUEST_TARGET}, which is not installed. Run:\nrustup target add {GUEST_TARGET}"
    ))
}

fn watch_sources(places: &Places) {
    let sources = ["plugins", "wit", ".cargo/config.toml", "Cargo.toml", "Cargo.lock"];
    sources
        .iter()
        .map(|source| places.workspace.join(source))
        .filter(|source| source.exists())
        .for_each(|source| watch(&source));
}

fn compile_backends(places: &Places, wanted: &[&str]) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    // Configuration is looked for from the working directory upwards.
    cargo.current_dir(&places.workspace);
    cargo.args(["build", "--profile=guest", "--target", GUEST_TARGET, "--target-dir"]).arg(guest_folder(places));
    cargo.args(wanted.iter().map(|name| format!("--package=portreeve-{name}")));
    if places.workspace.join("Cargo.lock").exists() {
        cargo.arg("--locked");
    }
    outer_variables().for_each(|name| {
        cargo.env_remove(name);
    });
    run(&mut cargo, "can't compile the backends")
}

fn guest_folder(places: &Places) -> PathBuf {
    places.out.join("guest")
}

fn outer_variables() -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| is_outer_only(&name.to_string_lossy()))
}

fn is_outer_only(name: &str) -> bool {
    let of_cargo = name.starts_with("CARGO_") && !NESTED_TOO.iter().any(|kept| name.starts_with(kept));
    of_cargo || OUTER_ONLY.contains(&name)
}

fn embedded_source(places: &Places, wanted: &[&str]) -> Result<String, String> {
    let mut text = String::from("/// The backends in this program: name, component, its SHA-256, grants.\n");
    text.push_str("pub(crate) static EMBEDDED: &[(&str, &[u8], [u8; 32], &str)] = &[\n");
    for name in wanted {
        let component = guest_folder(places).join(GUEST_TARGET).join("guest").join(format!("portreeve_{name}.wasm"));
        let grants = places.workspace.join("plugins").join(name).join("grants.toml");
        require_file(&grants)?;
        let digest = sha256_of(&component)?;
        // Writing to a string does not fail.
        let _ = writeln!(text, "    ({name:?}, include_bytes!({component:?}), {digest:?}, include_str!({grants:?})),");
    }
    text.push_str("];\n");
    Ok(text)
}

/// Hashed once, here: what is part of the program can't change under it.
fn sha256_of(path: &Path) -> Result<[u8; 32], String> {
    let bytes = std::fs::read(path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    Ok(Sha256::digest(bytes).into())
}

fn require_file(path: &Path) -> Result<(), String> {
    if path.is_file() { Ok(()) } else { Err(format!("there is no file {}", path.display())) }
}

// ---- programs ----

fn rustc() -> Result<Command, String> {
    variable("RUSTC").map(Command::new)
}

/// Runs a program to its end; what it printed is shown only when it failed.
fn run(command: &mut Command, purpose: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{purpose}: {command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{purpose}: {} ended with {}\n{}",
        command.get_program().to_string_lossy(),
        output.status,
        printed.trim_end()
    ))
}
