//! Much output, and many listeners: throughput and memory.

use std::process::{Command, Stdio};
use std::time::Duration;

use portreeve::redaction::{Redactor, RuleSet};
use portreeve_tests::berth::Harbour;
use portreeve_tests::engines::Engine;
use portreeve_tests::voyage;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::table::{alone, beside, timed};

const FLOOD: &str = "1000000000";

pub(crate) fn measure(runtime: &Runtime) {
    redaction();
    many_streams(runtime);
    for engine in [None].into_iter().chain(Engine::all().into_iter().map(Some)) {
        much_output(runtime, engine);
    }
}

/// One thread, 64 KiB at a time.
fn redaction() {
    let plain: String = (0..200_000)
        .map(|number| format!("{number:012} the quick brown fox jumps over the lazy dog again\n"))
        .collect();
    let busy: String = (0..100_000)
        .map(|number| format!("2031-04-05T06:07:{:02}Z INFO request id={number:08x} method=GET path=/api/v1/ships/{number} status=200 took={number}us user=anna@example.org\n", number % 60))
        .collect();
    let redactor = Redactor::builder()
        .rules(RuleSet::builtin())
        .build()
        .with_secret("TOKEN", b"demo-tigerlily-4821-parade")
        .unwrap();
    for (what, text) in [("numbered lines", plain), ("lines of a web server's log", busy)] {
        let (time, bytes) = timed(|| {
            let (mut stream, mut out, mut bytes) = (redactor.stream(), Vec::new(), 0);
            for chunk in text.as_bytes().chunks(64 << 10) {
                out.clear();
                stream.push(chunk, &mut out);
                bytes += out.len();
            }
            bytes
        });
        assert!(bytes > 0);
        alone(&format!("redaction of {what}"), &rate(text.len() as f64, time));
    }
}

fn many_streams(runtime: &Runtime) {
    let harbour = crate::harbour(runtime, None);
    let name = harbour.container("talker");
    let _started = harbour.play(voyage::RUN, &[&name, "lines", "1000000", "50"]);
    let measured = json(&harbour.play(voyage::FOLLOW, &[&name, "200", "20"]));
    alone("200 `logs -f` streams at once: memory that they add", &growth(&measured));
    alone("… the host's most memory resident (VmHWM)", &mebibytes(&measured["peak"]));
}

fn much_output(runtime: &Runtime, engine: Option<Engine>) {
    let harbour = crate::harbour(runtime, engine);
    let name = harbour.berth().name();
    let attached = harbour.container("attached");
    // The process that pulls, and compiles the backend, is not the one that is measured.
    let _warm = harbour.play(voyage::ATTACH, &[&attached, "say", "here"]);
    let said = json(&harbour.play(voyage::ATTACH, &[&attached, "flood", FLOOD]));
    alone(&format!("1 GB by a container of {name}, attached"), &rate_of(&said));
    alone("… memory that it adds to the host", &growth(&said));
    // Real engines read their own logs at some 13 MB/s.
    log(&harbour, if engine.is_none() { FLOOD } else { "100000000" });
}

/// The same from the log of a container that has ended.
fn log(harbour: &Harbour, bytes: &str) {
    let logged = harbour.container("logged");
    let _started = harbour.play(voyage::RUN, &[&logged, "flood", bytes]);
    let _ended = harbour.berth().ask(&["wait", &logged]);
    let said = json(&harbour.play(voyage::READ, &[&logged]));
    let bare = timed(|| silent(harbour.berth().client().args(["logs", &logged]))).0;
    let host = said["seconds"].as_f64().unwrap() * 1e6;
    let what = format!("{bytes} bytes of log on {}, {}", harbour.berth().name(), rate_of(&said));
    beside(&what, host, "the engine's client alone", bare.as_secs_f64() * 1e6);
    alone("… memory that it adds to the host", &growth(&said));
}

fn silent(command: &mut Command) {
    // Through a pipe, as the host has it.
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::copy(&mut child.stdout.take().unwrap(), &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn growth(measured: &Value) -> String {
    let kib = |name: &str| measured[name].as_u64().unwrap();
    mebibytes(&Value::from(kib("peak") - kib("before")))
}

fn mebibytes(kib: &Value) -> String {
    format!("{:.1} MiB", kib.as_u64().unwrap() as f64 / 1024.0)
}

fn rate_of(measured: &Value) -> String {
    rate(measured["bytes"].as_f64().unwrap(), Duration::from_secs_f64(measured["seconds"].as_f64().unwrap()))
}

fn rate(bytes: f64, time: Duration) -> String {
    format!("{:.0} MB/s", bytes / 1e6 / time.as_secs_f64())
}
