//! How secrets stand in the logs of containers: samples of every rule's expression, in every dress that programs print
//! values in, and lines that hold none.
//!
//! The dresses are counted one by one: the built-in rules must find what they know however it is written.

#![allow(clippy::string_slice, reason = "a test cuts its own text")]

use std::collections::BTreeMap;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::rule::{Reader, Rule};
use super::{Redactor, RuleSet};

/// A dress and its name. `NAME`, `Name` and `name` in angle brackets are the issuer's name, `<s>` is the secret as it is,
/// `<j>` within JSON, `<jj>` within JSON within JSON, `<u>` in a URL, `<x>` in XML.
type Dress = (&'static str, &'static str);

/// Those that name the issuer: every rule must find its secrets here.
#[rustfmt::skip]
const NAMED: &[Dress] = &[
    ("env", "<NAME>_API_KEY=<s>"),
    ("export", "+ export <NAME>_TOKEN=\"<s>\""),
    ("export-single", "export <NAME>_SECRET='<s>'"),
    ("env-list", "PATH=/usr/bin:/bin <NAME>_TOKEN=<s> LANG=C.UTF-8 HOSTNAME=5f1c0e7a9b3d"),
    ("set-x", "++ <NAME>_TOKEN=<s>"),
    ("powershell", "$env:<NAME>_TOKEN = \"<s>\""),
    ("dockerfile", "Step 7/12 : ENV <NAME>_TOKEN=<s>"),
    ("inspect-env", "\"Env\": [\"PATH=/usr/local/bin:/usr/bin\", \"<NAME>_SECRET=<j>\", \"LANG=C.UTF-8\"],"),
    ("inspect-env-last", "            \"<NAME>_TOKEN=<j>\""),
    ("podman-run", "podman run -d -e <NAME>_API_KEY=<s> docker.io/library/app:1.2"),
    ("docker-env-quoted", "docker run --env '<NAME>_TOKEN=<s>' --rm app"),
    ("yaml", "app-1  |   <name>_token: \"<s>\""),
    ("yaml-plain", "  <name>_api_key: <s>"),
    ("yaml-single", "      <name>-secret: '<s>'"),
    ("yaml-list", "    - <NAME>_TOKEN=<s>"),
    ("yaml-flow", "auth: {<name>_token: <s>, retries: 3}"),
    ("k8s-env", "- {\"name\": \"<NAME>_TOKEN\", \"value\": \"<j>\"}"),
    ("toml", "<name>_token = \"<s>\""),
    ("ini", "<name>.token = <s>"),
    ("properties", "<name>.api.key=<s>"),
    ("json", "{\"<name>_token\":\"<j>\"}"),
    ("json-log", "{\"level\": \"info\", \"ts\": \"2026-01-17T10:24:41Z\", \"msg\": \"client ready\", \"<name>_token\": \"<j>\", \"n\": 3}"),
    ("json-camel", "{\"id\":7,\"<name>ApiKey\":\"<j>\",\"ok\":true}"),
    ("json-in-json", "{\"msg\":\"{\\\"<name>_secret\\\":\\\"<jj>\\\",\\\"n\\\":1}\"}"),
    ("docker-json", "{\"log\":\"export <NAME>_TOKEN=\\\"<j>\\\"\\n\",\"stream\":\"stdout\",\"time\":\"2026-04-19T19:10:19.411399648Z\"}"),
    ("docker-json-bare", "{\"log\":\"<NAME>_TOKEN=<j>\\n\",\"stream\":\"stderr\",\"time\":\"2026-04-19T19:10:19.411399648Z\"}"),
    ("docker-json-json", "{\"log\":\"{\\\"level\\\":\\\"info\\\",\\\"<name>_token\\\":\\\"<jj>\\\"}\\n\",\"stream\":\"stdout\",\"time\":\"2026-04-19T19:10:19.4Z\"}"),
    ("docker-json-spaced", "{\"log\": \"  <name>_token: <j>\\r\\n\", \"stream\": \"stdout\", \"time\": \"2026-04-19T19:10:19.4Z\"}"),
    ("cri", "2026-02-28T12:47:40.113223539Z stdout F <name>ApiKey := \"<s>\""),
    ("cri-bare", "2026-02-28T12:47:40.113223539Z stderr F <NAME>_KEY=<s>"),
    ("syslog", "Sep  3 17:01:29 host app[812]: <name>_token=<s>"),
    ("py-repr", "DEBUG:app:config={'<name>_secret': '<s>', 'timeout': 30}"),
    ("py-bytes", "INFO:app:{'<name>_token': b'<s>'}"),
    ("py-object", "Settings(<name>_token='<s>', retries=3)"),
    ("py-typed", "<name>Token: str = '<s>'"),
    ("go-struct", "2026-08-16T21:20:20Z INFO starting with &{Name:<name> <Name>Token:<s> Retries:3}"),
    ("go-struct-end", "config: {Retries:3 <Name>Token:<s>}"),
    ("go-map", "env: map[HOME:/root <name>_token:<s> n:3]"),
    ("go-short", "<name>Token := \"<s>\""),
    ("go-raw", "<name>Token := `<s>`"),
    ("rust-debug", "Config { <name>_token: \"<s>\", retries: 3 }"),
    ("rust-some", "Config { <name>_token: Some(\"<s>\"), retries: 3 }"),
    ("java", "String <name>Token = \"<s>\";"),
    ("java-to-string", "ClientConfig(<name>Token=<s>, retries=3)"),
    ("js", "const <name>Token = '<s>';"),
    ("ts", "const <name>Token: string = \"<s>\";"),
    ("js-object", "{ <name>Token: '<s>', retries: 3 }"),
    ("php-array", "'<name>_token' => '<s>',"),
    ("php-var", "$<name>Token = '<s>';"),
    ("ruby-hash", "{:<name>_token=>\"<s>\", :n=>3}"),
    ("hcl", "  <name>_token = \"<s>\" # set by ops"),
    ("makefile", "<NAME>_TOKEN ?= <s>"),
    ("xml", "<<name>Token><x></<name>Token>"),
    ("xml-attribute", "<client <name>Token=\"<x>\" retries=\"3\"/>"),
    ("logfmt", "level=debug ts=1700000000 <name>_token=<s> n=3"),
    ("logfmt-quoted", "level=debug msg=\"x\" <name>_token=\"<s>\" n=3"),
    ("flag", "+ /app/server --<name>-token=<s> --port=8080"),
    ("flag-blank", "+ /app/server --<name>-token <s> --port 8080"),
    ("argv-json", "args=[\"/app/server\",\"--<name>-token=<j>\",\"--port=8080\"]"),
    ("header", "> X-<Name>-Token: <s>"),
    ("header-json", "{\"headers\":{\"X-<Name>-Token\":\"<j>\",\"Accept\":\"*/*\"}}"),
    ("header-go", "map[Accept:[*/*] X-<Name>-Token:[<s>]]"),
    ("ansi-name", "\x1b[36m<name>_token\x1b[0m=\x1b[33m<s>\x1b[0m n=3"),
    ("ansi-value", "web-1  | \x1b[32mINFO\x1b[0m <name>_token=\x1b[1;36m<s>\x1b[0m"),
    ("ansi-json", "{\"log\":\"\\u001b[36m<NAME>_TOKEN\\u001b[0m=<j>\\n\",\"stream\":\"stdout\",\"time\":\"2026-04-19T19:10:19.4Z\"}"),
    ("query", "GET /v1/items?page=2&<name>_token=<u> HTTP/1.1"),
    ("query-next", "10.1.2.3 - - \"GET /v1/items?<name>_api_key=<u>&page=2 HTTP/1.1\" 200 512"),
    ("form", "<name>_secret=<u>&grant_type=client_credentials"),
    ("semicolon", "Endpoint=db.local;<name>_token=<s>;Timeout=3"),
    ("comma", "host=db, <name>_token=<s>, n=3"),
    ("colon", "upstream rejected <name>_token=<s>: unauthorised"),
    ("parenthesis", "connecting (<name>_token=<s>)"),
    ("bracket", "env[<name>_token=<s>]"),
    ("full-stop", "The server was started with <name>_token=<s>."),
    ("eol", "<name> token: <s>"),
    ("prose-is", "the <name> api key is <s> and will be rotated"),
    ("csv", "4297,<name>_token,<j>,active"),
    ("tsv", "4297\t<name>_token\t<s>\tactive"),
    ("table", "| <name>_token | <s> |"),
    ("arrow", "<name>_token -> <s>"),
    ("escaped-newlines", "config:\\n  <name>_token: <j>\\n  n: 3\\n"),
    ("k8s-pair", "        - name: <NAME>_TOKEN\n          value: \"<s>\""),
    ("add-key", "<add key=\"<name>_token\" value=\"<x>\" />"),
    ("terraform", "variable \"<name>_token\" { default = \"<s>\" }"),
    ("helm-set", "helm upgrade --set app.<name>Token=<s>,replicas=2 web"),
    ("argv-two", "[\"app\",\"--<name>-token\",\"<j>\",\"--verbose\"]"),
    ("dotnet", "public const string <Name>Token = \"<s>\";"),
    ("cmd", "set <NAME>_TOKEN=<s>"),
    ("python-call", "connect(host='db', <name>_token='<s>')"),
    ("go-plus", "main.Config{Host:\"db\", <Name>Token:\"<s>\"}"),
    ("prose-is-not-signed", "the <name> token is <s> now"),
    ("traceback", "    raise AuthError(f\"bad <name>_token={'<s>'}\")"),
];

