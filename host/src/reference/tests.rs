use proptest::prelude::*;

use super::*;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn read(text: &str) -> Reference {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> ReferenceError {
    match text.parse::<Reference>() {
        Ok(read) => panic!("{text} was read as {read}"),
        Err(error) => error,
    }
}

#[test]
fn references_are_normalised() {
    let cases = [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("user/app", "docker.io/user/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("docker:dind", "docker.io/library/docker:dind"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000", "docker.io/library/localhost:5000"),
        ("localhost:5000/app:A.b-C_d", "localhost:5000/app:A.b-C_d"),
        ("127.0.0.1:5055/a/b/c", "127.0.0.1:5055/a/b/c:latest"),
        ("[::1]:5000/app:x", "[::1]:5000/app:x"),
        ("[2001:db8::1]/app", "[2001:db8::1]/app:latest"),
        ("xn--n3h.com/app", "xn--n3h.com/app:latest"),
        ("ghcr.io/a-b/c__d.e---f:0", "ghcr.io/a-b/c__d.e---f:0"),
        ("x.io/sha256:latest", "x.io/sha256:latest"),
        ("x.io/app:0123456789abcdef0123456789abcdef01234567", "x.io/app:0123456789abcdef0123456789abcdef01234567"),
        ("shared:0123456789abcdef0123456789abcdef", "docker.io/library/shared:0123456789abcdef0123456789abcdef"),
        ("sha256sum:1", "docker.io/library/sha256sum:1"),
    ];
    for (written, normal) in cases {
        assert_eq!(read(written).to_string(), normal, "{written}");
        assert!(!read(written).is_pinned());
        assert_eq!(read(written).pinned(), None);
    }
}

#[test]
fn a_digest_pins_and_a_tag_beside_it_is_kept() {
    let both = read(&format!("nginx:1.27@{DIGEST}"));
    assert_eq!((both.tag(), both.digest().unwrap().to_string().as_str()), (Some("1.27"), DIGEST));
    assert_eq!(both.to_string(), format!("docker.io/library/nginx:1.27@{DIGEST}"));
    assert_eq!(both.pinned().unwrap(), format!("docker.io/library/nginx@{DIGEST}"));
    let alone = read(&format!("x.io/app@{DIGEST}"));
    assert_eq!((alone.tag(), alone.is_pinned()), (None, true));
    assert_eq!(alone.to_string(), format!("x.io/app@{DIGEST}"));
}

#[test]
fn a_tag_that_was_not_written_is_remembered() {
    let bare = read("nginx");
    assert_eq!((bare.tag(), bare.tag_was_written()), (Some("latest"), false));
    assert_eq!(bare, read("docker.io/library/nginx:latest"));
    let resolved = bare.with_digest(DIGEST.parse().unwrap());
    assert_eq!(resolved.to_string(), format!("docker.io/library/nginx:latest@{DIGEST}"));
}

#[test]
fn loopback_is_told_by_name() {
    for text in ["localhost/a", "localhost:1/a", "127.0.0.1:5/a", "127.9.8.7/a", "[::1]/a", "[::1]:5/a", "[0:0::1]/a"] {
        assert!(read(text).is_loopback_registry(), "{text}");
    }
    for text in ["a", "localhost.example/a", "128.0.0.1/a", "[::2]:1/a", "127.0.0.1.example/a", "[::]/a", "0.0.0.0/a"] {
        assert!(!read(text).is_loopback_registry(), "{text}");
    }
}

#[test]
fn each_way_to_be_wrong_has_its_own_error_and_position() {
    use ReferenceError as E;
    let hex = &DIGEST[7..];
    macro_rules! all_refused {
        ($($text:expr => $pattern:pat, $at:expr;)*) => {$(
            let text: &str = &$text;
            let error = refused(text);
            assert!(matches!(error, $pattern), "{text}: {error:?}");
            assert_eq!(error.position(), $at, "{text}: {error:?}");
        )*};
    }
    all_refused! {
        "" => E::Empty, 0;
        "nginx " => E::Blank { found: ' ', .. }, 5;
        "nginx\0" => E::Blank { found: '\0', .. }, 5;
        "busybox:täg" => E::NotAscii { found: 'ä', .. }, 9;
        "dосker.io/x" => E::NotAscii { .. }, 1;
        "docker://nginx" => E::Transport { .. }, 0;
        "https://x.io/y" => E::Transport { .. }, 0;
        "oci:dir" => E::Transport { .. }, 0;
        "containers-storage:nginx" => E::Transport { .. }, 0;
        hex => E::BareId, 0;
        format!("{hex}:latest") => E::BareId, 0;
        "e3b0c44298fc" => E::BareId, 0;
        DIGEST => E::DigestAsTag { .. }, 0;
        "sha256:abc" => E::DigestAsTag { .. }, 0;
        format!("x.io/y/{DIGEST}") => E::DigestAsTag { .. }, 7;
        "sha256" => E::DigestAsTag { .. }, 0;
        format!("sha1:{}", &hex[..40]) => E::DigestAsTag { .. }, 0;
        format!("sha-256:{hex}") => E::DigestAsTag { .. }, 0;
        format!("sha512-256:{hex}") => E::DigestAsTag { .. }, 0;
        format!("sha512/256:{hex}") => E::DigestAsTag { .. }, 7;
        format!("blake2b:{hex}") => E::DigestAsTag { .. }, 0;
        format!("sha256-{hex}") => E::BareId, 0;
        format!("sha256{hex}") => E::BareId, 0;
        format!("sha256_{hex}:latest") => E::BareId, 0;
        format!("@{DIGEST}") => E::NoName { .. }, 0;
        ":tag" => E::NoName { .. }, 0;
        "[::1]:5000" => E::NoName { .. }, 10;
        "/x" => E::EmptyPart { .. }, 0;
        "x/" => E::EmptyPart { .. }, 2;
        "x.io//y" => E::EmptyPart { .. }, 5;
        "x.io/:tag" => E::EmptyPart { .. }, 5;
        "repo/Name:tag" => E::UpperCase { found: 'N', .. }, 5;
        "Uppercase/x:tag" => E::UpperCase { found: 'U', .. }, 0;
        "X.io/y" => E::UpperCase { found: 'X', .. }, 0;
        "x.io/a+b" => E::BadRepository { found: '+', .. }, 6;
        "x.io/a%2fb" => E::BadRepository { found: '%', .. }, 6;
        "x.io/a/../b" => E::BadSeparator { .. }, 8;
        "x.io/.a" => E::BadSeparator { .. }, 5;
        "x.io/a-" => E::BadSeparator { .. }, 6;
        "-x" => E::BadSeparator { .. }, 0;
        "a___b" => E::BadSeparator { .. }, 1;
        "a.-b" => E::BadSeparator { .. }, 1;
        "foo_bar.com/x" => E::BadHost { .. }, 3;
        "-x.io/y" => E::BadHost { .. }, 0;
        "x-.io/y" => E::BadHost { .. }, 1;
        "x..io/y" => E::BadHost { .. }, 2;
        "x.io./y" => E::BadHost { .. }, 5;
        "user@x.io/y" => E::Digest { .. }, 5;
        "127.1/x" => E::BadIpv4 { .. }, 0;
        "256.0.0.1/x" => E::BadIpv4 { .. }, 0;
        "127.0.0.01/x" => E::BadIpv4 { .. }, 0;
        "1.0x7f/x" => E::BadIpv4 { .. }, 0;
        "2130706433:80/x" => E::BadIpv4 { .. }, 0;
        "[::g]/x" => E::BadIpv6 { .. }, 0;
        "[fe80::1%eth0]/x" => E::BadIpv6 { .. }, 0;
        "[::ffff:127.0.0.1]/x" => E::BadIpv6 { .. }, 0;
        "[::1/x" => E::BadIpv6 { .. }, 0;
        "[::1]x/y" => E::BadIpv6 { .. }, 0;
        "::1/x" => E::BadHost { .. }, 0;
        "x.io:99999/y" => E::BadPort { .. }, 5;
        "x.io:0/y" => E::BadPort { .. }, 5;
        "x.io:080/y" => E::BadPort { .. }, 5;
        "x.io:+80/y" => E::BadPort { .. }, 5;
        "x.io:/y" => E::BadPort { .. }, 5;
        "repo:" => E::EmptyTag { .. }, 5;
        "repo:.x" => E::BadTag { found: '.', .. }, 5;
        "repo:a:b" => E::BadTag { found: ':', .. }, 6;
        format!("repo:{}", "a".repeat(129)) => E::TagTooLong { .. }, 133;
        format!("x.io/{}", "a".repeat(251)) => E::NameTooLong { found: 256 }, 0;
        "repo@" => E::Digest { .. }, 5;
        "repo@sha256:abc" => E::Digest { .. }, 15;
        format!("repo@{DIGEST}:tag") => E::Digest { .. }, 76;
        format!("repo@{DIGEST}@{DIGEST}") => E::Digest { .. }, 76;
    }
}

#[test]
fn the_longest_are_read() {
    assert!(format!("x.io/{}:{}", "a".repeat(250), "b".repeat(128)).parse::<Reference>().is_ok());
}

#[test]
fn serde_is_the_normalised_string() {
    assert_eq!(serde_json::to_string(&read("nginx")).unwrap(), "\"docker.io/library/nginx:latest\"");
    assert_eq!(serde_json::from_str::<Reference>("\"nginx\"").unwrap(), read("nginx"));
    assert!(serde_json::from_str::<Reference>("\"docker://nginx\"").is_err());
}

fn written() -> impl Strategy<Value = String> {
    let host = "([a-z][a-z0-9]{0,5}\\.[a-z]{2,4}|localhost|10\\.0\\.0\\.1|\\[::[1-9a-f]{1,3}\\])(:[1-9][0-9]{0,3})?/";
    let part = "[a-z0-9]{1,8}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    let digest = "@(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})";
    let name = format!("({host}{part}|[a-z0-9]{{1,8}})(/{part}){{0,2}}");
    let shape = format!("{name}(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,20}})?({digest})?");
    proptest::string::string_regex(&shape).unwrap()
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(text in written()) {
        if let Ok(read) = text.parse::<Reference>() {
            let again = read.to_string().parse::<Reference>();
            prop_assert_eq!(again.as_ref(), Ok(&read));
            prop_assert!(read.to_string().ends_with(&text) || text.starts_with("index.docker.io/") || !read.tag_was_written());
        }
    }

    #[test]
    fn good_references_are_seldom_refused(text in written()) {
        let refused = text.parse::<Reference>().err();
        let is_expected = matches!(
            refused,
            None | Some(ReferenceError::BareId | ReferenceError::Transport { .. } | ReferenceError::DigestAsTag { .. })
        );
        prop_assert!(is_expected, "{}: {:?}", text, refused);
    }

    #[test]
    fn nothing_panics_and_positions_lie_inside(text in "[a-zA-Z0-9\\[\\]:/@._é \\-]{0,60}|\\PC{0,40}") {
        match text.parse::<Reference>() {
            Ok(read) => prop_assert_eq!(read.to_string().parse::<Reference>(), Ok(read)),
            Err(error) => prop_assert!(error.position() <= text.len()),
        }
    }
}
