//! One rule of a rule set: a pattern that secrets of one kind have, and examples of it.

use std::fmt;
use std::sync::OnceLock;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// How the secret is found once a keyword was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// An expression that begins with the keyword, or up to `near` bytes before it.
    Expression { source: String, near: usize, keep: Vec<String>, whole: bool },
    /// The value of an assignment whose name holds the keyword, if the whole of it matches.
    Value { source: String },
    /// The value of any assignment whose name says that it is secret.
    Assignment,
    /// The value of a pair whose other half is its name: `name: DB_PASSWORD`, `value: …`.
    Named,
    /// The password in `scheme://user:password@host`.
    Userinfo,
    /// The values in a `Cookie` or `Set-Cookie` header.
    Cookie,
    /// The columns of secrets in the rows of an SQL statement.
    Insert,
    /// A private key between `BEGIN` and `END`, on any number of lines.
    PrivateKey,
}

/// A rule: what it is called, what triggers it, how it reads, and its examples.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) keywords: Vec<String>,
    pub(crate) reader: Reader,
    /// Values of this form that their issuer publishes as examples.
    pub(crate) except: Vec<String>,
    pub(crate) matches: Vec<String>,
    pub(crate) no_matches: Vec<String>,
    pub(crate) file: String,
    pub(crate) line: usize,
    compiled: OnceLock<Option<Compiled>>,
}

/// An expression, compiled.
pub(crate) struct Compiled {
    pub(crate) regex: Regex,
    /// The longest that it matches, in bytes; none where there is no bound.
    longest: Option<usize>,
}

/// Memory for the compiled form of one expression, in bytes.
const EXPRESSION_SIZE: usize = 1 << 20;
/// Memory for the cache of one expression, in bytes.
const CACHE_SIZE: usize = 1 << 16;

impl Rule {
    pub(crate) fn new(id: String, description: String, keywords: Vec<String>, reader: Reader) -> Self {
        let (matches, no_matches) = (Vec::new(), Vec::new());
        Self {
            id,
            description,
            keywords,
            reader,
            except: Vec::new(),
            matches,
            no_matches,
            file: String::new(),
            line: 0,
            compiled: OnceLock::new(),
        }
    }

    /// The rule's expression, compiled when it is first needed.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        Some(&self.compiled()?.regex)
    }

    /// The longest that the rule's expression matches, in bytes; none where there is no bound.
    pub(crate) fn longest(&self) -> Option<usize> {
        self.compiled()?.longest
    }

    /// Whether what its expression matches is kept up to the secret that it ends with, as in a command line.
    pub(crate) fn ends_with_secret(&self) -> bool {
        matches!(&self.reader, Reader::Expression { keep, .. } if keep.as_slice() == ["head"])
    }

    fn compiled(&self) -> Option<&Compiled> {
        let source = match &self.reader {
            Reader::Expression { source, .. } | Reader::Value { source } => source,
            _ => return None,
        };
        self.compiled.get_or_init(|| compile(source).ok()).as_ref()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Rule").field("id", &self.id).field("reader", &self.reader).finish_non_exhaustive()
    }
}

/// Compiles an expression over bytes: ASCII classes, no Unicode tables, bounded memory.
pub(crate) fn compile(source: &str) -> Result<Compiled, String> {
    let syntax = syntax::Config::new().unicode(false).utf8(false);
    let config = Regex::config()
        .utf8_empty(false)
        .nfa_size_limit(Some(EXPRESSION_SIZE))
        .hybrid_cache_capacity(CACHE_SIZE)
        .onepass_size_limit(Some(CACHE_SIZE));
    let parsed = syntax::parse_with(source, &syntax).map_err(|error| last_line(&error.to_string()))?;
    let built = Regex::builder().configure(config).build_from_hir(&parsed);
    let regex = built.map_err(|error| last_line(&error.to_string()))?;
    Ok(Compiled { regex, longest: parsed.properties().maximum_len() })
}

fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
