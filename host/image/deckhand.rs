//! What a container of the built-in image does: the words of its command line, one after the other.
//!
//! `deckhand say hello env HOME sleep 0.5 exit 3` prints two lines, waits half a second and ends with 3.
//! This file is the whole vocabulary; what it acts on is a [`World`]. `main.rs` beside it is the real one,
//! the rehearsal engine includes this file with a world of its own.
//!
//! | words | what they do |
//! |---|---|
//! | `say TEXT`, `warn TEXT` | a line on stdout, on stderr |
//! | `print TEXT` | on stdout, without a line's end |
//! | `env NAME` | `NAME=value`, or `NAME is not set` |
//! | `encodings NAME` | the variable's value in every form of [`ENCODINGS`], labelled, one a line |
//! | `environ` | every variable, as `NAME=value` |
//! | `args …` | the rest of the words, verbatim, one a line; ends with 0 |
//! | `file PATH`, `ls PATH`, `write PATH TEXT` | a file's content; a directory's names, sorted; a new content |
//! | `stat PATH` | kind, device numbers, mode, owner, size |
//! | `id`, `pwd` | who and where it is |
//! | `sleep SECONDS` | waits; fractions are allowed |
//! | `lines COUNT MILLISECONDS` | `line 1`, `line 2` … with a pause between them |
//! | `flood BYTES` | exactly so many bytes of numbered 64-byte lines, as fast as they are read |
//! | `listen PORT` | says `listening on PORT`, then answers every HTTP request with [`BODY`] until TERM |
//! | `lookup NAME` | asks the container's name server: `NAME is known` and its address, or `NAME is not known` |
//! | `fetch HOST PORT` | what HTTP answers there; the host is an address, or a name that is looked up |
//! | `ignore-term`, `wait` | TERM is ignored from now on; sleeps until it is told to end |
//! | `exit STATUS`, `crash` | ends; a crash is 139 for the first process of a container, 134 for another |
//!
//! It ends with 0 after the last word, with 1 when the world fails it, with 2 for a word it does not know.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

/// What `listen` answers to every request.
pub(crate) const BODY: &str = "aye\n";

/// Bytes in a line of `flood`, its end counted.
const FLOOD_LINE: usize = 64;

/// Digits of the number that such a line begins with.
const FLOOD_DIGITS: usize = 12;

/// Lines that `flood` writes at once.
const FLOOD_BATCH: usize = 1024;

/// How long `listen` waits for a request that does not come.
const REQUEST_PATIENCE: Duration = Duration::from_secs(5);

/// What the words act on.
pub(crate) trait World {
    /// Every variable of the environment.
    fn variables(&self) -> Vec<(OsString, OsString)>;
    /// Where `say` goes; nothing is buffered before it.
    fn stdout(&mut self) -> &mut dyn Write;
    /// Where `warn` and complaints go.
    fn stderr(&mut self) -> &mut dyn Write;
    /// Where a path inside the container lies.
    fn path(&self, inside: &OsStr) -> PathBuf;
    /// The working directory, as seen from inside.
    fn directory(&self) -> io::Result<PathBuf>;
    /// `uid=0 gid=0 groups=0`.
    fn identity(&self) -> io::Result<String>;
    /// Waits; a status to end with when it was told to end meanwhile.
    fn sleep(&mut self, time: Duration) -> Option<i32>;
    /// A socket that listens on a port of the container.
    fn listen(&mut self, port: u16) -> io::Result<TcpListener>;
    /// The address of a name; none where the name server knows none.
    fn lookup(&self, name: &str) -> io::Result<Option<IpAddr>>;
    /// A connection to a port of a host: an address, or a name.
    fn reach(&self, host: &str, port: u16) -> io::Result<TcpStream>;
    /// TERM does nothing from now on.
    fn ignore_term(&mut self) -> io::Result<()>;
    /// Aborts; where that can't be, the status that a container would have had: 139, because the kernel spares its
    /// first process the SIGABRT, and the C library then makes it fault.
    fn crash(&mut self) -> i32;
}

/// Does what the words say, and returns the exit status.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>, world: &mut dyn World) -> i32 {
    let mut hand = Hand { words: words.into_iter(), world };
    let end = loop {
        match hand.next_word() {
            Ok(()) => {}
            Err(end) => break end,
        }
    };
    hand.conclude(end)
}

