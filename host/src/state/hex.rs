//! Hexadecimal, lower case only: one spelling for each value.

/// Lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte)).map(char::from).collect()
}

/// The same, at the end of a buffer.
pub(crate) fn push_hex(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend(bytes.iter().flat_map(|byte| digits(*byte)));
}

const fn digits(byte: u8) -> [u8; 2] {
    [digit(byte >> 4), digit(byte & 15)]
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// Exactly `2 * N` lower-case hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | nibble(*digit)?))?;
    }
    Some(bytes)
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_goes_there_and_back() {
        let bytes = crate::state::random::<32>().unwrap();
        assert_eq!(from_hex::<32>(to_hex(&bytes).as_bytes()), Some(bytes));
        assert_eq!(from_hex::<2>(b"AB01"), None);
        assert_eq!(from_hex::<2>(b"ab0"), None);
        assert_eq!(from_hex::<1>(b"+1"), None);
    }
}
