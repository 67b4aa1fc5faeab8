//! Names for containers that were given none.

use portreeve::spec::Name;
use portreeve::state::random;

use super::exit::Failure;

const HOW: [&str; 32] = [
    "able", "brave", "bright", "brisk", "calm", "clear", "clever", "crisp", "eager", "early", "fair", "fine", "fleet",
    "fresh", "gentle", "glad", "keen", "kind", "light", "lively", "merry", "mild", "neat", "noble", "proud", "quick",
    "quiet", "sharp", "steady", "swift", "warm", "wise",
];
const WHO: [&str; 32] = [
    "badger",
    "beaver",
    "bittern",
    "curlew",
    "dipper",
    "dolphin",
    "dunlin",
    "eider",
    "falcon",
    "finch",
    "gannet",
    "gull",
    "harrier",
    "heron",
    "kestrel",
    "lapwing",
    "marten",
    "osprey",
    "otter",
    "petrel",
    "pipit",
    "plover",
    "puffin",
    "raven",
    "sanderling",
    "seal",
    "skua",
    "snipe",
    "tern",
    "turnstone",
    "whimbrel",
    "wren",
];

/// A readable name that nothing else bears, such as `brave-otter-3f2a`.
pub(crate) fn fresh() -> Result<Name, Failure> {
    let bytes = random().map_err(|error| Failure::Output(error).during("randomness for a name"))?;
    Ok(named(bytes).parse().map_err(portreeve::Error::from)?)
}

fn named([how, who, high, low]: [u8; 4]) -> String {
    let pick = |words: &[&'static str; 32], byte: u8| words.get(usize::from(byte % 32)).copied().unwrap_or_default();
    format!("{}-{}-{high:02x}{low:02x}", pick(&HOW, how), pick(&WHO, who))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_and_well_formed() {
        assert_eq!(named([1, 18, 0x3f, 0x2a]), "brave-otter-3f2a");
        assert!((0..=255).all(|byte| named([byte; 4]).parse::<Name>().is_ok()));
        assert!(fresh().is_ok());
    }
}
