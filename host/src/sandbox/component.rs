//! A component as bytes: hashed, read without running it, compiled when it is first called.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::OnceCell;
use wasmparser::{Parser, Payload};

use super::bindings::BackendPre;
use super::store::State;
use crate::backend::digest_of;
use crate::digest::Digest;
use crate::error::{Refusal, Rule};
use crate::grants::Wasi;

/// The custom section that holds a backend's request.
const REQUEST: &str = "portreeve:request";
/// The largest component, in bytes.
const MOST: usize = 64 << 20;
/// What every import must begin with.
const OURS: &str = "portreeve:backend/";

/// Why a component can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ComponentError {
    /// It is no component.
    #[error("it is no WebAssembly component: {0}")]
    Malformed(String),
    /// It is too large.
    #[error("it is {0} bytes large; at most {MOST} are allowed")]
    TooLarge(usize),
    /// It has no request section, or several.
    #[error("it has {0} sections `{REQUEST}`; a backend has exactly one")]
    Requests(usize),
    /// Its request is no text.
    #[error("its section `{REQUEST}` is no UTF-8")]
    NoText,
}

/// A component, by its bytes.
pub(crate) struct Component {
    bytes: Arc<Cow<'static, [u8]>>,
    digest: Digest,
    requests: Vec<Vec<u8>>,
    imports: Vec<String>,
    exports: Vec<String>,
    linked: OnceCell<BackendPre<State>>,
}

impl Component {
    /// Hashes the bytes, unless their digest is known, and reads their outline. Nothing is compiled or run.
    pub(crate) fn read(bytes: Cow<'static, [u8]>, known: Option<Digest>) -> Result<Self, ComponentError> {
        if bytes.len() > MOST {
            return Err(ComponentError::TooLarge(bytes.len()));
        }
        let mut outline = Outline::default();
        outline.read(&bytes).map_err(|error| ComponentError::Malformed(one_line(&error.to_string())))?;
        if !outline.is_component {
            return Err(ComponentError::Malformed("it is a core module".to_owned()));
        }
        let Outline { requests, imports, exports, .. } = outline;
        Ok(Self {
            digest: known.unwrap_or_else(|| digest_of(&bytes)),
            bytes: Arc::new(bytes),
            requests,
            imports,
            exports,
            linked: OnceCell::new(),
        })
    }

    /// Its digest.
    pub(crate) fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Its bytes.
    pub(crate) fn bytes(&self) -> Arc<Cow<'static, [u8]>> {
        Arc::clone(&self.bytes)
    }

    /// What it imports.
    pub(crate) fn imports(&self) -> &[String] {
        &self.imports
    }

    /// What it exports.
    pub(crate) fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The text of its one request.
    pub(crate) fn request(&self) -> Result<String, ComponentError> {
        match self.requests.as_slice() {
            [request] => String::from_utf8(request.clone()).map_err(|_| ComponentError::NoText),
            requests => Err(ComponentError::Requests(requests.len())),
        }
    }

    /// It imports this interface alone, and WASI only where the grant says so.
    pub(crate) fn check_imports(&self, wasi: Wasi) -> Result<(), Box<Refusal>> {
        let known = |import: &String| import.starts_with(OURS) || (wasi == Wasi::Inert && import.starts_with("wasi:"));
        match self.imports.iter().find(|import| !known(import)) {
            None => Ok(()),
            Some(import) => {
                let refusal =
                    Refusal::new(Rule::Import, "the component imports what its grant does not give").value(import);
                let wasi = import.starts_with("wasi:");
                Err(Box::new(if wasi {
                    refusal.remedy("an operator would say wasi = \"inert\" in the grants")
                } else {
                    refusal
                }))
            }
        }
    }

    pub(super) fn linked(&self) -> &OnceCell<BackendPre<State>> {
        &self.linked
    }
}

/// What can be read of a component without running it.
#[derive(Default)]
struct Outline {
    is_component: bool,
    requests: Vec<Vec<u8>>,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl Outline {
    /// Imports and exports are those of the outermost component; sections count wherever they are nested.
    fn read(&mut self, bytes: &[u8]) -> Result<(), wasmparser::BinaryReaderError> {
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    if depth == 0 {
                        self.is_component = encoding == wasmparser::Encoding::Component;
                    }
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if section.name() == REQUEST => {
                    self.requests.push(section.data().to_vec())
                }
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        self.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        self.exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A parser's words that are laid out over several lines, as one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_refused() {
        for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"hello"] {
            assert!(Component::read(bytes.to_vec().into(), None).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_component_without_a_request_is_no_backend() {
        let component = Component::read(b"\0asm\x0d\0\x01\0".to_vec().into(), None).unwrap();
        assert!(matches!(component.request(), Err(ComponentError::Requests(0))));
    }
}
