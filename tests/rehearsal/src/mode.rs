//! Which engine it plays, and on what kind of machine.

use crate::dialect::Dialect;

/// What the file `mode` says: words, one a line, each for every program or as `docker:down` for one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    /// The program is called docker and answers as podman.
    pub(crate) masquerade: bool,
    /// A docker client on Podman's socket.
    pub(crate) foreign_service: bool,
    /// The daemon is not there; on Podman, no namespaces can be made.
    pub(crate) down: bool,
    /// The daemon's socket does not let this user in.
    pub(crate) refused: bool,
    /// No root needed: `podman info` says so, and Podman ignores limits on memory, processors and processes.
    pub(crate) rootless: bool,
    /// Docker with containerd's store: an image's ID is the digest that was asked for.
    pub(crate) containerd_store: bool,
    /// Loopback registries need no `--tls-verify=false` on Podman.
    pub(crate) insecure: bool,
    /// There are graphics processors: `--device=nvidia.com/gpu=…` and `--gpus` start.
    pub(crate) gpus: bool,
}

impl Mode {
    /// Reads the file for a program; a word that it does not know is an error, so that no test plays without its part.
    pub(crate) fn parse(text: &str, program: &str) -> Result<Self, String> {
        let mut mode = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (whose, word) = line.split_once(':').unwrap_or((program, line));
            let switch = mode.switch(word).ok_or_else(|| format!("mode: {word:?} is none of {WORDS}"))?;
            *switch |= whose == program;
        }
        Ok(mode)
    }

    fn switch(&mut self, word: &str) -> Option<&mut bool> {
        Some(match word {
            "masquerade" => &mut self.masquerade,
            "foreign-service" => &mut self.foreign_service,
            "down" => &mut self.down,
            "refused" => &mut self.refused,
            "rootless" => &mut self.rootless,
            "containerd-store" => &mut self.containerd_store,
            "insecure" => &mut self.insecure,
            "gpus" => &mut self.gpus,
            _ => return None,
        })
    }

    /// The dialect that a program of this name speaks.
    pub(crate) fn dialect(&self, program: &str) -> Dialect {
        if program == "podman" || self.masquerade { Dialect::Podman } else { Dialect::Docker }
    }
}

const WORDS: &str = "masquerade, foreign-service, down, refused, rootless, containerd-store, insecure, gpus";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_for_all_or_for_one_program() {
        let mode = Mode::parse("rootless\n# not now\ndocker:down\n", "podman").unwrap();
        assert!(mode.rootless && !mode.down);
        assert!(Mode::parse("docker:down", "docker").unwrap().down);
        assert_eq!(Mode::parse("", "docker"), Ok(Mode::default()));
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        assert!(Mode::parse("podman:dwon", "docker").unwrap_err().contains("\"dwon\" is none of masquerade"));
        assert!(WORDS.split(", ").all(|word| Mode::default().switch(word).is_some()));
    }

    #[test]
    fn the_name_and_the_masquerade_choose_the_dialect() {
        let masquerade = Mode { masquerade: true, ..Mode::default() };
        assert_eq!(masquerade.dialect("docker"), Dialect::Podman);
        assert_eq!(Mode::default().dialect("docker"), Dialect::Docker);
        assert_eq!(Mode::default().dialect("podman"), Dialect::Podman);
    }
}
