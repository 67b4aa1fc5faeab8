//! The words, played on a stage in memory.

use super::*;

/// A world in memory, rooted at a folder of the test's own.
struct Stage {
    input: &'static [u8],
    out: Vec<u8>,
    err: Vec<u8>,
    variables: Vec<(OsString, OsString)>,
    root: PathBuf,
    slept: Duration,
    ended_while_asleep: bool,
}

impl World for Stage {
    fn variables(&self) -> Vec<(OsString, OsString)> {
        self.variables.clone()
    }
    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.out
    }
    fn stdin(&mut self) -> &mut dyn Read {
        &mut self.input
    }
    fn terminal(&self) -> Option<(u16, u16)> {
        Some((30, 100))
    }
    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.err
    }
    fn path(&self, inside: &OsStr) -> PathBuf {
        self.root.join(inside.to_string_lossy().trim_start_matches('/'))
    }
    fn directory(&self) -> io::Result<PathBuf> {
        Ok(PathBuf::from("/srv"))
    }
    fn identity(&self) -> io::Result<String> {
        Ok("uid=0 gid=0 groups=".to_owned())
    }
    fn sleep(&mut self, time: Duration) -> Option<i32> {
        self.slept += time;
        self.ended_while_asleep.then_some(143)
    }
    fn listen(&mut self, _: u16) -> io::Result<TcpListener> {
        Err(io::Error::from(io::ErrorKind::AddrInUse))
    }
    fn lookup(&self, name: &str) -> io::Result<Option<IpAddr>> {
        Ok((name == "here").then_some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)))
    }
    fn reach(&self, host: &str, _: u16) -> io::Result<TcpStream> {
        let listener = TcpListener::bind((host, 0))?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || listener.accept().and_then(|(stream, _)| answer(stream)));
        TcpStream::connect(address)
    }
    fn ignore_term(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn crash(&mut self) -> i32 {
        139
    }
}

