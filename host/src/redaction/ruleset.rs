//! Sets of rules: the built-in one, those that operators write, and what is wrong with a rule file.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::Redactor;
use super::matcher::Matcher;
use super::rule::{Compiled, Reader, Rule, compile};

/// The rule files that the host carries. The first rule that fits gives the mark its name.
const BUILTIN: &[(&str, &str)] = &[
    ("rules/structures.toml", include_str!("rules/structures.toml")),
    ("rules/commands.toml", include_str!("rules/commands.toml")),
    ("rules/cloud.toml", include_str!("rules/cloud.toml")),
    ("rules/telemetry.toml", include_str!("rules/telemetry.toml")),
    ("rules/code.toml", include_str!("rules/code.toml")),
    ("rules/models.toml", include_str!("rules/models.toml")),
    ("rules/messages.toml", include_str!("rules/messages.toml")),
    ("rules/money.toml", include_str!("rules/money.toml")),
    ("rules/services-a.toml", include_str!("rules/services-a.toml")),
    ("rules/services-m.toml", include_str!("rules/services-m.toml")),
    ("rules/generic.toml", include_str!("rules/generic.toml")),
];

/// An ordered set of rules. Cheap to clone; nothing is compiled before it is needed.
#[derive(Clone)]
pub struct RuleSet(Source);

#[derive(Clone)]
enum Source {
    None,
    Builtin,
    Rules(Arc<Rules>),
}

pub(crate) struct Rules {
    pub(crate) list: Vec<Arc<Rule>>,
    matcher: OnceLock<Matcher>,
}

/// A rule file that can't be used: where, what, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}; {right}")]
#[non_exhaustive]
pub struct RuleError {
    /// The file, as its reader named it.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub right: String,
}

/// An example of a rule that does not do what it says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: the rule {id} must {} {example:?}, which becomes {became:?}; mend the rule or its example",
    if *.must_match { "match" } else { "not match" })]
#[non_exhaustive]
pub struct ExampleFailure {
    /// The rule's identifier.
    pub id: String,
    /// The file that the rule stands in, as its reader named it.
    pub file: String,
    /// The line that the rule begins on.
    pub line: usize,
    /// The example.
    pub example: String,
    /// Whether the example is one that the rule must match.
    pub must_match: bool,
    /// What the example became.
    pub became: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default, rename = "rule")]
    rules: Vec<Spanned<RawRule>>,
}

/// A rule as a file says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    id: String,
    description: String,
    keywords: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    near: usize,
    #[serde(default, skip_serializing_if = "is_default")]
    keep: Vec<String>,
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    whole: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    except: Vec<String>,
    #[serde(default, rename = "match", skip_serializing_if = "is_default")]
    matches: Vec<String>,
    #[serde(default, rename = "no_match", skip_serializing_if = "is_default")]
    no_matches: Vec<String>,
}

fn yes() -> bool {
    true
}

fn is_yes(whole: &bool) -> bool {
    *whole
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Shortest keyword: shorter ones are found everywhere.
const MIN_KEYWORD: usize = 3;
/// Most bytes before its keyword that an expression may begin.
pub(crate) const MAX_NEAR: usize = 256;

impl RuleSet {
    /// The rules that the host carries.
    #[must_use]
    pub fn builtin() -> Self {
        Self(Source::Builtin)
    }

    /// No rules: known values alone are masked.
    #[must_use]
    pub fn none() -> Self {
        Self(Source::None)
    }

    /// Reads a rule file. `file` is its name in errors.
    ///
    /// # Errors
    /// The file is not TOML of the right shape, or one of its rules has a bad identifier, keyword or expression.
    pub fn parse(toml: &str, file: &str) -> Result<Self, RuleError> {
        checked(parse_rules(toml, file)?)
    }

    /// Rules that stand in a file of another kind.
    pub(crate) fn from_raw(rules: Vec<Spanned<RawRule>>, toml: &str, file: &str) -> Result<Self, RuleError> {
        checked(rules_of(rules, toml, file)?)
    }

    /// These rules, then those of `other`; a rule of `other` with an identifier that is here too takes its place.
    #[must_use]
    pub fn merged(&self, other: &RuleSet) -> Self {
        let mut list = self.list().to_vec();
        for rule in other.list() {
            match list.iter_mut().find(|known| known.id == rule.id) {
                Some(known) => *known = Arc::clone(rule),
                None => list.push(Arc::clone(rule)),
            }
        }
        Self::of(list)
    }

    /// Runs every rule's examples, and says which fail.
    #[must_use]
    pub fn run_examples(&self) -> Vec<ExampleFailure> {
        let redactor = Redactor::builder().rules(self.clone()).build();
        self.list().iter().flat_map(|rule| run_examples(&redactor, rule)).collect()
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list().len()
    }

    /// How many examples the rules have.
    #[must_use]
    pub fn example_count(&self) -> usize {
        self.list().iter().map(|rule| rule.matches.len() + rule.no_matches.len()).sum()
    }

    /// Whether there are no rules.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Source::None) || self.list().is_empty()
    }

    /// Identifiers and descriptions, in order.
    pub fn descriptions(&self) -> impl Iterator<Item = (&str, &str)> {
        self.list().iter().map(|rule| (rule.id.as_str(), rule.description.as_str()))
    }

    fn of(list: Vec<Arc<Rule>>) -> Self {
        Self(Source::Rules(Arc::new(Rules { list, matcher: OnceLock::new() })))
    }

    fn rules(&self) -> Option<&Rules> {
        match &self.0 {
            Source::None => None,
            Source::Builtin => Some(builtin_rules()),
            Source::Rules(rules) => Some(rules),
        }
    }

    pub(crate) fn list(&self) -> &[Arc<Rule>] {
        self.rules().map_or(&[], |rules| &rules.list)
    }

    /// The matcher over these rules, made when first asked for.
    pub(crate) fn matcher(&self) -> Option<&Matcher> {
        self.rules().map(|rules| rules.matcher.get_or_init(|| Matcher::new(rules.list.clone())))
    }
}

