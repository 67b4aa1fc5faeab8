//! `network create`, `network inspect`, `network ls`, `network rm`, `network connect`.

use serde_json::Value;

use super::volumes::{label, pairs};
use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::Place;
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::lies;
use crate::network::Network;
use crate::spec::Spec;
use crate::state;
use crate::trouble::Trouble;
use crate::verb::Verb;

/// What `--network` may say besides the name of one.
const MODES: [&str; 6] = ["", "none", "host", "bridge", "private", "default"];

pub(crate) fn create(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let mut labels = pairs(arguments, "label");
    lies::about_labels(&mut labels, &engine.faults);
    let network = Network {
        id: state::random_id()?,
        name: arguments.operand()?.to_owned(),
        created: Moment::now(),
        driver: arguments.value("driver").unwrap_or("bridge").to_owned(),
        internal: arguments.is_set("internal"),
        labels,
        options: pairs(arguments, "opt"),
    };
    if !engine.faults.has(Fault::Ignore) {
        network.make(&engine.state)?;
    }
    let said = if engine.dialect == Dialect::Podman { &network.name } else { &network.id };
    engine.console.say(said);
    Ok(0)
}

/// The networks that a container joins, by their names.
pub(super) fn joined(engine: &Engine, spec: &Spec) -> Result<Vec<String>, Trouble> {
    if MODES.contains(&spec.network.as_str()) || spec.network.contains(':') {
        return Ok(Vec::new());
    }
    let network = Network::find(&engine.state, &spec.network)?;
    if engine.faults.has(Fault::SwapNetwork) {
        network.remove(&engine.state)?;
        Network { id: state::random_id()?, labels: Default::default(), ..network.clone() }.make(&engine.state)?;
    }
    Ok(if engine.faults.has(Fault::LeaveOutNetwork) { Vec::new() } else { vec![network.name] })
}

/// Joins a container to one more network. Of aliases it takes no notice: a container is found by its name.
pub(crate) fn connect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let [network, container] = arguments.operands.as_slice() else {
        return Err(Trouble::Usage("\"network connect\" requires exactly 2 arguments.".to_owned()));
    };
    let network = Network::find(&engine.state, network)?;
    let place = Place::find(&engine.state, container)?;
    if place.container()?.spec.networks.contains(&network.name) {
        return Err(Trouble::OnNetwork { container: container.clone(), network: network.name });
    }
    if !engine.faults.has(Fault::Ignore) {
        place.join(&network.name)?;
    }
    Ok(0)
}

pub(crate) fn inspect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let (mut documents, mut troubles) = (Vec::new(), Vec::new());
    for operand in &arguments.operands {
        match described(engine, operand) {
            Ok(document) => documents.push(document),
            Err(trouble) => troubles.push(trouble),
        }
    }
    super::print_array(engine, documents);
    let mut status = 0;
    for trouble in troubles {
        let (code, text) = engine.dialect.describe(&trouble, Some(Verb::NetworkInspect));
        engine.console.warn(&text);
        status = code;
    }
    Ok(status)
}

fn described(engine: &Engine, operand: &str) -> Result<Value, Trouble> {
    let network = Network::find(&engine.state, operand)?;
    if engine.faults.has(Fault::Missing) {
        return Err(Trouble::NoSuchNetwork(operand.to_owned()));
    }
    let mut document = engine.dialect.network(&network);
    lies::about_network(&mut document, &engine.faults);
    Ok(document)
}

pub(crate) fn list(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let filters = arguments.values("filter").map(label).collect::<Result<Vec<_>, _>>()?;
    let bears = |network: &Network, key: &String, value: &Option<String>| {
        network.labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| found == value))
    };
    let admits = |network: &Network| filters.iter().all(|(key, value)| bears(network, key, value));
    let networks = Network::all(&engine.state)?.into_iter().filter(admits).collect::<Vec<_>>();
    let by_name = engine.dialect == Dialect::Podman || arguments.value("format") == Some("{{.Name}}");
    if !arguments.is_set("quiet") && arguments.value("format").is_none() {
        engine.console.say("NETWORK ID    NAME        DRIVER");
    }
    for network in networks {
        let id = network.id.get(..12).unwrap_or_default();
        let line = match (arguments.is_set("quiet"), arguments.value("format")) {
            (true, _) | (_, Some(_)) if by_name => network.name,
            (true, _) => id.to_owned(),
            _ => format!("{id}  {:<12}{}", network.name, network.driver),
        };
        engine.console.say(&line);
    }
    Ok(0)
}

pub(crate) fn remove(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    super::each(engine, Verb::NetworkRm, arguments, |engine, operand| {
        let network = Network::find(&engine.state, operand)?;
        // Podman 4.3 minds the users of a network that it is told by its name alone.
        let minds = engine.dialect == Dialect::Docker || operand == network.name;
        let used = match engine.dialect {
            Dialect::Podman => !network.users(&engine.state)?.is_empty(),
            Dialect::Docker => network.is_active(&engine.state)?,
        };
        if used && minds {
            return Err(Trouble::NetworkInUse { name: network.name, id: network.id });
        }
        if !engine.faults.has(Fault::Ignore) {
            network.remove(&engine.state)?;
        }
        engine.console.say(operand);
        Ok(())
    })
}
