//! `exec`: a command in a container that runs.

use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use crate::arguments::Arguments;
use crate::container::{Patience, Phase, Place};
use crate::engine::Engine;
use crate::supervisor::{EXEC, this_program};
use crate::trouble::Trouble;

/// The only program that is played.
const PROGRAM: &str = "deckhand";

pub(crate) fn exec(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let [typed, program, ..] = arguments.operands.as_slice() else {
        return Err(Trouble::Usage("\"exec\" requires at least 2 arguments".to_owned()));
    };
    let place = Place::find(&engine.state, typed)?;
    if place.status()?.phase != Phase::Running {
        return Err(Trouble::NotExecutable);
    }
    if program.rsplit('/').next() != Some(PROGRAM) {
        return Err(Trouble::NoProgram(program.clone()));
    }
    engine.console.flush()?;
    let text = |flag| arguments.value(flag).unwrap_or_default();
    let mut child =
        this_program(engine.state.root(), &[EXEC, &place.id, engine.dialect.word(), text("workdir"), text("user")]);
    // It has the streams of this process, and so the terminal, where there is one.
    let stdin = if arguments.is_set("interactive") { Stdio::inherit() } else { Stdio::null() };
    child.args(arguments.operands.get(1..).unwrap_or_default()).envs(variables(arguments)).stdin(stdin);
    let status = await_end(child.spawn()?, &place)?;
    Ok(u8::try_from(status.code().unwrap_or(137)).unwrap_or(125))
}

/// With its container it ends, too.
fn await_end(mut child: Child, place: &Place<'_>) -> std::io::Result<ExitStatus> {
    let mut patience = Patience::up_to(Duration::from_millis(20));
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if place.has_ended() {
            child.kill()?;
        }
        patience.pause();
    }
}

/// `NAME=VALUE`, or `NAME` for the value that this process has.
fn variables(arguments: &Arguments) -> Vec<(String, String)> {
    let read = |text: &str| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => std::env::var(text).ok().map(|value| (text.to_owned(), value)),
    };
    arguments.values("env").filter_map(read).collect()
}
