//! The forms a known value may take, as needles to be walked and heads to be looked for.
//!
//! Escaped forms share one needle, the value itself: [`super::walker`] reads them all. What differs is how each begins, so
//! every escape here is applied to the first few characters only. Base64 needles hold the letters that the value alone
//! decides, whatever stands before and after it.
//!
//! Programs mix escapes, and fold what they encode: no list of heads holds every beginning. A needle has an anchor too, a
//! part further in that most programs leave as it is; from there the beginning is looked for.

use super::walker::Writing;

/// Bytes of a head: enough to sample a text every eighth byte.
pub(crate) const HEAD: usize = 12;
/// Bytes of a head of text with signs in it: programs escape these in so many ways that a longer head would miss some.
const SHORT_HEAD: usize = 8;
/// Bytes of a head at least: a gram.
const MIN_HEAD: usize = 4;
/// Base64 of less than this many letters is found by chance.
const MIN_BASE64: usize = 6;
/// A line of a longer value is masked by itself from this length on.
const MIN_LINE: usize = 8;
/// Bytes of an anchor at least: enough to sample a text every third byte.
const MIN_ANCHOR: usize = 6;
/// How far in an anchor may begin, and how many bytes of a text may stand before it.
const MAX_ANCHOR: usize = 256;
const MAX_REACH: usize = 1000;
/// Bytes that one of a value may become: `\\\\u0026`; a letter of base64: `\u002b`; a pair of hexadecimal digits: `,` and
/// ` 0x26`, or a line's end and an indentation.
const LONGEST_ESCAPE: usize = 10;
const LONGEST_LETTER: usize = 6;
const LONGEST_PAIR: usize = 10;
/// Bytes that a line's end may become, with what a log puts before the next line.
const LONGEST_BREAK: usize = 2 * super::walker::MAX_LINE_PREFIX;
/// Characters of the value that a head is made from.
const HEAD_CHARACTERS: usize = 14;

/// One thing to be read from a text, and how it may begin there.
#[derive(Clone)]
pub(crate) struct Needle {
    pub(crate) writing: Writing,
    pub(crate) bytes: Vec<u8>,
    /// Whether a letter before or after is decided in part by the value, and is masked too.
    pub(crate) spills: bool,
    pub(crate) heads: Vec<Vec<u8>>,
    pub(crate) anchor: Option<Anchor>,
}

/// A part of a needle that may be found where its beginning is not.
#[derive(Clone)]
pub(crate) struct Anchor {
    /// Where in the needle it begins.
    pub(crate) offset: usize,
    /// How many bytes of a text may stand between the beginning of the needle and it.
    pub(crate) reach: usize,
    pub(crate) heads: Vec<Vec<u8>>,
}

/// All needles of a value.
pub(crate) fn needles(value: &[u8]) -> Vec<Needle> {
    let mut needles = Vec::new();
    let trimmed = value.trim_ascii();
    text_needle(trimmed, &mut needles);
    encoded_needles(trimmed, &mut needles);
    if trimmed.contains(&b'\n') {
        encoded_needles(&with_other_ends(trimmed), &mut needles);
        // A value that ends in a line's end is encoded with it.
        for line in trimmed.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii) {
            if stands_alone(line) {
                text_needle(line, &mut needles);
            }
        }
    }
    needles
}

/// A value whose lines end as they would have on another system: programs change that before they encode.
fn with_other_ends(value: &[u8]) -> Vec<u8> {
    let bare: Vec<&[u8]> =
        value.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    let is_dos = value.windows(2).any(|two| two == b"\r\n");
    bare.join(if is_dos { b"\n".as_slice() } else { b"\r\n" })
}

/// Whether a line of a value is not found elsewhere too: one long word, or a word that looks random.
fn stands_alone(line: &[u8]) -> bool {
    let mixed = |word: &[u8]| word.iter().any(u8::is_ascii_digit) && word.iter().any(u8::is_ascii_alphabetic);
    let mut words = line.split(u8::is_ascii_whitespace);
    let single = !line.iter().any(u8::is_ascii_whitespace);
    line.len() >= MIN_LINE
        && super::maskable::objection(line).is_none()
        && (single || words.any(|word| word.len() >= 12 && mixed(word)))
}

