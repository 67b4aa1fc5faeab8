use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::*;

/// What the server does with one request.
enum Reply {
    /// Status, headers, body.
    Plain(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// Says nothing more.
    Stall,
    /// Bytes without end, in chunks.
    Flood,
    /// Headers without end.
    FloodHeaders,
    /// One byte now and then.
    Drip,
    /// Announces more than it sends, and hangs up.
    Short,
}

/// A request as the server saw it: its first line and its headers, in lower case.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// A registry that does as a test tells it.
struct Server {
    address: String,
    seen: Seen,
}

impl Server {
    fn start(reply: impl Fn(&[String]) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Seen::default();
        let (reply, record) = (Arc::new(reply), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (reply, record) = (Arc::clone(&reply), Arc::clone(&record));
                thread::spawn(move || answer(stream.unwrap(), &*reply, &record));
            }
        });
        Self { address, seen }
    }

    fn reference(&self) -> Reference {
        format!("{}/team/app:1", self.address).parse().unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|request| request[0].clone()).collect()
    }

    fn headers(&self, name: &str) -> Vec<Option<String>> {
        let find = |request: &Vec<String>| request.iter().find_map(|line| line.strip_prefix(name).map(str::to_owned));
        self.seen.lock().unwrap().iter().map(find).collect()
    }
}

fn answer(stream: TcpStream, reply: &dyn Fn(&[String]) -> Reply, seen: &Seen) {
    let reader = BufReader::new(stream.try_clone().unwrap());
    let lines = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let request: Vec<String> = lines.map(|line| lower_name(&line)).collect();
    if request.is_empty() {
        return;
    }
    let reply = reply(&request);
    seen.lock().unwrap().push(request);
    // the client may hang up whenever it has had enough
    let _hung_up = send(stream, reply);
}

fn lower_name(line: &str) -> String {
    line.split_once(": ").map_or(line.to_owned(), |(name, value)| format!("{}: {value}", name.to_lowercase()))
}

fn send(mut stream: TcpStream, reply: Reply) -> std::io::Result<()> {
    match reply {
        Reply::Plain(status, headers, body) => {
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len())?;
            headers.iter().try_for_each(|(name, value)| write!(stream, "{name}: {value}\r\n"))?;
            stream.write_all(b"\r\n")?;
            stream.write_all(&body)
        }
        Reply::Stall => stream.read_exact(&mut [0]),
        Reply::Flood => {
            stream.write_all(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                write!(stream, "10000\r\n{}\r\n", "x".repeat(0x10000))?;
            }
        }
        Reply::FloodHeaders => {
            stream.write_all(b"HTTP/1.1 200 X\r\n")?;
            loop {
                write!(stream, "x-{}: y\r\n", "x".repeat(1000))?;
            }
        }
        Reply::Drip => {
            stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n")?;
            loop {
                stream.write_all(b"x")?;
                thread::sleep(Duration::from_millis(50));
            }
        }
        Reply::Short => stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\nshort"),
    }
}

fn ok(body: impl Into<Vec<u8>>) -> Reply {
    Reply::Plain(200, Vec::new(), body.into())
}

fn to(location: String) -> Reply {
    Reply::Plain(307, vec![("location", location)], Vec::new())
}

fn challenge(value: String) -> Reply {
    Reply::Plain(401, vec![("www-authenticate", value)], Vec::new())
}

fn has(request: &[String], header: &str) -> bool {
    request.iter().any(|line| line == header)
}

const BODY: &[u8] = b"{\"schemaVersion\":2}";

fn client_with(auth: AuthFile) -> RegistryClient {
    let limits = Limits { connect: Duration::from_secs(1), total: Duration::from_millis(1500) };
    RegistryClient::new(limits, auth)
}

fn fetch(server: &Server) -> Result<Vec<u8>, RegistryError> {
    client_with(AuthFile::default()).manifest(&server.reference(), &Digest::sha256(BODY))
}

