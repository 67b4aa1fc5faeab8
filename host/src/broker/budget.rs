//! What one call of a guest's may use up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Refusal, Rule};
use crate::grants::{Effect, Grants, Limit, Object};

/// The counters of one call.
#[derive(Debug)]
pub(crate) struct Budget {
    commands: AtomicU64,
    words: AtomicU64,
    looks: AtomicU64,
    most_commands: u64,
    most_words: u64,
    most_looks: u64,
    effects: Mutex<BTreeMap<(&'static str, &'static str), u32>>,
}

impl Budget {
    pub(crate) fn of(grants: &Grants) -> Self {
        let limits = grants.limits();
        Self {
            commands: AtomicU64::new(0),
            words: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            most_commands: limits.value(Limit::Commands),
            most_words: limits.value(Limit::NarrationBytes),
            most_looks: limits.value(Limit::DeviceChecks),
            effects: Mutex::default(),
        }
    }

    /// One more command is asked for, allowed or not.
    pub(crate) fn spend_command(&self) -> Result<(), Refusal> {
        spend(&self.commands, 1, self.most_commands, "commands")
    }

    /// One more device node is looked at.
    pub(crate) fn spend_look(&self) -> Result<(), Refusal> {
        spend(&self.looks, 1, self.most_looks, "device checks")
    }

    /// Words are said, all of them or none.
    pub(crate) fn spend_words(&self, words: &str) -> Result<(), Refusal> {
        let length = words.len() as u64;
        let before = self.words.fetch_add(length.max(1), Ordering::Relaxed);
        let after = before.checked_add(length).filter(|after| *after <= self.most_words);
        let refusal =
            || Refusal::new(Rule::Budget, format!("one call may say {} bytes", self.most_words)).slot("narration");
        after.map(drop).ok_or_else(refusal)
    }

    /// How often the call had an effect.
    pub(crate) fn spent(&self, effect: Effect, object: Object) -> u32 {
        let effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        effects.get(&(effect.as_str(), object.as_str())).copied().unwrap_or_default()
    }

    /// The call has an effect.
    pub(crate) fn count(&self, effect: Effect, object: Object) {
        let mut effects = self.effects.lock().unwrap_or_else(PoisonError::into_inner);
        *effects.entry((effect.as_str(), object.as_str())).or_default() += 1;
    }
}

fn spend(counter: &AtomicU64, amount: u64, most: u64, what: &str) -> Result<(), Refusal> {
    if counter.fetch_add(amount, Ordering::Relaxed) < most {
        return Ok(());
    }
    Err(Refusal::new(Rule::Budget, format!("one call may ask for {most} {what}")))
}
