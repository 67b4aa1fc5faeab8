//! What leaves is clean: secrets are removed from everything that containers and engines print.
//!
//! A [`Redactor`] knows values and rules. Known values are found in every encoding that programs print them in; rules find
//! what has the form of a secret. Both put a mark, `[redacted:NAME]`, in its place. Digests, identifiers, paths and versions
//! are left as they are.
//!
//! Pure: no input or output, no clock, no environment.
//!
//! The parts: `variants` makes what a known value may look like, `grams` finds where one may begin, `walker` and `encoded` read it,
//! `known` holds them together. `ruleset` reads rules, `matcher` runs them with `assign`, `issued`, `headers`, `inserts` and `blocks`;
//! `names` and `values` judge `name = value`. `stream` and `document` apply both to bytes and to JSON,
//! `records` and `frames` to what engines cut into pieces. `unfinished` says what is held back when input pauses, `scalar`
//! which marks need quotes.

mod assign;
mod blocks;
#[cfg(test)]
mod corpus;
mod document;
mod encoded;
mod escaped;
mod frames;
mod grams;
mod headers;
mod inserts;
mod issued;
mod known;
mod maskable;
mod matcher;
#[cfg(any(test, feature = "fuzzing"))]
#[path = "../../../tests/src/naive_redactor.rs"]
#[allow(unreachable_pub, reason = "shared with the end-to-end tests by its path")]
#[allow(clippy::indexing_slicing, reason = "what tests compare with; a panic is how one fails")]
pub(crate) mod naive_redactor;
mod names;
mod records;
mod rule;
mod ruleset;
mod scalar;
mod span;
mod stream;
mod tally;
#[cfg(test)]
mod tests;
mod unfinished;
mod values;
mod variants;
mod verdict;
mod walker;

use std::fmt;
use std::sync::Arc;

use known::{Known, Secret};
pub(crate) use ruleset::RawRule;
pub use ruleset::{ExampleFailure, RuleError, RuleSet};
use span::Label;
pub use stream::RedactionStream;
pub use tally::Tally;

/// Removes known values, and what rules match, from text, bytes, documents and streams. Cheap to clone.
#[derive(Clone)]
pub struct Redactor {
    inner: Arc<Inner>,
}

struct Inner {
    known: Known,
    rules: RuleSet,
    lenient: bool,
    unmasked: Vec<UnmaskableSecret>,
    tally: Option<Tally>,
}

/// Builds a [`Redactor`]: values first, then rules.
#[derive(Clone, Debug)]
#[must_use]
pub struct RedactorBuilder {
    secrets: Vec<Secret>,
    rules: RuleSet,
    lenient: bool,
    unmasked: Vec<UnmaskableSecret>,
    tally: Option<Tally>,
}

/// A secret whose value can't be masked everywhere without making output useless. Says its name, never its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret `{name}` cannot be masked in output: {why}")]
#[non_exhaustive]
pub struct UnmaskableSecret {
    /// The secret's name.
    pub name: String,
    /// What is wrong with its value, and what would be right.
    pub why: &'static str,
}

impl Redactor {
    /// Begins a redactor with no values and no rules.
    pub fn builder() -> RedactorBuilder {
        RedactorBuilder {
            secrets: Vec::new(),
            rules: RuleSet::none(),
            lenient: false,
            unmasked: Vec::new(),
            tally: None,
        }
    }

    /// A redactor that knows one more value.
    ///
    /// # Errors
    /// The value is too short or too common to be masked, and the redactor is not lenient.
    pub fn with_secret(&self, name: &str, value: &[u8]) -> Result<Self, UnmaskableSecret> {
        Ok(self.to_builder().secret(name, value)?.build())
    }

    /// A builder that begins with what this redactor knows.
    pub fn to_builder(&self) -> RedactorBuilder {
        let Inner { known, rules, lenient, unmasked, tally } = &*self.inner;
        RedactorBuilder {
            secrets: known.secrets().to_vec(),
            rules: rules.clone(),
            lenient: *lenient,
            unmasked: unmasked.clone(),
            tally: tally.clone(),
        }
    }