/// Why no further word is read.
enum End {
    Status(i32),
    Misuse(String),
    Failure(String, io::Error),
}

struct Hand<'w, I> {
    words: I,
    world: &'w mut dyn World,
}

impl<I: Iterator<Item = OsString>> Hand<'_, I> {
    fn next_word(&mut self) -> Result<(), End> {
        let Some(word) = self.words.next() else { return Err(End::Status(0)) };
        match word.as_bytes() {
            b"say" => self.text("say").and_then(|text| self.line(text.as_bytes())),
            b"warn" => self.text("warn").and_then(|text| self.warn(&text)),
            b"print" => self.text("print").and_then(|text| self.out(text.as_bytes())),
            b"env" => self.text("env").and_then(|name| self.env(&name)),
            b"encodings" => self.text("encodings").and_then(|name| self.encodings(&name)),
            b"environ" => self.environ(),
            b"args" => self.args(),
            b"file" => self.text("file").and_then(|path| self.file(&path)),
            b"ls" => self.text("ls").and_then(|path| self.ls(&path)),
            b"write" => self.write(),
            b"stat" => self.text("stat").and_then(|path| self.stat(&path)),
            b"id" => self.id(),
            b"pwd" => self.pwd(),
            b"sleep" => self.seconds().and_then(|time| self.pause(time)),
            b"lines" => self.lines(),
            b"flood" => self.number("flood").and_then(|bytes| self.flood(bytes)),
            b"listen" => self.number("listen").and_then(|port| self.listen(port)),
            b"lookup" => self.text("lookup").and_then(|name| self.lookup(&name)),
            b"fetch" => self.fetch(),
            b"ignore-term" => self.world.ignore_term().map_err(failure("ignore-term")),
            b"wait" => self.wait(),
            b"exit" => self.number("exit").and_then(|status| Err(End::Status(status))),
            b"crash" => Err(End::Status(self.world.crash())),
            _ => Err(End::Misuse(format!("{word:?} is not a word that it knows"))),
        }
    }

    fn conclude(&mut self, end: End) -> i32 {
        let (status, complaint) = match end {
            End::Status(status) => return status,
            End::Misuse(what) => (2, what),
            End::Failure(what, error) => (1, format!("{what}: {error}")),
        };
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(self.world.stderr(), "deckhand: {complaint}");
        status
    }

    fn text(&mut self, word: &str) -> Result<OsString, End> {
        self.words.next().ok_or_else(|| End::Misuse(format!("{word} wants one more word")))
    }

    fn number<N: std::str::FromStr>(&mut self, word: &str) -> Result<N, End> {
        let text = self.text(word)?;
        let number = text.to_str().and_then(|text| text.parse().ok());
        number.ok_or_else(|| End::Misuse(format!("{word} wants a number, not {text:?}")))
    }

    fn seconds(&mut self) -> Result<Duration, End> {
        let seconds = self.number("sleep")?;
        Duration::try_from_secs_f64(seconds).map_err(|error| End::Misuse(format!("sleep {seconds}: {error}")))
    }

    fn out(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.world.stdout().write_all(bytes).map_err(failure("stdout"))
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), End> {
        // One write, so that two streams never meet inside a line.
        self.out(&[bytes, b"\n"].concat())
    }

    fn labelled(&mut self, label: &OsStr, sign: &str, value: &[u8]) -> Result<(), End> {
        self.line(&[label.as_bytes(), sign.as_bytes(), value].concat())
    }

    fn warn(&mut self, text: &OsStr) -> Result<(), End> {
        let line = [text.as_bytes(), b"\n"].concat();
        self.world.stderr().write_all(&line).map_err(failure("stderr"))
    }

    fn value(&self, name: &OsStr) -> Option<OsString> {
        self.world.variables().into_iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value)
    }

    fn env(&mut self, name: &OsStr) -> Result<(), End> {
        match self.value(name) {
            Some(value) => self.labelled(name, "=", value.as_bytes()),
            None => self.labelled(name, " is not set", b""),
        }
    }

    fn encodings(&mut self, name: &OsStr) -> Result<(), End> {
        let Some(value) = self.value(name) else { return self.env(name) };
        for (label, encode) in ENCODINGS {
            self.labelled(OsStr::new(label), ": ", &encode(value.as_bytes()))?;
        }
        Ok(())
    }

    fn environ(&mut self) -> Result<(), End> {
        let variables = self.world.variables();
        variables.iter().try_for_each(|(name, value)| self.labelled(name, "=", value.as_bytes()))
    }

    fn args(&mut self) -> Result<(), End> {
        while let Some(word) = self.words.next() {
            self.line(word.as_bytes())?;
        }
        Ok(())
    }

    fn file(&mut self, path: &OsStr) -> Result<(), End> {
        let content = std::fs::read(self.world.path(path)).map_err(failure(path))?;
        self.out(&content)
    }

    fn ls(&mut self, path: &OsStr) -> Result<(), End> {
        let entries = std::fs::read_dir(self.world.path(path)).map_err(failure(path))?;
        let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        let mut names = names.map_err(failure(path))?;
        names.sort();
        names.iter().try_for_each(|name| self.line(name.as_bytes()))
    }

    fn write(&mut self) -> Result<(), End> {
        let (path, text) = (self.text("write")?, self.text("write")?);
        std::fs::write(self.world.path(&path), text.as_bytes()).map_err(failure(&path))
    }

    fn stat(&mut self, path: &OsStr) -> Result<(), End> {
        let metadata = std::fs::symlink_metadata(self.world.path(path)).map_err(failure(path))?;
        self.labelled(path, ": ", describe(&metadata).as_bytes())
    }

    fn id(&mut self) -> Result<(), End> {
        let identity = self.world.identity().map_err(failure("id"))?;
        self.line(identity.as_bytes())
    }

    fn pwd(&mut self) -> Result<(), End> {
        let directory = self.world.directory().map_err(failure("pwd"))?;
        self.line(directory.as_os_str().as_bytes())
    }

    fn pause(&mut self, time: Duration) -> Result<(), End> {
        self.world.sleep(time).map_or(Ok(()), |status| Err(End::Status(status)))
    }

    fn wait(&mut self) -> Result<(), End> {
        loop {
            self.pause(Duration::from_secs(3600))?;
        }
    }

    fn lines(&mut self) -> Result<(), End> {
        let (count, milliseconds): (u64, u64) = (self.number("lines")?, self.number("lines")?);
        for number in 1..=count {
            self.line(format!("line {number}").as_bytes())?;
            if number < count {
                self.pause(Duration::from_millis(milliseconds))?;
            }
        }
        Ok(())
    }

    fn flood(&mut self, bytes: u64) -> Result<(), End> {
        let mut batch = vec![b'.'; FLOOD_BATCH * FLOOD_LINE];
        let mut number = [b'0'; FLOOD_DIGITS];
        let mut left = bytes;
        while left > 0 {
            batch.chunks_exact_mut(FLOOD_LINE).for_each(|line| flood_line(line, &mut number));
            let part = usize::try_from(left).unwrap_or(usize::MAX).min(batch.len());
            self.out(batch.get(..part).unwrap_or(&batch))?;
            left -= part as u64;
        }
        Ok(())
    }

    fn listen(&mut self, port: u16) -> Result<(), End> {
        let listener = self.world.listen(port).map_err(failure("listen"))?;
        self.line(format!("listening on {port}").as_bytes())?;
        loop {
            // A client that goes away is its own affair.
            let _ = listener.accept().and_then(|(stream, _)| answer(stream));
        }
    }

    fn lookup(&mut self, name: &OsStr) -> Result<(), End> {
        match self.world.lookup(&name.to_string_lossy()).map_err(failure("lookup"))? {
            Some(address) => self.labelled(name, " is known: ", address.to_string().as_bytes()),
            None => self.labelled(name, " is not known", b""),
        }
    }

    fn fetch(&mut self) -> Result<(), End> {
        let (host, port) = (self.text("fetch")?, self.number("fetch")?);
        let stream = self.world.reach(&host.to_string_lossy(), port).map_err(failure("fetch"))?;
        let body = fetched(stream).map_err(failure("fetch"))?;
        self.out(&body)
    }
}

