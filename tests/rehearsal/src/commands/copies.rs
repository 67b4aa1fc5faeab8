//! `cp`: files and folders between a container and the host.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::arguments::Arguments;
use crate::container::Place;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::trouble::Trouble;
use crate::worker::lies_at;

pub(crate) fn copy(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let [from, to] = arguments.operands.as_slice() else {
        return Err(Trouble::Usage("\"cp\" requires exactly 2 arguments".to_owned()));
    };
    let (source, target) = match (inside(from), inside(to)) {
        (None, Some((name, path))) => (PathBuf::from(from), at(engine, name, path)?),
        (Some((name, path)), None) => (at(engine, name, path)?, PathBuf::from(to)),
        _ => return Err(Trouble::Invalid("must specify at least one container source".to_owned())),
    };
    if engine.faults.has(Fault::Ignore) {
        return Ok(0);
    }
    let target = if target.is_dir() { target.join(source.file_name().unwrap_or_default()) } else { target };
    let missing = |path: &Path| Trouble::NoPath { path: path.display().to_string(), id: "it".to_owned() };
    if fs::symlink_metadata(&source).is_err() {
        return Err(missing(&source));
    }
    if !target.parent().is_some_and(Path::is_dir) {
        return Err(missing(&target));
    }
    copy_tree(&source, &target)?;
    Ok(0)
}

/// A path that is none of this machine's names a container, up to its first colon.
fn inside(operand: &str) -> Option<(&str, &str)> {
    if operand.starts_with(['/', '.']) { None } else { operand.split_once(':') }
}

fn at(engine: &Engine, name: &str, path: &str) -> Result<PathBuf, Trouble> {
    Ok(lies_at(Place::find(&engine.state, name)?, path)?)
}

/// Links are copied as links.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_symlink() {
        return std::os::unix::fs::symlink(fs::read_link(from)?, to);
    }
    if !metadata.is_dir() {
        return fs::copy(from, to).map(drop);
    }
    if !to.is_dir() {
        fs::create_dir(to)?;
    }
    fs::read_dir(from)?.try_for_each(|entry| {
        let entry = entry?;
        copy_tree(&entry.path(), &to.join(entry.file_name()))
    })
}