    /// Redacts a text.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let bytes = self.bytes(text.as_bytes());
        // A span may begin inside a character where the text is not what was encoded.
        String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Redacts bytes, UTF-8 or not.
    #[must_use]
    pub fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let mut stream = self.stream();
        stream.push(bytes, &mut out);
        stream.finish(&mut out);
        out
    }

    /// The name of a known value that stands in `bytes` in any encoding: what holds one must not become a command line.
    #[must_use]
    pub fn find_secret(&self, bytes: &[u8]) -> Option<&str> {
        self.inner.known.find(bytes)
    }

    /// A redactor of one stream of text. Values may be added to it while it runs.
    #[must_use]
    pub fn stream(&self) -> RedactionStream {
        RedactionStream::plain(self.clone())
    }

    /// The same of what may be Docker's multiplexed streams, as its API sends them: what begins with the header of a frame
    /// is taken apart, each stream is redacted by itself, and what comes out is framed anew. Not for what a container may
    /// have written as it likes: it would choose what is read together.
    #[must_use]
    pub fn multiplexed_stream(&self) -> RedactionStream {
        RedactionStream::multiplexed(self.clone())
    }

    /// The secrets that a lenient builder accepted without masking them.
    #[must_use]
    pub fn unmasked(&self) -> &[UnmaskableSecret] {
        &self.inner.unmasked
    }

    /// Redacts a command line. The value of a flag may be the word behind it.
    #[must_use]
    pub fn words(&self, words: &[String]) -> Vec<String> {
        let mut clean: Vec<String> = words.iter().map(|word| self.text(word)).collect();
        for (pair, word) in words.windows(2).zip(clean.iter_mut().skip(1)) {
            let [flag, value] = pair else { continue };
            let lead = format!("{flag} ");
            if flag.starts_with('-') && !flag.contains('=') && !value.starts_with('-') && *word == *value {
                let both = self.text(&format!("{lead}{value}"));
                *word = both.strip_prefix(&lead).map_or_else(|| value.clone(), str::to_owned);
            }
        }
        clean
    }

    fn name_of(&self, label: Label) -> &str {
        match label {
            Label::Known(secret) => {
                self.inner.known.secrets().get(secret as usize).map_or("secret", |secret| &secret.name)
            }
            Label::Rule(rule) => self.inner.rules.list().get(rule as usize).map_or("rule", |rule| &rule.id),
        }
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Redactor")
            .field("known", &self.inner.known)
            .field("rules", &self.inner.rules)
            .finish_non_exhaustive()
    }
}

impl RedactorBuilder {
    /// Adds a known value. Blanks and line ends around it do not count.
    ///
    /// # Errors
    /// The value is too short or too common to be masked. A [`lenient`](Self::lenient) builder accepts it, unmasked.
    pub fn secret(mut self, name: &str, value: &[u8]) -> Result<Self, UnmaskableSecret> {
        match maskable::objection(value) {
            None => self.secrets.push(Secret { name: mark_name(name), value: value.to_vec() }),
            Some(why) => {
                let refused = UnmaskableSecret { name: name.to_owned(), why };
                if !self.lenient {
                    return Err(refused);
                }
                self.unmasked.push(refused);
            }
        }
        Ok(self)
    }

    /// Accepts values that can't be masked, and lists them in [`Redactor::unmasked`].
    pub fn lenient(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Sets the rules; without, there are none.
    pub fn rules(mut self, rules: RuleSet) -> Self {
        self.rules = rules;
        self
    }

    /// Counts what is masked, by this redactor and by those that are made from it.
    pub fn tally(mut self, tally: Tally) -> Self {
        self.tally = Some(tally);
        self
    }

    /// The redactor.
    #[must_use]
    pub fn build(self) -> Redactor {
        let Self { secrets, rules, lenient, unmasked, tally } = self;
        Redactor { inner: Arc::new(Inner { known: Known::new(secrets), rules, lenient, unmasked, tally }) }
    }
}

/// A name that can stand in a mark within any format: letters, digits and `_ . -`, at most 64.
fn mark_name(name: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    name.chars().take(64).map(|letter| if fits(letter) { letter } else { '_' }).collect()
}
