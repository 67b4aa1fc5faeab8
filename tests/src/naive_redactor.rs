//! A redactor that is as simple as can be: quadratic, of known values alone, as they are. What the real one does is compared
//! with it. It needs nothing but the standard library, so that a test or a fuzz target can take the file by its path.

/// Removes every occurrence of every value. Occurrences that overlap become one mark: that of the one that begins first, and
/// of those the longest.
#[must_use]
pub fn redact(secrets: &[(&str, &[u8])], text: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = text.get(at) {
        match joined(secrets, text, at) {
            Some((end, secret)) => {
                out.extend(format!("[redacted:{}]", secrets[secret].0).into_bytes());
                at = end;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Where what begins at `at`, and all that overlaps it, ends, and the value that begins it.
fn joined(secrets: &[(&str, &[u8])], text: &[u8], at: usize) -> Option<(usize, usize)> {
    let (mut end, first) = longest(secrets, text, at)?;
    let mut start = at + 1;
    while start < end {
        if let Some((further, _)) = longest(secrets, text, start) {
            end = end.max(further);
        }
        start += 1;
    }
    Some((end, first))
}

/// The end of the longest value that stands at `at`, and which it is: of equal ones the first.
fn longest(secrets: &[(&str, &[u8])], text: &[u8], at: usize) -> Option<(usize, usize)> {
    let stands = |value: &[u8]| !value.is_empty() && text[at..].starts_with(value);
    let standing = secrets.iter().enumerate().filter(|(_, (_, value))| stands(value));
    let longest = standing.max_by_key(|(number, (_, value))| (value.len(), std::cmp::Reverse(*number)));
    longest.map(|(number, (_, value))| (at + value.len(), number))
}

/// The value that a text still holds, if any.
#[must_use]
pub fn leak<'s>(secrets: &[(&'s str, &[u8])], text: &[u8]) -> Option<&'s str> {
    let holds = |value: &[u8]| !value.is_empty() && text.windows(value.len()).any(|window| window == value);
    secrets.iter().find(|(_, value)| holds(value)).map(|(name, _)| *name)
}

/// Cuts a text at places that some bytes choose: pieces of any length, empty ones too.
pub fn pieces<'t>(text: &'t [u8], cuts: &[u8]) -> Vec<&'t [u8]> {
    let mut rest = text;
    let mut pieces: Vec<&[u8]> = Vec::new();
    for &cut in cuts {
        let (piece, after) = rest.split_at(usize::from(cut).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}
