//! `preflight`: whether something can work, before anything is done about it.

use clap::{Args, ValueEnum};
use portreeve::spec::{GpuProfile, Gpus, Port};
use portreeve::{Finding, Intention, Severity};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::parse;
use super::show::{self, Out, plain};

const AFTER: &str = "\
Exit status: 0 when nothing found is a failure; 125 when something can't work, or GPUs are required and there are none;
with --fail-on warning also 1 when the worst that was found is a warning.";

/// From which severity on the exit status tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Warning,
    Failure,
}

/// `preflight`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(crate) struct Preflight {
    /// GPUs that will be asked for: `all`, or a list such as 0,1
    #[arg(long, value_parser = parse::gpus, value_name = "MASK")]
    gpus: Option<Gpus>,
    /// What is asked of these GPUs: required or optional, memory=AMOUNT, cuda=VERSION, separated by commas
    #[arg(long, value_name = "PROFILE")]
    gpu_profile: Option<GpuProfile>,
    /// Fail at once where the machine has no GPU; without --gpus, for all of them
    #[arg(long)]
    require_gpu: bool,
    /// From which severity on the exit status tells of it
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Failure)]
    fail_on: FailOn,
    /// Ports that will be published: [ADDRESS:][HOST:]PORT[/PROTOCOL]
    #[arg(long, short, value_name = "PORT")]
    publish: Vec<Port>,
    /// Mounts that will be made: SOURCE:TARGET[:ro]
    #[arg(long, short, value_name = "MOUNT")]
    volume: Vec<String>,
}

impl Preflight {
    pub(crate) async fn run(self, desk: &Desk) -> Outcome {
        let mounts = self.volume.iter().map(|text| parse::mount(text)).collect::<Result<_, _>>()?;
        let (gpus, profile) = wanted(self.gpus, self.gpu_profile, self.require_gpu);
        let intention = Intention { gpus, profile, ports: self.publish, mounts };
        let report = desk.portreeve.preflight(&intention).await?;
        if desk.json {
            show::json(&report)?;
        } else {
            let mut out = Out::open();
            let shown = |finding: &&Finding| !desk.quiet || finding.severity >= Severity::Warning;
            report.findings.iter().filter(shown).try_for_each(|finding| out.text(&words(finding)))?;
            out.finish()?;
        }
        Ok(match report.worst() {
            Severity::Failure => Status::FAILED,
            Severity::Warning if self.fail_on == FailOn::Warning => Status::NO,
            _ => Status::OK,
        })
    }
}

/// The GPUs, and what is asked of them.
fn wanted(gpus: Option<Gpus>, profile: Option<GpuProfile>, required: bool) -> (Gpus, Option<GpuProfile>) {
    if !required {
        return (gpus.unwrap_or_default(), profile);
    }
    let profile = GpuProfile { required, ..profile.unwrap_or_default() };
    (gpus.filter(|gpus| *gpus != Gpus::None).unwrap_or(Gpus::All), Some(profile))
}

/// What was seen; where it matters, also why, and what mends it.
fn words(finding: &Finding) -> String {
    let word = match finding.severity {
        Severity::Ok => "ok",
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Failure => "failure",
    };
    let mut text = format!("{word:<8} {}: {}\n", plain(&finding.id), plain(&finding.seen));
    if finding.severity >= Severity::Warning {
        text.push_str(&format!("         {}\n", plain(&finding.why)));
    }
    if let Some(remedy) = &finding.remedy {
        text.push_str(&format!("         mend it with: {}\n", plain(remedy)));
    }
    text
}
