//! The values of a command's slots.

use std::collections::BTreeMap;

use super::slot::Slot;

/// One value of one slot: ordered pairs of field and text. A scalar has the single field `""`, a flag has none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Binding(Vec<(String, String)>);

impl Binding {
    /// The value of a scalar slot.
    pub fn scalar(text: impl Into<String>) -> Self {
        Self(vec![(String::new(), text.into())])
    }

    /// The presence of a flag.
    #[must_use]
    pub const fn flag() -> Self {
        Self(Vec::new())
    }

    /// One value of a repeated slot.
    pub fn fields<K: Into<String>, V: Into<String>>(fields: impl IntoIterator<Item = (K, V)>) -> Self {
        Self(fields.into_iter().map(|(name, text)| (name.into(), text.into())).collect())
    }

    /// The text of a field; `""` names a scalar's.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str())
    }

    /// Its pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The values of all slots of one command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Bindings(BTreeMap<Slot, Vec<Binding>>);

impl Bindings {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value at the end of its slot's.
    pub fn insert(&mut self, slot: Slot, binding: Binding) {
        self.0.entry(slot).or_default().push(binding);
    }

    /// Puts one value in the place of all of its slot's.
    pub(crate) fn set(&mut self, slot: Slot, binding: Binding) {
        self.0.insert(slot, vec![binding]);
    }

    /// The values of a slot, in order; empty where there is none.
    #[must_use]
    pub fn get(&self, slot: Slot) -> &[Binding] {
        self.0.get(&slot).map_or(&[], Vec::as_slice)
    }

    /// Slots that have values, in the order of the catalogue.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &[Binding])> {
        self.0.iter().map(|(slot, values)| (*slot, values.as_slice()))
    }
}

impl FromIterator<(Slot, Binding)> for Bindings {
    fn from_iter<I: IntoIterator<Item = (Slot, Binding)>>(values: I) -> Self {
        let mut bindings = Self::new();
        values.into_iter().for_each(|(slot, binding)| bindings.insert(slot, binding));
        bindings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_order() {
        let mut bindings = Bindings::new();
        for word in ["b", "a", "b"] {
            bindings.insert(Slot::Word, Binding::fields([("word", word)]));
        }
        let words: Vec<_> = bindings.get(Slot::Word).iter().filter_map(|value| value.field("word")).collect();
        assert_eq!(words, ["b", "a", "b"]);
        assert!(bindings.get(Slot::Memory).is_empty());
    }

    #[test]
    fn a_flag_has_no_field_and_a_scalar_has_one_without_a_name() {
        assert_eq!(Binding::flag().field(""), None);
        assert_eq!(Binding::scalar("x").field(""), Some("x"));
    }
}
