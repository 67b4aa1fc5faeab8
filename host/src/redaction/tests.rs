//! The redactor as a whole.

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
    let redactor = known("hunter2hunter2").inner.known.secrets().to_vec();
    let builder = RedactorBuilder { secrets: redactor, rules: RuleSet::builtin(), lenient: false, unmasked: Vec::new() };
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
fn an_encoded_value_in_an_argument_is_found() {
    let redactor = known("Xk29-tigerLily-77");
    assert_eq!(redactor.find_secret(b"--header=Basic dTpYazI5LXRpZ2VyTGlseS03Nwo="), Some("S"));
    assert_eq!(redactor.find_secret(b"Xk29-tigerLily-7"), None);
}

/// A redactor of one value without rules or limits on it, and what it should do: no match, overlapping or not, survives.
fn naive(secret: &[u8], text: &[u8]) -> Vec<u8> {
    let covered = |at: usize| (at.saturating_sub(secret.len() - 1)..=at).any(|start| text[start..].starts_with(secret));
    let mut out = Vec::new();
    for at in 0..text.len() {
        if !covered(at) {
            out.push(text[at]);
        } else if at == 0 || !covered(at - 1) || starts_anew(secret, text, at) {
            out.extend(b"[redacted:S]");
        }
    }
    out
}

/// Whether a match begins at `at` that overlaps none before it.
fn starts_anew(secret: &[u8], text: &[u8], at: usize) -> bool {
    let before = at.saturating_sub(secret.len() - 1)..at;
    text[at..].starts_with(secret) && !before.clone().any(|start| text[start..].starts_with(secret))
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
            let expected = naive(secret, &text);
            for cut in 0..=text.len() {
                let out = in_two(&redactor, &text, cut);
                assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&expected), "{secret:?} {text:?} {cut}");
            }
        }
    }
}

#[test]
fn floods_are_held_in_bounded_memory() {
    let redactor = Redactor::builder().secret("S", "ab".repeat(40).as_bytes()).unwrap().rules(RuleSet::builtin()).build();
    for piece in ["ab", " ", "A", "\n", "-----BEGIN RSA PRIVATE KEY-----\nQUJD", "password=x", "\\", "eyJ", "AKIA", "\x01\0\0\0", "2026-09-01T10:11:12Z stdout P abab\n"] {
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
    let body = ["MIIEowIBAAKCAQEAx5Zk3pQ9vX2mT7aB4cD5eF6gH7iJ8kL9mN0oP1qR2sT3uV4w", "X5yZ6aB7cD8eF9gH0iJ1kL2mN3oP4qR5sT6uV7wX8yZ9aB0cD1eF2gH3iJ4kL5mN", "6oP7=="];
    let lines = |prefix: &str| format!("before\n{prefix}-----BEGIN RSA PRIVATE KEY-----\n{}{prefix}-----END RSA PRIVATE KEY-----\nafter\n", body.map(|line| format!("{prefix}{line}\n")).concat());
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