fn failure(what: impl AsRef<OsStr>) -> impl FnOnce(io::Error) -> End {
    move |error| End::Failure(what.as_ref().to_string_lossy().into_owned(), error)
}

/// Writes the next line of `flood` over `line`: a number with leading noughts, dots up to [`FLOOD_LINE`] bytes.
fn flood_line(line: &mut [u8], number: &mut [u8; FLOOD_DIGITS]) {
    line.iter_mut().zip(number.iter()).for_each(|(byte, digit)| *byte = *digit);
    line.last_mut().into_iter().for_each(|end| *end = b'\n');
    for digit in number.iter_mut().rev() {
        *digit = if *digit == b'9' { b'0' } else { *digit + 1 };
        if *digit != b'0' {
            break;
        }
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(REQUEST_PATIENCE))?;
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && request.len() < 16 * 1024 && stream.read(&mut byte)? == 1 {
        request.extend(byte);
    }
    let length = BODY.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{BODY}"
    )
}

/// The body of an answer.
fn fetched(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(REQUEST_PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
    Ok(body.and_then(|at| answer.get(at..)).unwrap_or_default().to_vec())
}

/// `character 195:0 mode=0666 uid=0 size=0`; the numbers are there for devices alone.
fn describe(metadata: &std::fs::Metadata) -> String {
    let (kind, is_device) = kind(metadata.file_type());
    let numbers = if is_device { format!(" {}", device_numbers(metadata.rdev())) } else { String::new() };
    let mode = metadata.mode() & 0o7777;
    format!("{kind}{numbers} mode={mode:04o} uid={} size={}", metadata.uid(), metadata.size())
}

fn kind(file: std::fs::FileType) -> (&'static str, bool) {
    match () {
        () if file.is_char_device() => ("character", true),
        () if file.is_block_device() => ("block", true),
        () if file.is_dir() => ("directory", false),
        () if file.is_symlink() => ("link", false),
        () if file.is_fifo() => ("pipe", false),
        () if file.is_socket() => ("socket", false),
        () => ("file", false),
    }
}

/// `major:minor`, unpacked as makedev(3) packs them.
fn device_numbers(device: u64) -> String {
    let major = (device >> 8) & 0xfff | (device >> 32) & !0xfff;
    let minor = device & 0xff | (device >> 12) & !0xff;
    format!("{major}:{minor}")
}

type Encode = fn(&[u8]) -> Vec<u8>;

/// The forms in which `encodings` prints a value. The digit after base64 says how many bytes stand before the
/// value in the same run, which shifts every letter of what follows.
pub(crate) const ENCODINGS: [(&str, Encode); 11] = [
    ("raw", <[u8]>::to_vec),
    ("base64-0", |value| base64(STANDARD, &[b"", value].concat())),
    ("base64-1", |value| base64(STANDARD, &[b"x", value].concat())),
    ("base64-2", |value| base64(STANDARD, &[b"xx", value].concat())),
    ("base64url-0", |value| base64(URL_SAFE, &[b"", value].concat())),
    ("base64url-1", |value| base64(URL_SAFE, &[b"x", value].concat())),
    ("base64url-2", |value| base64(URL_SAFE, &[b"xx", value].concat())),
    ("hex", |value| value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()),
    ("HEX", |value| value.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()),
    ("percent", |value| value.iter().flat_map(|byte| percent(*byte)).collect()),
    ("json", json),
];

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn base64(alphabet: &[u8; 64], bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(3).flat_map(|group| base64_group(alphabet, group)).collect()
}

fn base64_group(alphabet: &[u8; 64], group: &[u8]) -> [u8; 4] {
    let at = |index| group.get(index).copied().map_or(0, usize::from);
    let bits = at(0) << 16 | at(1) << 8 | at(2);
    let letter = |shift: u32| alphabet.get((bits >> shift) & 63).copied().unwrap_or(b'=');
    let or_padding = |length, letter| if group.len() >= length { letter } else { b'=' };
    [letter(18), letter(12), or_padding(2, letter(6)), or_padding(3, letter(0))]
}

fn percent(byte: u8) -> Vec<u8> {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => vec![byte],
        _ => format!("%{byte:02X}").into_bytes(),
    }
}

fn json(value: &[u8]) -> Vec<u8> {
    let escaped: String = String::from_utf8_lossy(value).chars().map(json_character).collect();
    format!("\"{escaped}\"").into_bytes()
}

fn json_character(character: char) -> String {
    match character {
        '"' | '\\' => format!("\\{character}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\0'..='\x1f' => format!("\\u{:04x}", u32::from(character)),
        _ => character.to_string(),
    }
}

#[cfg(test)]
#[path = "deckhand_tests.rs"]
mod tests;
