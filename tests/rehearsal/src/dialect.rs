//! The two engines' ways to say things: flags, documents, words and exit statuses, as recorded from the real ones.

pub(crate) mod docker;
mod document;
pub(crate) mod podman;

use serde_json::Value;

use crate::arguments::{Flags, Order};
use crate::clock::Moment;
use crate::container::{Container, Status};
use crate::image::Image;
use crate::mode::Mode;
use crate::network::Network;
use crate::registry::Fetch;
use crate::trouble::Trouble;
use crate::verb::Verb;
use crate::volume::Volume;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Podman,
    Docker,
}

/// A container as it is now.
pub(crate) struct Sight<'s> {
    pub(crate) container: &'s Container,
    pub(crate) status: &'s Status,
    pub(crate) mode: Mode,
}

impl Dialect {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
        }
    }

    pub(crate) fn from_word(word: &str) -> Self {
        if word == "docker" { Self::Docker } else { Self::Podman }
    }

    /// Flags that may stand before the command.
    pub(crate) fn global_flags(self) -> Flags {
        match self {
            Self::Podman => podman::GLOBAL,
            Self::Docker => docker::GLOBAL,
        }
    }

    pub(crate) fn flags(self, verb: Verb) -> Vec<Flags> {
        match self {
            // Podman takes its global flags after the command too.
            Self::Podman => vec![podman::flags(verb), podman::GLOBAL],
            Self::Docker => vec![docker::flags(verb)],
        }
    }

    pub(crate) fn order(self, verb: Verb) -> Order {
        if verb == Verb::Create { Order::FlagsFirst } else { Order::Mixed }
    }

    /// The exit status and what stands on stderr.
    pub(crate) fn describe(self, trouble: &Trouble, verb: Option<Verb>) -> (u8, String) {
        match (trouble, self) {
            (Trouble::Io(error), _) => (125, format!("Error: the rehearsal's state: {error}")),
            (_, Self::Podman) => podman::describe(trouble, verb),
            (_, Self::Docker) => docker::describe(trouble, verb),
        }
    }

    pub(crate) fn fetch(self, typed: &str, fetch: &Fetch) -> String {
        match self {
            Self::Podman => podman::fetch(typed, fetch),
            Self::Docker => docker::fetch(typed, fetch),
        }
    }

    /// A line of logrus's, as Podman prints them.
    pub(crate) fn warning(self, text: &str) -> String {
        format!("time=\"{}Z\" level=warning msg={text:?}", Moment::now().rfc3339().get(..19).unwrap_or_default())
    }

    /// An image's ID as operands and documents have it.
    pub(crate) fn image_id(self, id: &str) -> String {
        match self {
            Self::Podman => id.to_owned(),
            Self::Docker => format!("sha256:{id}"),
        }
    }

    pub(crate) fn image(self, image: &Image) -> Value {
        match self {
            Self::Podman => podman::image(image),
            Self::Docker => docker::image(image),
        }
    }

    pub(crate) fn container(self, sight: &Sight<'_>) -> Value {
        match self {
            Self::Podman => podman::container(sight),
            Self::Docker => docker::container(sight),
        }
    }

    pub(crate) fn volume(self, volume: &Volume) -> Value {
        match self {
            Self::Podman => podman::volume(volume),
            Self::Docker => docker::volume(volume),
        }
    }

    pub(crate) fn network(self, network: &Network) -> Value {
        match self {
            Self::Podman => podman::named_network(network),
            Self::Docker => docker::named_network(network),
        }
    }

    /// Pretty, with as many spaces as the engine's own printer takes.
    pub(crate) fn pretty(self, document: &Value) -> Vec<u8> {
        let spaces: &[u8] = if self == Self::Podman { b"     " } else { b"    " };
        document::pretty(document, spaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::Arguments;

    const GRANTS: [(Dialect, &str); 2] = [
        (Dialect::Podman, include_str!("../../../plugins/podman/grants.toml")),
        (Dialect::Docker, include_str!("../../../plugins/docker/grants.toml")),
    ];

    /// The words of a template that are flags, each with a value where the template has one.
    fn flags_of(template: &str) -> Vec<String> {
        let quoted = template.split(['"', '\'']).filter(|token| token.starts_with("--"));
        quoted.map(|token| token.split('{').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_flag_that_the_grants_can_render_is_known() {
        for (dialect, grants) in GRANTS {
            let commands = grants.split("[commands.").skip(1).map(|command| command.split("\n\n").next().unwrap());
            let templates = commands.filter_map(|command| command.split_once("argv = ")).map(|(_, argv)| argv);
            let ours: Vec<_> = templates.filter(|argv| argv.contains(&format!("\"{}\"", dialect.word()))).collect();
            assert!(ours.len() >= 15, "{dialect:?}: {}", ours.len());
            for argv in ours {
                let words: Vec<_> =
                    argv.split('"').filter(|word| word.bytes().all(|b| b.is_ascii_lowercase())).collect();
                let words: Vec<_> = words.into_iter().skip(1).map(str::to_owned).collect();
                let (verb, _) = Verb::find(&words).unwrap_or_else(|word| panic!("{word} in {argv}"));
                let mut known = dialect.flags(verb);
                known.push(dialect.global_flags());
                let read = Arguments::parse(&flags_of(argv), &known, Order::Mixed);
                assert!(read.is_ok(), "{dialect:?} {verb:?}: {read:?}");
            }
        }
    }
}