fn login(server: &Server) -> AuthFile {
    let text = format!("{{\"auths\":{{\"{}\":{{\"auth\":\"dXNlcjpwYXNz\"}}}}}}", server.address);
    AuthFile::parse(&text).unwrap()
}

#[test]
fn a_tag_is_what_its_bytes_hash_to_whatever_a_header_says() {
    let lie = vec![("docker-content-digest", Digest::sha256(b"another").to_string())];
    let server = Server::start(move |_| Reply::Plain(200, lie.clone(), BODY.to_vec()));
    let resolved = client_with(AuthFile::default()).resolve(&server.reference(), "1");
    assert_eq!(resolved.unwrap(), Digest::sha256(BODY));
    assert_eq!(server.lines(), ["GET /v2/team/app/manifests/1 HTTP/1.1"]);
    let absent = Server::start(|_| Reply::Plain(404, Vec::new(), Vec::new()));
    let resolved = client_with(AuthFile::default()).resolve(&absent.reference(), "1");
    assert!(matches!(resolved, Err(RegistryError::NotFound { .. })), "{resolved:?}");
}

#[test]
fn a_manifest_is_asked_for_by_digest_and_proved() {
    let server = Server::start(|_| ok(BODY));
    assert_eq!(fetch(&server).unwrap(), BODY);
    let digest = Digest::sha256(BODY);
    assert_eq!(server.lines(), [format!("GET /v2/team/app/manifests/{digest} HTTP/1.1")]);
    let accept = server.headers("accept: ")[0].clone().unwrap();
    for media_type in [OCI_INDEX, OCI_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST] {
        assert!(accept.split(", ").any(|one| one == media_type), "{accept}");
    }
    assert_eq!(server.headers("authorization: "), [None]);
    let blob = client_with(AuthFile::default()).blob(&server.reference(), &digest);
    assert_eq!(blob.unwrap(), BODY);
    assert_eq!(server.lines()[1], format!("GET /v2/team/app/blobs/{digest} HTTP/1.1"));
}

#[test]
fn other_bytes_are_a_mismatch_whatever_the_headers_say() {
    let header = ("docker-content-digest", Digest::sha256(BODY).to_string());
    let liar = Server::start(move |_| Reply::Plain(200, vec![header.clone()], b"evil".to_vec()));
    let found = fetch(&liar).unwrap_err();
    assert!(matches!(&found, RegistryError::Mismatch(lie) if *lie.found == Digest::sha256(b"evil")), "{found}");
    let header = ("docker-content-digest", Digest::sha256(b"evil").to_string());
    let odd = Server::start(move |_| Reply::Plain(200, vec![header.clone()], BODY.to_vec()));
    assert_eq!(fetch(&odd).unwrap(), BODY);
}

#[test]
fn a_type_other_than_the_documents_is_found_out() {
    let config = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;
    let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[]}}"#);
    let announce = |media_type: &str| {
        let (header, body) = (("content-type", media_type.to_owned()), manifest.clone().into_bytes());
        let server = Server::start(move |_| Reply::Plain(200, vec![header.clone()], body.clone()));
        client_with(AuthFile::default()).manifest(&server.reference(), &Digest::sha256(manifest.as_bytes()))
    };
    assert!(announce(OCI_MANIFEST).is_ok());
    assert!(announce(&format!("{OCI_MANIFEST}; charset=utf-8")).is_ok());
    assert!(announce("application/json").is_ok());
    for other in [OCI_INDEX, DOCKER_MANIFEST] {
        assert!(matches!(announce(other), Err(RegistryError::Protocol { .. })), "{other}");
    }
}

#[test]
fn each_status_has_its_error() {
    let status =
        |status: u16| fetch(&Server::start(move |_| Reply::Plain(status, Vec::new(), Vec::new()))).unwrap_err();
    assert!(matches!(status(404), RegistryError::NotFound { .. }));
    assert!(matches!(status(403), RegistryError::Unauthorised { .. }));
    assert!(matches!(status(401), RegistryError::Unauthorised { .. }));
    assert!(matches!(status(418), RegistryError::Protocol { .. }));
    assert!(matches!(status(206), RegistryError::Protocol { .. }));
    assert!(matches!(status(307), RegistryError::Protocol { .. }));
    for retryable in [429, 500, 503] {
        assert!(status(retryable).is_retryable());
    }
}

