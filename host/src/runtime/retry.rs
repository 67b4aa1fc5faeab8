//! Trying again what may succeed later: a bounded number of times, waiting longer each time.

use std::future::Future;
use std::time::Duration;

use crate::error::Error;
use crate::state::random;

/// How often a pull is tried, unless the builder says otherwise.
pub(super) const PULLS: u32 = 3;
/// The most tries that a builder may ask for.
pub(super) const MOST: u32 = 10;
/// The wait before the second try; it doubles with each further one, up to [`LONGEST`].
const FIRST: Duration = Duration::from_millis(800);
const LONGEST: Duration = Duration::from_secs(30);

/// What engines and registries say when the same ask may succeed a little later: time-outs, 5xx, 429, a daemon that is just
/// starting. A registry that is not there, or one that refuses a login, is none of these.
const PASSING: [&str; 22] = [
    "timeout",
    "time-out",
    "timed out",
    "deadline exceeded",
    "too many requests",
    "toomanyrequests",
    "status code 429",
    "status: 429",
    "internal server error",
    "bad gateway",
    "service unavailable",
    "status code 5",
    "status: 5",
    "answered with status 4",
    "answered with status 5",
    "took too long",
    "ended too early",
    "connection reset",
    "unexpected eof",
    "daemon running",
    "daemon is starting",
    "no such network interface",
];

/// Whether the same call may succeed a little later.
pub(super) fn passes(error: &Error) -> bool {
    let Error::Unavailable(why) = error else { return false };
    let why = why.to_lowercase();
    PASSING.iter().any(|words| why.contains(words))
}

/// Tries until it succeeds, fails for good, or `most` tries are over. `tell` hears which try comes next, and when.
pub(super) async fn persevere<T, F: Future<Output = Result<T, Error>>>(
    most: u32,
    attempt: impl Fn() -> F,
    tell: impl Fn(u32, Duration, &Error),
) -> Result<T, Error> {
    let mut tried = 1;
    loop {
        match attempt().await {
            Err(error) if tried < most && passes(&error) => {
                let wait = jittered(wait_after(tried), random().ok());
                tried += 1;
                tell(tried, wait, &error);
                tokio::time::sleep(wait).await;
            }
            done => return done,
        }
    }
}

/// The wait after so many tries, before chance shortens it.
fn wait_after(tried: u32) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(tried.saturating_sub(1))).min(LONGEST)
}

/// Between a half and the whole of a wait, so that many who failed together do not come back together.
fn jittered(wait: Duration, chance: Option<[u8; 16]>) -> Duration {
    let [share, ..] = chance.unwrap_or_default();
    wait / 2 + (wait / 2).mul_f64(f64::from(share) / 255.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn unavailable(why: &str) -> Error {
        Error::Unavailable(why.to_owned())
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        for why in [
            "received unexpected HTTP status: 503 Service Unavailable",
            "unexpected status code 500 Internal Server Error",
            "toomanyrequests: You have reached your pull rate limit",
            "net/http: TLS handshake timeout",
            "Error: route ip+net: no such network interface",
            "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?",
        ] {
            assert!(passes(&unavailable(why)), "{why}");
        }
        for error in [
            unavailable("dial tcp 127.0.0.1:1: connect: connection refused"),
            unavailable("lookup nonesuch.example: no such host"),
            Error::Unauthorised("timeout".to_owned()),
            Error::Digest("503 service unavailable".to_owned()),
            Error::Timeout("the command's time ran out".to_owned()),
        ] {
            assert!(!passes(&error), "{error}");
        }
    }

    #[test]
    fn waits_double_and_are_bounded_and_never_shorter_than_half() {
        assert_eq!([1, 2, 3].map(|tried| wait_after(tried).as_millis()), [800, 1600, 3200]);
        assert_eq!(wait_after(40), LONGEST);
        for share in [0, 17, 255] {
            let wait = jittered(LONGEST, Some([share; 16]));
            assert!(wait >= LONGEST / 2 && wait <= LONGEST, "{wait:?}");
        }
    }

    async fn tried(outcomes: &[Result<u32, &str>], most: u32) -> (Result<u32, Error>, Vec<u32>) {
        let (at, told) = (AtomicU32::new(0), Mutex::new(Vec::new()));
        let attempt = async || {
            let now = usize::try_from(at.fetch_add(1, Ordering::Relaxed)).unwrap();
            outcomes[now].map_err(unavailable)
        };
        let result = persevere(most, attempt, |next, _, _| told.lock().unwrap().push(next)).await;
        (result, told.into_inner().unwrap())
    }

    #[tokio::test]
    async fn it_is_tried_until_it_succeeds_or_enough_is_enough() {
        let (result, told) = tried(&[Err("timeout"), Err("timeout"), Ok(7)], 3).await;
        assert_eq!((result.unwrap(), told), (7, vec![2, 3]));
        let (result, told) = tried(&[Err("timeout"), Err("timeout")], 2).await;
        assert!(result.is_err() && told == [2]);
        let (result, told) = tried(&[Err("connection refused"), Ok(7)], 3).await;
        assert!(result.is_err() && told.is_empty());
    }
}
