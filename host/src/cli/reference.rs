//! `ref`: how references and digests are read. No engine, no state, no network.

use std::ffi::OsString;

use clap::Args;
use portreeve::digest::Digest;
use portreeve::reference::{Reference, ReferenceError};
use serde_json::{Value, json};

use super::arguments::Common;
use super::exit::{Outcome, Status};
use super::show::{Out, plain};

/// `ref`.
#[derive(Debug, Args)]
pub(crate) struct Ref {
    /// Read each as nothing but this
    #[arg(long = "as", value_name = "KIND", value_parser = ["reference", "digest"])]
    kind: Option<String>,
    /// References such as docker.io/library/alpine:3, or digests such as sha256:…
    #[arg(required = true, value_name = "REF")]
    texts: Vec<OsString>,
}

impl Ref {
    pub(crate) fn run(self, common: &Common) -> Outcome {
        let mut out = Out::open();
        let mut status = Status::OK;
        for text in &self.texts {
            let reading = Reading::of(text, self.kind.as_deref());
            if reading.read.is_err() {
                status = Status::NO;
            }
            if common.json {
                out.json(&reading.document())?;
            } else {
                out.text(&reading.words())?;
            }
        }
        out.finish()?;
        Ok(status)
    }
}

/// What a text is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reference,
    Digest,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Digest => "digest",
        }
    }
}

/// A text that was understood.
#[derive(Debug)]
enum Read {
    Reference(Reference),
    Digest(Digest),
}

/// Why a text was refused, and at which byte.
#[derive(Debug)]
struct Wrong {
    message: String,
    position: usize,
}

/// A text, what it was taken for, and what was read.
#[derive(Debug)]
struct Reading {
    input: String,
    kind: Kind,
    read: Result<Read, Wrong>,
}

impl Reading {
    fn of(text: &OsString, only: Option<&str>) -> Self {
        let input = text.to_string_lossy().into_owned();
        let Some(text) = text.to_str() else {
            let position = input.find(char::REPLACEMENT_CHARACTER).unwrap_or_default();
            let wrong = Wrong { message: format!("not UTF-8 at {position}"), position };
            return Self { input, kind: kind_asked(only).unwrap_or(Kind::Reference), read: Err(wrong) };
        };
        let kind = kind_asked(only).unwrap_or_else(|| kind_of(text));
        let read = match kind {
            Kind::Digest => digest(text),
            Kind::Reference => reference(text),
        };
        Self { input, kind, read }
    }

    fn document(&self) -> Value {
        let Self { input, kind, read } = self;
        let kind = kind.name();
        match read {
            Ok(Read::Digest(digest)) => json!({
                "input": input, "kind": kind, "valid": true,
                "algorithm": digest.algorithm().name(), "digest": digest,
            }),
            Ok(Read::Reference(reference)) => json!({
                "input": input, "kind": kind, "valid": true, "normal": reference.to_string(),
                "registry": reference.registry(), "repository": reference.repository(),
                "tag": reference.tag(), "tag_written": reference.tag_was_written(), "pinned": reference.is_pinned(),
                "algorithm": reference.digest().map(|digest| digest.algorithm().name()), "digest": reference.digest(),
            }),
            Err(Wrong { message, position }) => {
                json!({ "input": input, "kind": kind, "valid": false, "error": message, "position": position })
            }
        }
    }

    fn words(&self) -> String {
        let mut text = format!("{}\n", plain(&self.input));
        let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<10}  {}\n", plain(value)));
        match &self.read {
            Ok(Read::Digest(digest)) => {
                line("algorithm", digest.algorithm().name());
                line("digest", &digest.to_string());
            }
            Ok(Read::Reference(reference)) => {
                line("registry", reference.registry());
                line("repository", reference.repository());
                let assumed = if reference.tag_was_written() { "" } else { " (assumed)" };
                reference.tag().iter().for_each(|tag| line("tag", &format!("{tag}{assumed}")));
                if let Some(digest) = reference.digest() {
                    line("algorithm", digest.algorithm().name());
                    line("digest", &digest.to_string());
                }
            }
            Err(Wrong { message, position }) => {
                line("refused", &format!("{}: {message}", self.kind.name()));
                line("position", &position.to_string());
            }
        }
        text
    }
}

fn kind_asked(only: Option<&str>) -> Option<Kind> {
    only.map(|name| if name == Kind::Digest.name() { Kind::Digest } else { Kind::Reference })
}

/// A digest, or what somebody who meant one would write, is a digest; all else is a reference.
fn kind_of(text: &str) -> Kind {
    let names_algorithm = text.split_once(':').is_some_and(|(name, _)| {
        let name = name.to_ascii_lowercase();
        portreeve::digest::Algorithm::ALL.iter().any(|algorithm| name.contains(algorithm.name()))
    });
    let is_meant = !text.contains(['/', '@']) && names_algorithm;
    match text.parse::<Reference>() {
        Err(ReferenceError::DigestAsTag { .. } | ReferenceError::BareId) if !text.contains(['/', '@']) => Kind::Digest,
        Err(_) if is_meant => Kind::Digest,
        _ => Kind::Reference,
    }
}

fn digest(text: &str) -> Result<Read, Wrong> {
    let wrong =
        |error: portreeve::digest::DigestError| Wrong { position: error.position(), message: error.to_string() };
    text.parse().map(Read::Digest).map_err(wrong)
}

fn reference(text: &str) -> Result<Read, Wrong> {
    let wrong = |error: ReferenceError| Wrong { position: error.position(), message: error.to_string() };
    text.parse().map(Read::Reference).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Reading {
        Reading::of(&text.into(), None)
    }

    #[test]
    fn references_and_digests_are_told_apart() {
        let all = [
            read("nginx"),
            read(&format!("[::1]:5000/app:x@sha256:{HEX}")),
            read(&format!("sha256:{HEX}")),
            read("sha256:E3B0"),
            read("busybox:täg"),
        ];
        let text: String = all.iter().map(|reading| format!("{}{}\n", reading.words(), reading.document())).collect();
        insta::assert_snapshot!("readings", text);
    }

    #[test]
    fn what_is_meant_as_a_digest_is_judged_as_one() {
        for text in ["sha256:", "SHA256:00", "sha512", "sha256 :00", "tarsum+sha256:00", "sha256:../../x", HEX] {
            let reading = read(text);
            let is_path = text.contains('/');
            assert_eq!(reading.kind == Kind::Digest, !is_path, "{text}");
            assert!(reading.read.is_err(), "{text}");
        }
        assert_eq!(read("nginx:sha256").kind, Kind::Reference);
        assert!(Reading::of(&"nginx".into(), Some("digest")).read.is_err());
        assert!(Reading::of(&format!("sha256:{HEX}").into(), Some("reference")).read.is_err());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let reading = Reading::of(&OsString::from_vec(b"ab\xffc".to_vec()), None);
        assert!(matches!(reading.read, Err(Wrong { position: 2, .. })));
    }
}
