//! The redactor against one that is as simple as can be, at whatever cuts.

use std::sync::OnceLock;

use serde_json::Value;

use super::Draw;
use crate::redaction::{Redactor, RuleSet, naive_redactor};

const NAMES: [&str; 3] = ["A", "B", "C"];

/// Known values: over two letters, to the byte what the naive redactor makes; over all bytes, no leak.
pub fn redaction(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    match draw.byte() % 4 {
        0 | 1 => two_letters(&mut draw),
        2 => any_bytes(&mut draw),
        _ => flood(&mut draw),
    }
}

/// Values of letters that the encodings of none are made of.
fn two_letters(draw: &mut Draw<'_>) {
    let values: Vec<Vec<u8>> = (0..1 + draw.below(3)).map(|_| letters(draw)).collect();
    let Some((redactor, secrets)) = knowing(&values, RuleSet::none()) else { return };
    let (idle, cuts) = (draw.flag(), draw.bytes(24));
    let text: Vec<u8> = draw.all().iter().map(|byte| b"ababababab \n."[usize::from(byte % 13)]).collect();
    let out = redacted(&redactor, &text, cuts, idle);
    let expected = naive_redactor::redact(&secrets, &text);
    assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
}

fn letters(draw: &mut Draw<'_>) -> Vec<u8> {
    (0..6 + draw.below(4)).map(|_| b"ab"[draw.below(2)]).collect()
}

/// Values of whatever bytes, in texts that hold them whole, in part and encoded; with rules and without.
fn any_bytes(draw: &mut Draw<'_>) {
    let values: Vec<Vec<u8>> = (0..1 + draw.below(3)).map(|_| draw.bytes(40).trim_ascii().to_vec()).collect();
    let rules = if draw.flag() { RuleSet::builtin() } else { RuleSet::none() };
    let Some((redactor, secrets)) = knowing(&values, rules) else { return };
    let (idle, cuts) = (draw.flag(), draw.bytes(24));
    let mut text = Vec::new();
    while !draw.is_empty() {
        let value = draw.pick(&values).clone();
        match draw.byte() % 6 {
            0 => text.extend(value),
            1 => text.extend(&value[..draw.below(value.len() + 1)]),
            2 => text.extend(value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes())),
            3 => text.extend(value.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes())),
            4 => text.extend(format!("{:?}", String::from_utf8_lossy(&value)).into_bytes()),
            _ => text.extend(draw.bytes(12)),
        }
    }
    let out = redacted(&redactor, &text, cuts, idle);
    // Between two marks nothing may be left; a mark itself is no leak, nor what it touches.
    for piece in between_marks(&out) {
        assert_eq!(naive_redactor::leak(&secrets, piece), None, "{}", String::from_utf8_lossy(&out));
        for value in values.iter().filter(|value| value.len() >= 8 && piece.is_ascii()) {
            let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!String::from_utf8_lossy(piece).contains(&hex), "{}", String::from_utf8_lossy(&out));
        }
    }
}

fn between_marks(out: &[u8]) -> Vec<&[u8]> {
    let mut pieces = vec![out];
    for mark in NAMES.map(|name| format!("[redacted:{name}]")) {
        let cut = |piece| split(piece, mark.as_bytes());
        pieces = pieces.into_iter().flat_map(cut).collect();
    }
    pieces
}

fn split<'t>(mut text: &'t [u8], mark: &[u8]) -> Vec<&'t [u8]> {
    let mut pieces = Vec::new();
    while let Some(at) = text.windows(mark.len()).position(|window| window == mark) {
        pieces.push(&text[..at]);
        text = &text[at + mark.len()..];
    }
    pieces.push(text);
    pieces
}

/// A piece again and again: memory stays bounded.
fn flood(draw: &mut Draw<'_>) {
    let values = [b"abababababababababab-1".to_vec()];
    let Some((redactor, _)) = knowing(&values, RuleSet::builtin()) else { return };
    let piece = draw.all();
    if piece.is_empty() {
        return;
    }
    let chunk: Vec<u8> = piece.iter().copied().cycle().take(8192).collect();
    let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
    for _ in 0..16 {
        out.clear();
        stream.push(&chunk, &mut out);
        assert!(stream.held_bytes() < 256 * 1024, "{}", stream.held_bytes());
    }
    stream.finish(&mut out);
}

