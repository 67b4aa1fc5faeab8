//! Whether a container is well, as the engine's own document has it.

use std::time::Duration;

use serde_json::Value;

use super::document::{number, text, texts};
use super::settings::Compared;
use crate::grants::ContainerEvidence;
use crate::spec::{HealthCheck, words};

/// Whether a container is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Health {
    /// Too early to tell.
    Starting,
    /// It is well.
    Healthy,
    /// It is not.
    Unhealthy,
}

impl Health {
    /// From an engine's word; none where the container has no health check.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "starting" => Some(Self::Starting),
            "healthy" => Some(Self::Healthy),
            "unhealthy" => Some(Self::Unhealthy),
            _ => None,
        }
    }

    /// As people read it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// The health check that a container was given, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checkup {
    pub(crate) health: Option<Health>,
    /// The command, as the engine has it.
    test: Vec<String>,
    /// Whether the command was looked for.
    looked: bool,
    /// Nanoseconds.
    interval: Option<i64>,
    timeout: Option<i64>,
    start_period: Option<i64>,
    retries: Option<i64>,
    /// What the engine has noted of the checks so far; only whether it changes counts.
    pub(crate) noted: String,
}

impl Checkup {
    pub(crate) fn read(document: &Value, grant: &ContainerEvidence) -> Self {
        let number = |pointer: &Option<String>| number(document, pointer.as_deref());
        let word = text(document, grant.health.as_deref()).unwrap_or_default();
        let parent = grant.health.as_deref().and_then(|pointer| pointer.rsplit_once('/')).map(|(parent, _)| parent);
        Self {
            health: Health::parse(&word),
            test: texts(document, grant.health_test.as_deref()),
            looked: grant.health_test.is_some(),
            interval: number(&grant.health_interval),
            timeout: number(&grant.health_timeout),
            start_period: number(&grant.health_start_period),
            retries: number(&grant.health_retries),
            noted: parent.and_then(|parent| document.pointer(parent)).map(ToString::to_string).unwrap_or_default(),
        }
    }

    /// Between two checks; an engine's default where the document does not tell.
    pub(crate) fn interval(&self) -> Duration {
        let nanos = self.interval.and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0);
        nanos.map_or(Duration::from_secs(30), Duration::from_nanos)
    }

    /// Whether the engine has exactly the check that was asked for. What the grants do not look at is not compared.
    pub(crate) fn is_of(&self, asked: &HealthCheck, grant: &ContainerEvidence) -> bool {
        let same = |pointer: &Option<String>, seen: Option<i64>, asked: u128| {
            // An engine leaves out what is zero.
            pointer.is_none() || seen.and_then(|seen| u128::try_from(seen).ok()).unwrap_or_default() == asked
        };
        (grant.health_test.is_none() || self.runs(&asked.words))
            && same(&grant.health_interval, self.interval, asked.interval.as_nanos())
            && same(&grant.health_timeout, self.timeout, asked.timeout.as_nanos())
            && same(&grant.health_start_period, self.start_period, asked.start_period.as_nanos())
            && same(&grant.health_retries, self.retries, asked.retries.into())
    }

    /// What is told of it, beside what is asked for now. An image may bring a check of its own.
    pub(crate) fn against(&self, asked: Option<&HealthCheck>) -> Option<Compared> {
        let none = || "none".to_owned();
        let existing = match (self.test.as_slice(), asked) {
            ([], _) => none(),
            ([kind], _) if kind == "NONE" => none(),
            (_, Some(asked)) if self.runs(&asked.words) => self.told(&asked.words),
            (test, _) => self.told(test),
        };
        let wanted = asked.map_or_else(none, |asked| Self::of(asked).told(&asked.words));
        self.looked.then(|| Compared::of("health", existing, wanted))
    }

    /// As an engine would have it.
    fn of(asked: &HealthCheck) -> Self {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).ok();
        Self {
            interval: nanos(asked.interval),
            timeout: nanos(asked.timeout),
            start_period: nanos(asked.start_period),
            retries: Some(asked.retries.into()),
            ..Self::default()
        }
    }

    fn told(&self, words: &[String]) -> String {
        let time = |nanos: Option<i64>| Duration::from_nanos(nanos.unwrap_or_default().unsigned_abs());
        let (interval, timeout, start) = (time(self.interval), time(self.timeout), time(self.start_period));
        let retries = self.retries.unwrap_or_default();
        format!("{words:?} every {interval:?} within {timeout:?}, {retries} times, after {start:?}")
    }

    /// Without a shell, or by one that finds every word in quotes.
    fn runs(&self, asked: &[String]) -> bool {
        match self.test.as_slice() {
            [kind, words @ ..] if kind == "CMD" => words == asked,
            [kind, line] if kind == "CMD-SHELL" => *line == words::to_shell(asked),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::Grants;
    use serde_json::json;

    fn grant(text: &str) -> ContainerEvidence {
        Grants::parse(text, "backend").unwrap().evidence().container.clone().unwrap()
    }

    const PODMAN: &str = include_str!("../../../plugins/podman/grants.toml");
    const DOCKER: &str = include_str!("../../../plugins/docker/grants.toml");

    fn check() -> HealthCheck {
        HealthCheck::new(vec!["/bin/x".to_owned(), "it's".to_owned()]).unwrap()
    }

    fn document(test: Value) -> Value {
        let seconds = 30_000_000_000_i64;
        json!({
            "State": {"Health": {"Status": "starting", "FailingStreak": 0, "Log": null}},
            "Config": {"Healthcheck": {"Test": test, "Interval": seconds, "Timeout": seconds, "Retries": 3}},
        })
    }

    #[test]
    fn the_very_check_is_known_in_both_spellings() {
        for text in [PODMAN, DOCKER] {
            let grant = grant(text);
            let is_it = |test| Checkup::read(&document(test), &grant).is_of(&check(), &grant);
            assert!(is_it(json!(["CMD", "/bin/x", "it's"])));
            assert!(is_it(json!(["CMD-SHELL", r"'/bin/x' 'it'\''s'"])));
            for other in [json!(["CMD", "/bin/x"]), json!(["CMD-SHELL", "/bin/x it's"]), json!(["NONE"]), json!(null)] {
                assert!(!is_it(other.clone()), "{other}");
            }
        }
    }

    #[test]
    fn other_times_are_another_check() {
        let grant = grant(PODMAN);
        let seen = Checkup::read(&document(json!(["CMD", "/bin/x", "it's"])), &grant);
        let other = |change: fn(&mut HealthCheck)| {
            let mut asked = check();
            change(&mut asked);
            seen.is_of(&asked, &grant)
        };
        assert!(other(|_| {}));
        assert!(!other(|check| check.interval = Duration::from_secs(1)));
        assert!(!other(|check| check.timeout = Duration::from_secs(1)));
        assert!(!other(|check| check.start_period = Duration::from_secs(1)));
        assert!(!other(|check| check.retries = 1));
        assert_eq!((seen.health, seen.interval()), (Some(Health::Starting), Duration::from_secs(30)));
    }

    #[test]
    fn no_check_is_no_health() {
        let seen = Checkup::read(&json!({"State": {"Health": {"Status": ""}}}), &grant(PODMAN));
        assert_eq!(seen.health, None);
        assert_eq!(Checkup::read(&json!({}), &grant(DOCKER)).health, None);
    }
}
