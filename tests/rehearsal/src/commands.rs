//! The commands, one file for each kind of object.

mod containers;
mod copies;
pub(crate) mod engine;
mod exec;
mod health;
mod images;
mod lifecycle;
mod listing;
mod load;
mod networks;
mod pods;
mod save;
mod volumes;

use serde_json::Value;

use crate::arguments::Arguments;
use crate::engine::Engine;
use crate::trouble::Trouble;
use crate::verb::Verb;

/// Carries one out; the exit status.
pub(crate) fn run(engine: &mut Engine, verb: Verb, arguments: &Arguments) -> Result<u8, Trouble> {
    let perform = match verb {
        Verb::Version => engine::version,
        Verb::Info => engine::info,
        Verb::ContextLs => engine::contexts,
        Verb::Ps => listing::ps,
        Verb::Pull => images::pull,
        Verb::ImageInspect => images::inspect,
        Verb::Images => images::list,
        Verb::Rmi => images::remove,
        Verb::Save => save::save,
        Verb::Load => load::load,
        Verb::Create => containers::create,
        Verb::Start => lifecycle::start,
        Verb::Stop => lifecycle::stop,
        Verb::Kill => lifecycle::kill,
        Verb::Rm => lifecycle::remove,
        Verb::Wait => lifecycle::wait,
        Verb::Inspect => containers::inspect,
        Verb::Logs => containers::logs,
        Verb::VolumeCreate => volumes::create,
        Verb::VolumeInspect => volumes::inspect,
        Verb::VolumeLs => volumes::list,
        Verb::VolumeRm => volumes::remove,
        Verb::Exec => exec::exec,
        Verb::Cp => copies::copy,
        Verb::Pause => health::pause,
        Verb::Unpause => health::unpause,
        Verb::Top => health::top,
        Verb::Stats => health::stats,
        Verb::HealthRun => health::run,
        Verb::Events => health::follow,
        Verb::NetworkCreate => networks::create,
        Verb::NetworkInspect => networks::inspect,
        Verb::NetworkLs => networks::list,
        Verb::NetworkRm => networks::remove,
        Verb::NetworkConnect => networks::connect,
        Verb::PodCreate => pods::create,
        Verb::PodInspect => pods::inspect,
        Verb::PodLs => pods::list,
        Verb::PodRm => pods::remove,
    };
    perform(engine, arguments)
}

/// Does the same to each operand. Troubles are said as they come, and the last one's status is the command's.
fn each(
    engine: &mut Engine,
    verb: Verb,
    arguments: &Arguments,
    perform: impl Fn(&mut Engine, &str) -> Result<(), Trouble>,
) -> Result<u8, Trouble> {
    if arguments.operands.is_empty() {
        return Err(Trouble::Usage(format!("\"{}\" requires at least 1 argument", verb.spoken())));
    }
    let mut last = 0;
    for operand in &arguments.operands {
        if let Err(trouble) = perform(engine, operand) {
            let (status, text) = engine.dialect.describe(&trouble, Some(verb));
            engine.console.warn(&text);
            last = status;
        }
    }
    Ok(last)
}

/// An array of what was found, as both engines print it even where something was not.
fn print_array(engine: &mut Engine, documents: Vec<Value>) {
    if documents.is_empty() {
        engine.console.say("[]");
        return;
    }
    let text = engine.dialect.pretty(&Value::Array(documents));
    engine.console.out(&text);
}

/// Whether `--format` asks for JSON, the only format there is besides none.
fn wants_json(arguments: &Arguments) -> Result<bool, Trouble> {
    match arguments.value("format").map(|format| format.replace(' ', "")) {
        None => Ok(false),
        Some(format) if format == "json" || format == "{{json.}}" => Ok(true),
        Some(format) => Err(Trouble::Usage(format!(
            "invalid argument \"{format}\" for \"--format\" flag: the rehearsal engine prints JSON alone"
        ))),
    }
}
