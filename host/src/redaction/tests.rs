//! The redactor as a whole.

#![allow(clippy::string_slice, reason = "a test cuts its own text")]

use super::*;

fn known(value: &str) -> Redactor {
    Redactor::builder().secret("S", value.as_bytes()).unwrap().build()
}

#[test]
fn known_values_are_masked_at_every_split() {
    let redactor = known("121234secret");
    let text = b"id=12121234secret x 121234secre y 121234secret";
    for cut in 0..=text.len() {
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        stream.push(&text[..cut], &mut out);
        stream.push(&text[cut..], &mut out);
        stream.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "id=12[redacted:S] x 121234secre y [redacted:S]", "{cut}");
    }
}

#[test]
fn a_prompt_is_seen_when_input_pauses_and_the_answer_is_not() {
    let builder = known("hunter2hunter2").to_builder().rules(RuleSet::builtin());
    let (mut out, mut stream) = (Vec::new(), builder.build().stream());
    stream.push(b"Password: ", &mut out);
    assert!(out.is_empty());
    stream.idle(&mut out);
    assert_eq!(out, b"Password: ");
    stream.push(b"hunt", &mut out);
    stream.idle(&mut out);
    stream.push(b"er9\nnext\n", &mut out);
    stream.finish(&mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "Password: [redacted:password]\nnext\n");
}

#[test]
fn values_added_while_a_stream_runs_are_masked_from_then_on() {
    let (mut out, mut stream) = (Vec::new(), known("first-value").stream());
    stream.push(b"a first-value second-", &mut out);
    stream.add_secret("T", b"second-value").unwrap();
    stream.push(b"value second-value b", &mut out);
    stream.finish(&mut out);
    assert!(!String::from_utf8_lossy(&out).contains("b second-value"));
    assert!(String::from_utf8_lossy(&out).ends_with("[redacted:T] b"));
}

#[test]
fn debug_output_holds_no_value() {
    let redactor = known("hunter2hunter2");
    assert!(!format!("{redactor:?} {:?}", redactor.stream()).contains("hunter2"));
}

#[test]
fn a_value_of_many_lines_is_found_when_it_was_encoded_with_other_line_ends() {
    let unix = "user=Zq9!xW\npass=Rk7?mB\n";
    let dos = unix.replace('\n', "\r\n");
    for (value, other) in [(unix, dos.as_str()), (&dos, unix)] {
        for encoded in
            encodings(other.trim_end()).iter().filter(|text| text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            let out = known(value).text(&format!("x {encoded} y"));
            assert!(out.contains("[redacted:S]") && !leaks(&out, encoded), "{encoded} {out}");
        }
    }
}

#[test]
fn an_encoded_value_in_an_argument_is_found() {
    let redactor = known("Xk29-tigerLily-77");
    assert_eq!(redactor.find_secret(b"--header=Basic dTpYazI5LXRpZ2VyTGlseS03Nwo="), Some("S"));
    assert_eq!(redactor.find_secret(b"Xk29-tigerLily-7"), None);
}

fn in_two(redactor: &Redactor, text: &[u8], cut: usize) -> Vec<u8> {
    let (mut out, mut stream) = (Vec::new(), redactor.stream());
    stream.push(&text[..cut], &mut out);
    stream.push(b"", &mut out);
    stream.push(&text[cut..], &mut out);
    stream.finish(&mut out);
    out
}

#[test]
fn every_split_of_every_text_of_two_letters_agrees_with_a_naive_redactor() {
    let word = |bits: usize, length: usize| (0..length).map(|at| b"ab"[bits >> at & 1]).collect::<Vec<u8>>();
    for secret in [&b"ababab"[..], b"aabaab", b"abbabb", b"aaabaa", b"aaaaab", b"babbba"] {
        let redactor = Redactor::builder().secret("S", secret).unwrap().build();
        for bits in 0..1 << 10 {
            let text = word(bits, 10);
            let expected = naive_redactor::redact(&[("S", secret)], &text);
            for cut in 0..=text.len() {
                let out = in_two(&redactor, &text, cut);
                assert_eq!(
                    String::from_utf8_lossy(&out),
                    String::from_utf8_lossy(&expected),
                    "{secret:?} {text:?} {cut}"
                );
            }
        }
    }
}

