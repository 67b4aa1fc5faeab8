//! From a file to a standard: every key is known, every value has its type, every error has its place.

use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{BUILTIN, Demand, Standard};
use crate::spec::Gpus;

/// The most bytes of a file.
const SIZE_MAX: usize = 256 * 1024;

const ROOT: [&str; 10] =
    ["name", "about", "class", "runtime", "alias", "engine", "registries", "smoke", "services", "limits"];

/// What is wrong with a file, where, and the nearest right word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandardError {
    file: String,
    line: usize,
    column: usize,
    what: String,
}

impl fmt::Display for StandardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)
    }
}

impl std::error::Error for StandardError {}

/// The built-in example whose name is nearest to a word.
#[must_use]
pub fn nearest_builtin(word: &str) -> Option<&'static str> {
    crate::grants::nearest_word(word, BUILTIN.iter().map(|(name, _)| *name))
}

type Table<'a> = DeTable<'a>;
type Entry<'a> = Spanned<DeValue<'a>>;

struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl Source<'_> {
    fn error<T>(&self, at: usize, what: impl Into<String>) -> Result<T, StandardError> {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        Err(StandardError { file: self.file.to_owned(), line, column, what: what.into() })
    }

    fn only(&self, table: &Table<'_>, section: &str, known: &[&str]) -> Result<(), StandardError> {
        let unknown = table.keys().filter(|key| !known.contains(&&**key.get_ref()));
        let Some(key) = unknown.min_by_key(|key| key.span().start) else { return Ok(()) };
        let near = crate::grants::nearest_word(key.get_ref(), known.iter().copied());
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        self.error(key.span().start, format!("unknown key `{}` in {section}{near}", key.get_ref()))
    }

    fn mistyped<T>(&self, entry: &Entry<'_>, key: &str, wanted: &str) -> Result<T, StandardError> {
        let found = entry.get_ref().type_str();
        self.error(entry.span().start, format!("`{key}` should be {wanted}, not {found}"))
    }

    fn text<'t>(&self, entry: &'t Entry<'_>, key: &str) -> Result<&'t str, StandardError> {
        entry.get_ref().as_str().map_or_else(|| self.mistyped(entry, key, "a string"), Ok)
    }

    fn parsed<T>(&self, entry: &Entry<'_>, key: &str) -> Result<T, StandardError>
    where
        T: std::str::FromStr,
        T::Err: fmt::Display,
    {
        self.text(entry, key)?.parse().or_else(|error: T::Err| self.error(entry.span().start, error.to_string()))
    }

    fn demand(&self, entry: &Entry<'_>, key: &str) -> Result<Demand, StandardError> {
        let text = self.text(entry, key)?;
        let words = Demand::WORDS.map(|(word, _)| word);
        let found = Demand::WORDS.into_iter().find(|(word, _)| *word == text);
        found.map_or_else(
            || {
                let near = crate::grants::nearest_word(text, words).map(|near| format!("; did you mean `{near}`?"));
                let what = format!("`{key}` can't be {text:?}: it is one of {}", words.join(", "));
                self.error(entry.span().start, format!("{what}{}", near.unwrap_or_default()))
            },
            |(_, demand)| Ok(demand),
        )
    }

    fn list<'t, 'a>(&self, entry: &'t Entry<'a>, key: &str) -> Result<&'t [Entry<'a>], StandardError> {
        entry.get_ref().as_array().map_or_else(|| self.mistyped(entry, key, "a list"), |list| Ok(list.as_ref()))
    }

    fn table<'t, 'a>(&self, root: &'t Table<'a>, key: &str) -> Result<Option<&'t Table<'a>>, StandardError> {
        let Some(entry) = root.get(key) else { return Ok(None) };
        entry.get_ref().as_table().map_or_else(|| self.mistyped(entry, key, "a table"), |table| Ok(Some(table)))
    }

    /// A section of known keys; none where it is absent.
    fn section<'t, 'a>(
        &self,
        root: &'t Table<'a>,
        key: &str,
        known: &[&str],
    ) -> Result<Option<&'t Table<'a>>, StandardError> {
        let table = self.table(root, key)?;
        table.map_or(Ok(()), |table| self.only(table, &format!("[{key}]"), known))?;
        Ok(table)
    }
}

impl Standard {
    /// Reads a file.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, column and the nearest valid word.
    pub fn parse(text: &str, file: &str) -> Result<Self, StandardError> {
        let source = Source { file, text };
        if text.len() > SIZE_MAX {
            return source.error(0, format!("a standard has at most {SIZE_MAX} bytes"));
        }
        let parsed = DeTable::parse(text).or_else(|error| {
            source.error(error.span().unwrap_or_default().start, error.message().replace('\n', ", "))
        })?;
        let root = parsed.get_ref();
        source.only(root, "a standard", &ROOT)?;
        read(&source, root)
    }
}

