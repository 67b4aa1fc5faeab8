//! Detection and preflight beside the slowest command that each needs: they ask side by side.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use portreeve::Intention;
use portreeve_tests::engines::Engine;

use crate::table::{alone, beside, median, micros, timed};

const ROUNDS: u32 = 31;

pub(crate) fn measure(runtime: &tokio::runtime::Runtime) {
    for engine in Engine::all() {
        if engine == Engine::PodmanRootless {
            // It would have to be measured as its user, in another process.
            continue;
        }
        on(engine, runtime);
    }
}

/// The commands of a detection, and those that a preflight adds, as the grants have them.
fn commands(engine: Engine) -> (Vec<Vec<&'static str>>, Vec<Vec<&'static str>>) {
    match engine {
        Engine::Docker => (
            vec![vec!["version", "--format={{json .}}"], vec!["info", "--format={{json .}}"]],
            vec![vec!["context", "ls", "--format={{json .}}"]],
        ),
        _ => (
            vec![vec!["version", "--format=json"], vec!["ps", "--quiet", "--filter=label=io.portreeve.install=x"]],
            vec![],
        ),
    }
}

fn on(engine: Engine, runtime: &tokio::runtime::Runtime) {
    let harbour = crate::harbour(runtime, Some(engine));
    let berth = harbour.berth();
    let (needed, more) = commands(engine);
    let all: Vec<Vec<&str>> = needed.iter().chain(&more).cloned().collect();
    let (mut detects, mut preflights) = (Vec::new(), Vec::new());
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); all.len()];
    for round in 0..=ROUNDS {
        let (detect, preflight) = runtime.block_on(async {
            let host = berth.builder().build().await.unwrap();
            let begun = std::time::Instant::now();
            assert!(host.detect().await.unwrap().iter().any(|found| found.works));
            let detect = begun.elapsed();
            let host = berth.builder().build().await.unwrap();
            let begun = std::time::Instant::now();
            host.preflight(&Intention::default()).await.unwrap();
            (detect, begun.elapsed())
        });
        let bare: Vec<Duration> = all.iter().map(|words| timed(|| bare(engine, words)).0).collect();
        // The first round compiles the backend.
        if round > 0 {
            detects.push(detect);
            preflights.push(preflight);
            times.iter_mut().zip(bare).for_each(|(times, time)| times.push(time));
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let slowest = |count: usize| medians.iter().take(count).copied().fold(0.0, f64::max);
    figure(&format!("detect on {}", engine.name()), median(detects), slowest(needed.len()), 1.2);
    figure(&format!("preflight on {}", engine.name()), median(preflights), slowest(all.len()), 1.3);
}

fn bare(engine: Engine, words: &[&str]) {
    let mut command = engine.client();
    if words.first() == Some(&"context") {
        command = engine.command(Path::new("/usr/bin/docker"));
    }
    let status = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success(), "{words:?}");
}

/// Beside the slowest command, and what is left of the bound: so many times that, and 10 ms.
fn figure(what: &str, figure: f64, slowest: f64, times: f64) {
    beside(what, figure, "the slowest single command that it needs", slowest);
    alone(&format!("{what}: below {times} × that + 10 ms by"), &micros(times * slowest + 10_000.0 - figure));
}
