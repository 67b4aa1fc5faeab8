//! Strict reading of TOML: every key is known, every value has its type, every error has its place.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::GrantsError;

/// A file and its text, to say where something stands.
#[derive(Debug)]
pub(super) struct Source<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    pub(super) const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'a>>, GrantsError> {
        DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let named = error.message() == "duplicate key";
            let key = self.text.get(span.clone()).filter(|_| named).map(|key| format!(" `{key}`")).unwrap_or_default();
            self.error(span.start, format!("{}{key}", error.message().replace('\n', ", ")))
        })
    }

    pub(super) fn root<'t>(&'t self, table: &'t Spanned<DeTable<'a>>) -> Section<'t> {
        Section { source: self, table: table.get_ref(), at: 0, name: "a grants file" }
    }

    /// An error at this byte.
    pub(super) fn error(&self, at: usize, what: impl Into<String>) -> GrantsError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        GrantsError::new(self.file, (line, column), what)
    }
}

/// A table whose keys are being read.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    table: &'a DeTable<'a>,
    at: usize,
    name: &'a str,
}

impl<'a> Section<'a> {
    /// Refuses every key but these.
    pub(super) fn only(&self, keys: &[&str]) -> Result<(), GrantsError> {
        match self.entries().into_iter().find(|entry| !keys.contains(&entry.key)) {
            None => Ok(()),
            Some(entry) => {
                let what = format!("unknown key `{}` in {}", entry.key, self.title());
                Err(self.source.error(entry.key_at, what).near(entry.key, keys.iter().copied()))
            }
        }
    }

    /// What is read, for messages.
    fn title(&self) -> String {
        if self.at == 0 { self.name.to_owned() } else { format!("`{}`", self.name) }
    }

    /// Its entries, in the order of the file.
    pub(super) fn entries(&self) -> Vec<Entry<'a>> {
        let mut entries: Vec<_> = self.table.iter().map(|(key, value)| self.entry(key, value)).collect();
        entries.sort_by_key(|entry| entry.key_at);
        entries
    }

    fn entry(&self, key: &'a Spanned<std::borrow::Cow<'a, str>>, value: &'a Spanned<DeValue<'a>>) -> Entry<'a> {
        Entry { source: self.source, key: key.get_ref(), key_at: key.span().start, value }
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        self.table.get_key_value(key).map(|(key, value)| self.entry(key, value))
    }

    pub(super) fn need(&self, key: &str) -> Result<Entry<'a>, GrantsError> {
        self.get(key).ok_or_else(|| self.error(format!("{} needs the key `{key}`", self.title())))
    }

    /// An error about the section as a whole.
    pub(super) fn error(&self, what: impl Into<String>) -> GrantsError {
        self.source.error(self.at, what)
    }

    /// The line that it begins in, from 1.
    pub(super) fn line(&self) -> usize {
        self.source.error(self.at, "").line()
    }

    /// The sections in the table of this key; none where it is absent.
    pub(super) fn sections(&self, key: &str) -> Result<Vec<Section<'a>>, GrantsError> {
        let Some(entry) = self.get(key) else { return Ok(Vec::new()) };
        entry.section()?.entries().into_iter().map(|entry| entry.section()).collect()
    }

    /// The texts of this key; none where it is absent.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, GrantsError> {
        self.get(key).map_or(Ok(Vec::new()), |entry| entry.texts())
    }

    pub(super) const fn name(&self) -> &'a str {
        self.name
    }
}

/// One value, and the key that it stands under.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    source: &'a Source<'a>,
    pub(super) key: &'a str,
    key_at: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Entry<'a> {
    /// An error about the value.
    pub(super) fn error(&self, what: impl Into<String>) -> GrantsError {
        self.source.error(self.value.span().start, what)
    }

    /// An error about the key.
    pub(super) fn key_error(&self, what: impl Into<String>) -> GrantsError {
        self.source.error(self.key_at, what)
    }

    fn mistyped(&self, wanted: &str) -> GrantsError {
        self.error(format!("`{}` should be {wanted}, not {}", self.key, self.value.get_ref().type_str()))
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(super) fn text(&self) -> Result<&'a str, GrantsError> {
        self.value.get_ref().as_str().ok_or_else(|| self.mistyped("a string"))
    }

    pub(super) fn boolean(&self) -> Result<bool, GrantsError> {
        self.value.get_ref().as_bool().ok_or_else(|| self.mistyped("true or false"))
    }

    pub(super) fn number(&self) -> Result<u64, GrantsError> {
        let integer = self.value.get_ref().as_integer().ok_or_else(|| self.mistyped("a whole number"))?;
        u64::from_str_radix(integer.as_str(), integer.radix())
            .map_err(|_| self.error(format!("`{}` should be a number from 0 on", self.key)))
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, GrantsError> {
        let array = self.value.get_ref().as_array().ok_or_else(|| self.mistyped("a list"))?;
        Ok(array.iter().map(|value| Self { value, key_at: value.span().start, ..*self }).collect())
    }

    /// A list in which no text stands twice.
    pub(super) fn distinct(&self) -> Result<Vec<Self>, GrantsError> {
        let list = self.list()?;
        let text = |entry: &Self| entry.value.get_ref().as_str();
        let again = list.iter().enumerate().find(|(at, entry)| {
            text(entry).is_some_and(|one| list.iter().take(*at).any(|other| text(other) == Some(one)))
        });
        let twice = again.map(|(_, entry)| {
            entry.error(format!("{:?} stands twice in `{}`", text(entry).unwrap_or_default(), self.key))
        });
        twice.map_or(Ok(list), Err)
    }

    pub(super) fn texts(&self) -> Result<Vec<String>, GrantsError> {
        self.list()?.iter().map(|entry| entry.text().map(str::to_owned)).collect()
    }

    pub(super) fn section(&self) -> Result<Section<'a>, GrantsError> {
        let table = self.value.get_ref().as_table().ok_or_else(|| self.mistyped("a table"))?;
        Ok(Section { source: self.source, table, at: self.key_at, name: self.key })
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, GrantsError> {
        let text = self.text()?;
        let words = || choices.iter().map(|(word, _)| *word);
        choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let all = words().collect::<Vec<_>>().join(", ");
            self.error(format!("`{}` can't be {text:?}: it is one of {all}", self.key)).near(text, words())
        })
    }
}
