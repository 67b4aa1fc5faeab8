//! The host's interfaces, as the component imports them.

use crate::bindings::portreeve::backend::{devices, engine, logs, narration};
use crate::{
    Argument, Result,
    devices::Device,
    engine::{Line, Output},
    narration::{Level, Progress},
};

pub(crate) use engine::Lines;
pub(crate) use logs::Log;

pub(crate) fn run(command: &str, arguments: &[Argument]) -> Result<Output> {
    engine::run(command, arguments)
}

pub(crate) fn stream(command: &str, arguments: &[Argument]) -> Result<Lines> {
    engine::stream(command, arguments)
}

pub(crate) fn next(lines: &Lines, max: u32) -> Result<Vec<Line>> {
    lines.next(max)
}

pub(crate) fn finish(lines: &Lines) -> Result<i32> {
    lines.finish()
}

pub(crate) fn open(command: &str, arguments: &[Argument]) -> Result<Log> {
    logs::open(command, arguments)
}

pub(crate) fn read(log: &Log, max: u32) -> Result<Vec<u8>> {
    log.read(max)
}

pub(crate) fn check(path: &str) -> Result<Device> {
    devices::check(path)
}

pub(crate) fn say(level: Level, message: &str) {
    narration::say(level, message);
}

pub(crate) fn report(progress: &Progress) {
    narration::report(progress);
}