fn text_needle(value: &[u8], needles: &mut Vec<Needle>) {
    let (heads, anchor) = (first_heads(value), text_anchor(value));
    needles.push(Needle { writing: Writing::Text, bytes: value.to_vec(), spills: false, heads, anchor });
}

/// How a value may begin. Of one whose first line is short, what a log puts before the second is no part of a head.
fn first_heads(value: &[u8]) -> Vec<Vec<u8>> {
    let line = value.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    match line.len() {
        length if length >= HEAD || length == value.len() => text_heads(value),
        length if length >= MIN_HEAD => text_heads(line),
        // Too little to be looked for; the second line is reached through the ends of lines alone.
        _ => [text_heads(value), text_heads(&with_other_ends(value))].concat(),
    }
}

/// The first long word that a value has behind its signs, or its longest.
fn text_anchor(value: &[u8]) -> Option<Anchor> {
    if value.iter().take(SHORT_HEAD).all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let word = |at: usize| value.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let begins = |at: &usize| value.get(at - 1).is_some_and(|byte| !byte.is_ascii_alphanumeric());
    let places = || (1..(value.len() + 1).saturating_sub(MIN_ANCHOR).min(MAX_ANCHOR)).filter(begins);
    let long = || places().find(|&at| word(at) >= SHORT_HEAD);
    let offset = long().or_else(|| places().filter(|&at| word(at) > 0).max_by_key(|&at| word(at)))?;
    let before = value.get(..offset)?;
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    let reach = (offset * LONGEST_ESCAPE + lines * LONGEST_BREAK).min(MAX_REACH);
    // What a log puts between two lines is no part of it.
    let behind = value.get(offset..)?;
    let line = behind.split(|byte| b"\r\n".contains(byte)).next().filter(|line| line.len() >= MIN_ANCHOR);
    Some(Anchor { offset, reach, heads: text_heads(line.unwrap_or(behind)) })
}

fn encoded_needles(value: &[u8], needles: &mut Vec<Needle>) {
    let half = (value.len() / 2).min(HEAD / 2);
    let anchor = ((value.len() - half) * 2 >= MIN_ANCHOR).then(|| Anchor {
        offset: half,
        reach: half * LONGEST_PAIR,
        heads: hex_heads(value.get(half..).unwrap_or_default()),
    });
    let heads = hex_heads(value);
    needles.push(Needle { writing: Writing::Hex, bytes: value.to_vec(), spills: false, heads, anchor });
    for core in base64_cores(value) {
        for twice in base64_cores(&core).into_iter().chain(base64_cores(&url_alphabet(&core))) {
            base64_needle(twice, needles);
        }
        base64_needle(core, needles);
    }
}