/// Those that do not: a secret that is known by its form must be found here too.
#[rustfmt::skip]
const BARE: &[Dress] = &[
    ("curl-v", "> Authorization: Bearer <s>"),
    ("prose-colon", "2026-01-15 08:23:40,498 ERROR [auth] upstream rejected key <s>: 401 Unauthorized"),
    ("prose-comma", "used <s>, which had expired"),
    ("prose-stop", "The key was <s>."),
    ("prose-quoted", "invalid key \"<s>\" for user"),
    ("prose-backtick", "invalid key `<s>`!"),
    ("cri-paren", "2026-01-05T16:26:56.956049113Z stderr F panic: invalid credential (<s>)"),
    ("ansi", "web-1  | \x1b[33mWARN\x1b[0m using token \x1b[36m<s>\x1b[0m for client"),
    ("ansi-bold", "\x1b[1m<s>\x1b[22m"),
    ("csv-bare", "4297,client,<s>,active"),
    ("csv-quoted", "\"4297\",\"client\",\"<s>\",\"active\""),
    ("argv", "time=\"2026-09-03T17:01:29Z\" level=debug msg=\"exec\" args=[/usr/bin/client --token=<s> --verbose]"),
    ("json-array", "[\"login\",\"<j>\",3]"),
    ("docker-json-prose", "{\"log\":\"logged in with <j>\\n\",\"stream\":\"stdout\",\"time\":\"2026-04-19T19:10:19.4Z\"}"),
    ("json-twice", "{\"log\":\"{\\\"msg\\\":\\\"used <jj>\\\"}\\n\",\"stream\":\"stdout\",\"time\":\"2026-04-19T19:10:19.4Z\"}"),
    ("angle", "token <<s>> rejected"),
    ("html", "<td><x></td>"),
    ("url-userinfo", "cloning https://oauth2:<u>@git.example.org/team/app.git"),
    ("cookie", "Cookie: theme=dark; sessionid=<u>; lang=en"),
    ("path-segment", "GET /hooks/<u>/run HTTP/1.1"),
    ("pipe", "client|<s>|active"),
    ("tab", "client\t<s>\tactive"),
    ("line", "<s>"),
    ("indented", "    <s>"),
    ("crlf", "token=<s>\r"),
    ("comment", "# <s>"),
    ("arrow-bare", "key => <s>"),
    ("escaped-tab", "a\\t<j>\\tb"),
];

