use proptest::prelude::*;

use super::*;

const EMPTY_SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC_SHA512: &str = "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                          2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

fn error(text: &str) -> DigestError {
    text.parse::<Digest>().unwrap_err()
}

#[test]
fn known_answers() {
    assert_eq!(Digest::sha256(b"").to_string(), EMPTY_SHA256);
    assert_eq!(Digest::of(Algorithm::Sha512, b"abc").to_string(), ABC_SHA512);
}

#[test]
fn each_way_to_be_wrong_has_its_own_error_and_position() {
    let hex = &EMPTY_SHA256[7..];
    let at = |text: &str| (error(text), error(text).position());
    assert!(matches!(at(""), (DigestError::Empty, 0)));
    assert!(matches!(at(hex), (DigestError::NoAlgorithm, 0)));
    assert!(matches!(at(&format!(":{hex}")), (DigestError::EmptyAlgorithm, 0)));
    assert!(matches!(at("sha256:"), (DigestError::EmptyHex { .. }, 7)));
    assert!(matches!(at(&format!("SHA256:{hex}")), (DigestError::UpperCaseAlgorithm { found: 'S', .. }, 0)));
    assert!(matches!(at(&format!("sha384:{hex}")), (DigestError::UnknownAlgorithm { .. }, 0)));
    assert!(matches!(at(&format!("sha256:{}", hex.to_uppercase())), (DigestError::UpperCaseHex { .. }, 7)));
    assert!(matches!(at(&format!("sha256:{}g", &hex[1..])), (DigestError::BadHex { found: 'g', .. }, 70)));
    assert!(matches!(at(&format!("sha256:sha256:{hex}")), (DigestError::BadHex { found: 's', .. }, 7)));
    assert!(matches!(at(&format!("{EMPTY_SHA256}\n")), (DigestError::Blank { found: '\n', .. }, 71)));
    assert!(matches!(at(&format!(" {EMPTY_SHA256}")), (DigestError::Blank { found: ' ', .. }, 0)));
    assert!(matches!(at(&format!("ſha256:{hex}")), (DigestError::NotAscii { found: 'ſ', .. }, 0)));
    assert!(matches!(at("sha256:abc"), (DigestError::TooShort { found: 3, .. }, 10)));
    assert!(matches!(at(&format!("{EMPTY_SHA256}0")), (DigestError::TooLong { found: 65, .. }, 71)));
    let long = format!("sha256:{}", &ABC_SHA512[7..]);
    assert!(matches!(at(&long), (DigestError::OtherAlgorithm { fits: Algorithm::Sha512, .. }, 71)));
    assert!(matches!(at(&format!("sha512:{hex}")), (DigestError::OtherAlgorithm { .. }, 71)));
}

#[test]
fn bare_hex_is_read_only_where_it_is_asked_for() {
    let hex = &EMPTY_SHA256[7..];
    assert_eq!(Digest::from_sha256_hex(hex).unwrap(), Digest::sha256(b""));
    assert!(Digest::from_sha256_hex(EMPTY_SHA256).is_err());
    assert!(matches!(Digest::from_sha256_hex("é"), Err(DigestError::NotAscii { at: 0, .. })));
    assert!(matches!(Digest::from_sha256_hex("0\n"), Err(DigestError::Blank { at: 1, .. })));
}

#[test]
fn serde_is_the_string() {
    let json = format!("\"{EMPTY_SHA256}\"");
    assert_eq!(serde_json::to_string(&Digest::sha256(b"")).unwrap(), json);
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), Digest::sha256(b""));
    assert!(serde_json::from_str::<Digest>("\"sha256:00\"").is_err());
}

#[test]
fn a_mismatch_names_both() {
    let expected = Digest::sha256(b"good");
    let mismatch = expected.verify(b"bad").unwrap_err();
    assert_eq!((*mismatch.expected, *mismatch.found), (expected, Digest::sha256(b"bad")));
    assert!(mismatch.to_string().contains(&expected.to_string()));
    assert!(expected.verify(b"good").is_ok());
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(bytes: Vec<u8>, long: bool) {
        let digest = Digest::of(if long { Algorithm::Sha512 } else { Algorithm::Sha256 }, &bytes);
        prop_assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }

    #[test]
    fn what_is_read_is_printed_alike(text in "(sha256|sha512):[0-9a-f]{60,68}|sha512:[0-9a-f]{126,130}|\\PC{0,80}") {
        match text.parse::<Digest>() {
            Ok(digest) => prop_assert_eq!(digest.to_string(), text),
            Err(error) => prop_assert!(error.position() <= text.len()),
        }
    }

    #[test]
    fn one_character_changed_is_another_digest_or_none(at in 0usize..71, to in any::<char>()) {
        let changed: String = EMPTY_SHA256.chars().enumerate().map(|(i, c)| if i == at { to } else { c }).collect();
        prop_assume!(changed != EMPTY_SHA256);
        prop_assert_ne!(changed.parse::<Digest>().ok(), Some(Digest::sha256(b"")));
    }

    #[test]
    fn pieces_hash_as_the_whole(pieces: Vec<Vec<u8>>) {
        let whole: Vec<u8> = pieces.concat();
        let mut verifier = Verifier::new(Digest::sha256(&whole));
        pieces.iter().for_each(|piece| verifier.update(piece));
        prop_assert_eq!(verifier.len(), whole.len() as u64);
        prop_assert!(verifier.finish().is_ok());
    }
}