fn base64_needle(core: Vec<u8>, needles: &mut Vec<Needle>) {
    let known = |needle: &Needle| needle.writing == Writing::Base64 && needle.bytes == core;
    if core.len() >= MIN_BASE64 && !needles.iter().any(known) {
        // Where a line ends in the first half, the second is whole.
        let half = (core.len() / 2).min(HEAD);
        let halves = (half >= MIN_ANCHOR).then(|| core.split_at(half));
        let (first, second) = halves.unwrap_or((&core, &[]));
        let reach = half * LONGEST_LETTER + LONGEST_BREAK;
        let anchor = halves.map(|_| Anchor { offset: half, reach, heads: base64_heads(second) });
        let heads = base64_heads(first);
        needles.push(Needle { writing: Writing::Base64, bytes: core, spills: true, heads, anchor });
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The letters of base64 that `value` decides whatever surrounds it, for each of the three ways it can lie.
fn base64_cores(value: &[u8]) -> Vec<Vec<u8>> {
    (0..3).map(|before| base64_core(value, before)).collect()
}

fn base64_core(value: &[u8], before: usize) -> Vec<u8> {
    let first = (before * 8).div_ceil(6);
    let last = (before + value.len()) * 8 / 6;
    (first..last).filter_map(|letter| base64_at(value, letter * 6 - before * 8)).collect()
}

/// The letter for the six bits from `bit` on.
fn base64_at(value: &[u8], bit: usize) -> Option<u8> {
    let high = u16::from(*value.get(bit / 8)?) << 8;
    let low = u16::from(value.get(bit / 8 + 1).copied().unwrap_or_default());
    let six = (high | low) >> (10 - bit % 8) & 63;
    ALPHABET.get(usize::from(six)).copied()
}

fn url_alphabet(base64: &[u8]) -> Vec<u8> {
    let swap = |&letter: &u8| match letter {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    };
    base64.iter().map(swap).collect()
}

fn base64_heads(core: &[u8]) -> Vec<Vec<u8>> {
    let forms: [(&str, &str); 5] = [("+", "/"), ("-", "_"), ("%2b", "%2f"), ("+", "\\/"), ("\\u002b", "/")];
    let encode = |(plus, slash): (&str, &str)| {
        let letters = core.iter().take(HEAD).map(|&letter| match letter {
            b'+' => plus.to_owned(),
            b'/' => slash.to_owned(),
            other => char::from(other).to_string(),
        });
        letters.collect::<String>().into_bytes()
    };
    distinct(forms.into_iter().map(encode), HEAD)
}

fn hex_heads(value: &[u8]) -> Vec<Vec<u8>> {
    let separators = ["", ":", " ", "-", ", 0x", ",0x", " 0x", "\\x", "\\\\x", ", ", ",", "%", "0x"];
    let join = |separator: &str| {
        let pairs: Vec<String> = value.iter().take(HEAD).map(|byte| format!("{byte:02x}")).collect();
        pairs.join(separator).into_bytes()
    };
    // Pairs of pairs, as `xxd` prints them.
    let words = || {
        let words: Vec<String> =
            value.chunks(2).take(4).map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
        words.join(" ").into_bytes()
    };
    distinct(separators.into_iter().map(join).chain([words()]), HEAD)
}

/// Cuts the heads to length, and keeps one of those that differ in nothing but case.
fn distinct(forms: impl Iterator<Item = Vec<u8>>, length: usize) -> Vec<Vec<u8>> {
    let mut heads: Vec<Vec<u8>> = forms
        .map(|mut head| {
            head.truncate(length);
            head.iter_mut().for_each(|byte| *byte = super::grams::fold(*byte));
            head
        })
        .collect();
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// How one character is written by one kind of program.
type Escape = fn(&[u8], &mut Vec<u8>);

fn text_heads(value: &[u8]) -> Vec<Vec<u8>> {
    let escapes: [Escape; 32] = [
        plain,
        percent_all,
        percent_every,
        percent_script,
        percent_path,
        percent_slash,
        form,
        json,
        json_ascii,
        json_html,
        json_slash,
        json_all,
        xml,
        xml_text,
        xml_attribute,
        xml_hex,
        xml_numbers,
        xml_all,
        xml_ascii,
        xml_ascii_hex,
        hex_bytes,
        octal_bytes,
        braced,
        braced_all,
        shell,
        shell_double,
        doubled,
        doubled_single,
        doubled_double,
        backslashed,
        json_hex,
        single_quoted,
    ];
    let once = escapes.iter().map(|escape| apply(value, *escape));
    let twice = [json as Escape, json_ascii, json_html, json_slash, hex_bytes, braced, percent_all]
        .into_iter()
        .flat_map(|escape| {
            let inner = apply(value, escape);
            [apply(&inner, json), apply(&inner, json_slash), apply(&inner, percent_all), apply(&inner, xml)]
        });
    let quoted = [json as Escape, json_ascii, hex_bytes, octal_bytes, braced]
        .into_iter()
        .map(|escape| apostrophes(&apply(value, escape)));
    let signless = value.iter().take(HEAD).all(u8::is_ascii_alphanumeric);
    distinct(once.chain(twice).chain(quoted), if signless { HEAD } else { SHORT_HEAD })
}

/// With every apostrophe behind a backslash, as within a literal in single quotes.
fn apostrophes(escaped: &[u8]) -> Vec<u8> {
    let quote = |&byte: &u8| [b'\\', byte].into_iter().skip(usize::from(byte != b'\''));
    escaped.iter().flat_map(quote).collect()
}

fn apply(value: &[u8], escape: Escape) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = value;
    for _ in 0..HEAD_CHARACTERS {
        let (unit, after) = rest.split_at(unit_length(rest));
        if unit.is_empty() {
            break;
        }
        escape(unit, &mut out);
        rest = after;
    }
    out
}

fn unit_length(rest: &[u8]) -> usize {
    let head = rest.get(..rest.len().min(4)).unwrap_or_default();
    let valid = head.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    valid.chars().next().map_or(rest.len().min(1), char::len_utf8)
}

fn code_of(unit: &[u8]) -> Option<char> {
    std::str::from_utf8(unit).ok()?.chars().next()
}

fn plain(unit: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(unit);
}

fn percent(unit: &[u8], keep: &[u8], out: &mut Vec<u8>) {
    for &byte in unit {
        match byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            true => out.push(byte),
            false => out.extend(format!("%{byte:02X}").bytes()),
        }
    }
}

fn percent_all(unit: &[u8], out: &mut Vec<u8>) {
    percent(unit, b"-._~", out);
}

fn percent_every(unit: &[u8], out: &mut Vec<u8>) {
    percent(unit, b"", out);
}

fn percent_script(unit: &[u8], out: &mut Vec<u8>) {
    percent(unit, b"-._~!'()*", out);
}

fn percent_path(unit: &[u8], out: &mut Vec<u8>) {
    percent(unit, b"-._~!'()*/:@&=+$,;", out);
}

/// As Python's `quote` has it.
fn percent_slash(unit: &[u8], out: &mut Vec<u8>) {
    percent(unit, b"-._~/", out);
}

fn form(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b" " => out.push(b'+'),
        _ => percent(unit, b"-._*", out),
    }
}

