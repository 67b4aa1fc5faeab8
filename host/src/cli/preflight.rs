//! `preflight`: whether something can work, before anything is done about it.

use clap::Args;
use portreeve::spec::{Gpus, Port};
use portreeve::{Finding, Intention, Severity};

use super::desk::Desk;
use super::exit::{Outcome, Status};
use super::parse;
use super::show::{self, Out, plain};

/// `preflight`.
#[derive(Debug, Args)]
pub(crate) struct Preflight {
    /// GPUs that will be asked for: `all`, or a list such as 0,1
    #[arg(long, value_parser = parse::gpus, value_name = "MASK")]
    gpus: Option<Gpus>,
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
        let intention = Intention { gpus: self.gpus.unwrap_or_default(), ports: self.publish, mounts };
        let report = desk.portreeve.preflight(&intention).await?;
        if desk.json {
            show::json(&report)?;
        } else {
            let mut out = Out::open();
            let shown = |finding: &&Finding| !desk.quiet || finding.severity >= Severity::Warning;
            report.findings.iter().filter(shown).try_for_each(|finding| out.text(&words(finding)))?;
            out.finish()?;
        }
        Ok(if report.worst() == Severity::Failure { Status::FAILED } else { Status::OK })
    }
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
