//! `deploy`: the limits and the GPUs of a service, and nothing of a cluster.

use std::num::NonZeroU32;

use super::parts::{get, only, texts};
use super::unsupported;
use super::yaml::{Node, Wrong};
use crate::spec::{Cpus, Gpus, Memory};

/// What `deploy` says of one container.
#[derive(Debug, Default)]
pub(super) struct Deploy {
    pub(super) cpus: Option<Cpus>,
    pub(super) memory: Option<Memory>,
    pub(super) pids: Option<NonZeroU32>,
    pub(super) gpus: Gpus,
}

pub(super) fn read(node: &Node) -> Result<Deploy, Wrong> {
    only(node, &["resources", "replicas"])?;
    if let Some(replicas) = get(node, "replicas")?.filter(|replicas| replicas.text().is_ok_and(|text| text != "1")) {
        return Err(unsupported(replicas.at, "another number of containers of a service than 1"));
    }
    let Some(resources) = get(node, "resources")? else { return Ok(Deploy::default()) };
    only(resources, &["limits", "reservations"])?;
    let mut deploy = match get(resources, "limits")? {
        None => Deploy::default(),
        Some(limits) => limited(limits)?,
    };
    if let Some(reservations) = get(resources, "reservations")? {
        only(reservations, &["devices"])?;
        deploy.gpus = get(reservations, "devices")?.map_or(Ok(Gpus::None), gpus)?;
    }
    Ok(deploy)
}

fn limited(node: &Node) -> Result<Deploy, Wrong> {
    only(node, &["cpus", "memory", "pids"])?;
    Ok(Deploy {
        cpus: get(node, "cpus")?.map(Node::parsed).transpose()?,
        memory: get(node, "memory")?.map(Node::parsed).transpose()?,
        pids: get(node, "pids")?.map(Node::parsed).transpose()?,
        gpus: Gpus::None,
    })
}

/// The devices of a reservation: GPUs by their names, the first of them, or all.
fn gpus(node: &Node) -> Result<Gpus, Wrong> {
    match node.list()? {
        [] => Ok(Gpus::None),
        [device] => one(device),
        [_, other, ..] => Err(unsupported(other.at, "a second reservation of devices: name all GPUs in one")),
    }
}

fn one(node: &Node) -> Result<Gpus, Wrong> {
    only(node, &["driver", "count", "device_ids", "capabilities"])?;
    if let Some(driver) = get(node, "driver")?.filter(|driver| driver.text().is_ok_and(|name| name != "nvidia")) {
        return Err(unsupported(driver.at, "another driver than `nvidia`"));
    }
    let capabilities = get(node, "capabilities")?.map(texts).transpose()?.unwrap_or_default();
    if !capabilities.iter().any(|capability| capability == "gpu") {
        return Err(unsupported(node.at, "devices that are no GPUs"));
    }
    match (get(node, "device_ids")?, get(node, "count")?) {
        (Some(ids), None) => {
            let mask = texts(ids)?.join(",");
            mask.parse().map_err(|error| ids.wrong(format!("{error}")))
        }
        (None, Some(count)) => first(count),
        (None, None) => Ok(Gpus::All),
        (Some(_), Some(count)) => Err(count.wrong("`count` and `device_ids` exclude each other")),
    }
}

/// The most GPUs that a machine is taken to have.
const MOST: usize = 64;

/// The first GPUs of the machine, as NVIDIA's toolkit gives them for a count.
fn first(count: &Node) -> Result<Gpus, Wrong> {
    let text = count.text()?;
    if text == "all" {
        return Ok(Gpus::All);
    }
    let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
    let number =
        number.ok_or_else(|| count.wrong(format!("a count of GPUs is `all`, or a number from 1 to {MOST}")))?;
    let mask = (0..number).map(|index: usize| index.to_string()).collect::<Vec<_>>().join(",");
    mask.parse().map_err(|error| count.wrong(format!("{error}")))
}
