//! Moments in time, and the spellings of them that the engines read and print.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since 1970; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(crate) fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Seconds since 1970; what the engines print for a time that has not come is the year 1.
    pub(crate) fn seconds(self) -> i64 {
        if self.0 == 0 { -62_135_596_800 } else { i64::try_from(self.0 / SECOND).unwrap_or(i64::MAX) }
    }

    /// `2026-11-22T15:36:05.681857357Z`, without the zeros at the end; `0001-01-01T00:00:00Z` for never.
    pub(crate) fn rfc3339(self) -> String {
        if self.0 == 0 {
            return "0001-01-01T00:00:00Z".to_owned();
        }
        let fraction = format!("{:09}", self.0 % SECOND);
        match fraction.trim_end_matches('0') {
            "" => format!("{}Z", self.date_time('T')),
            fraction => format!("{}.{fraction}Z", self.date_time('T')),
        }
    }

    /// With all nine digits and this offset after them, as logs have it.
    pub(crate) fn padded(self, offset: &str) -> String {
        format!("{}.{:09}{offset}", self.date_time('T'), self.0 % SECOND)
    }

    /// `2026-11-22 15:36:05 +0000 UTC`.
    pub(crate) fn spoken(self) -> String {
        format!("{} +0000 UTC", self.date_time(' '))
    }

    fn date_time(self, between: char) -> String {
        let seconds = self.0 / SECOND;
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}{between}{hour:02}:{minute:02}:{second:02}")
    }

    /// RFC 3339, seconds since 1970, or a span before now such as `1h30m`: what `logs --since` takes.
    pub(crate) fn parse(text: &str, now: Self) -> Option<Self> {
        parse_seconds(text).or_else(|| parse_span(text).map(|span| now.before(span))).or_else(|| parse_rfc3339(text))
    }
}

/// The civil date of a day since 1970-01-01 (proleptic Gregorian; the usual algorithm of eras of 400 years).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The inverse of [`date`].
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year).saturating_sub(719_468)
}

fn parse_seconds(text: &str) -> Option<Moment> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds: u64 = seconds.parse().ok()?;
    Some(Moment(seconds.checked_mul(SECOND)?.checked_add(parse_fraction(fraction)?)?))
}

fn parse_fraction(digits: &str) -> Option<u64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

fn parse_span(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len()));
        let seconds = number.parse::<f64>().ok()? * unit_seconds(unit)?;
        sum += Duration::try_from_secs_f64(seconds).ok()?;
        rest = tail;
    }
    (!text.is_empty()).then_some(sum)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

pub(crate) fn parse_rfc3339(text: &str) -> Option<Moment> {
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00Z"));
    let mut parts = date.split('-').map(str::parse::<u64>);
    let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (clock, ahead) = split_offset(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let seconds = i64::try_from(days(year, month, day) * 86_400).ok()? + parse_clock(clock)? - ahead;
    Some(Moment(u64::try_from(seconds).ok()?.checked_mul(SECOND)? + parse_fraction(fraction)?))
}

/// The time of day without its offset, and how many seconds the offset is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (clock, offset) = time.split_at(at);
    let ahead = parse_clock(offset.get(1..)?)?;
    Some((clock, if offset.starts_with('-') { -ahead } else { ahead }))
}

fn parse_clock(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let mut next = || parts.next().transpose().ok().map(Option::unwrap_or_default);
    Some(next()? * 3600 + next()? * 60 + next()?)
}

/// `3 seconds`, `2 hours`: the way `ps` says it.
pub(crate) fn ago(span: Duration) -> String {
    match span.as_secs() {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        seconds @ 2..60 => format!("{seconds} seconds"),
        seconds @ 60..3600 => format!("{} minutes", seconds / 60),
        seconds @ 3600..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

pub(crate) fn since(moment: Moment) -> Duration {
    Duration::from_nanos(Moment::now().0.saturating_sub(moment.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Moment = Moment(1_795_361_765_681_857_357);

    #[test]
    fn prints_as_the_engines_do() {
        assert_eq!(SAMPLE.rfc3339(), "2026-11-22T15:36:05.681857357Z");
        assert_eq!(Moment(1_577_836_800 * SECOND).rfc3339(), "2020-01-01T00:00:00Z");
        assert_eq!(Moment::default().rfc3339(), "0001-01-01T00:00:00Z");
        assert_eq!(SAMPLE.padded("+00:00"), "2026-11-22T15:36:05.681857357+00:00");
        assert_eq!(SAMPLE.spoken(), "2026-11-22 15:36:05 +0000 UTC");
    }

    #[test]
    fn reads_back_what_it_prints() {
        for seconds in [1, 951_782_400, 1_709_164_800, 1_735_689_599, 4_102_444_800] {
            let moment = Moment(seconds * SECOND + 120_000_000);
            assert_eq!(parse_rfc3339(&moment.rfc3339()), Some(moment));
        }
    }

    #[test]
    fn since_takes_times_seconds_and_spans() {
        let now = Moment(10_000 * SECOND);
        assert_eq!(Moment::parse("12.5", now), Some(Moment(12 * SECOND + SECOND / 2)));
        assert_eq!(Moment::parse("1h30m", now), Some(Moment(4600 * SECOND)));
        assert_eq!(Moment::parse("1970-01-01T01:00:00+01:00", now), Some(Moment(0)));
        assert_eq!(Moment::parse("2020-01-01", now), Some(Moment(1_577_836_800 * SECOND)));
        for wrong in ["", "yesterday", "5x", "1969-01-01", "2020-13-01"] {
            assert_eq!(Moment::parse(wrong, now), None, "{wrong}");
        }
    }
}
