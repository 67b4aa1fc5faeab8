//! Commands in containers that the caller did not ask for.

use portreeve::FaultKind::Untrue;
use portreeve::Rule::{self, CountExceeded, EffectNotOpen, NotExact, OutOfScope};
use portreeve::{Error, ExecSpec};

use crate::stand::{End, Stand};

/// Two containers, of which the guest is asked about the first alone.
async fn stand(component: &str) -> Stand {
    Stand::with_container(component, "mine").await.running("theirs").await
}

/// What the caller asks for.
fn spec() -> ExecSpec {
    let mut spec = ExecSpec::new(["/deckhand", "say", "aye"]);
    (spec.user, spec.env) = (Some("65534".parse().unwrap()), vec!["A=b".parse().unwrap()]);
    spec
}

async fn executed(stand: &Stand) -> Result<i32, Error> {
    stand.hostile.exec("mine", &spec()).await?.finish().await
}

async fn refused(component: &str, command: &str, rule: Rule, slot: Option<&str>) {
    let stand = stand(component).await;
    let result = executed(&stand).await;
    stand.refuses(result, End::Refused(rule, command, slot)).await;
}

#[tokio::test]
pub(crate) async fn exec_in_another_container() {
    refused(crate::EXEC_IN_ANOTHER_CONTAINER, "exec", OutOfScope, Some("container.id")).await;
}

#[tokio::test]
pub(crate) async fn exec_of_other_words() {
    refused(crate::EXEC_OF_OTHER_WORDS, "exec", OutOfScope, Some("word")).await;
}

#[tokio::test]
pub(crate) async fn exec_with_a_foreign_variable() {
    refused(crate::EXEC_WITH_A_FOREIGN_VARIABLE, "exec", OutOfScope, Some("env.plain")).await;
}

#[tokio::test]
pub(crate) async fn exec_as_another_user() {
    refused(crate::EXEC_AS_ANOTHER_USER, "exec", OutOfScope, Some("user")).await;
}

#[tokio::test]
pub(crate) async fn left_out_user() {
    refused(crate::LEFT_OUT_USER, "exec", NotExact, Some("user")).await;
}

#[tokio::test]
pub(crate) async fn exec_with_an_input() {
    refused(crate::EXEC_WITH_AN_INPUT, "exec", OutOfScope, Some("stdin")).await;
}

#[tokio::test]
pub(crate) async fn start_instead_of_exec() {
    let stand = stand(crate::START_INSTEAD_OF_EXEC).await;
    let error = executed(&stand).await.unwrap_err();
    assert!(matches!(&error, Error::Refused(refusal) if refusal.rule == NotExact), "{error}");
    let slot = match &error {
        Error::Refused(refusal) => refusal.slot.clone(),
        _ => None,
    };
    stand.refuses::<()>(Err(error), End::Refused(NotExact, "start-attached", slot.as_deref())).await;
}

#[tokio::test]
pub(crate) async fn second_exec() {
    let stand = stand(crate::SECOND_EXEC).await;
    let result = executed(&stand).await;
    stand.refuses_but_for(result, End::Refused(CountExceeded, "exec", None), &["exec"]).await;
}

#[tokio::test]
pub(crate) async fn exec_that_is_read() {
    let stand = stand(crate::EXEC_THAT_IS_READ).await;
    let result = executed(&stand).await;
    stand.refuses_but_for(result, End::Fault(Untrue, "it read what the command printed"), &["exec"]).await;
}

#[tokio::test]
pub(crate) async fn exec_while_starting() {
    let stand = Stand::new(crate::EXEC_WHILE_STARTING).await;
    stand.honest.create(&stand.spec("mine")).await.unwrap();
    let stand = stand.mark();
    let started = stand.hostile.start("mine").await;
    stand.refuses(started, End::Refused(EffectNotOpen, "exec", None)).await;
}
