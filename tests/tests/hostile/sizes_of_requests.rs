//! Requests of a size at which other systems checked less than they executed.

use portreeve::{ContainerSpec, Error, Rule};

use crate::stand::Stand;

/// More than one journal record holds: refused before it comes to that.
#[tokio::test]
async fn a_request_too_large_to_be_recorded_is_refused_whole() {
    refused(&["x".repeat(100_000).as_str(); 12]).await;
}

/// More than execve(2) takes for one argument.
#[tokio::test]
async fn a_word_too_large_for_the_kernel_is_refused_whole() {
    refused(&["x".repeat(200_000).as_str()]).await;
}

/// No shorter command line takes its place.
async fn refused(words: &[&str]) {
    let stand = Stand::new(crate::HONEST).await;
    let spec = ContainerSpec { words: words.iter().map(ToString::to_string).collect(), ..stand.spec("large") };
    match stand.honest.run(&spec).await.unwrap_err() {
        Error::Refused(refusal) => {
            assert_eq!((refusal.rule, refusal.slot.as_deref()), (Rule::Grammar, Some("word")), "{refusal}");
        }
        other => panic!("{}: {other}", other.kind()),
    }
    assert!(stand.calls().iter().all(|argv| argv[1] != "create"), "something was created");
    assert!(stand.containers().await.is_empty());
    stand.is_whole().await;
}