impl fmt::Debug for RuleSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::None => formatter.write_str("RuleSet(none)"),
            Source::Builtin => formatter.write_str("RuleSet(builtin)"),
            Source::Rules(rules) => write!(formatter, "RuleSet({} rules)", rules.list.len()),
        }
    }
}

fn builtin_rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| {
        // Files that do not parse would be found by the tests of this module.
        let files = BUILTIN.iter().filter_map(|(file, toml)| parse_rules(toml, file).ok());
        Rules { list: files.flatten().map(Arc::new).collect(), matcher: OnceLock::new() }
    })
}

fn run_examples(redactor: &Redactor, rule: &Rule) -> Vec<ExampleFailure> {
    let mark = format!("[redacted:{}]", rule.id);
    let positive = rule.matches.iter().map(|example| (example, true));
    let negative = rule.no_matches.iter().map(|example| (example, false));
    let check = |(example, must_match): (&String, bool)| {
        let became = redactor.text(example);
        (became.contains(&mark) != must_match).then(|| ExampleFailure {
            id: rule.id.clone(),
            file: rule.file.clone(),
            line: rule.line,
            example: example.clone(),
            must_match,
            became,
        })
    };
    positive.chain(negative).filter_map(check).collect()
}

fn checked(rules: Vec<Rule>) -> Result<RuleSet, RuleError> {
    rules.iter().try_for_each(check_expression)?;
    Ok(RuleSet::of(rules.into_iter().map(Arc::new).collect()))
}

fn parse_rules(toml: &str, file: &str) -> Result<Vec<Rule>, RuleError> {
    let raw: RawFile = toml::from_str(toml).map_err(|error| RuleError {
        file: file.to_owned(),
        line: line_of(toml, error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
        right: "a rule has id, description, keywords, one of expression, value or reader, and may have near, keep, whole, except, match, no_match".to_owned(),
    })?;
    rules_of(raw.rules, toml, file)
}

fn rules_of(raw: Vec<Spanned<RawRule>>, toml: &str, file: &str) -> Result<Vec<Rule>, RuleError> {
    let mut rules: Vec<Rule> = Vec::with_capacity(raw.len());
    let (mut line, mut counted) = (1, 0);
    for rule in raw {
        // Rules come in the order of the file.
        line += newlines(toml.get(counted..rule.span().start).unwrap_or_default());
        counted = rule.span().start;
        let rule = Place { file, line }.rule(rule.into_inner())?;
        if rules.iter().any(|known| known.id == rule.id) {
            return Err(Place { file, line }
                .error(format!("the identifier `{}` is taken", rule.id), "each rule of a file has its own"));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + newlines(text.get(..offset).unwrap_or(text))
}

fn newlines(text: &str) -> usize {
    memchr::memchr_iter(b'\n', text.as_bytes()).count()
}

struct Place<'f> {
    file: &'f str,
    line: usize,
}

impl Place<'_> {
    fn error(&self, what: impl Into<String>, right: impl Into<String>) -> RuleError {
        RuleError { file: self.file.to_owned(), line: self.line, what: what.into(), right: right.into() }
    }

    fn rule(&self, raw: RawRule) -> Result<Rule, RuleError> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if raw.id.is_empty() || !raw.id.bytes().all(fits) {
            return Err(self.error(format!("`{}` is no identifier", raw.id), "use a-z, 0-9 and `-`"));
        }
        let short = raw.keywords.iter().find(|keyword| keyword.len() < MIN_KEYWORD);
        if let Some(keyword) = short {
            return Err(self.error(format!("the keyword `{keyword}` is too short"), "a keyword has 3 bytes or more"));
        }
        if raw.keywords.is_empty() {
            return Err(self.error("there are no keywords", "name a word that every match holds"));
        }
        if raw.near > MAX_NEAR {
            return Err(self.error(format!("near is {}", raw.near), format!("near is {MAX_NEAR} at most")));
        }
        let reader = self.reader(&raw)?;
        let mut rule = Rule::new(raw.id, raw.description, raw.keywords, reader);
        rule.except = raw.except;
        (rule.matches, rule.no_matches) = (raw.matches, raw.no_matches);
        (rule.file, rule.line) = (self.file.to_owned(), self.line);
        Ok(rule)
    }

    fn reader(&self, raw: &RawRule) -> Result<Reader, RuleError> {
        match (&raw.expression, &raw.value, raw.reader.as_deref()) {
            (Some(source), None, None) => Ok(Reader::Expression {
                source: source.clone(),
                near: raw.near,
                keep: raw.keep.clone(),
                whole: raw.whole,
            }),
            (None, Some(source), None) => Ok(Reader::Value { source: source.clone() }),
            (None, None, Some("assignment")) => Ok(Reader::Assignment),
            (None, None, Some("named")) => Ok(Reader::Named),
            (None, None, Some("userinfo")) => Ok(Reader::Userinfo),
            (None, None, Some("cookie")) => Ok(Reader::Cookie),
            (None, None, Some("insert")) => Ok(Reader::Insert),
            (None, None, Some("private-key")) => Ok(Reader::PrivateKey),
            (None, None, Some(other)) => Err(self.error(
                format!("there is no reader `{other}`"),
                "the readers are assignment, named, userinfo, cookie, insert and private-key",
            )),
            _ => Err(self.error("a rule reads in one way", "give exactly one of expression, value and reader")),
        }
    }
}

