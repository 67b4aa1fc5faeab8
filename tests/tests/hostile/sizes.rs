//! Limits on how much, how many and how long; and components that are too large before they do anything.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use portreeve::FaultKind::{Memory, Trap};
use portreeve::Intention;
use portreeve::Rule::Budget;

use crate::hogs::stopped_by;
use crate::stand::{End, Stand};

const GRACE: Duration = Duration::from_secs(1);

/// A container that said so much, on one line or on many.
async fn talker(component: &str, limits: &str, words: &[&str], bytes: usize) -> Stand {
    let stand = Stand::with_limits(component, limits).await.pulled().await;
    let mut spec = stand.spec("web");
    spec.words = words.iter().map(|word| (*word).to_owned()).chain(["sleep".into(), "600".into()]).collect();
    stand.honest.run(&spec).await.unwrap();
    let said = || stand.podman(&["logs", "web"]).len();
    let begun = std::time::Instant::now();
    while said() < bytes && begun.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stand.mark()
}

#[tokio::test]
pub(crate) async fn output_glutton() {
    let stand = talker(crate::OUTPUT_GLUTTON, "output-mib = 1", &["flood", "3000000"], 3_000_000).await;
    stand.hostile.stop("web", GRACE).await.unwrap();
    assert_eq!(stand.words(), [format!("got {} bytes, truncated true", 1 << 20)]);
}

#[tokio::test]
pub(crate) async fn long_line() {
    let line = "x".repeat(100_000);
    let words = std::iter::repeat_n(["print", line.as_str()], 9).flatten().collect::<Vec<_>>();
    let stand = talker(crate::LONG_LINE, "line-bytes = 1000", &words, 900_000).await;
    stand.hostile.stop("web", GRACE).await.unwrap();
    assert_eq!(stand.words(), ["longest 1000, all 900000"]);
}

#[tokio::test]
pub(crate) async fn handle_hoard() {
    stopped_by(crate::HANDLE_HOARD, "handles = 10", End::Fault(Trap, "trapped")).await;
}

#[tokio::test]
pub(crate) async fn device_storm() {
    let stand = Stand::with_limits(crate::DEVICE_STORM, "device-checks = 100").await.pulled().await;
    let report = stand.hostile.preflight(&Intention::default()).await;
    stand.refuses(report, End::Refused(Budget, "", None)).await;
}

/// The honest backend, with more sections at its end.
fn with_sections(name: &str, sections: &[Vec<u8>]) -> PathBuf {
    let mut bytes = fs::read(crate::HONEST).unwrap();
    sections.iter().for_each(|section| bytes.extend_from_slice(section));
    let path = crate::stand::state().with_extension(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(0x80 | (number & 127) as u8);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// How many core modules a component has on its outermost level: its sections are an ID, a size, and so many bytes.
fn modules() -> usize {
    let bytes = fs::read(crate::HONEST).unwrap();
    let (mut at, mut found) = (8, 0);
    while at < bytes.len() {
        found += usize::from(bytes[at] == 1);
        let (mut size, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            size |= usize::from(bytes[at] & 127) << shift;
            shift += 7;
            if bytes[at] < 128 {
                break;
            }
        }
        at += 1 + size;
    }
    found
}

/// Makes so many instances of a core module.
fn instances(count: usize) -> Vec<u8> {
    let one = [&[0][..], &leb(modules()), &[0]].concat();
    section(2, &[leb(count), one.repeat(count)].concat())
}

async fn never_starts(component: PathBuf, limits: &str, end: End<'_>) {
    let stand = Stand::with_limits(component.to_str().unwrap(), limits).await.pulled().await.running("web").await;
    let stopped = stand.hostile.stop("web", GRACE).await;
    stand.refuses(stopped, end).await;
    assert!(stand.is_running("web").await);
    fs::remove_file(component).unwrap();
}

#[tokio::test]
async fn instance_swarm() {
    let empty = section(1, b"\0asm\x01\0\0\0");
    let component = with_sections("swarm.wasm", &[empty, instances(200)]);
    never_starts(component, "", End::Fault(Trap, "instance")).await;
}

#[tokio::test]
async fn wide_table() {
    // A table of a million references.
    let table = section(4, &[&[1, 0x70, 0][..], &leb(1_000_000)].concat());
    let module = section(1, &[&b"\0asm\x01\0\0\0"[..], &table].concat());
    let component = with_sections("table.wasm", &[module, instances(1)]);
    never_starts(component, "", End::Fault(Trap, "table")).await;
}

#[tokio::test]
async fn wide_memory() {
    // A memory that is 100 MiB from its beginning.
    let memory = section(5, &[&[1, 0][..], &leb(1600)].concat());
    let module = section(1, &[&b"\0asm\x01\0\0\0"[..], &memory].concat());
    let component = with_sections("memory.wasm", &[module, instances(1)]);
    never_starts(component, "", End::Fault(Memory, "memory")).await;
}