fn stage() -> Stage {
    let variables = vec![("SECRET".into(), "p@ss \"w\"/+x".into()), ("HOME".into(), "/root".into())];
    let root = std::env::temp_dir().join(format!("deckhand-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(&root).unwrap();
    let input = &b"ahoy"[..];
    Stage { input, out: vec![], err: vec![], variables, root, slept: Duration::ZERO, ended_while_asleep: false }
}

fn play(stage: &mut Stage, words: &[&str]) -> (i32, String, String) {
    let status = run(words.iter().map(OsString::from), stage);
    let text = |bytes: &mut Vec<u8>| String::from_utf8(std::mem::take(bytes)).unwrap();
    (status, text(&mut stage.out), text(&mut stage.err))
}

fn output(words: &[&str]) -> (i32, String, String) {
    let mut stage = stage();
    let played = play(&mut stage, words);
    std::fs::remove_dir_all(stage.root).unwrap();
    played
}

fn says(text: &str) -> (i32, String, String) {
    (0, text.to_owned(), String::new())
}

#[test]
fn words_are_done_in_order_and_none_is_left_out() {
    assert_eq!(output(&["say", "one", "print", "two", "say", " three"]), says("one\ntwo three\n"));
    assert_eq!(output(&["warn", "oh", "exit", "3", "say", "never"]), (3, String::new(), "oh\n".to_owned()));
    assert_eq!(output(&["args", "exit", "-1", ""]), says("exit\n-1\n\n"));
    assert_eq!(output(&["pwd", "id"]), says("/srv\nuid=0 gid=0 groups=\n"));
    assert_eq!(output(&[]), says(""));
    assert_eq!(output(&["crash", "say", "never"]).0, 139);
}

#[test]
fn variables_are_shown_and_missing_ones_named() {
    assert_eq!(output(&["env", "HOME", "env", "NONE"]), says("HOME=/root\nNONE is not set\n"));
    assert_eq!(output(&["encodings", "NONE"]), says("NONE is not set\n"));
    assert_eq!(output(&["environ"]), says("SECRET=p@ss \"w\"/+x\nHOME=/root\n"));
}

#[test]
fn a_value_is_encoded_in_every_form() {
    let expected = "raw: p@ss \"w\"/+x\n\
        base64-0: cEBzcyAidyIvK3g=\nbase64-1: eHBAc3MgInciLyt4\nbase64-2: eHhwQHNzICJ3Ii8reA==\n\
        base64url-0: cEBzcyAidyIvK3g=\nbase64url-1: eHBAc3MgInciLyt4\nbase64url-2: eHhwQHNzICJ3Ii8reA==\n\
        hex: 70407373202277222f2b78\nHEX: 70407373202277222F2B78\n\
        percent: p%40ss%20%22w%22%2F%2Bx\njson: \"p@ss \\\"w\\\"/+x\"\n";
    assert_eq!(output(&["encodings", "SECRET"]), says(expected));
}

#[test]
fn base64_agrees_with_rfc_4648() {
    let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
    for (plain, encoded) in cases {
        assert_eq!(base64(STANDARD, plain.as_bytes()), encoded.as_bytes());
    }
    assert_eq!(base64(STANDARD, &[0xfb, 0xff]), b"+/8=");
    assert_eq!(base64(URL_SAFE, &[0xfb, 0xff]), b"-_8=");
}

#[test]
fn files_are_written_read_listed_and_described() {
    let words = ["write", "/b", "text\n", "write", "/a", "", "file", "/b", "ls", "/", "stat", "/b"];
    let (status, out, err) = output(&words);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("text\na\nb\n/b: file mode="), "{out}");
    assert!(out.trim_end().ends_with(" size=5"), "{out}");
}

#[test]
fn device_numbers_are_unpacked() {
    assert_eq!(device_numbers(0x0103), "1:3");
    assert_eq!(device_numbers(0x0000_0000_0010_c3ff), "195:511");
}

#[test]
fn a_flood_has_exactly_its_bytes_and_no_line_twice() {
    let (_, out, _) = output(&["flood", "200000"]);
    assert_eq!(out.len(), 200_000);
    let lines: std::collections::BTreeSet<_> = out.lines().collect();
    assert_eq!(lines.len(), 200_000_usize.div_ceil(FLOOD_LINE));
    assert!(out.starts_with("000000000000....") && out.contains("\n000000003124...."), "{}", out.len());
}

#[test]
fn time_passes_between_lines_and_a_signal_ends_it() {
    let mut stage = stage();
    let played = play(&mut stage, &["lines", "3", "20", "sleep", "0.5"]);
    assert_eq!(played, says("line 1\nline 2\nline 3\n"));
    assert_eq!(stage.slept, Duration::from_millis(540));
    stage.ended_while_asleep = true;
    assert_eq!(play(&mut stage, &["say", "up", "wait", "say", "never"]), (143, "up\n".to_owned(), String::new()));
}

#[test]
fn misuse_ends_with_2_and_a_failing_world_with_1() {
    for words in [&["dance"][..], &["say"], &["sleep", "-1"], &["sleep", "x"], &["exit", "now"], &["lines", "2"]] {
        let (status, _, err) = output(words);
        assert_eq!(status, 2, "{words:?}");
        assert!(err.starts_with("deckhand: "), "{err}");
    }
    for words in [["file", "/none"], ["ls", "/none"], ["stat", "/none"], ["listen", "80"]] {
        let (status, _, err) = output(&words);
        assert_eq!(status, 1, "{words:?}");
        assert!(err.starts_with("deckhand: "), "{err}");
    }
}

#[test]
fn a_request_is_answered_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    answer(listener.accept().unwrap().0).unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\naye\n"), "{text}");
}

#[test]
fn what_it_is_fed_it_hands_on() {
    let (status, out, _) = play(&mut stage(), &["cat", "say", "", "tty"]);
    assert_eq!((status, out.as_str()), (0, "ahoy\nterminal 30 100\n"));
}

#[test]
fn names_are_looked_up_and_answers_fetched() {
    let mut stage = stage();
    let (status, out, _) = play(&mut stage, &["lookup", "here", "lookup", "nowhere", "fetch", "127.0.0.1", "80"]);
    assert_eq!((status, out.as_str()), (0, "here is known: 127.0.0.1\nnowhere is not known\naye\n"));
    assert_eq!(play(&mut stage, &["fetch", "127.0.0.1"]).0, 2);
}
