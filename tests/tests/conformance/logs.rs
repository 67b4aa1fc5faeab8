//! Logs, as they were printed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portreeve::{Error, LogOptions};

use crate::setting::{Heard, Setting};

async fn heard(setting: &Setting, name: &str, options: LogOptions) -> Heard {
    let heard = Heard::all(setting.host.logs(name, &options).await.unwrap()).await;
    assert_eq!(heard.status(), 0, "{heard:?}");
    heard
}

pub(crate) async fn a_tail_is_the_last_lines(setting: Arc<Setting>) {
    let name = setting.name("tail");
    let spec =
        setting.named(&name, &["warn", "aside", "sleep", "0.3", "lines", "5", "0", "sleep", "0.3", "warn", "last"]);
    assert_eq!(setting.run_to_end(&spec).await, 0);
    let whole = heard(&setting, &name, LogOptions::default()).await;
    assert_eq!((whole.out.as_str(), whole.err.as_str()), ("line 1\nline 2\nline 3\nline 4\nline 5\n", "aside\nlast\n"));
    let tail = heard(&setting, &name, LogOptions { tail: Some(3), ..LogOptions::default() }).await;
    assert_eq!((tail.out.as_str(), tail.err.as_str()), ("line 4\nline 5\n", "last\n"));
    let none = heard(&setting, &name, LogOptions { tail: Some(0), ..LogOptions::default() }).await;
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", ""));
    let error = setting.host.logs("nonesuch", &LogOptions::default()).await.err();
    assert!(matches!(error, Some(Error::NotFound { .. })), "{error:?}");
}

pub(crate) async fn since_and_timestamps_hold(setting: Arc<Setting>) {
    let name = setting.name("since");
    let spec = setting.named(&name, &["say", "early", "sleep", "2", "say", "late"]);
    assert_eq!(setting.run_to_end(&spec).await, 0);
    let stamped = heard(&setting, &name, LogOptions { timestamps: true, ..LogOptions::default() }).await;
    let [early, late] = stamped.out.lines().collect::<Vec<_>>()[..] else { panic!("{stamped:?}") };
    let (from, _) = early.split_once(" early").unwrap();
    let (since, _) = late.split_once(" late").unwrap();
    assert!(from < since && since.contains('T'), "{stamped:?}");
    // A whole second before the later line is after the earlier one.
    let whole_second = format!("{}Z", since.split('.').next().unwrap());
    let only = heard(&setting, &name, LogOptions { since: Some(whole_second), ..LogOptions::default() }).await;
    assert_eq!(only.out, "late\n");
}

pub(crate) async fn following_ends_with_the_container(setting: Arc<Setting>) {
    let name = setting.name("follow");
    let spec = setting.named(&name, &["say", "first", "sleep", "1.5", "warn", "aside", "say", "last", "exit", "9"]);
    setting.host.run(&spec).await.unwrap();
    let options = LogOptions { follow: true, ..LogOptions::default() };
    let mut stream = setting.host.logs(&name, &options).await.unwrap();
    let begun = Instant::now();
    let first = stream.next().await;
    assert!(begun.elapsed() < Duration::from_millis(1400), "the first line came only with the last");
    assert_eq!(first, Some(portreeve::LogChunk::Stdout(b"first\n".to_vec())));
    let rest = tokio::time::timeout(Duration::from_secs(20), Heard::all(stream)).await.unwrap();
    assert_eq!((rest.out.as_str(), rest.err.as_str(), rest.status()), ("last\n", "aside\n", 0));
    assert_eq!(setting.host.wait(&name).await.unwrap(), 9);
}
