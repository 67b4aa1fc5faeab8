//! Values of JSON documents that stand without quotes: what takes the place of one needs quotes, or the document is none.

/// Most bytes between the name and the value, blanks and line ends with them.
const MAX_BETWEEN: usize = 64;

/// How many backslashes the quotes around a mark for `text[start..end]` need, when that is a number or a word of JSON
/// behind a name in quotes: more than none where the document stands within a string of another one.
pub(crate) fn slashes(text: &[u8], start: usize, end: usize) -> Option<usize> {
    if !is_scalar(text.get(start..end)?) {
        return None;
    }
    let before = text.get(start.saturating_sub(MAX_BETWEEN)..start)?.trim_ascii_end();
    let before = before.strip_suffix(b"[").unwrap_or(before).trim_ascii_end();
    let (sign, before) = before.split_last()?;
    let name = before.trim_ascii_end().strip_suffix(b"\"").filter(|_| b":,".contains(sign))?;
    Some(name.iter().rev().take_while(|&&byte| byte == b'\\').count())
}

fn is_scalar(value: &[u8]) -> bool {
    let number = match value {
        [b'-', rest @ ..] => rest,
        all => all,
    };
    let digits = number.first().is_some_and(u8::is_ascii_digit)
        && number.iter().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(byte));
    digits || [b"true".as_slice(), b"false", b"null"].contains(&value)
}

#[cfg(test)]
mod tests {
    use super::super::{Redactor, RuleSet};

    #[test]
    fn documents_stay_documents() {
        let redactor = Redactor::builder().secret("pin", b"8642097531").unwrap().rules(RuleSet::builtin()).build();
        for (text, expected) in [
            (r#"{"password": 12345678}"#, r#"{"password": "[redacted:password]"}"#),
            (r#"{"pwd":12345678,"n":1}"#, r#"{"pwd":"[redacted:password]","n":1}"#),
            (r#"{"db.password": 12345678}"#, r#"{"db.password": "[redacted:password]"}"#),
            (r#"{"asana_client_id": 1234567890123456}"#, r#"{"asana_client_id": "[redacted:asana-client-id]"}"#),
            (r#"{"api_key": -98765432.25}"#, r#"{"api_key": "[redacted:secret-value]"}"#),
            (r#"{"password":[12345678]}"#, r#"{"password":["[redacted:password]"]}"#),
            (r#"["--password", 12345678, "q"]"#, r#"["--password", "[redacted:password]", "q"]"#),
            ("{\n  \"n\":\n  8642097531\n}", "{\n  \"n\":\n  \"[redacted:pin]\"\n}"),
            (r#"{"log":"{\"password\": 12345678}\n"}"#, r#"{"log":"{\"password\": \"[redacted:password]\"}\n"}"#),
            (r#"{"max_tokens": 4096}"#, r#"{"max_tokens": 4096}"#),
            ("password: 12345678", "password: [redacted:password]"),
            (r#"{"password": "12345678"}"#, r#"{"password": "[redacted:password]"}"#),
        ] {
            assert_eq!(redactor.text(text), expected);
        }
        let auth = redactor.text(r#"{"auth": 98765432109876}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&auth).is_ok(), "{auth}");
    }

    #[test]
    fn a_number_is_masked_in_quotes_at_every_split() {
        let text = b"{\"a\": 8642097531, \"b\":[8642097531]}\n";
        for rules in [RuleSet::none(), RuleSet::builtin()] {
            let redactor = Redactor::builder().secret("pin", b"8642097531").unwrap().rules(rules).build();
            for cut in 0..=text.len() {
                let (mut out, mut stream) = (Vec::new(), redactor.stream());
                stream.push(&text[..cut], &mut out);
                stream.idle(&mut out);
                stream.push(&text[cut..], &mut out);
                stream.finish(&mut out);
                assert_eq!(out, b"{\"a\": \"[redacted:pin]\", \"b\":[\"[redacted:pin]\"]}\n", "{cut}");
            }
        }
    }
}
