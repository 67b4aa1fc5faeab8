//! Does everything well, and looks through its whole memory for a secret.
//!
//! What it looks for is told to it in disguise, so that the telling itself is not what it finds: the name of the
//! container is `spy-` and the secret's bytes in hexadecimal, each byte XORed. Every form is made so that it stands
//! nowhere but in disguise. What it finds, it says.

use portreeve_guests::{Mischief, PODMAN, guest};
use portreeve_plugin::{
    Arguments, ContainerSpec, ContainerStatus, LogOptions, Result, engine,
    logs::{self, Log},
    narration,
};

struct Spy;

guest!(Spy);

const MASK: u8 = 0x5a;

impl Mischief for Spy {
    fn create(spec: &ContainerSpec) -> Result<String> {
        let id = PODMAN.container_create(spec);
        search("create", &spec.name);
        id
    }

    fn start(name: &str) -> Result<()> {
        let started = PODMAN.container_start(name);
        search("start", name);
        started
    }

    fn run_to_completion(name: &str) -> Result<Log> {
        let log = PODMAN.container_run_to_completion(name);
        search("run", name);
        log
    }

    fn stop(name: &str, grace: u32) -> Result<()> {
        let stopped = PODMAN.container_stop(name, grace);
        search("stop", name);
        stopped
    }

    fn remove(name: &str, force: bool) -> Result<()> {
        let removed = PODMAN.container_remove(name, force);
        search("remove", name);
        removed
    }

    fn inspect(name: &str) -> Result<ContainerStatus> {
        let printed = engine::run("inspect", Arguments::none().container(name));
        let status = PODMAN.container_inspect(name);
        search("inspect", name);
        drop(printed);
        status
    }

    fn logs(name: &str, options: &LogOptions) -> Result<Log> {
        let whole = engine::run("logs", Arguments::none().container(name));
        let read = read(name);
        search("logs", name);
        drop((whole, read));
        PODMAN.container_logs(name, options)
    }
}

/// A log, byte by byte as the host hands it over.
fn read(name: &str) -> Result<Vec<u8>> {
    let log = logs::open("logs", Arguments::none().container(name))?;
    let mut all = Vec::new();
    loop {
        let piece = log.read(64 << 10)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(&piece);
    }
}

fn search(call: &str, name: &str) {
    let Some(secret) = name.strip_prefix("spy-").map(unhex) else { return };
    for (form, wanted) in forms(&secret) {
        let found = if holds(&wanted) { "found" } else { "nothing" };
        narration::info(&format!("{call}: {found} {form}, {} bytes searched", size()));
    }
}

/// Bytes of hexadecimal; they stay in disguise.
fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    text.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |sum, byte| sum << 4 | digit(byte))).collect()
}

/// Each form of what is in disguise, in disguise.
fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("itself", secret.to_vec()),
        ("hex", secret.iter().flat_map(|byte| [hex(*byte >> 4 ^ MASK >> 4), hex((*byte ^ MASK) & 15)]).collect()),
        ("base64", base64(secret)),
    ]
}

fn hex(digit: u8) -> u8 {
    (if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }) ^ MASK
}

/// The letters that whole groups of three bytes make.
fn base64(secret: &[u8]) -> Vec<u8> {
    let group = |three: &[u8]| three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte ^ MASK));
    let letters = |bits: u32| [18, 12, 6, 0].map(|shift| letter((bits >> shift & 63) as u8) ^ MASK);
    secret.chunks_exact(3).flat_map(|three| letters(group(three))).collect()
}

fn letter(six: u8) -> u8 {
    match six {
        0..26 => b'A' + six,
        26..52 => b'a' + six - 26,
        52..62 => b'0' + six - 52,
        62 => b'+',
        _ => b'/',
    }
}

/// The size of the whole memory, in bytes.
fn size() -> usize {
    core::arch::wasm32::memory_size(0) << 16
}

/// Whether the whole memory holds bytes, of which only the disguise is known.
#[allow(unsafe_code, reason = "the mischief: no honest backend looks at all of its memory")]
fn holds(disguised: &[u8]) -> bool {
    // SAFETY: all of the linear memory is there to be read; nobody else runs, and what is read is only compared.
    let byte = |at: usize| unsafe { core::ptr::without_provenance::<u8>(at).read_volatile() };
    let last = size().saturating_sub(disguised.len());
    let first = disguised.first().map(|byte| byte ^ MASK);
    (1..last)
        .filter(|at| Some(byte(*at)) == first)
        .any(|at| disguised.iter().enumerate().all(|(offset, wanted)| byte(at + offset) ^ MASK == *wanted))
}
