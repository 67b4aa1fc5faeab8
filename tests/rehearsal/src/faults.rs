//! Misbehaviour on demand: the file `faults`, one `command:fault` a line, `*` for every command.
//!
//! The crate's own page lists them.

/// One kind of misbehaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Hang,
    HangAfter,
    Slow(u64),
    Flood,
    FloodStderr,
    Garbage,
    HugeJson,
    HalfUtf8,
    Die,
    DieHalfway,
    Exit(u8),
    Fail,
    FailSeveral,
    Ignore,
    LeakEnv,
    LieDigest,
    LieId,
    Missing,
    OtherId,
    OtherName,
    OtherImage,
    OtherState,
    OtherExit,
    OtherPort,
    OtherMount,
    ExtraMount,
    LeaveOutLabel,
    OtherLabel,
    LeaveOutMount,
    LeaveOutPort,
    LeaveOutEnv,
    LeaveOutGpu,
    SwapVolume,
    SwapNetwork,
    LeaveOutNetwork,
    LeaveOutPod,
}

const WORDS: [(&str, Fault); 34] = [
    ("hang", Fault::Hang),
    ("hang-after", Fault::HangAfter),
    ("flood", Fault::Flood),
    ("flood-stderr", Fault::FloodStderr),
    ("garbage", Fault::Garbage),
    ("huge-json", Fault::HugeJson),
    ("half-utf8", Fault::HalfUtf8),
    ("die", Fault::Die),
    ("die-halfway", Fault::DieHalfway),
    ("fail", Fault::Fail),
    ("fail-several", Fault::FailSeveral),
    ("ignore", Fault::Ignore),
    ("leak-env", Fault::LeakEnv),
    ("lie-digest", Fault::LieDigest),
    ("lie-id", Fault::LieId),
    ("missing", Fault::Missing),
    ("other-id", Fault::OtherId),
    ("other-name", Fault::OtherName),
    ("other-image", Fault::OtherImage),
    ("other-state", Fault::OtherState),
    ("other-exit", Fault::OtherExit),
    ("other-port", Fault::OtherPort),
    ("other-mount", Fault::OtherMount),
    ("extra-mount", Fault::ExtraMount),
    ("leave-out-label", Fault::LeaveOutLabel),
    ("other-label", Fault::OtherLabel),
    ("leave-out-mount", Fault::LeaveOutMount),
    ("leave-out-port", Fault::LeaveOutPort),
    ("leave-out-env", Fault::LeaveOutEnv),
    ("leave-out-gpu", Fault::LeaveOutGpu),
    ("swap-volume", Fault::SwapVolume),
    ("swap-network", Fault::SwapNetwork),
    ("leave-out-network", Fault::LeaveOutNetwork),
    ("leave-out-pod", Fault::LeaveOutPod),
];

/// The faults of one command.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// Reads the file for a command; a fault or a command that it does not know is an error.
    pub(crate) fn parse(text: &str, command: &str, commands: &[&str]) -> Result<Self, String> {
        let mut faults = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (whose, word) = line.split_once(':').ok_or_else(|| format!("faults: {line:?} is not command:fault"))?;
            let fault = fault(word).ok_or_else(|| format!("faults: {word:?} is no fault"))?;
            if whose != "*" && !commands.contains(&whose) {
                return Err(format!("faults: {whose:?} is no command"));
            }
            faults.extend((whose == command || whose == "*").then_some(fault));
        }
        Ok(Self(faults))
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }

    /// Milliseconds to lose before the command begins.
    pub(crate) fn delay(&self) -> Option<u64> {
        self.0.iter().find_map(|fault| if let Fault::Slow(delay) = fault { Some(*delay) } else { None })
    }

    pub(crate) fn exit(&self) -> Option<u8> {
        self.0.iter().find_map(|fault| if let Fault::Exit(status) = fault { Some(*status) } else { None })
    }
}

fn fault(word: &str) -> Option<Fault> {
    let exit = || word.strip_prefix("exit-")?.parse().ok().map(Fault::Exit);
    let slow = || word.strip_prefix("slow-")?.parse().ok().map(Fault::Slow);
    WORDS.iter().find(|(known, _)| *known == word).map(|(_, fault)| *fault).or_else(exit).or_else(slow)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMANDS: [&str; 2] = ["pull", "logs"];

    #[test]
    fn a_line_is_for_its_command_or_for_all() {
        let faults = Faults::parse("pull:hang\nlogs:exit-3\n*:slow-20\n", "logs", &COMMANDS).unwrap();
        assert_eq!(faults, Faults(vec![Fault::Exit(3), Fault::Slow(20)]));
        assert_eq!((faults.exit(), faults.delay()), (Some(3), Some(20)));
        assert!(!faults.has(Fault::Hang));
    }

    #[test]
    fn what_would_never_happen_is_an_error() {
        for (line, what) in
            [("hang", "is not command:fault"), ("pull:hagn", "is no fault"), ("pul:hang", "is no command")]
        {
            assert!(Faults::parse(line, "logs", &COMMANDS).unwrap_err().contains(what), "{line}");
        }
    }

    #[test]
    fn every_word_is_documented() {
        let page = include_str!("lib.rs");
        let documented =
            |word| page.lines().any(|line| line.starts_with("//! |") && line.contains(&format!("`{word}`")));
        assert_eq!(WORDS.iter().find(|(word, _)| !documented(word)), None);
    }
}
