//! `devices`: nodes that are looked at and never opened.

use super::super::bindings::portreeve::backend::devices::{Device, Host};
use super::super::bindings::portreeve::backend::types::Error;
use super::super::convert;
use super::super::store::State;

impl Host for State {
    async fn check(&mut self, path: String) -> wasmtime::Result<Result<Device, Error>> {
        Ok(match self.broker.device(&path) {
            Err(error) => Err(convert::for_guest(error)),
            Ok(node) => Ok(Device {
                exists: node.exists,
                character: node.char_device,
                major: node.major,
                minor: node.minor,
                accessible: node.readable && node.writable,
            }),
        })
    }
}
