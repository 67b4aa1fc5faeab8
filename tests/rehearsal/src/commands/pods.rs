//! `pod create`, `pod inspect`, `pod ls`, `pod rm`: Podman's alone.

use serde_json::json;

use super::volumes::{label, pairs};
use crate::arguments::Arguments;
use crate::clock::Moment;
use crate::container::{Phase, Place};
use crate::dialect::Dialect;
use crate::engine::Engine;
use crate::faults::Fault;
use crate::lies;
use crate::pod::Pod;
use crate::spec::Spec;
use crate::state;
use crate::trouble::{StartTrouble, Trouble};
use crate::verb::Verb;

pub(crate) fn create(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    if arguments.value("infra") != Some("false") {
        return Err(Trouble::Invalid(
            "building local pause image: finding pause binary: exec: \"catatonit\": executable file not found in $PATH"
                .to_owned(),
        ));
    }
    let mut labels = pairs(arguments, "label");
    lies::about_labels(&mut labels, &engine.faults);
    let name = arguments.value("name").ok_or_else(|| Trouble::Usage("a pod has a name here".to_owned()))?.to_owned();
    let pod = Pod { id: state::random_id()?, name, created: Moment::now(), labels };
    if !engine.faults.has(Fault::Ignore) {
        pod.make(&engine.state)?;
    }
    engine.console.say(&pod.id);
    Ok(0)
}

/// The pod and the network of another container, by their IDs.
pub(super) fn joined(engine: &Engine, spec: &mut Spec) -> Result<(), Trouble> {
    if engine.faults.has(Fault::LeaveOutPod) {
        (spec.pod, spec.network) = (String::new(), String::new());
    }
    if !spec.pod.is_empty() {
        spec.pod = Pod::find(&engine.state, &spec.pod)?.id;
    }
    if let Some(other) = spec.network.strip_prefix("container:") {
        spec.network = format!("container:{}", Place::find(&engine.state, other)?.id);
    }
    Ok(())
}

/// What a container shares the network of has to run.
pub(super) fn check(engine: &Engine, spec: &Spec) -> Result<(), StartTrouble> {
    let Some(other) = spec.network.strip_prefix("container:") else { return Ok(()) };
    let runs = |place: Place<'_>| place.status().is_ok_and(|status| status.phase == Phase::Running);
    match Place::find(&engine.state, other) {
        Ok(place) if runs(place.clone()) => Ok(()),
        _ => Err(StartTrouble::NoNetwork(other.to_owned())),
    }
}

pub(crate) fn inspect(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let found = Pod::find(&engine.state, arguments.operand()?);
    if found.is_err() {
        engine.console.say("[]");
    }
    let pod = found?;
    let member = |(place, container): &(Place<'_>, crate::container::Container)| {
        let word = place.status().map(|status| status.phase.word()).unwrap_or_default();
        json!({"Id": container.id, "Name": container.name, "State": word})
    };
    let members: Vec<_> = pod.containers(&engine.state)?.iter().map(member).collect();
    let mut document = json!({
        "Id": pod.id,
        "Name": pod.name,
        "Created": pod.created.rfc3339(),
        "CreateCommand": [],
        "ExitPolicy": "continue",
        "State": "Created",
        "Hostname": "",
        "Labels": pod.labels,
        "CreateCgroup": false,
        "CgroupParent": "/libpod_parent",
        "CreateInfra": false,
        "NumContainers": members.len(),
    });
    if let Some(object) = document.as_object_mut().filter(|_| !members.is_empty()) {
        object.insert("Containers".to_owned(), json!(members));
    }
    let text = Dialect::Podman.pretty(&document);
    engine.console.out(&text);
    Ok(0)
}

pub(crate) fn list(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let filters = arguments.values("filter").map(label).collect::<Result<Vec<_>, _>>()?;
    let bears = |pod: &Pod, key: &String, value: &Option<String>| {
        pod.labels.get(key).is_some_and(|found| value.as_ref().is_none_or(|value| found == value))
    };
    let by_name = arguments.value("format") == Some("{{.Name}}");
    for pod in
        Pod::all(&engine.state)?.into_iter().filter(|pod| filters.iter().all(|(key, value)| bears(pod, key, value)))
    {
        engine.console.say(if by_name { &pod.name } else { &pod.id });
    }
    Ok(0)
}

pub(crate) fn remove(engine: &mut Engine, arguments: &Arguments) -> Result<u8, Trouble> {
    let force = arguments.is_set("force");
    super::each(engine, Verb::PodRm, arguments, |engine, operand| {
        let pod = Pod::find(&engine.state, operand)?;
        let state = engine.state.clone();
        // Containers that do not run go with their pod, whosever they are.
        for (place, _) in pod.containers(&state)? {
            super::lifecycle::remove_one(&place, force)?;
        }
        if !engine.faults.has(Fault::Ignore) {
            pod.remove(&engine.state)?;
        }
        engine.console.say(&pod.id);
        Ok(())
    })
}