#[test]
fn floods_are_held_in_bounded_memory() {
    let redactor =
        Redactor::builder().secret("S", "ab".repeat(40).as_bytes()).unwrap().rules(RuleSet::builtin()).build();
    for piece in [
        "ab",
        " ",
        "A",
        "\n",
        "-----BEGIN RSA PRIVATE KEY-----\nQUJD",
        "password=x",
        "\\",
        "eyJ",
        "AKIA",
        "\x01\0\0\0",
        "2026-09-01T10:11:12Z stdout P abab\n",
    ] {
        let (mut out, mut stream, chunk) = (Vec::new(), redactor.stream(), piece.repeat(8192 / piece.len()));
        for _ in 0..24 {
            out.clear();
            stream.push(chunk.as_bytes(), &mut out);
            assert!(stream.held_bytes() < 256 * 1024, "{piece:?}: {}", stream.held_bytes());
        }
        stream.finish(&mut out);
    }
}

#[test]
fn a_secret_cut_by_records_is_masked_on_both_sides() {
    let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().rules(RuleSet::builtin()).build();
    let text = b"2026-09-01T10:11:12Z stdout P pw Xk29-tig\n2026-09-01T10:11:12Z stderr F other\n2026-09-01T10:11:13Z stdout F erLily-77 end\n";
    for cut in 0..=text.len() {
        let out = String::from_utf8(in_two(&redactor, text, cut)).unwrap();
        let expected = "2026-09-01T10:11:12Z stdout P pw [redacted:S]\n2026-09-01T10:11:12Z stderr F other\n2026-09-01T10:11:13Z stdout F [redacted:S] end\n";
        assert_eq!(out, expected, "{cut}");
    }
    let json = br#"{"log":"pw Xk29-tig","stream":"stdout","time":"t"}
{"log":"erLily-77 end\n","stream":"stdout","time":"t"}
"#;
    let out = String::from_utf8(redactor.bytes(json)).unwrap();
    assert!(!out.contains("Xk29") && !out.contains("Lily") && out.contains(" end"), "{out}");
}

#[test]
fn a_private_key_is_masked_line_by_line_with_what_a_log_adds() {
    let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
    let body = [
        "MIIEowIBAAKCAQEAx5Zk3pQ9vX2mT7aB4cD5eF6gH7iJ8kL9mN0oP1qR2sT3uV4w",
        "X5yZ6aB7cD8eF9gH0iJ1kL2mN3oP4qR5sT6uV7wX8yZ9aB0cD1eF2gH3iJ4kL5mN",
        "6oP7==",
    ];
    let lines = |prefix: &str| {
        format!(
            "before\n{prefix}-----BEGIN RSA PRIVATE KEY-----\n{}{prefix}-----END RSA PRIVATE KEY-----\nafter\n",
            body.map(|line| format!("{prefix}{line}\n")).concat()
        )
    };
    for prefix in ["", "web-1  | ", "    ", "2026-09-01T10:11:12.123Z stdout F "] {
        let text = lines(prefix);
        for cut in (0..text.len()).step_by(7) {
            let out = String::from_utf8(in_two(&redactor, text.as_bytes(), cut)).unwrap();
            assert!(body.iter().all(|line| !out.contains(line)), "{out}");
            assert!(out.starts_with("before\n") && out.ends_with("after\n"), "{out}");
        }
    }
    let endless = lines("").replace("-----END RSA PRIVATE KEY-----\n", "");
    let out = redactor.text(&endless);
    assert!(body.iter().all(|line| !out.contains(line)) && out.ends_with("after\n"), "{out}");
}

#[test]
fn a_key_that_begins_within_another_is_masked_alike_at_every_split() {
    let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
    let text = b"-----BEGIN RSA PRIVATE KEY-----\npassword=-----BEGIN RSA PRIVATE KEY-----\nhunter2xy\n";
    let whole = redactor.bytes(text);
    for cut in 0..=text.len() {
        assert_eq!(in_two(&redactor, text, cut), whole, "{cut}");
    }
}

#[test]
fn what_logs_are_full_of_is_not_altered() {
    let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().rules(RuleSet::builtin()).build();
    let hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let text = [
        &format!("Digest: sha256:{hex}"), &format!("{} Pulling fs layer", &hex[..12]), &format!("commit {}", &hex[..40]), &format!("docker.io/library/alpine:3.20@sha256:{hex}"),
        "request 3f2b8c1e-7d4a-4e5f-9a6b-0c1d2e3f4a5b took 12ms", "\"integrity\": \"sha512-Zk3pQ9vX2mT7aB4cD5eF6gH7iJ8kL9mN0oP1qR2sT3uV4wX5yZ6aB7cD8eF9gH0iJ1kL2mN3oP4qR5sT6uV7wX==\"",
        "2026-09-01T10:11:12.123456789Z listening on [::]:8080", "password authentication failed for user \"postgres\"", "POSTGRES_PASSWORD_FILE=/run/secrets/pg",
        "eval time = 12.3 ms / 42 tokens (3.42 tokens/s)", "eos_token_id = 2, bos_token = '<s>', pad_token: None", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl joe@host",
        "Token expired, refreshing token", "secret/db-credentials created", "key: value", "Set-Cookie: lang=en; Path=/", "https://github.com/login/oauth/authorize?client_id=5", "authorization: none",
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQsw\n-----END CERTIFICATE-----", "Already masked: password=[redacted:DB] token=*** key=[MASKED]",
    ]
    .join("\n");
    assert_eq!(redactor.text(&text), text);
}

