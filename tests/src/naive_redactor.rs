//! A redactor that is as simple as can be: quadratic, of known values alone, as they are. What the real one does is compared
//! with it. It needs nothing but the standard library, so that a test or a fuzz target can take the file by its path.

/// Removes every occurrence of every value. Occurrences that overlap become one mark, that of the first value given.
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

/// Where what begins at `at`, and all that overlaps it, ends, and the first of the values in it.
fn joined(secrets: &[(&str, &[u8])], text: &[u8], at: usize) -> Option<(usize, usize)> {
    let (mut end, mut first) = longest(secrets, text, at)?;
    let mut start = at + 1;
    while start < end {
        if let Some((further, secret)) = longest(secrets, text, start) {
            end = end.max(further);
            first = first.min(secret);
        }
        start += 1;
    }
    Some((end, first))
}

/// The end of the longest value that stands at `at`, and the first of those that do.
fn longest(secrets: &[(&str, &[u8])], text: &[u8], at: usize) -> Option<(usize, usize)> {
    let stands = |(_, (_, value)): &(usize, &(&str, &[u8]))| !value.is_empty() && text[at..].starts_with(value);
    let standing = secrets.iter().enumerate().filter(stands);
    standing.fold(None, |best, (number, (_, value))| {
        let (end, first) = best.unwrap_or((0, number));
        Some((end.max(at + value.len()), first))
    })
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