#[test]
fn size_and_time_are_bounded() {
    let began = Instant::now();
    assert!(matches!(fetch(&Server::start(|_| Reply::Flood)), Err(RegistryError::TooLarge { .. })));
    let large = Server::start(|_| ok(vec![b' '; usize::try_from(MANIFEST_MAX).unwrap() + 1]));
    assert!(matches!(fetch(&large), Err(RegistryError::TooLarge { .. })));
    assert!(matches!(fetch(&Server::start(|_| Reply::FloodHeaders)), Err(RegistryError::Protocol { .. })));
    assert!(matches!(fetch(&Server::start(|_| Reply::Short)), Err(RegistryError::Unavailable { .. })));
    assert!(matches!(fetch(&Server::start(|_| Reply::Stall)), Err(RegistryError::Unavailable { .. })));
    assert!(matches!(fetch(&Server::start(|_| Reply::Drip)), Err(RegistryError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_redirect_without_end_shares_one_time_limit() {
    let slow = Server::start(|_| {
        thread::sleep(Duration::from_millis(700));
        to("/again".to_owned())
    });
    let began = Instant::now();
    assert!(matches!(fetch(&slow), Err(RegistryError::Unavailable { .. })));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_closed_port_is_retryable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let reference = format!("{address}/app").parse().unwrap();
    let found = client_with(AuthFile::default()).manifest(&reference, &Digest::sha256(BODY)).unwrap_err();
    assert!(found.is_retryable(), "{found}");
    assert!(found.to_string().contains(&address.to_string()));
}

#[test]
fn three_redirects_are_followed_and_no_more() {
    let hops = |count: usize| {
        Server::start(move |request| {
            let at = request[0].matches("hop").count();
            if at == count { ok(BODY) } else { to(format!("/{}", "hop".repeat(at + 1))) }
        })
    };
    assert_eq!(fetch(&hops(3)).unwrap(), BODY);
    let server = hops(4);
    assert!(matches!(fetch(&server), Err(RegistryError::Protocol { .. })));
    assert_eq!(server.lines().len(), 4);
}

#[test]
fn redirects_to_plain_http_elsewhere_are_not_followed() {
    let server = Server::start(|_| to("http://example.invalid/blob".to_owned()));
    let found = fetch(&server).unwrap_err();
    assert!(matches!(&found, RegistryError::Protocol { why, .. } if why.contains("plain http")), "{found}");
}

#[test]
fn a_login_is_given_only_when_asked_for_and_never_passed_on() {
    let elsewhere = Server::start(|_| ok(BODY));
    let there = format!("http://{}/blob", elsewhere.address);
    let server = Server::start(move |request| {
        if has(request, "authorization: Basic dXNlcjpwYXNz") {
            to(there.clone())
        } else {
            challenge("Basic realm=\"x\"".to_owned())
        }
    });
    let found = client_with(login(&server)).manifest(&server.reference(), &Digest::sha256(BODY));
    assert_eq!(found.unwrap(), BODY);
    assert_eq!(server.headers("authorization: "), [None, Some("Basic dXNlcjpwYXNz".to_owned())]);
    assert_eq!(elsewhere.headers("authorization: "), [None]);
    let without = fetch(&server).unwrap_err();
    assert!(matches!(&without, RegistryError::Unauthorised { why, .. } if why.contains("login")), "{without}");
    assert!(!format!("{without:?}{without}").contains("dXNlcjpwYXNz"));
}

#[test]
fn a_host_redirected_to_gets_no_login_by_asking_for_one() {
    let thief = Server::start(|_| challenge("Basic realm=\"x\"".to_owned()));
    let there = format!("http://{}/blob", thief.address);
    let server = Server::start(move |_| to(there.clone()));
    let found = client_with(login(&server)).manifest(&server.reference(), &Digest::sha256(BODY));
    assert!(matches!(found, Err(RegistryError::Unauthorised { .. })));
    assert_eq!(thief.headers("authorization: "), [None]);
}

#[test]
fn a_token_is_fetched_for_this_repository_and_used_once() {
    let service = Server::start(|_| ok("{\"token\":\"t0ken\"}"));
    let realm = format!("http://{}/token", service.address);
    let server = Server::start(move |request| {
        let is_known = has(request, "authorization: Bearer t0ken");
        let asks = format!("Bearer realm=\"{realm}\",service=\"reg\",scope=\"repository:other:push\"");
        if is_known { ok(BODY) } else { challenge(asks) }
    });
    assert_eq!(fetch(&server).unwrap(), BODY);
    assert_eq!(service.lines(), ["GET /token?service=reg&scope=repository:team/app:pull HTTP/1.1"]);
    let found = client_with(login(&server)).manifest(&server.reference(), &Digest::sha256(BODY));
    assert_eq!(found.unwrap(), BODY);
    assert_eq!(service.headers("authorization: "), [None, Some("Basic dXNlcjpwYXNz".to_owned())]);
}

#[test]
fn token_services_that_misbehave_are_refused() {
    let with_service = |reply: fn() -> Reply| {
        let service = Server::start(move |_| reply());
        let realm = format!("http://{}/token", service.address);
        fetch(&Server::start(move |_| challenge(format!("Bearer realm=\"{realm}\"")))).unwrap_err()
    };
    assert!(matches!(with_service(|| ok("{}")), RegistryError::Protocol { .. }));
    assert!(matches!(with_service(|| ok("{\"token\":\"a\\nb\"}")), RegistryError::Protocol { .. }));
    assert!(matches!(with_service(|| to("/elsewhere".to_owned())), RegistryError::Protocol { .. }));
    assert!(matches!(with_service(|| Reply::Flood), RegistryError::TooLarge { .. }));
    assert!(matches!(with_service(|| Reply::Stall), RegistryError::Unavailable { .. }));
    assert!(matches!(with_service(|| ok("{\"token\":\"refused\"}")), RegistryError::Unauthorised { .. }));
    assert!(matches!(with_service(|| Reply::Plain(403, vec![], vec![])), RegistryError::Unauthorised { .. }));
    let plain = Server::start(|_| challenge("Bearer realm=\"http://example.invalid/token\"".to_owned()));
    let found = client_with(login(&plain)).manifest(&plain.reference(), &Digest::sha256(BODY));
    assert!(matches!(found, Err(RegistryError::Protocol { .. })), "{found:?}");
}

#[test]
fn encoded_content_is_refused() {
    let gzip = ("content-encoding", "gzip".to_owned());
    let server = Server::start(move |_| Reply::Plain(200, vec![gzip.clone()], BODY.to_vec()));
    assert!(matches!(fetch(&server), Err(RegistryError::Protocol { .. })));
}

#[test]
fn as_a_source_it_tells_lies_from_absence() {
    let client = client_with(AuthFile::default());
    let digest = Digest::sha256(BODY);
    let ask = |server: &Server| RegistrySource::new(&client, &server.reference()).fetch(&digest, Content::Manifest);
    assert_eq!(ask(&Server::start(|_| ok(BODY))).unwrap(), BODY);
    assert!(matches!(ask(&Server::start(|_| ok("evil"))), Err(SourceError::Mismatch(_))));
    assert!(matches!(ask(&Server::start(|_| Reply::Flood)), Err(SourceError::Fault { .. })));
    let gone = ask(&Server::start(|_| Reply::Plain(404, vec![], vec![])));
    assert!(matches!(gone, Err(SourceError::Absent { remedy, .. }) if remedy.contains("push")));
}