/// A value and its name.
type Named<'a> = (&'static str, &'a [u8]);

/// A redactor that knows these values, if all of them can be masked.
fn knowing(values: &[Vec<u8>], rules: RuleSet) -> Option<(Redactor, Vec<Named<'_>>)> {
    let mut builder = Redactor::builder();
    for (name, value) in NAMES.into_iter().zip(values) {
        builder = builder.secret(name, value).ok()?;
    }
    let secrets = NAMES.into_iter().zip(values.iter().map(Vec::as_slice)).collect();
    Some((builder.rules(rules).build(), secrets))
}

fn redacted(redactor: &Redactor, text: &[u8], cuts: &[u8], idle: bool) -> Vec<u8> {
    let (mut out, mut stream) = (Vec::new(), redactor.multiplexed_stream());
    for piece in naive_redactor::pieces(text, cuts) {
        stream.push(piece, &mut out);
        if idle {
            stream.idle(&mut out);
        }
    }
    stream.finish(&mut out);
    out
}

fn builtin() -> &'static Redactor {
    static BUILTIN: OnceLock<Redactor> = OnceLock::new();
    BUILTIN.get_or_init(|| Redactor::builder().rules(RuleSet::builtin()).build())
}

/// The rules: what they make of a text does not depend on where it is cut, and lines without a secret stay.
pub fn rules(bytes: &[u8]) {
    let mut draw = Draw::new(bytes);
    let cuts = draw.bytes(16);
    let text = draw.all();
    let whole = redacted(builtin(), text, &[], false);
    let cut = redacted(builtin(), text, cuts, false);
    assert_eq!(unframed(&whole).map(lossy), unframed(&cut).map(lossy));
}

/// What the frames of a stream hold, by stream, and the text behind them: where a frame is cut is nobody's matter.
fn unframed(mut text: &[u8]) -> [Vec<u8>; 3] {
    let mut streams = [const { Vec::new() }; 3];
    while let Some((&[stream @ (1 | 2), 0, 0, 0, a, b, c, d], rest)) = text.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let (payload, behind) = rest.split_at(length.min(rest.len()));
        streams[usize::from(stream)].extend_from_slice(payload);
        text = behind;
    }
    streams[0].extend_from_slice(text);
    streams
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A redacted document is a document of the same shape.
pub fn documents(text: &str) {
    let Ok(document) = serde_json::from_str::<Value>(text) else { return };
    let mut redacted = document.clone();
    builtin().json(&mut redacted);
    same_shape(&document, &redacted);
    let mut again = redacted.clone();
    builtin().json(&mut again);
    marks_stay(&redacted, &again);
}

/// What is masked stays. More may be masked beside it: a mark ends a word that went on before.
fn marks_stay(one: &Value, two: &Value) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            one.values().zip(two.values()).for_each(|(one, two)| marks_stay(one, two));
        }
        (Value::Array(one), Value::Array(two)) => one.iter().zip(two).for_each(|(one, two)| marks_stay(one, two)),
        (Value::String(one), Value::String(two)) => {
            let mut left = marks(two).into_iter();
            assert!(marks(one).into_iter().all(|mark| left.any(|other| other == mark)), "{one}\n{two}");
            assert!(one == two || marks(two).len() > marks(one).len(), "{one}\n{two}");
        }
        (one, two) => assert_eq!(one, two),
    }
}

fn marks(text: &str) -> Vec<&str> {
    text.split("[redacted:").skip(1).filter_map(|rest| rest.split_once(']')).map(|(name, _)| name).collect()
}

fn same_shape(one: &Value, two: &Value) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            assert!(one.keys().eq(two.keys()));
            one.values().zip(two.values()).for_each(|(one, two)| same_shape(one, two));
        }
        (Value::Array(one), Value::Array(two)) => {
            assert_eq!(one.len(), two.len());
            one.iter().zip(two).for_each(|(one, two)| same_shape(one, two));
        }
        (Value::String(_), Value::String(_)) => {}
        (one, Value::String(mark)) if mark.starts_with("[redacted:") => {
            assert!(!one.is_null() || mark.contains("nesting"))
        }
        (one, two) => assert_eq!(one, two),
    }
}
