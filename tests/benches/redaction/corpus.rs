//! A container's log of many kinds of lines, and values that are secrets in it. The same at each run.

/// Bytes of the piece that is repeated.
const PIECE: usize = 10_000_000;

/// Numbers that look random.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn text(&mut self, letters: &[u8], count: usize) -> String {
        (0..count).map(|_| char::from(letters[self.below(letters.len())])).collect()
    }

    fn hex(&mut self, count: usize) -> String {
        self.text(b"0123456789abcdef", count)
    }
}

/// Secrets of twenty to forty letters.
pub(crate) fn values(count: usize) -> Vec<String> {
    let mut draw = Draw::new(42);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~!@#";
    (0..count)
        .map(|_| {
            let length = 20 + draw.below(20);
            draw.text(letters, length)
        })
        .collect()
}

/// A piece of a log. Every thousandth line holds one of the values.
pub(crate) fn log(values: &[String]) -> Vec<u8> {
    let mut draw = Draw::new(7);
    let mut log = String::with_capacity(PIECE + 4096);
    let mut lines = 0;
    while log.len() < PIECE {
        lines += 1;
        if lines % 1000 == 0 && !values.is_empty() {
            let value = &values[draw.below(values.len())];
            log += &format!("level=debug msg=\"connected\" url=https://app:{value}@db.example.org/ n={lines}\n");
        } else {
            log += &line(&mut draw, lines);
        }
    }
    log.into_bytes()
}

fn line(draw: &mut Draw, at: usize) -> String {
    let (a, b, c) = (draw.below(250), draw.below(60), draw.below(100_000));
    match draw.below(16) {
        0 => format!(
            "10.89.0.{a} - - [19/Sep/2031:10:{b:02}:12 +0000] \"GET /v1/items/{c}?page={b} HTTP/1.1\" 200 {c} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0\"\n"
        ),
        1 => format!(
            "{{\"level\":\"info\",\"ts\":\"2031-01-17T10:{b:02}:41Z\",\"caller\":\"server/handler.go:{a}\",\"msg\":\"request served\",\"status\":200,\"bytes\":{c},\"trace_id\":\"{}\"}}\n",
            draw.hex(32)
        ),
        2 => format!(
            "{{\"log\":\"2031/01/19 17:34:{b:02} [notice] {a}#{a}: signal process started\\n\",\"stream\":\"stderr\",\"time\":\"2031-04-19T19:10:{b:02}.411399648Z\"}}\n"
        ),
        3 => format!("2031-02-28T12:47:{b:02}.113223539Z stdout F INFO worker-{a} finished job {c} in {b}ms\n"),
        4 => format!(
            "time=\"2031-09-03T17:01:{b:02}Z\" level=info msg=\"shim disconnected\" id={} namespace=moby\n",
            draw.hex(64)
        ),
        5 => format!(
            "llama_model_loader: - kv  {b}:                 qwen3.attention.head_count_kv u32              = {a}\n"
        ),
        6 => format!("eval time = {c}.{b} ms / {a} runs ({b}.31 ms per token, {a}.12 tokens per second)\n"),
        7 => format!("Copying blob sha256:{}\n", draw.hex(64)),
        8 => format!(
            "2031-12-04 11:04:{b:02}.145 UTC [{c}] LOG:  checkpoint complete: wrote {c} buffers ({a}.2%); 0 WAL file(s) added\n"
        ),
        9 => format!("\x1b[32mINFO\x1b[0m \x1b[2mtokio::runtime\x1b[0m: worker thread {a} parked after {c} polls\n"),
        10 => format!("    at com.example.service.Handler$Worker.run(Handler.java:{a})\n"),
        11 => format!(
            "[{c}.{b:06}] audit: type=1400 audit(1700000000.{a:03}:{c}): apparmor=\"STATUS\" operation=\"profile_load\" name=\"podman-{a}\"\n"
        ),
        12 => format!(
            "DEBUG sqlalchemy.engine.Engine SELECT users.id, users.name, users.created_at FROM users WHERE users.id = {c} LIMIT {b}\n"
        ),
        13 => format!(
            "web-1  | The quick brown fox number {at} jumps over {a} lazy dogs and writes {c} words about it to the log\n"
        ),
        14 => format!("go: downloading golang.org/x/net v0.0.{b}-2026010412345{}-{}\n", b % 10, draw.hex(12)),
        _ => format!(
            "#{a} {b}.{c:05} Get:{a} http://deb.debian.org/debian bookworm/main amd64 libssl3 amd64 3.0.{b}-1 [{c} B]\n"
        ),
    }
}