fn json(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"\"" | b"\\" => out.extend([b'\\'].iter().chain(unit)),
        b"\n" => out.extend(b"\\n"),
        b"\r" => out.extend(b"\\r"),
        b"\t" => out.extend(b"\\t"),
        [0..=31] => json_all(unit, out),
        _ => plain(unit, out),
    }
}

fn json_ascii(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        [byte] if byte.is_ascii() => json(unit, out),
        _ => json_all(unit, out),
    }
}

fn json_html(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"<" | b">" | b"&" => json_all(unit, out),
        _ => json(unit, out),
    }
}

fn json_slash(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"/" => out.extend(b"\\/"),
        _ => json(unit, out),
    }
}

/// JSON as some libraries write it for use in a page: every sign as its number.
fn json_hex(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        [byte] if byte.is_ascii_alphanumeric() || b" -_.".contains(byte) => out.push(*byte),
        _ => json_all(unit, out),
    }
}

fn json_all(unit: &[u8], out: &mut Vec<u8>) {
    let mut units = [0u16; 2];
    match code_of(unit) {
        Some(code) => {
            code.encode_utf16(&mut units).iter().for_each(|unit| out.extend(format!("\\u{unit:04x}").bytes()))
        }
        None => plain(unit, out),
    }
}

fn xml(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"&" => out.extend(b"&amp;"),
        b"<" => out.extend(b"&lt;"),
        b">" => out.extend(b"&gt;"),
        b"\"" => out.extend(b"&quot;"),
        b"'" => out.extend(b"&apos;"),
        _ => plain(unit, out),
    }
}

/// What stands between tags needs no quotes escaped.
fn xml_text(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"\"" | b"'" => plain(unit, out),
        _ => xml(unit, out),
    }
}

fn xml_attribute(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"'" => out.push(b'\''),
        _ => xml(unit, out),
    }
}

fn xml_hex(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"'" => out.extend(b"&#x27;"),
        _ => xml(unit, out),
    }
}

fn xml_numbers(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"\"" => out.extend(b"&#34;"),
        b"'" => out.extend(b"&#39;"),
        _ => xml(unit, out),
    }
}

fn xml_all(unit: &[u8], out: &mut Vec<u8>) {
    match (unit, code_of(unit)) {
        ([byte], _) if byte.is_ascii_alphanumeric() => out.push(*byte),
        (_, Some(code)) => out.extend(format!("&#{};", u32::from(code)).bytes()),
        _ => plain(unit, out),
    }
}