#[test]
fn a_line_of_a_log_within_json_is_treated_as_it_is_outside() {
    let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
    let hex = "0f1e2d3c4b5a69788796a5b4c3d2e1f0".repeat(2);
    for line in [
        &format!("DB_PASSWORD=Sup3rS3cretV PORT=8080 IMAGE=sha256:{hex}"),
        "has_token=true is_secret=false",
        "show_password=false hide_password=true",
        "token=none user=bob",
        "token=expired at 10:00",
        "api_key=missing status=401",
        &format!("secret=none, digest=sha256:{hex}"),
        "API_KEY=set PORT=8080",
        &format!("password= user=bob image=sha256:{hex}"),
        "token=abc123def456ghi level=info",
        "DB_PASSWORD=a;b,c)",
        "DB_PASSWORD=${DB_PASSWORD} ./run.sh",
    ] {
        let masked = redactor.text(line);
        for (head, tail) in
            [("{\"log\":\"", "\\n\",\"stream\":\"stdout\"}"), ("{\"msg\": \"", "\"}"), ("msg=\"", "\\r\\n\" n=3")]
        {
            assert_eq!(redactor.text(&format!("{head}{line}{tail}")), format!("{head}{masked}{tail}"));
        }
        assert!(
            line.starts_with("DB_") || line.starts_with("password=") || line.contains("abc") || masked == line,
            "{masked}"
        );
    }
    assert_eq!(redactor.text("\"Env\":[\"DB_PASSWORD=a b c\"]"), "\"Env\":[\"DB_PASSWORD=[redacted:password]\"]");
}

#[test]
fn a_line_without_end_hides_neither_tokens_nor_long_values() {
    let redactor = Redactor::builder().secret("S", b"Xk29-tigerLily-77").unwrap().rules(RuleSet::builtin()).build();
    let token = "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R";
    let line: String = (0..4000).map(|at| format!("{}{token} Xk29-tigerLily-77 ", "word ".repeat(at % 13))).collect();
    let long = format!("x password={} end", "a1B2c3D4".repeat(9000));
    for (text, kept) in [(line, "word "), (long, " end")] {
        for chunk in [4096, 5000, 65536, 1 << 20] {
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            for part in text.as_bytes().chunks(chunk) {
                stream.push(part, &mut out);
            }
            stream.finish(&mut out);
            let out = String::from_utf8(out).unwrap();
            let left = ["ghp_", "4e5F6g", "tigerLily", "a1B2c3D4"].into_iter().find(|part| out.contains(part));
            assert_eq!(left, None, "{chunk}");
            assert!(out.contains(kept));
        }
    }
}

#[test]
fn the_builtin_rules_are_many_and_cost_nothing_until_used() {
    assert!(RuleSet::builtin().len() >= 222, "{}", RuleSet::builtin().len());
    let stream = Redactor::builder().build().stream();
    assert_eq!((stream.held_bytes(), stream.counts().len()), (0, 0));
}

/// A value in every encoding that programs print.
fn encodings(value: &str) -> Vec<String> {
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let base64 = |bytes: &[u8]| {
        let group = |part: &[u8]| {
            let wide = part.iter().chain([&0, &0]).take(3).fold(0u32, |wide, byte| wide << 8 | u32::from(*byte));
            (0..=part.len()).map(|at| char::from(letters[(wide >> (18 - 6 * at) & 63) as usize])).collect::<String>()
        };
        bytes.chunks(3).map(group).collect::<String>()
    };
    let each = |form: &dyn Fn(u8) -> String| value.bytes().map(form).collect::<String>();
    let json = serde_json::to_string(value).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let twice = serde_json::to_string(&json).unwrap();
    let escaped =
        |byte: u8, form: String| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { form };
    vec![
        value.to_owned(),
        json.clone(),
        twice[1..twice.len() - 1].to_owned(),
        json.replace('/', "\\/"),
        json.replace('<', "\\u003c").replace('&', "\\u0026").replace('>', "\\u003e"),
        base64(value.as_bytes()),
        base64(format!("u:{value}").as_bytes()),
        base64(format!("ab:{value}\n").as_bytes()),
        base64(base64(value.as_bytes()).as_bytes()),
        base64(value.as_bytes()).replace('+', "-").replace('/', "_"),
        each(&|byte| format!("{byte:02x}")),
        each(&|byte| format!("{byte:02X}")),
        each(&|byte| format!("{byte:02x}:")),
        each(&|byte| format!("{byte:02x} ")),
        each(&|byte| escaped(byte, format!("%{byte:02X}"))),
        each(&|byte| escaped(byte, format!("%{byte:02x}"))),
        value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"),
        value.replace('\'', "'\\''"),
        format!("{value:?}"),
        value.escape_default().to_string(),
        value.escape_unicode().to_string(),
    ]
}

