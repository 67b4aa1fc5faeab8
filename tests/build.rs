//! Makes components of the hostile guests, and a macro that names them all.
//!
//! `$OUT_DIR/guests.rs` has a constant for each guest, the path of its component, and `foreach_guest!`, by which the tests
//! show that none of them is without a test.
#![allow(clippy::print_stdout, reason = "a build script speaks to cargo on its stdout")]

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What components are compiled for.
const GUEST_TARGET: &str = "wasm32-unknown-unknown";

/// Nobody ships these: they are to be built soon rather than small.
const SOON: [&str; 2] = ["profile.guest.lto=\"off\"", "profile.guest.codegen-units=16"];

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
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let workspace = package.parent().ok_or("the package has no parent folder")?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    require_guest_target()?;
    watch(workspace);
    compile(workspace, &out)?;
    let source = source(&package.join("guests/examples"), &out)?;
    let file = out.join("guests.rs");
    fs::write(&file, source).map_err(|error| format!("can't write {}: {error}", file.display()))
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}

/// Asks the compiler itself where the target's library would be, so that no message need be guessed at.
fn require_guest_target() -> Result<(), String> {
    let asked = Command::new(variable("RUSTC")?).args(["--print=target-libdir", "--target", GUEST_TARGET]).output();
    let output = asked.map_err(|error| format!("can't run rustc: {error}"))?;
    if output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the guests are compiled for {GUEST_TARGET}, which is not installed. Run:\nrustup target add {GUEST_TARGET}"
    ))
}

fn watch(workspace: &Path) {
    let sources =
        ["tests/build.rs", "tests/guests", "plugins/sdk", "plugins/podman/grants.toml", "wit", ".cargo/config.toml"];
    sources.iter().for_each(|source| println!("cargo::rerun-if-changed={}", workspace.join(source).display()));
}

fn compile(workspace: &Path, out: &Path) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    // Configuration is looked for from the working directory upwards.
    cargo.current_dir(workspace);
    cargo.args(["build", "--package=portreeve-guests", "--examples", "--features=components", "--profile=guest"]);
    cargo.args(["--target", GUEST_TARGET, "--target-dir"]).arg(guest_folder(out));
    cargo.args(SOON.iter().flat_map(|setting| ["--config", setting]));
    if workspace.join("Cargo.lock").exists() {
        cargo.arg("--locked");
    }
    env::vars_os().filter(|(name, _)| is_outer_only(&name.to_string_lossy())).for_each(|(name, _)| {
        cargo.env_remove(name);
    });
    let output = cargo.output().map_err(|error| format!("can't run cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("can't compile the guests: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end()))
}

fn guest_folder(out: &Path) -> PathBuf {
    out.join("guest")
}

fn is_outer_only(name: &str) -> bool {
    let of_cargo = name.starts_with("CARGO_") && !NESTED_TOO.iter().any(|kept| name.starts_with(kept));
    of_cargo || OUTER_ONLY.contains(&name)
}

/// A constant for each guest, and the macro.
fn source(examples: &Path, out: &Path) -> Result<String, String> {
    let (mut constants, mut calls) = (String::new(), String::new());
    let components = guest_folder(out).join(GUEST_TARGET).join("guest/examples");
    for name in names(examples)? {
        let component = components.join(&name).with_extension("wasm");
        if !component.is_file() {
            return Err(format!("there is no {}: is the guest in tests/guests/Cargo.toml?", component.display()));
        }
        // Writing to a string does not fail.
        let _ = writeln!(constants, "pub(crate) const {}: &str = {component:?};", name.to_uppercase());
        let _ = writeln!(calls, "        $one!({name});");
    }
    Ok(format!("{constants}\nmacro_rules! foreach_guest {{\n    ($one:ident) => {{\n{calls}    }};\n}}\n"))
}

fn names(examples: &Path) -> Result<Vec<String>, String> {
    let unreadable = |error: std::io::Error| format!("{}: {error}", examples.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(examples).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(".rs").map(str::to_owned));
    }
    names.sort();
    Ok(names)
}
