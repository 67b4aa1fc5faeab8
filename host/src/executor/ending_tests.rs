//! How groups end: time-outs, cancellation, drop.

use super::tests::*;
use super::*;
use std::fs;

use rustix::process::Pid;

#[tokio::test]
async fn time_out_carries_what_was_read_and_ends_the_group() {
    let mut permit = shell("sleep 300 & echo $!; wait");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    let begun = Instant::now();
    let error = Executor::default().run(&permit).await.unwrap_err();
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
    let ExecError::TimedOut { partial, after, .. } = &error else { panic!("{error}") };
    let grandchild = Pid::from_raw(text(partial, Source::Stdout).trim().parse().unwrap()).unwrap();
    assert_eq!(*after, SECOND / 2);
    assert!(!alive(grandchild));
    assert_eq!(error.to_string(), "command `test` did not end within 500 ms and was stopped");
}

#[tokio::test]
async fn an_endless_flood_meets_its_time_out() {
    let mut permit = shell("exec cat /dev/zero");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    *permit.for_test_parts().output_cap = 10;
    let begun = Instant::now();
    let error = Executor::default().run(&permit).await.unwrap_err();
    assert!(matches!(error, ExecError::TimedOut { partial, .. } if partial.truncated()));
    assert!(begun.elapsed() < 2 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_child_that_closed_its_streams_still_meets_its_time_out() {
    let mut permit = shell("exec >&- 2>&-; sleep 300");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    assert!(matches!(Executor::default().run(&permit).await, Err(ExecError::TimedOut { .. })));
}

#[tokio::test]
async fn who_ignores_term_gets_kill_after_the_grace() {
    let mut permit = shell("trap '' TERM; echo $$; while :; do sleep 1; done");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    let begun = Instant::now();
    let error = Executor::with_grace(SECOND).run(&permit).await.unwrap_err();
    let took = begun.elapsed();
    let ExecError::TimedOut { partial, .. } = error else { panic!("{error}") };
    assert!(took >= SECOND * 3 / 2 && took < 3 * SECOND, "{took:?}");
    assert!(!alive(Pid::from_raw(text(&partial, Source::Stdout).trim().parse().unwrap()).unwrap()));
}

#[tokio::test]
async fn who_cleans_up_on_term_is_given_the_time_and_a_pipe_to_write_to() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("cleaned");
    let script =
        "trap 'head -c 200000 /dev/zero; echo x > \"$1\"; exit' TERM; echo ready; while :; do sleep 0.05; done";
    let executor = Executor::default();
    let mut stream = executor.stream(&permit("/bin/sh", &["-c", script, "sh", mark.to_str().unwrap()])).unwrap();
    stream.next().await.unwrap();
    drop(stream);
    assert!(executor.settle(5 * SECOND));
    assert!(mark.exists());
}

#[tokio::test]
async fn dropping_a_stream_ends_child_and_grandchild_without_blocking() {
    let executor = Executor::default();
    let mut stream = executor.stream(&shell("trap '' TERM; (sleep 300) & echo $!; wait")).unwrap();
    let grandchild = first_number(&mut stream).await;
    assert!(alive(grandchild));
    let begun = Instant::now();
    drop(stream);
    assert!(begun.elapsed() < SECOND / 5);
    assert!(executor.settle(5 * SECOND));
    assert!(!alive(grandchild));
}

#[tokio::test]
async fn dropping_the_future_of_a_run_ends_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("pid");
    let executor = Executor::default();
    let permit = permit("/bin/sh", &["-c", "sleep 300 & echo $! > \"$1\"; wait", "sh", mark.to_str().unwrap()]);
    tokio::time::timeout(SECOND / 2, executor.run(&permit)).await.unwrap_err();
    let grandchild = Pid::from_raw(fs::read_to_string(mark).unwrap().trim().parse().unwrap()).unwrap();
    assert!(executor.settle(5 * SECOND));
    assert!(!alive(grandchild));
}

#[tokio::test]
async fn a_process_that_detached_itself_survives() {
    let executor = Executor::default();
    let mut stream = executor.stream(&shell("setsid sh -c 'echo $$; exec sleep 300' & wait")).unwrap();
    let detached = first_number(&mut stream).await;
    drop(stream);
    assert!(executor.settle(5 * SECOND));
    assert!(alive(detached));
    end_of(detached);
}

#[test]
fn the_end_of_the_runtime_ends_the_children() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let executor = Arc::new(Executor::default());
    let (tell, told) = std::sync::mpsc::channel();
    let moved = Arc::clone(&executor);
    runtime.spawn(async move {
        let mut stream = moved.stream(&shell("sleep 300 & echo $!; wait")).unwrap();
        tell.send(first_number(&mut stream).await).unwrap();
        while stream.next().await.is_some() {}
    });
    let grandchild = told.recv().unwrap();
    drop(runtime);
    assert!(executor.settle(5 * SECOND));
    assert!(!alive(grandchild));
}
