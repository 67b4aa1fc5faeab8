//! Signals by name and number.

use rustix::process::Signal;

const NAMES: [(&str, i32, Signal); 9] = [
    ("HUP", 1, Signal::HUP),
    ("INT", 2, Signal::INT),
    ("QUIT", 3, Signal::QUIT),
    ("ABRT", 6, Signal::ABORT),
    ("KILL", 9, Signal::KILL),
    ("USR1", 10, Signal::USR1),
    ("USR2", 12, Signal::USR2),
    ("TERM", 15, Signal::TERM),
    ("WINCH", 28, Signal::WINCH),
];

fn find(text: &str) -> Option<(&'static str, i32, Signal)> {
    let bare = text.to_ascii_uppercase();
    let bare = bare.trim_start_matches("SIG");
    NAMES.into_iter().find(|(name, number, _)| *name == bare || bare.parse() == Ok(*number))
}

/// `KILL`, `SIGKILL`, `9`; TERM where nothing is said.
pub(crate) fn parse(text: &str) -> Option<Signal> {
    if text.is_empty() { Some(Signal::TERM) } else { find(text).map(|(_, _, signal)| signal) }
}

/// Its number; that of TERM where nothing is said.
pub(crate) fn number(text: &str) -> i32 {
    find(text).map_or(15, |(_, number, _)| number)
}

/// `SIGTERM`.
pub(crate) fn name(signal: Signal) -> String {
    let known = NAMES.into_iter().find(|(_, _, known)| *known == signal);
    known.map_or_else(|| "SIG?".to_owned(), |(name, _, _)| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_mean_the_same() {
        assert_eq!(["KILL", "SIGKILL", "sigkill", "9"].map(parse), [Some(Signal::KILL); 4]);
        assert_eq!((parse(""), parse("NONE"), number("")), (Some(Signal::TERM), None, 15));
        assert_eq!(name(Signal::TERM), "SIGTERM");
    }
}
