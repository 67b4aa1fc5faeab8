//! `cp`: files and folders into a container, and out of it.

use std::path::{Path, PathBuf};

use clap::Args;
use portreeve::spec::{InsidePath, Name};
use serde_json::json;

use super::desk::Desk;
use super::exit::{Failure, Outcome, Status};
use super::{parse, show};

/// `cp`.
#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// A file or folder here, or one in a container: NAME:PATH
    #[arg(value_name = "SOURCE")]
    from: String,
    /// Where it goes: into a folder that is there, else under that name; here, or in a container: NAME:PATH
    #[arg(value_name = "TARGET")]
    to: String,
}

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Here(PathBuf),
    Inside(Name, InsidePath),
    /// What is in a folder: its path ends with `/.`.
    Within(Name, InsidePath),
}

/// A path that begins with `/` or `.` is one of this machine, and so is what has no colon.
fn end(text: &str) -> Result<End, Failure> {
    if text == "-" {
        return Err(Failure::Usage("- is no file: streams are not copied".to_owned()));
    }
    match text.split_once(':').filter(|_| !text.starts_with(['/', '.'])) {
        None => Ok(End::Here(PathBuf::from(text))),
        Some((name, path)) => {
            let name = name.parse().map_err(parse::wrong)?;
            match path.strip_suffix("/.").filter(|folder| !folder.is_empty()) {
                Some(folder) => Ok(End::Within(name, folder.parse().map_err(parse::wrong)?)),
                None => Ok(End::Inside(name, path.parse().map_err(parse::wrong)?)),
            }
        }
    }
}

impl Cp {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        match (end(&self.from)?, end(&self.to)?) {
            (End::Here(source), End::Inside(name, target)) => into(desk, &source, &name, &target).await,
            (End::Inside(name, source), End::Here(target)) => {
                let made = desk.portreeve.copy_out(name.as_str(), &source, &target).await?;
                made_here(desk, &name, &made)
            }
            (End::Within(name, source), End::Here(target)) => {
                let made = desk.portreeve.copy_out_of(name.as_str(), &source, &target).await?;
                made_here(desk, &name, &made)
            }
            _ => Err(Failure::Usage("one of both is in a container: NAME:PATH, and the other is not".to_owned())),
        }
    }
}

async fn into(desk: &Desk, source: &Path, name: &Name, target: &InsidePath) -> Outcome {
    desk.portreeve.copy_in(source, name.as_str(), target).await?;
    if desk.json && !desk.dry_run {
        show::json(&json!({ "container": name.as_str(), "copied": target.as_str() }))?;
    }
    Ok(Status::OK)
}

fn made_here(desk: &Desk, name: &Name, made: &Path) -> Outcome {
    if desk.json && !desk.dry_run {
        show::json(&json!({ "container": name.as_str(), "copied": made.to_string_lossy() }))?;
    }
    Ok(Status::OK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_here_or_in_a_container() {
        let here = |path: &str| End::Here(path.into());
        for path in ["a", "./a:b", "/a:b", "../x", "C"] {
            assert_eq!(end(path).unwrap(), here(path), "{path}");
        }
        let inside = |name: &str, path: &str| End::Inside(name.parse().unwrap(), path.parse().unwrap());
        assert_eq!(end("web:/a").unwrap(), inside("web", "/a"));
        assert_eq!(end("web:/a:b").unwrap(), inside("web", "/a:b"));
        assert_eq!(end("web:/a/.").unwrap(), End::Within("web".parse().unwrap(), "/a".parse().unwrap()));
        for wrong in ["-", "web:a", "web:", ":/a", "-x:/a", "web:/a/../b"] {
            assert_eq!(end(wrong).unwrap_err().status().code(), 2, "{wrong}");
        }
    }
}
