//! Texts that a caller names by a file: read whole, and never more than they may be.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use portreeve::Error;

use super::exit::Failure;

/// What stands in a file of at most so many bytes.
///
/// # Errors
/// Where it can't be read, is no UTF-8, or is larger: nothing is cut off.
pub(crate) fn of_file(path: &Path, most: u64) -> Result<String, Failure> {
    let failed = |source| Failure::from(Error::Io { what: path.display().to_string(), source });
    let mut text = String::new();
    File::open(path).map_err(failed)?.take(most.saturating_add(1)).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > most {
        let why = format!("it is larger than {most} bytes");
        return Err(failed(io::Error::new(io::ErrorKind::FileTooLarge, why)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "abcd").unwrap();
        assert_eq!(of_file(&path, 4).unwrap(), "abcd");
        let told = of_file(&path, 3).unwrap_err().message().unwrap();
        assert!(told.contains("/f") && told.contains("larger than 3 bytes"), "{told}");
        std::fs::write(&path, [b'a', 0xff]).unwrap();
        assert!(of_file(&path, 4).is_err());
        assert!(of_file(&folder.path().join("nonesuch"), 4).unwrap_err().message().unwrap().contains("/nonesuch"));
    }
}