fn read(source: &Source<'_>, root: &Table<'_>) -> Result<Standard, StandardError> {
    let text = |key: &str| root.get(key).map(|entry| source.text(entry, key).map(str::to_owned)).transpose();
    let Some(name) = text("name")? else { return source.error(0, "a standard needs the key `name`") };
    let mut standard = Standard {
        name,
        about: text("about")?,
        class: text("class")?,
        runtimes: Default::default(),
        aliases: Default::default(),
        daemon: Demand::Allowed,
        rootless: Demand::Allowed,
        graph_root: None,
        registries: None,
        smoke: false,
        smoke_gpus: Gpus::None,
        services: Vec::new(),
        memory_limits: Demand::Allowed,
    };
    for (class, entry) in source.table(root, "runtime")?.into_iter().flatten() {
        let runtime = source.text(entry, class.get_ref())?.to_owned();
        standard.runtimes.insert(class.get_ref().to_string(), runtime);
    }
    if standard.runtimes.is_empty() {
        return source.error(0, "a standard needs [runtime]: the backend of each class of host, or `any`");
    }
    for (name, entry) in source.table(root, "alias")?.into_iter().flatten() {
        standard.aliases.insert(name.get_ref().to_string(), source.demand(entry, name.get_ref())?);
    }
    engine(source, root, &mut standard)?;
    smoke(source, root, &mut standard)?;
    rest(source, root, &mut standard)?;
    Ok(standard)
}

fn engine(source: &Source<'_>, root: &Table<'_>, standard: &mut Standard) -> Result<(), StandardError> {
    let Some(table) = source.section(root, "engine", &["daemon", "rootless", "graph-root"])? else { return Ok(()) };
    let demand = |key: &str| table.get(key).map_or(Ok(Demand::Allowed), |entry| source.demand(entry, key));
    (standard.daemon, standard.rootless) = (demand("daemon")?, demand("rootless")?);
    if let Some(entry) = table.get("graph-root") {
        let path = source.text(entry, "graph-root")?;
        if !path.starts_with('/') {
            return source.error(entry.span().start, format!("{path:?} is no absolute path"));
        }
        standard.graph_root = Some(path.trim_end_matches('/').into());
    }
    Ok(())
}

fn smoke(source: &Source<'_>, root: &Table<'_>, standard: &mut Standard) -> Result<(), StandardError> {
    let Some(table) = source.section(root, "smoke", &["run", "gpus"])? else { return Ok(()) };
    if let Some(entry) = table.get("run") {
        let run = entry.get_ref().as_bool();
        standard.smoke = run.map_or_else(|| source.mistyped(entry, "run", "true or false"), Ok)?;
    }
    if let Some(entry) = table.get("gpus") {
        standard.smoke_gpus = source.parsed(entry, "gpus")?;
    }
    if standard.smoke_gpus != Gpus::None && !standard.smoke {
        let at = table.get("gpus").map(|entry| entry.span().start).unwrap_or_default();
        return source.error(at, "`gpus` says what a smoke run is given; it needs `run = true`");
    }
    Ok(())
}

fn rest(source: &Source<'_>, root: &Table<'_>, standard: &mut Standard) -> Result<(), StandardError> {
    if let Some(entry) = source.section(root, "registries", &["allow"])?.and_then(|table| table.get("allow")) {
        let names = source.list(entry, "allow")?.iter().map(|name| Ok(source.text(name, "allow")?.to_owned()));
        standard.registries = Some(names.collect::<Result<_, _>>()?);
    }
    if let Some(entry) = source.section(root, "services", &["running"])?.and_then(|table| table.get("running")) {
        let names = source.list(entry, "running")?.iter().map(|name| source.parsed(name, "running"));
        standard.services = names.collect::<Result<_, _>>()?;
    }
    if let Some(entry) = source.section(root, "limits", &["memory"])?.and_then(|table| table.get("memory")) {
        standard.memory_limits = source.demand(entry, "memory")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_load_under_their_names() {
        for (name, text) in BUILTIN {
            let standard = Standard::parse(text, name).unwrap();
            assert_eq!(standard.name, name);
            assert_eq!(standard.class_of(None).unwrap(), name);
        }
        assert_eq!(nearest_builtin("sever"), Some("server"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_nearest_word() {
        const HEAD: &str = "name = \"s\"\n[runtime]\nserver = \"any\"\n";
        for (tail, expected) in [
            ("[engin]\n", "s.toml:4:2: unknown key `engin` in a standard; did you mean `engine`?"),
            (
                "[engine]\nrootles = \"required\"\n",
                "s.toml:5:1: unknown key `rootles` in [engine]; did you mean `rootless`?",
            ),
            ("[engine]\ndaemon = \"require\"\n", "did you mean `required`?"),
            ("[engine]\ngraph-root = \"var\"\n", "s.toml:5:14: \"var\" is no absolute path"),
            ("[smoke]\nrun = 1\n", "`run` should be true or false, not integer"),
            ("[smoke]\ngpus = \"0\"\n", "it needs `run = true`"),
            ("[services]\nrunning = [\"a/b\"]\n", "s.toml:5:12"),
            ("[limits]\nmemory = []\n", "should be a string, not array"),
        ] {
            let error = Standard::parse(&format!("{HEAD}{tail}"), "s.toml").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Standard::parse("name = \"s\"\n", "s.toml").unwrap_err().to_string().contains("[runtime]"));
        assert!(Standard::parse("[runtime]\na = \"any\"\n", "s.toml").is_err());
    }

    #[test]
    fn a_class_is_chosen_or_has_to_be() {
        let standard = Standard::parse("name = \"s\"\n[runtime]\na = \"any\"\nb = \"x\"\n", "s.toml").unwrap();
        assert!(standard.class_of(None).is_err() && standard.class_of(Some("c")).is_err());
        assert_eq!(standard.class_of(Some("b")).unwrap(), "b");
    }
}