/// Rules whose secrets have a place of their own; their examples cover them.
fn stands_by_itself(rule: &Rule) -> bool {
    !matches!(&rule.reader, Reader::Expression { keep, .. } if keep.is_empty())
        && !matches!(rule.reader, Reader::Value { .. })
}

/// Secrets as an expression has them, always the same ones.
fn samples(source: &str, count: usize) -> Vec<String> {
    let seed = [7; 32];
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let printed = source.replace(r#"[^\s"\']"#, "[!#$*+A-Za-z0-9]");
    let strategy = proptest::string::string_regex(&printed).unwrap();
    let fits = |text: &String| {
        text.bytes().all(|byte| byte.is_ascii_graphic()) && !super::values::is_placeholder(text.as_bytes())
    };
    // Letters that are only Unicode's idea of lower case.
    let ascii = |text: String| text.replace('\u{17f}', "s").replace('\u{212a}', "k");
    let draws = (0..count * 40).map(|_| ascii(strategy.new_tree(&mut runner).unwrap().current()));
    draws.filter(fits).take(count).collect()
}

fn name_of(rule: &Rule) -> String {
    match rule.reader {
        Reader::Value { .. } => rule.keywords[0].trim_end_matches(['_', '-', '=']).replace('-', "_"),
        _ => rule.id.split('-').next().unwrap().to_owned(),
    }
}

fn json(text: &str) -> String {
    let quoted = serde_json::to_string(text).unwrap();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The line, and the secret as it stands in it.
fn dressed(template: &str, name: &str, secret: &str) -> (String, String) {
    let title = format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
    let forms = [
        ("<jj>", json(&json(secret))),
        ("<j>", json(secret)),
        ("<u>", percent(secret)),
        ("<x>", xml(secret)),
        ("<s>", secret.to_owned()),
    ];
    let (mark, written) = forms.into_iter().find(|(mark, _)| template.contains(mark)).unwrap();
    let named =
        template.replace("<NAME>", &name.to_ascii_uppercase()).replace("<Name>", &title).replace("<name>", name);
    (named.replace(mark, &written), written)
}

/// Whether a telling part of a secret is left.
fn leaks(out: &str, written: &str) -> bool {
    let marks = regex_automata::meta::Regex::new(r"\[redacted:[a-z0-9-]+\]").unwrap();
    let ends: Vec<usize> = marks.find_iter(out).flat_map(|mark| [mark.start(), mark.end()]).collect();
    let edges: Vec<usize> = [0].into_iter().chain(ends).chain([out.len()]).collect();
    let out: String = edges.chunks(2).map(|kept| format!("{}\n", &out[kept[0]..kept[1]])).collect();
    let letters: Vec<char> = written.chars().collect();
    letters.windows(letters.len().min(10)).any(|part| out.contains(&part.iter().collect::<String>()))
}

#[derive(Default)]
struct Tally {
    hidden: usize,
    left: Vec<String>,
}

impl Tally {
    fn take(&mut self, redactor: &Redactor, rule: &Rule, template: &str, secret: &str) {
        let (line, written) = dressed(template, &name_of(rule), secret);
        let out = redactor.text(&line);
        match leaks(&out, &written) {
            false => self.hidden += 1,
            true => self.left.push(format!("{}: {line} -> {out}", rule.id)),
        }
    }

    fn share(&self) -> f64 {
        self.hidden as f64 / (self.hidden + self.left.len()).max(1) as f64
    }
}

#[test]
fn secrets_of_every_rule_are_hidden_in_every_dress() {
    let rules = RuleSet::builtin();
    let redactor = Redactor::builder().rules(rules.clone()).build();
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    for rule in rules.list().iter().filter(|rule| !stands_by_itself(rule)) {
        let (Reader::Expression { source, .. } | Reader::Value { source }) = &rule.reader else { continue };
        let by_form = matches!(rule.reader, Reader::Expression { .. });
        let dresses = NAMED.iter().chain(if by_form { BARE } else { &[] });
        let secrets = samples(source, 3);
        assert!(!secrets.is_empty(), "{}", rule.id);
        for (at, (dress, template)) in dresses.enumerate() {
            tallies.entry(dress).or_default().take(&redactor, rule, template, &secrets[at % secrets.len()]);
        }
    }
    let hidden: usize = tallies.values().map(|tally| tally.hidden).sum();
    let left: usize = tallies.values().map(|tally| tally.left.len()).sum();
    for (dress, tally) in &tallies {
        println!("{dress:20} {:5.1} %", tally.share() * 100.0);
        tally.left.iter().for_each(|line| println!("    {line}"));
    }
    println!("{} dresses, {hidden} of {} hidden", tallies.len(), hidden + left);
    assert!(hidden * 1000 >= (hidden + left) * 997, "{left} are left");
    assert!(tallies.values().all(|tally| tally.share() >= 0.94));
}

/// Lines without a secret. `<32>` and its like are so many hexadecimal digits, `<uuid>` is one, `<b64>` 64 letters of base64,
/// `<word>` 43 of the URL alphabet, `<n>` a number.
const HARMLESS: &str = include_str!("harmless.txt");

/// Fills in what is drawn at random, the same each time.
fn filled(line: &str, seed: u64) -> String {
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut draw = |letters: &[u8], count: usize| -> String {
        let mut letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(letters[(state >> 33) as usize % letters.len()])
        };
        (0..count).map(|_| letter()).collect()
    };
    let mut parts = line.split('<');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (what, rest) = part.split_once('>').unwrap_or(("", part));
        let hex = b"0123456789abcdef";
        match (what, what.parse::<usize>()) {
            (_, Ok(digits)) => out += &draw(hex, digits),
            ("HEX", _) => out += &draw(b"0123456789ABCDEF", 40),
            ("uuid", _) => out += &[8, 4, 4, 4, 12].map(|digits| draw(hex, digits)).join("-"),
            ("b64", _) => out += &draw(BASE64, 64),
            ("word", _) => out += &draw(&BASE64[..62], 43),
            ("n", _) => out += &draw(b"123456789", 5),
            _ => {
                out.push('<');
                out += part;
                continue;
            }
        }
        out += rest;
    }
    out
}

#[test]
fn harmless_lines_stay_as_they_are() {
    let redactor = Redactor::builder().rules(RuleSet::builtin()).build();
    let lines: Vec<String> = (1..=5)
        .flat_map(|seed| HARMLESS.lines().enumerate().map(move |(at, line)| filled(line, seed * 1000 + at as u64)))
        .collect();
    let changed: Vec<_> =
        lines.iter().map(|line| (line, redactor.text(line))).filter(|(line, out)| *line != out).collect();
    changed.iter().for_each(|(line, out)| println!("    {line}\n -> {out}"));
    assert!(changed.is_empty(), "{} of {} lines were changed", changed.len(), lines.len());
    let together = lines.join("\n");
    assert_eq!(redactor.text(&together), together);
}
