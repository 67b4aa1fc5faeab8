//! Real children: a shell stands in for an engine.

use super::*;
use crate::decision::Input;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;

use rustix::process::{Pid, Signal, kill_process};

pub(super) const SECOND: Duration = Duration::from_secs(1);

fn program(path: &str, wrapper: bool) -> Arc<CheckedProgram> {
    let grant = ProgramGrant { name: "tool".to_owned(), search: vec![path.into()], wrapper, sha256: None };
    Arc::new(CheckedProgram::resolve(&grant).unwrap())
}

pub(super) fn permit(path: &str, words: &[&str]) -> Permit {
    let argv = std::iter::once("tool").chain(words.iter().copied()).map(str::to_owned).collect();
    Permit::for_test(program(path, false), argv, host_defaults().into(), Some(20 * SECOND), 1024 * 1024)
}

pub(super) fn shell(script: &str) -> Permit {
    permit("/bin/sh", &["-c", script])
}

pub(super) fn text(output: &Captured, source: Source) -> String {
    String::from_utf8(output.expose(source).to_vec()).unwrap()
}

async fn stdout(permit: &Permit) -> String {
    text(Executor::default().run(permit).await.unwrap().expose(), Source::Stdout)
}

pub(super) async fn first_number(stream: &mut RawStream) -> Pid {
    let chunk = stream.next().await.unwrap();
    let line = String::from_utf8(chunk.expose().to_vec()).unwrap();
    Pid::from_raw(line.trim().parse().unwrap()).unwrap()
}

pub(super) fn alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub(super) fn end_of(pid: Pid) {
    kill_process(pid, Signal::KILL).unwrap();
}

#[tokio::test]
async fn runs_to_completion_with_both_streams_apart() {
    let output = Executor::default().run(&shell("echo out; echo err >&2; exit 42")).await.unwrap();
    assert_eq!(text(output.expose(), Source::Stdout), "out\n");
    assert_eq!(text(output.expose(), Source::Stderr), "err\n");
    assert_eq!(output.exit(), Exit::Code(42));
    assert!(!output.truncated());
    assert!(output.timing().spawn > Duration::ZERO && output.timing().spawn <= output.timing().total);
}

#[tokio::test]
async fn tells_a_signal_from_a_status() {
    let output = Executor::default().run(&shell("kill -9 $$")).await.unwrap();
    assert_eq!(output.exit(), Exit::Signal(9));
    assert_eq!(output.exit().to_string(), "signal 9");
}

#[tokio::test]
async fn argv_begins_with_the_checked_path_and_is_handed_over_word_for_word() {
    let words = ["-c", "printf '[%s]' \"$0\" \"$@\"", "zero", "a b", "*", "$(id)", "-x", ""];
    assert_eq!(stdout(&permit("/bin/sh", &words)).await, "[zero][a b][*][$(id)][-x][]");
    let real = Path::new("/bin/sh").canonicalize().unwrap();
    assert_eq!(stdout(&shell("echo $0")).await, format!("{}\n", real.display()));
}

#[tokio::test]
async fn executes_the_file_that_was_checked() {
    let real = Path::new("/bin/sh").canonicalize().unwrap();
    assert_eq!(stdout(&shell("readlink /proc/$$/exe")).await, format!("{}\n", real.display()));
    assert_eq!(program("/bin/sh", false).inode().1, fs::metadata(real).unwrap().ino());
}

#[tokio::test]
async fn the_environment_is_the_permits_and_nothing_else() {
    let mut permit = permit("/usr/bin/env", &[]);
    permit.for_test_parts().environment.push(("TOKEN".to_owned(), EnvValue::secret("a=b\nc")));
    assert_eq!(stdout(&permit).await, format!("LC_ALL=C\nPATH={}\nTOKEN=a=b\nc\n", environment::PATH));
    permit.for_test_parts().environment.clear();
    assert_eq!(stdout(&permit).await, "");
}

#[tokio::test]
#[allow(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
async fn a_child_has_three_descriptors_an_empty_input_and_the_root_folder() {
    let _alone = environment::tests::DESCRIPTORS.lock().unwrap();
    close_inherited(&[]).unwrap();
    // Another process looks: the shell itself would hold the folder open while it lists it.
    assert_eq!(stdout(&shell("ls /proc/$$/fd; cat; pwd")).await, "0\n1\n2\n/\n");
}