/// Parts of an encoded value that must not be left: a third of it from anywhere.
fn leaks(out: &str, encoded: &str) -> bool {
    let core: Vec<char> = encoded.trim_end_matches([':', ' ', '=']).chars().collect();
    let length = (core.len() / 3).max(6);
    core.windows(length).skip(4).rev().skip(4).any(|part| out.contains(&part.iter().collect::<String>()))
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_encoding_of_any_value_leaks_at_any_split(value in "[A-Za-z0-9!-/:-@ü\\[\\\\{π密]{9,30}[A-Za-z]", chunk in 1usize..9, rules: bool) {
        let builder = Redactor::builder().lenient().secret("S", value.as_bytes()).unwrap();
        let redactor = builder.rules(if rules { RuleSet::builtin() } else { RuleSet::none() }).build();
        proptest::prop_assume!(redactor.unmasked().is_empty());
        for encoded in encodings(&value) {
            let text = format!("level=info msg={encoded} end\n");
            let (mut out, mut stream) = (Vec::new(), redactor.stream());
            for part in text.as_bytes().chunks(chunk) {
                stream.push(part, &mut out);
            }
            stream.finish(&mut out);
            let out = String::from_utf8_lossy(&out);
            proptest::prop_assert!(!leaks(&out, &encoded), "{encoded} left {out}");
            proptest::prop_assert!(out.contains("level=info"), "{out}");
        }
    }

    #[test]
    fn values_of_two_letters_agree_with_a_naive_redactor_at_any_cuts(
        values in proptest::collection::vec("[ab]{6,9}", 1..4),
        text in "[ab]{0,24}([ab]{1,30}[ \\n.]){0,3}[ab]{0,30}",
        cuts in proptest::collection::vec(0u8..12, 0..20),
        idle: bool,
    ) {
        let names = ["A", "B", "C"];
        let mut builder = Redactor::builder().lenient();
        for (name, value) in names.iter().zip(&values) {
            builder = builder.secret(name, value.as_bytes()).unwrap();
        }
        let redactor = builder.build();
        proptest::prop_assume!(redactor.unmasked().is_empty());
        let secrets: Vec<(&str, &[u8])> = names.into_iter().zip(values.iter().map(String::as_bytes)).collect();
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        for piece in naive_redactor::pieces(text.as_bytes(), &cuts) {
            stream.push(piece, &mut out);
            if idle {
                stream.idle(&mut out);
            }
        }
        stream.finish(&mut out);
        proptest::prop_assert_eq!(naive_redactor::leak(&secrets, &out), None);
        let expected = naive_redactor::redact(&secrets, text.as_bytes());
        proptest::prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected));
    }

    #[test]
    fn output_does_not_depend_on_where_the_input_is_cut(text in "(ab|[ab]{1,6}|password=|\n|hunter2xy|gh|p_|-----BEGIN RSA PRIVATE KEY-----|[ -~]{0,12}|\\x1b\\[3[0-9]m){0,24}", chunk in 1usize..40) {
        let redactor = Redactor::builder().secret("A", b"ababab").unwrap().secret("H", b"hunter2xyhunter").unwrap().rules(RuleSet::builtin()).build();
        let whole = redactor.bytes(text.as_bytes());
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        for part in text.as_bytes().chunks(chunk) {
            stream.push(part, &mut out);
        }
        stream.finish(&mut out);
        proptest::prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&whole));
    }

    #[test]
    fn redacting_twice_changes_nothing_more(text in "(password|token|api_key|Authorization)(=|: |\": \")[A-Za-z0-9_/+]{0,40}[\"&; ]?") {
        let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
        let once = redactor.text(&text);
        proptest::prop_assert_eq!(redactor.text(&once), once);
    }

    #[test]
    fn bytes_of_any_kind_are_taken(bytes: Vec<u8>, chunk in 1usize..50) {
        let redactor = Redactor::builder().secret("S", b"\xff\xfe\x00binary").unwrap().rules(RuleSet::builtin()).build();
        let (mut out, mut stream) = (Vec::new(), redactor.stream());
        for part in bytes.chunks(chunk) {
            stream.push(part, &mut out);
            stream.idle(&mut out);
        }
        stream.finish(&mut out);
    }
}
