//! What can be asked of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use portreeve::journal::Durability;

#[cfg(feature = "demo")]
use super::demo;
use super::{
    audit, backend, cleanup, completions, compose, container, control, cp, detect, exec, explain_parts, image,
    image_group, journal, network, parse, pod, policy, preflight, redact, reference, run, standard, unit, usage,
    verify, volume, which,
};

/// Runs containers through backends that can do nothing an operator did not approve.
#[derive(Debug, Parser)]
#[command(name = "portreeve", version, disable_help_subcommand = true, after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
Exit status: the container's own for a foreground run, the command's own for an exec; 125 when portreeve or the engine
failed, no engine works (`detect`), something can't work (`preflight`) or the journal is damaged (`journal verify`,
`audit`); 126 when policy or grant refused, or what was named is not this install's; 1 when `verify`, `ref`, `which`,
`compose check` or `policy explain` says no, or the worst that `preflight --fail-on warning` found is a warning; 2 when
the arguments are wrong; 128 + N when signal N ended it.";

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Common {
    /// Use this backend alone; with `auto`, or without, the first whose engine works
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// What callers may ask for; otherwise the `home` policy
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Where the install's key, its journal and its caches are; otherwise `/var/lib/portreeve` for root, and for others
    /// `$XDG_STATE_HOME/portreeve` or `~/.local/state/portreeve`
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Which records of the journal to wait for until they are on the disk: `none`, `effects` (intents that do more
    /// than look; the default), `all`
    #[arg(long, global = true, value_name = "WHICH", value_parser = durability)]
    pub(crate) durability: Option<Durability>,
    /// Results as JSON: one document, or one a line for streams
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Decide and render everything, run only what looks, and print the command lines that were left out
    #[arg(long, global = true)]
    pub(crate) dry_run: bool,
    /// Results alone
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tell of everything that happens, command lines included
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    /// End the command, and what it began, when it is not done within this time: `30s`, `5m`
    #[arg(long, global = true, value_name = "DURATION", value_parser = parse::time)]
    pub(crate) deadline: Option<Duration>,
    /// Say at the end, on standard error, how often each secret and each redaction rule was masked
    #[arg(long, global = true)]
    pub(crate) show_redactions: bool,
}

fn durability(word: &str) -> Result<Durability, String> {
    let known = Durability::EACH.into_iter().find(|known| known.as_str() == word);
    known.ok_or_else(|| format!("one of {}", Durability::EACH.map(Durability::as_str).join(", ")))
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find out which engines work here
    Detect(detect::Detect),
    /// Tell which engine has a container of a name
    Which(which::Which),
    /// Find out whether something can work, before anything is done about it
    Preflight(preflight::Preflight),
    /// Bring an image from its registry and prove that it is the one
    Pull(image::Pull),
    /// Prove link by link that an image is the one it should be: one that the engine holds, or one in an OCI layout
    Verify(verify::Verify),
    /// Look at the built-in standards, which `verify --standard` compares a host with
    #[command(subcommand)]
    Standard(standard::Command),
    /// Say how references and digests are read
    Ref(reference::Ref),
    /// Run a container
    #[command(override_usage = "portreeve run [OPTIONS] IMAGE [WORDS]...")]
    Run(Box<run::Run>),
    /// Create a container and do not start it; options and words are those of `run`
    Create(Box<run::Run>),
    /// Run a command in a running container
    #[command(override_usage = "portreeve exec [OPTIONS] NAME WORDS...")]
    Exec(exec::Exec),
    /// Copy a file or folder into a container, or out of it
    Cp(cp::Cp),
    /// Write a unit of systemd for a container
    #[command(override_usage = "portreeve unit [OPTIONS] IMAGE [WORDS]...\n       portreeve unit [OPTIONS] NAME")]
    Unit(Box<unit::Unit>),
    /// Several services out of a compose file
    Compose(compose::Compose),
    /// List containers of this install
    Ps(container::Ps),
    /// Show containers, as the host sees them
    Inspect(container::Inspect),
    /// Show what a container printed
    Logs(container::Logs),
    /// Stop containers: ask, wait, look, and kill those that go on
    Stop(container::Stop),
    /// Send containers a signal
    Kill(container::Kill),
    /// Remove containers
    Rm(container::Rm),
    /// Start containers that are there
    Start(control::Start),
    /// Let the processes of containers stand still
    Pause(control::Pause),
    /// End the pause of containers
    Unpause(control::Unpause),
    /// Stop containers and start them again
    Restart(control::Restart),
    /// Refused: a container keeps the name that its owner label was made for
    Rename(control::Rename),
    /// List the processes of a container
    Top(usage::Top),
    /// Show what a container uses: once, or in an interval
    Stats(usage::Stats),
    /// Tell what happens to containers of this install, as it happens
    Events(usage::Events),
    /// Wait for containers to end and print their exit statuses; or until they are as they are needed
    Wait(container::Wait),
    /// List the images that the engine holds
    Images(image::Images),
    /// Look at images, and at what of them is of use
    #[command(subcommand)]
    Image(image_group::Command),
    /// Print what GPUs and mounts become in the command line that creates a container; nothing is run
    #[command(subcommand)]
    Explain(explain_parts::Command),
    /// Remove images from the engine
    Rmi(image::Rmi),
    /// Make, list, show and remove named volumes
    #[command(subcommand)]
    Volume(volume::Command),
    /// Make, list, show, stop and remove pods: containers that share a network
    #[command(subcommand)]
    Pod(pod::Command),
    /// Show what calls left that never came to their end, as when this program was killed; remove it with --force
    Cleanup(cleanup::Cleanup),
    /// Make, list, show and remove networks
    #[command(subcommand)]
    Network(network::Command),
    /// Do the main job on a built-in image, without a network: every step, its result and its time
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Look at backends and at what they may run
    #[command(subcommand)]
    Backend(backend::Command),
    /// Look at the policy
    #[command(subcommand)]
    Policy(policy::Command),
    /// Read and verify the record of what ran and what was refused
    #[command(subcommand)]
    Journal(journal::Command),
    /// Tell an auditor what each backend could ever run, what was refused, and what ran
    Audit(audit::Audit),
    /// Remove secrets from what is piped through
    Redact(redact::Redact),
    /// Print completions for a shell
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn help(path: &[&str]) -> String {
        let mut command = Arguments::command().term_width(100);
        command.build();
        let found = path.iter().try_fold(&mut command, |command, name| command.find_subcommand_mut(name));
        found.expect("a command").render_long_help().to_string()
    }

    #[test]
    fn the_definitions_agree() {
        Arguments::command().debug_assert();
    }

    #[cfg(feature = "demo")]
    #[test]
    fn help_of_the_program() {
        insta::assert_snapshot!("help", help(&[]));
    }

    #[test]
    fn help_of_run() {
        insta::assert_snapshot!("help-run", help(&["run"]));
    }

    #[test]
    fn help_of_exec() {
        insta::assert_snapshot!("help-exec", help(&["exec"]));
    }

    #[test]
    fn help_of_logs() {
        insta::assert_snapshot!("help-logs", help(&["logs"]));
    }

    #[test]
    fn help_of_volumes() {
        insta::assert_snapshot!("help-volume-create", help(&["volume", "create"]));
        insta::assert_snapshot!("help-volume-rm", help(&["volume", "rm"]));
    }

    #[test]
    fn help_of_pods() {
        insta::assert_snapshot!("help-pod-create", help(&["pod", "create"]));
    }

    #[test]
    fn help_of_cleanup() {
        insta::assert_snapshot!("help-cleanup", help(&["cleanup"]));
    }

    #[test]
    fn help_of_networks() {
        insta::assert_snapshot!("help-network-create", help(&["network", "create"]));
        insta::assert_snapshot!("help-network-rm", help(&["network", "rm"]));
    }

    #[test]
    fn help_of_redact() {
        insta::assert_snapshot!("help-redact", help(&["redact"]));
    }

    #[test]
    fn help_of_the_journal() {
        insta::assert_snapshot!("help-journal-show", help(&["journal", "show"]));
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for words in [["portreeve", "--json", "ps"], ["portreeve", "ps", "--json"]] {
            assert!(Arguments::try_parse_from(words).unwrap().common.json);
        }
        assert!(Arguments::try_parse_from(["portreeve", "ps", "-q", "--verbose"]).is_err());
    }
}
