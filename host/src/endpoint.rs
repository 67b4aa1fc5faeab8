//! The socket by which an engine's client reaches its daemon. Contexts and `DOCKER_HOST` are not followed.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use crate::backend::HostEnvironment;

/// The first granted socket that is there and safe, as `unix://…`.
///
/// # Errors
/// Says of each what was wrong with it.
pub(crate) fn check(sockets: &[String], environment: &HostEnvironment) -> Result<String, String> {
    let mut wrong = Vec::new();
    for granted in sockets {
        let Some(path) = expand(granted, environment) else { continue };
        match check_one(Path::new(&path)) {
            Ok(()) => return Ok(format!("unix://{path}")),
            Err(why) => wrong.push(format!("{path}: {why}")),
        }
    }
    Err(format!("no socket of the engine's daemon can be used ({})", wrong.join("; ")))
}

/// Only the two folders that a login defines stand in braces; an unset one leaves the path out.
pub(crate) fn expand(granted: &str, environment: &HostEnvironment) -> Option<String> {
    let mut path = granted.to_owned();
    for name in ["XDG_RUNTIME_DIR", "HOME"] {
        let braced = format!("{{{name}}}");
        if path.contains(&braced) {
            path = path.replace(&braced, environment.text(name).filter(|value| value.starts_with('/'))?);
        }
    }
    path.starts_with('/').then_some(path)
}

/// A socket of root's or our own, in a folder that nobody else can change.
fn check_one(path: &Path) -> Result<(), String> {
    let resolved = fs::canonicalize(path).map_err(|error| error.to_string())?;
    let metadata = fs::symlink_metadata(&resolved).map_err(|error| error.to_string())?;
    if !metadata.file_type().is_socket() {
        return Err("it is no socket".to_owned());
    }
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != 0 && metadata.uid() != own {
        return Err(format!("it belongs to user {}, neither to root nor to us", metadata.uid()));
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err("everybody may write to it; its mode should be 0660 or less".to_owned());
    }
    let parent = resolved.parent().map(fs::symlink_metadata).transpose().map_err(|error| error.to_string())?;
    match parent {
        Some(folder) if folder.mode() & 0o022 != 0 && folder.mode() & 0o1000 == 0 => {
            Err("its folder can be written by others".to_owned())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn environment(folder: &Path) -> HostEnvironment {
        HostEnvironment([("XDG_RUNTIME_DIR".to_owned(), folder.to_str().unwrap().as_bytes().to_vec())].into())
    }

    #[test]
    fn a_socket_of_our_own_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        let sockets = ["{XDG_RUNTIME_DIR}/none.sock".to_owned(), "{XDG_RUNTIME_DIR}/e.sock".to_owned()];
        assert_eq!(check(&sockets, &environment(folder.path())).unwrap(), format!("unix://{}", path.display()));
    }

    #[test]
    fn one_that_everybody_may_write_to_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("e.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = check(&["{XDG_RUNTIME_DIR}/e.sock".to_owned()], &environment(folder.path())).unwrap_err();
        assert!(error.contains("everybody"), "{error}");
    }

    #[test]
    fn a_file_is_no_socket_and_an_unset_folder_no_path() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("e.sock"), "").unwrap();
        let sockets = ["{XDG_RUNTIME_DIR}/e.sock".to_owned(), "{HOME}/e.sock".to_owned()];
        assert!(check(&sockets, &environment(folder.path())).unwrap_err().contains("no socket"));
    }
}
