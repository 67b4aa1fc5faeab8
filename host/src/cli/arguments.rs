//! What can be asked of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "demo")]
use super::demo;
use super::{
    audit, backend, cleanup, completions, container, detect, image, journal, network, pod, policy, preflight, redact,
    reference, run, verify, volume,
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
Exit status: the container's own for a foreground run; 125 when portreeve or the engine failed; 126 when policy or
grant refused; 1 when `verify` or `ref` says no; 2 when the arguments are wrong; 128 + N when signal N ended it.";

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Common {
    /// Use this backend alone; otherwise the first whose engine works
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) backend: Option<String>,
    /// What callers may ask for; otherwise the `home` policy
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Where the install's key, its journal and its caches are
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
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
    /// Say at the end, on standard error, how often each secret and each redaction rule was masked
    #[arg(long, global = true)]
    pub(crate) show_redactions: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find out which engines work here
    Detect(detect::Detect),
    /// Find out whether something can work, before anything is done about it
    Preflight(preflight::Preflight),
    /// Bring an image from its registry and prove that it is the one
    Pull(image::Pull),
    /// Prove link by link that an image is the one it should be: one that the engine holds, or one in an OCI layout
    Verify(verify::Verify),
    /// Say how references and digests are read
    Ref(reference::Ref),
    /// Run a container
    #[command(override_usage = "portreeve run [OPTIONS] IMAGE [WORDS]...")]
    Run(Box<run::Run>),
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
    /// Wait for containers to end and print their exit statuses
    Wait(container::Wait),
    /// List the images that the engine holds
    Images(image::Images),
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