#[tokio::test]
async fn keeps_the_cap_of_a_flood_and_reads_the_rest() {
    let mut permit = shell("head -c 5000000 /dev/zero; head -c 3000000 /dev/zero >&2; exit 3");
    *permit.for_test_parts().output_cap = 1000;
    let output = Executor::default().run(&permit).await.unwrap();
    let captured = output.expose();
    for (source, size) in [(Source::Stdout, 5_000_000), (Source::Stderr, 3_000_000)] {
        assert_eq!((captured.expose(source).len(), captured.dropped(source)), (1000, size - 1000));
    }
    assert!(output.truncated());
    assert_eq!(output.exit(), Exit::Code(3));
}

#[tokio::test]
async fn a_straggler_that_keeps_the_pipe_open_does_not_hold_up_the_end_and_lives() {
    let begun = Instant::now();
    let output = Executor::default().run(&shell("sleep 300 & echo $!; exit 7")).await.unwrap();
    assert!(begun.elapsed() < 2 * SECOND);
    assert_eq!(output.exit(), Exit::Code(7));
    let straggler = Pid::from_raw(text(output.expose(), Source::Stdout).trim().parse().unwrap()).unwrap();
    assert!(alive(straggler));
    end_of(straggler);
}

#[tokio::test]
async fn a_straggler_that_floods_after_the_end_does_not_hold_it_up_either() {
    let output = Executor::default().run(&shell("cat /dev/zero & echo $! >&2; exit 0")).await.unwrap();
    assert_eq!(output.exit(), Exit::Code(0));
    let straggler = Pid::from_raw(text(output.expose(), Source::Stderr).trim().parse().unwrap()).unwrap();
    // Its pipe is gone: it ends by itself, unless it is slow to notice.
    let _ = kill_process(straggler, Signal::KILL);
}

#[tokio::test]
async fn everything_written_before_the_end_is_read() {
    let mut stream = Executor::default().stream(&shell("head -c 60000 /dev/zero; sleep 300 & echo $! >&2")).unwrap();
    tokio::time::sleep(SECOND / 2).await;
    let (mut size, mut straggler) = (0, String::new());
    while let Some(chunk) = stream.next().await {
        match chunk.source() {
            Source::Stdout => size += chunk.expose().len(),
            Source::Stderr => straggler.push_str(std::str::from_utf8(chunk.expose()).unwrap()),
        }
    }
    assert_eq!(stream.exit().await.unwrap(), Exit::Code(0));
    assert_eq!(size, 60_000);
    end_of(Pid::from_raw(straggler.trim().parse().unwrap()).unwrap());
}

#[tokio::test]
async fn two_busy_streams_take_turns_in_bounded_pieces() {
    let mut stream = Executor::default().stream(&shell("cat /dev/zero >&2 & exec cat /dev/zero")).unwrap();
    let (mut out, mut err) = (0, 0);
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let chunk = stream.next().await.unwrap();
        assert!(chunk.expose().len() <= stream::CHUNK);
        *(if chunk.source() == Source::Stdout { &mut out } else { &mut err }) += 1;
    }
    assert!(out >= 15 && err >= 15, "{out} {err}");
}

#[tokio::test]
async fn a_stream_can_be_waited_for_without_reading_it() {
    let mut stream = Executor::default().stream(&shell("head -c 1000000 /dev/zero; exit 9")).unwrap();
    assert_eq!(stream.exit().await.unwrap(), Exit::Code(9));
}

#[tokio::test]
async fn a_stream_ends_at_its_time_out_and_says_so() {
    let mut permit = shell("echo a; sleep 300");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    let mut stream = Executor::default().stream(&permit).unwrap();
    assert_eq!(stream.next().await.unwrap().expose(), b"a\n");
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none());
    assert!(matches!(stream.exit().await, Err(ExecError::TimedOut { .. })));
}

