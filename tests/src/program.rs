//! The program `portreeve`, as this build has it: cargo makes it for no other package than its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the program by the profile of this one; `packages` chooses as cargo(1) does, and with it the features.
///
/// # Errors
/// It can't be built.
pub fn built(packages: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = own.parent().and_then(Path::parent).ok_or("this program does not lie in PROFILE/deps")?;
    let mut build = cargo();
    build.args(["build", "--quiet", packages, "--bin=portreeve", "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"));
    if folder.ends_with("release") {
        build.arg("--release");
    }
    match build.stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(folder.join("portreeve")),
        Ok(status) => Err(format!("the program can't be built: {status}")),
        Err(error) => Err(format!("cargo: {error}")),
    }
}

/// Cargo, without what it tells a test of the test's own package: build scripts that look at it would run anew.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|of| name.to_string_lossy().starts_with(of)) {
            cargo.env_remove(name);
        }
    }
    cargo
}
