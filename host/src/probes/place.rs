//! A fixed place: an absolute path in which the operator may leave the user open.

use std::path::PathBuf;

use super::ProbeContext;

const HOME: &str = "{HOME}";
const RUNTIME_DIR: &str = "{XDG_RUNTIME_DIR}";
const UID: &str = "{UID}";

/// The longest place that loads, in bytes.
pub(crate) const MAX_LENGTH: usize = 1024;

/// Why a place does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a fixed place: it must begin with `/`, `{HOME}/` or `{RUNTIME_DIR}/`, have no empty, `.` or `..` part, \
     and no placeholder but `{UID}` after that",
    place.escape_debug()
)]
pub(crate) struct PlaceError {
    /// The place as written.
    pub(crate) place: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Root,
    Home,
    RuntimeDir,
}

/// A place of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    base: Base,
    rest: String,
}

impl Place {
    /// Parses a place.
    ///
    /// # Errors
    /// [`PlaceError`] says what a place looks like.
    pub(crate) fn parse(place: &str) -> Result<Self, PlaceError> {
        let (base, after) = match (place.strip_prefix(HOME), place.strip_prefix(RUNTIME_DIR)) {
            (Some(after), _) => (Base::Home, after),
            (_, Some(after)) => (Base::RuntimeDir, after),
            _ => (Base::Root, place),
        };
        match after.strip_prefix('/') {
            Some(rest) if place.len() <= MAX_LENGTH && is_plain(rest) => Ok(Self { base, rest: rest.to_owned() }),
            None if after.is_empty() && base != Base::Root => Ok(Self { base, rest: String::new() }),
            _ => Err(PlaceError { place: place.to_owned() }),
        }
    }

    /// The path for this user; none when the placeholder it begins with has no value.
    pub(super) fn expand(&self, context: &ProbeContext) -> Option<PathBuf> {
        let base = match self.base {
            Base::Root => PathBuf::from("/"),
            Base::Home => context.home.clone()?,
            Base::RuntimeDir => context.runtime_dir.clone()?,
        };
        Some(base.join(self.rest.replace(UID, &context.uid.to_string())))
    }
}

fn is_plain(rest: &str) -> bool {
    let literal = rest.replace(UID, "0");
    let parts = literal.split('/').all(|part| !matches!(part, "" | "." | ".."));
    parts && !literal.contains(['{', '}']) && !literal.contains(char::is_control)
}