#[tokio::test]
async fn a_waiting_stream_loses_nothing_when_the_wait_is_cancelled() {
    let mut stream = Executor::default().stream(&shell("for i in 1 2 3; do sleep 0.1; echo $i; done")).unwrap();
    let mut seen = Vec::new();
    let end = Instant::now() + 5 * SECOND;
    while Instant::now() < end {
        match tokio::time::timeout(Duration::from_millis(7), stream.next()).await {
            Err(_) => {}
            Ok(Some(chunk)) => seen.extend_from_slice(chunk.expose()),
            Ok(None) => break,
        }
    }
    assert_eq!(seen, b"1\n2\n3\n");
    assert_eq!(stream.exit().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn refuses_what_cannot_be_handed_over() {
    let executor = Executor::default();
    let error = executor.run(&permit("/bin/sh", &["-c", "a\0b"])).await.unwrap_err();
    assert_eq!(error.to_string(), "command `test`: argument 2 holds a NUL byte");
    let mut twice = shell("true");
    twice.for_test_parts().environment.push(("PATH".to_owned(), EnvValue::plain("/elsewhere")));
    let error = executor.run(&twice).await.unwrap_err();
    assert_eq!(error.to_string(), "command `test`: environment variable `PATH` is set twice");
}

#[tokio::test]
async fn a_program_that_changed_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("tool");
    fs::copy("/bin/true", &tool).unwrap();
    let permit = permit(tool.to_str().unwrap(), &[]);
    sleep(Duration::from_millis(20));
    fs::copy("/bin/false", &tool).unwrap();
    let error = Executor::default().run(&permit).await.unwrap_err();
    assert!(matches!(error, ExecError::Failed { source: Failure::Program(ProgramError::Changed { .. }), .. }));
}

#[tokio::test]
async fn a_granted_wrapper_runs_by_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("tool");
    // Written by another process: a descriptor open for writing in a sibling of ours would make it "busy".
    let write = "printf '#!/bin/sh\\necho \"wrapped $1\"\\n' > \"$1\"; chmod 755 \"$1\"";
    assert!(Command::new("/bin/sh").args(["-c", write, "sh"]).arg(&tool).status().unwrap().success());
    let mut permit = permit("/bin/sh", &["word"]);
    *permit.for_test_parts().program = program(tool.to_str().unwrap(), true);
    assert_eq!(stdout(&permit).await, "wrapped word\n");
}

#[test]
fn outside_a_runtime_nothing_is_started() {
    assert!(matches!(Executor::default().stream(&shell("true")), Err(ExecError::NoRuntime)));
}

#[tokio::test]
async fn errors_show_no_output() {
    let mut permit = shell("echo hunter2; sleep 300");
    *permit.for_test_parts().timeout = Some(SECOND / 2);
    let error = Executor::default().run(&permit).await.unwrap_err();
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_followed_streams_at_once() {
    let executor = Executor::default();
    let follow = shell("echo ready; exec sleep 300");
    let mut streams: Vec<_> = (0..200).map(|_| executor.stream(&follow).unwrap()).collect();
    for stream in &mut streams {
        assert_eq!(stream.next().await.unwrap().expose(), b"ready\n");
    }
    drop(streams);
    assert!(executor.settle(10 * SECOND));
}

#[tokio::test]
async fn an_input_reaches_the_child_and_so_does_its_end() {
    let mut permit = shell("cat; echo over");
    *permit.for_test_parts().input = Input::Pipe;
    let mut stream = Executor::default().stream(&permit).unwrap();
    let mut input = stream.take_input().unwrap();
    assert!(stream.take_input().is_none());
    input.write_all(b"ahoy\n").await.unwrap();
    drop(input);
    let mut said = Vec::new();
    while let Some(chunk) = stream.next().await {
        said.extend(chunk.into_bytes());
    }
    assert_eq!((said.as_slice(), stream.exit().await.unwrap()), (&b"ahoy\nover\n"[..], Exit::Code(0)));
}

#[tokio::test]
async fn without_a_word_there_is_no_input_and_an_untaken_one_ends() {
    let mut stream = Executor::default().stream(&shell("cat")).unwrap();
    assert!(stream.take_input().is_none());
    assert_eq!(stream.exit().await.unwrap(), Exit::Code(0));
    let mut permit = shell("cat");
    *permit.for_test_parts().input = Input::Pipe;
    assert_eq!(Executor::default().stream(&permit).unwrap().exit().await.unwrap(), Exit::Code(0));
}

#[tokio::test]
async fn a_terminal_is_raw_and_has_the_size_that_is_set() {
    let mut permit = shell(
        "test -t 0 && test -t 1 && test -t 2 && echo one; read line; stty size; echo $line; echo two >&2; exit 3",
    );
    *permit.for_test_parts().input = Input::Terminal { fed: true };
    let mut stream = Executor::default().stream(&permit).unwrap();
    let mut input = stream.take_input().unwrap();
    stream.resize(crate::spec::WindowSize { rows: 31, columns: 101 }).unwrap();
    input.write_all(b"ahoy\n").await.unwrap();
    let mut said = Vec::new();
    while let Some(chunk) = stream.next().await {
        assert_eq!(chunk.source(), Source::Stdout);
        said.extend(chunk.into_bytes());
    }
    assert_eq!(String::from_utf8(said).unwrap(), "one\n31 101\nahoy\ntwo\n");
    assert_eq!(stream.exit().await.unwrap(), Exit::Code(3));
}
