//! What a caller can do about an error: try again, or mend something first.

use super::Error;

impl Error {
    /// Whether the same call may succeed later without anybody changing anything: the engine, the registry or a backend
    /// could not answer just now, or not in time.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Timeout(_) | Self::Quarantined { .. })
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotFound { kind, .. } => where_to_look(kind),
            Self::InUse(_) => {
                "`ps --all` shows the state that is in the way: start, stop or remove it first (`rm -f` ends what runs)"
            }
            Self::PortInUse(_) => "publish another host port, or 0 for one of the engine's choice",
            Self::NoSpace(_) => "free space where the engine stores images and containers, then call again",
            Self::Digest(_) => "do not use this image: pull it again from a registry that you trust, by its digest",
            Self::Unauthorised(_) => "log in with the engine's own client (`login`), then call again",
            Self::Unavailable(_) => "see that the engine's service and the registry answer, then call again",
            Self::NoEngine(_) => "`preflight` names the command that mends each engine",
            Self::Gpu(_) => "`preflight --gpus` says what is there and what is missing",
            Self::Engine { .. } => "`journal show` has the command line; the engine's own log may say more",
            Self::Unsupported(_) => "the message says what can't be had: leave it out, or use a backend that has it",
            Self::Timeout(_) => "call again; allow more time where the engine or the registry is slow",
            Self::Fault(_) => "tell the backend's author; another backend may serve meanwhile",
            Self::Quarantined { .. } => "wait, or use another backend; what ends or removes is still allowed",
            Self::State(_) => {
                "see that the state directory is ours, writable and has space: without a record nothing is done"
            }
            Self::Refused(refusal) if refusal.remedy.is_some() => "do what its remedy says, or ask for less",
            Self::Refused(_) => "ask for less; `policy show` and `backend inspect` say what is allowed",
            Self::Spec(_) | Self::Reference(_) | Self::Config(_) => "write it as the message says, then call again",
            Self::Conflict(conflict) if conflict.differs.is_empty() => {
                "take another name; what others made is left to the engine's own client"
            }
            Self::Conflict(_) => "ask for what is there, remove it first (`rm -f`), or take another name",
            Self::Cancelled => "call again where it is wanted after all",
            Self::Backend { .. } => "`backend list` and `backend inspect` say what can be used",
            Self::Io { .. } => {
                "see that the file or folder is there, that this user may use it, and that there is space"
            }
        })
    }
}

/// The listing that has what was not found.
fn where_to_look(kind: &str) -> &'static str {
    match kind {
        "container" => "see what there is with `ps --all`",
        "image" => "see what there is with `images`",
        "volume" => "see what there is with `volume ls`",
        "network" => "see what there is with `network ls`",
        "pod" => "see what there is with `pod ls`",
        "file" => "see that the path, and the folder that it lies in, is there inside the container",
        _ => "see what there is with `ps --all`, `images`, `volume ls`, `network ls`, `pod ls`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let reference = "a b".parse::<crate::reference::Reference>().unwrap_err();
        let conflict = |differs| super::super::Conflict { kind: "container", name: String::new(), differs };
        for error in [
            Error::Reference(reference),
            Error::Spec("a b".parse::<crate::spec::Name>().unwrap_err()),
            Error::Conflict(conflict(Vec::new())),
            Error::Refused(super::super::Refusal::not_approved("x")),
            Error::Cancelled,
            Error::Config(String::new()),
            Error::io("x", std::io::Error::other("y")),
        ] {
            assert!(error.advice().is_some_and(|advice| !advice.is_empty()), "{error:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_looked_for_among_its_own_kind() {
        for (kind, listing) in [("container", "`ps --all`"), ("network", "`network ls`"), ("pod", "`pod ls`")] {
            let advice = Error::NotFound { kind, name: String::new() }.advice();
            assert_eq!(advice, Some(format!("see what there is with {listing}").as_str()));
        }
    }

    #[test]
    fn only_what_may_pass_by_itself_is_retryable() {
        assert!(Error::Unavailable(String::new()).is_retryable());
        assert!(Error::Timeout(String::new()).is_retryable());
        for error in [
            Error::NoSpace(String::new()),
            Error::PortInUse(String::new()),
            Error::InUse(String::new()),
            Error::Digest(String::new()),
            Error::Unauthorised(String::new()),
            Error::Gpu(String::new()),
            Error::Cancelled,
        ] {
            assert!(!error.is_retryable(), "{error:?}");
        }
    }
}