/// XML in ASCII alone: everything else as its number.
fn xml_ascii(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        [byte] if byte.is_ascii() => xml_text(unit, out),
        _ => xml_all(unit, out),
    }
}

fn xml_ascii_hex(unit: &[u8], out: &mut Vec<u8>) {
    match (unit, code_of(unit)) {
        ([byte], _) if byte.is_ascii() => xml_text(unit, out),
        (_, Some(code)) => out.extend(format!("&#x{:x};", u32::from(code)).bytes()),
        _ => plain(unit, out),
    }
}

/// Python's `repr` of bytes, and Go's and C's of what is not UTF-8.
fn hex_bytes(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        [byte] if byte.is_ascii() => json(unit, out),
        _ => unit.iter().for_each(|byte| out.extend(format!("\\x{byte:02x}").bytes())),
    }
}

fn octal_bytes(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        [byte] if byte.is_ascii() => json(unit, out),
        _ => unit.iter().for_each(|byte| out.extend(format!("\\{byte:03o}").bytes())),
    }
}

/// Rust's `escape_unicode` for what is not ASCII, and for what does not print.
fn braced(unit: &[u8], out: &mut Vec<u8>) {
    match (unit, code_of(unit)) {
        ([32..=126], _) => json(unit, out),
        (_, Some(code)) => out.extend(format!("\\u{{{:x}}}", u32::from(code)).bytes()),
        _ => plain(unit, out),
    }
}

fn braced_all(unit: &[u8], out: &mut Vec<u8>) {
    match code_of(unit) {
        Some(code) => out.extend(format!("\\u{{{:x}}}", u32::from(code)).bytes()),
        None => plain(unit, out),
    }
}

fn shell(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"'" => out.extend(b"'\\''"),
        _ => plain(unit, out),
    }
}

fn shell_double(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"'" => out.extend(b"'\"'\"'"),
        _ => plain(unit, out),
    }
}

/// Quotes doubled, as CSV, SQL and YAML have them.
fn doubled(unit: &[u8], out: &mut Vec<u8>) {
    plain(unit, out);
    if matches!(unit, b"'" | b"\"") {
        plain(unit, out);
    }
}

/// Within quotes of one kind only those are doubled.
fn doubled_single(unit: &[u8], out: &mut Vec<u8>) {
    if unit == b"'" {
        out.push(b'\'');
    }
    plain(unit, out);
}

fn doubled_double(unit: &[u8], out: &mut Vec<u8>) {
    if unit == b"\"" {
        out.push(b'"');
    }
    plain(unit, out);
}

/// A shell's word without quotes: every sign behind a backslash.
fn backslashed(unit: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| *byte == b' ' || byte.is_ascii_punctuation() && !b"-_./:@%+=,".contains(byte);
    if unit.iter().all(special) {
        out.push(b'\\');
    }
    plain(unit, out);
}

/// Python's `repr` of text with an apostrophe in it.
fn single_quoted(unit: &[u8], out: &mut Vec<u8>) {
    match unit {
        b"'" => out.extend(b"\\'"),
        b"\"" => out.push(b'"'),
        _ => json(unit, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_cores_are_what_the_value_alone_decides() {
        // base64("u:Xk29-tigerLily-77\n") and base64("Xk29-tigerLily-77")
        let cores = base64_cores(b"Xk29-tigerLily-77");
        let text = |core: &Vec<u8>| String::from_utf8(core.clone()).unwrap();
        assert_eq!(text(&cores[0]), "WGsyOS10aWdlckxpbHktNz");
        assert_eq!(text(&cores[2]), "YazI5LXRpZ2VyTGlseS03N");
    }

    #[test]
    fn a_plain_value_has_few_heads() {
        let count: usize = needles(b"Xk29tigerLily77").iter().map(|needle| needle.heads.len()).sum();
        assert!(count < 60, "{count}");
    }

    #[test]
    fn long_lines_of_a_value_stand_alone() {
        let value = b"-----BEGIN X-----\nAAAAbbbbCCCCddddEEEE\nkind: Config\nab\n-----END X-----";
        let alone: Vec<_> =
            needles(value).into_iter().filter(|needle| needle.writing == Writing::Text).skip(1).collect();
        assert_eq!(alone.len(), 1);
    }
}
