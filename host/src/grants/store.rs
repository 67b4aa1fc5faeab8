//! Folders in which an engine keeps manifests and configurations as they came, and what its files are called there.
//!
//! A file's name is a pattern of the operator's: `{id}` is the image's ID without its algorithm, `{digest}` what is
//! asked for, `{algorithm}` and `{hex}` its parts, and `{base64:…}` whatever stands in it, encoded.

use base64::Engine as _;

use super::accept;
use super::error::GrantsError;
use super::reader::{Entry, Section};
use crate::digest::Digest;

/// A folder that the host may read manifests from, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreGrant {
    /// Its absolute path; it may begin with `{HOME}` or `{XDG_RUNTIME_DIR}`.
    pub folder: String,
    /// What the file of a manifest or an index is called below it.
    pub manifest: FilePattern,
    /// What the file of a configuration is called below it; without it, none is read.
    pub config: Option<FilePattern>,
}

impl StoreGrant {
    pub(super) fn read(section: Section<'_>) -> Result<Self, GrantsError> {
        section.only(&["folder", "manifest", "config"])?;
        Ok(Self {
            folder: folder(section.need("folder")?)?,
            manifest: FilePattern::read(section.need("manifest")?)?,
            config: section.get("config").map(FilePattern::read).transpose()?,
        })
    }
}

fn folder(entry: Entry<'_>) -> Result<String, GrantsError> {
    let text = entry.text()?;
    let variable = |name: &&str| text.strip_prefix(&format!("{{{name}}}"));
    let path = super::EndpointGrant::VARIABLES.iter().find_map(variable).unwrap_or(text);
    if accept::host_path(path) {
        return Ok(text.to_owned());
    }
    Err(entry.error(format!(
        "{text:?} is not the absolute path of a folder; it may begin with {{XDG_RUNTIME_DIR}} or {{HOME}}"
    )))
}

/// What a file is called, part by part below its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern {
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Id,
    Digest,
    Algorithm,
    Hex,
    Base64(Vec<Self>),
}

impl FilePattern {
    /// As the file spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The parts of the path for one image and one digest; none where a part could lead anywhere else.
    #[must_use]
    pub fn render(&self, id: &str, digest: &Digest) -> Option<Vec<String>> {
        let path: String = self.pieces.iter().map(|piece| piece.render(id, digest)).collect();
        accept::host_path(&format!("/{path}")).then(|| path.split('/').map(str::to_owned).collect())
    }

    fn read(entry: Entry<'_>) -> Result<Self, GrantsError> {
        let written = entry.text()?;
        let pieces = pieces(written).filter(|pieces| names_digest(pieces)).ok_or_else(|| {
            entry.error(format!(
                "`{}` is a path with {{digest}} or {{hex}} in it, and of the words {{id}}, {{digest}}, {{algorithm}}, \
                 {{hex}} and {{base64:…}} only",
                entry.key
            ))
        })?;
        let pattern = Self { written: written.to_owned(), pieces };
        match pattern.render(&"0".repeat(64), &Digest::sha256(b"")) {
            Some(_) => Ok(pattern),
            None => {
                Err(entry.error(format!("`{}` is a path below a folder: no empty part, no `.`, no `..`", entry.key)))
            }
        }
    }
}

impl Piece {
    fn named(name: &str) -> Option<Self> {
        match name.split_once(':') {
            Some(("base64", inner)) => pieces(inner).map(Self::Base64),
            Some(_) => None,
            None => match name {
                "id" => Some(Self::Id),
                "digest" => Some(Self::Digest),
                "algorithm" => Some(Self::Algorithm),
                "hex" => Some(Self::Hex),
                _ => None,
            },
        }
    }

    fn render(&self, id: &str, digest: &Digest) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Id => id.to_owned(),
            Self::Digest => digest.to_string(),
            Self::Algorithm => digest.algorithm().name().to_owned(),
            Self::Hex => digest.hex(),
            Self::Base64(inner) => {
                let text: String = inner.iter().map(|piece| piece.render(id, digest)).collect();
                base64::engine::general_purpose::STANDARD.encode(text)
            }
        }
    }
}

fn names_digest(pieces: &[Piece]) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Digest | Piece::Hex => true,
        Piece::Base64(inner) => names_digest(inner),
        Piece::Text(_) | Piece::Id | Piece::Algorithm => false,
    })
}

/// Takes a pattern apart; none where its braces do not pair or name nothing. `{base64:…}` may hold others.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let (mut all, mut rest) = (Vec::new(), pattern);
    while let Some(open) = rest.find(['{', '}']) {
        let (text, from) = rest.split_at_checked(open)?;
        let close = closing(from)?;
        all.push(Piece::Text(text.to_owned()));
        all.push(Piece::named(from.get(1..close)?)?);
        rest = from.get(close + 1..)?;
    }
    all.push(Piece::Text(rest.to_owned()));
    Some(all)
}

/// Where the brace that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> FilePattern {
        FilePattern { written: text.to_owned(), pieces: pieces(text).unwrap() }
    }

    #[test]
    fn names_are_rendered_part_by_part() {
        let digest = Digest::sha256(b"");
        let id = "ab".repeat(32);
        let rendered = pattern("{id}/={base64:manifest-{digest}}").render(&id, &digest).unwrap();
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("manifest-{digest}"));
        assert_eq!(rendered, [id.clone(), format!("={encoded}")]);
        let blob = pattern("blobs/{algorithm}/{hex}").render(&id, &digest).unwrap();
        assert_eq!(blob, ["blobs".to_owned(), "sha256".to_owned(), digest.hex()]);
    }

    #[test]
    fn what_leads_elsewhere_is_not_rendered() {
        let digest = Digest::sha256(b"");
        for id in ["..", ".", "", "a/../..", "a\0", "/etc"] {
            assert_eq!(pattern("{id}/{digest}").render(id, &digest), None, "{id:?}");
        }
    }

    #[test]
    fn braces_pair_and_name_something() {
        for bad in ["{", "}", "{}", "{name}", "{digest", "a}b", "{base64:{digest}", "{base32:{digest}}", "{{digest}}"] {
            assert_eq!(pieces(bad), None, "{bad}");
        }
        assert!(names_digest(&pieces("{base64:{base64:x{hex}}}").unwrap()));
        assert!(!names_digest(&pieces("{id}").unwrap()));
    }
}
