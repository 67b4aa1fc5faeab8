//! A backend's own code: a fresh instance with a call, and the end of one that never comes back.

use std::time::{Duration, Instant};

use portreeve::{BackendSource, Portreeve};
use portreeve_tests::berth::Harbour;
use portreeve_tests::voyage;

use crate::table::{alone, median, micros};

mod guests {
    #![allow(dead_code, unused_macros, reason = "one guest of many is measured")]
    include!(concat!(env!("OUT_DIR"), "/guests.rs"));
}

/// Milliseconds that the runaway may run.
const BUDGET: u64 = 100;

pub(crate) fn measure(runtime: &tokio::runtime::Runtime) {
    let harbour = crate::harbour(runtime, None);
    let name = harbour.container("patient");
    let _started = harbour.play(voyage::RUN, &[&name, "wait"]);
    runtime.block_on(async {
        let portreeve = idle_host(&harbour).await;
        alone("a fresh instance and a call, compiled code at hand", &micros(fresh_call(&portreeve).await));
        let over = runaway(&portreeve, &name).await;
        alone(&format!("a runaway with a budget of {BUDGET} ms: stopped after it by"), &micros(over));
    });
}

/// The median of calls that run no command and no probe.
pub(crate) async fn fresh_call(portreeve: &Portreeve) -> f64 {
    let mut times = Vec::new();
    for _ in 0..2000 {
        let begun = Instant::now();
        portreeve.preflight(&Default::default()).await.unwrap();
        times.push(begun.elapsed());
    }
    median(times)
}

/// The median of what a stop takes beyond the budget, and beyond looking for the container.
async fn runaway(portreeve: &Portreeve, name: &str) -> f64 {
    let (mut stops, mut looks) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let begun = Instant::now();
        portreeve.stop(name, Duration::from_secs(1)).await.expect_err("it never comes back");
        stops.push(begun.elapsed());
        let begun = Instant::now();
        portreeve.inspect("nobody").await.expect_err("it is not there");
        looks.push(begun.elapsed());
    }
    median(stops) - median(looks) - BUDGET as f64 * 1e3
}

/// A host whose backend does nothing but loop when it is to stop something, and whose grants have no probes.
pub(crate) async fn idle_host(harbour: &Harbour) -> Portreeve {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/podman/grants.toml");
    let mut grants: toml::Table = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    grants.remove("probes");
    let limits: toml::Table =
        [("deadline-ms".to_owned(), toml::Value::from(BUDGET.cast_signed()))].into_iter().collect();
    grants.insert("limits".to_owned(), limits.into());
    let source = BackendSource::new(
        "endless loop",
        std::fs::read(guests::ENDLESS_LOOP).unwrap(),
        &toml::to_string(&grants).unwrap(),
    );
    let portreeve = harbour.berth().builder_with(source).build().await.unwrap();
    portreeve.preflight(&Default::default()).await.unwrap();
    portreeve
}
