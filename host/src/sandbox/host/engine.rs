//! `engine`: approved commands.

use wasmtime::component::Resource;

use super::super::bindings::portreeve::backend::engine::{Host, HostLines, Line, Output, Source};
use super::super::bindings::portreeve::backend::types::{Argument, Error};
use super::super::convert;
use super::super::store::State;
use crate::broker::Running;
use crate::grants::Limit;
use crate::output::LogChunk;

/// A command whose lines a guest reads.
pub struct LinesHandle {
    running: Running,
    /// Beginnings of lines of standard output and standard error.
    partial: [Vec<u8>; 2],
    ready: std::collections::VecDeque<Line>,
    longest: usize,
}

impl LinesHandle {
    fn new(running: Running, longest: usize) -> Self {
        Self { running, partial: [Vec::new(), Vec::new()], ready: std::collections::VecDeque::new(), longest }
    }

    /// Reads until there is a line, or the end.
    async fn fill(&mut self) {
        while self.ready.is_empty() {
            match self.running.next().await {
                Some(LogChunk::Stdout(bytes)) => self.take(Source::Stdout, &bytes),
                Some(LogChunk::Stderr(bytes)) => self.take(Source::Stderr, &bytes),
                None => return self.flush(),
            }
        }
    }

    /// Splits at ends of lines, and where a line is too long; `\r` ends a line of progress too.
    fn take(&mut self, source: Source, bytes: &[u8]) {
        for byte in bytes {
            let [stdout, stderr] = &mut self.partial;
            let partial = if source == Source::Stdout { stdout } else { stderr };
            let ends = matches!(byte, b'\n' | b'\r');
            if !ends {
                partial.push(*byte);
            }
            if (ends && !partial.is_empty()) || partial.len() >= self.longest {
                let text = String::from_utf8_lossy(partial).into_owned();
                partial.clear();
                self.ready.push_back(Line { source, text });
            }
        }
    }

    fn flush(&mut self) {
        for (source, partial) in [Source::Stdout, Source::Stderr].into_iter().zip(&mut self.partial) {
            if !partial.is_empty() {
                self.ready.push_back(Line { source, text: String::from_utf8_lossy(partial).into_owned() });
                partial.clear();
            }
        }
    }
}

impl Host for State {
    async fn run(&mut self, command: String, arguments: Vec<Argument>) -> wasmtime::Result<Result<Output, Error>> {
        let ask = convert::ask(command, arguments);
        Ok(match self.broker.perform(&ask).await {
            Err(error) => Err(convert::for_guest(error)),
            Ok(output) => {
                self.ended(&ask.command, output.status());
                Ok(convert::output(&output))
            }
        })
    }

    async fn stream(
        &mut self,
        command: String,
        arguments: Vec<Argument>,
    ) -> wasmtime::Result<Result<Resource<LinesHandle>, Error>> {
        let ask = convert::ask(command, arguments);
        match self.broker.open(&ask).await {
            Err(error) => Ok(Err(convert::for_guest(error))),
            Ok(running) => {
                let longest = usize::try_from(self.broker.backend().grants().limits().value(Limit::LineBytes))
                    .unwrap_or(usize::MAX);
                Ok(Ok(self.table.push(LinesHandle::new(running, longest))?))
            }
        }
    }
}

impl HostLines for State {
    async fn next(&mut self, lines: Resource<LinesHandle>, max: u32) -> wasmtime::Result<Result<Vec<Line>, Error>> {
        let lines = self.table.get_mut(&lines)?;
        lines.fill().await;
        let count = lines.ready.len().min(usize::try_from(max.max(1)).unwrap_or(usize::MAX));
        Ok(Ok(lines.ready.drain(..count).collect()))
    }

    async fn finish(&mut self, lines: Resource<LinesHandle>) -> wasmtime::Result<Result<i32, Error>> {
        let running = &mut self.table.get_mut(&lines)?.running;
        let (finished, command) = (running.finish().await, running.command().to_owned());
        if let Ok(status) = finished {
            self.ended(&command, status);
        }
        Ok(finished.map_err(convert::for_guest))
    }

    async fn drop(&mut self, lines: Resource<LinesHandle>) -> wasmtime::Result<()> {
        self.table.delete(lines)?;
        Ok(())
    }
}
