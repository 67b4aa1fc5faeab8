//! Requests of a size at which other systems checked less than they executed.

use portreeve::{ContainerSpec, Error};

use crate::stand::Stand;

/// What is too long to be recorded is not run, and nothing of it is.
#[tokio::test]
async fn a_request_too_large_to_be_recorded_is_refused_whole() {
    refused(&["x".repeat(100_000).as_str(); 12], "over the limit").await;
}

/// What is recorded and too long for execve(2) fails whole: no shorter command line takes its place.
#[tokio::test]
async fn a_word_too_large_for_the_kernel_fails_whole() {
    refused(&["x".repeat(200_000).as_str()], "too long").await;
}

async fn refused(words: &[&str], why: &str) {
    let stand = Stand::new(crate::HONEST).await;
    let spec = ContainerSpec { words: words.iter().map(ToString::to_string).collect(), ..stand.spec("large") };
    let error = stand.honest.run(&spec).await.unwrap_err();
    assert!(matches!(error, Error::State(_) | Error::Unavailable(_)), "{}: {error}", error.kind());
    assert!(error.to_string().to_lowercase().contains(why), "{error}");
    assert!(stand.calls().iter().all(|argv| argv[1] != "create"), "something was created");
    assert!(stand.containers().await.is_empty());
    stand.is_whole().await;
}