fn check_expression(rule: &Rule) -> Result<(), RuleError> {
    let place = Place { file: &rule.file, line: rule.line };
    let (source, keep): (_, &[String]) = match &rule.reader {
        Reader::Expression { source, keep, .. } => (source, keep),
        Reader::Value { source } => (source, &[]),
        _ => return Ok(()),
    };
    let Compiled { regex, .. } = compile(source).map_err(|what| {
        place.error(format!("the expression does not compile: {what}"), "see the regex crate's syntax")
    })?;
    if regex.is_match(b"") {
        return Err(place.error("the expression matches nothing at all", "it must demand at least one byte"));
    }
    let groups: Vec<_> = regex.group_info().all_names().filter_map(|(_, _, name)| name).collect();
    match keep.iter().find(|name| !groups.contains(&name.as_str())) {
        Some(name) => {
            Err(place.error(format!("keep names `{name}`, which is no group"), "write the group as (?<name>…)"))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_file_parses_and_every_expression_compiles() {
        let mut ids = std::collections::BTreeSet::new();
        for (file, toml) in BUILTIN {
            let set = RuleSet::parse(toml, file).unwrap_or_else(|error| panic!("{error}"));
            for rule in set.list() {
                assert!(ids.insert(rule.id.clone()), "{} twice", rule.id);
                assert!(!rule.matches.is_empty(), "{} has no example", rule.id);
            }
        }
    }

    #[test]
    fn every_example_of_the_builtin_rules_holds() {
        let failures = RuleSet::builtin().run_examples();
        for failure in &failures {
            println!("{} (match: {}): {} -> {}", failure.id, failure.must_match, failure.example, failure.became);
        }
        assert!(failures.is_empty(), "{} examples fail", failures.len());
    }

    #[test]
    fn a_bad_rule_is_refused_with_its_line_and_what_would_be_right() {
        let rule = |body: &str| {
            RuleSet::parse(&format!("# one\n[[rule]]\nid = \"a\"\ndescription = \"b\"\n{body}"), "x.toml")
                .unwrap_err()
                .to_string()
        };
        assert!(
            rule("keywords = [\"abcd\"]\nexpression = 'ab(c'")
                .starts_with("x.toml:2: the expression does not compile: ")
        );
        assert!(
            rule("keywords = [\"ab\"]\nexpression = 'abc'")
                .contains("keyword `ab` is too short; a keyword has 3 bytes or more")
        );
        assert!(rule("keywords = [\"abc\"]").contains("give exactly one of expression, value and reader"));
        assert!(rule("keywords = [\"abc\"]\nexpression = 'x*'").contains("matches nothing"));
        assert!(rule("keywords = [\"abc\"]\nexpression = 'abc'\nkeep = [\"x\"]").contains("which is no group"));
        assert!(rule("keyword = [\"abc\"]").starts_with("x.toml:5: "));
    }
}
