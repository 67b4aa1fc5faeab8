//! Lists by filter: whole names and whole values, whatever an engine would take for a match.

use std::sync::Arc;

use portreeve::ListFilter;

use crate::setting::Setting;

async fn names(setting: &Setting, filters: &[&str]) -> Vec<String> {
    let filters: Vec<ListFilter> = filters.iter().map(|text| text.parse().unwrap()).collect();
    let mut names: Vec<_> =
        setting.host.list_where(&filters).await.unwrap().into_iter().map(|container| container.name).collect();
    names.sort();
    names
}

/// Also while it does not run.
pub(crate) async fn a_container_has_its_ports_before_it_runs_and_after(setting: Arc<Setting>) {
    let mut spec = setting.spec(&["exit", "0"]);
    spec.network = None;
    spec.ports = vec!["127.0.0.1:0:80".parse().unwrap()];
    let created = setting.host.create(&spec).await.unwrap();
    assert_eq!(created.ports.iter().map(|port| port.container).collect::<Vec<_>>(), [80], "{created:?}");
    setting.host.run(&spec).await.unwrap();
    setting.host.wait(spec.name.as_str()).await.unwrap();
    let ended = setting.host.inspect(spec.name.as_str()).await.unwrap();
    assert_eq!(ended.ports.iter().map(|port| port.container).collect::<Vec<_>>(), [80], "{ended:?}");
}

pub(crate) async fn a_filter_is_a_whole_name_or_id(setting: Arc<Setting>) {
    let one = setting.name("web");
    let other = format!("{one}-db");
    let mut ids = Vec::new();
    for name in [&one, &other] {
        ids.push(setting.host.create(&setting.named(name, &["wait"])).await.unwrap().id);
    }
    assert_eq!(names(&setting, &[&format!("name={one}")]).await, std::slice::from_ref(&one));
    assert_eq!(names(&setting, &[&format!("name={one}"), &format!("name={other}")]).await, [one.clone(), other]);
    for id in [ids[0].clone(), ids[0][..12].to_owned()] {
        assert_eq!(names(&setting, &[&format!("id={id}")]).await, std::slice::from_ref(&one));
    }
    let part = &one[..one.len() - 1];
    assert!(names(&setting, &[&format!("name={part}")]).await.is_empty());
    assert!(names(&setting, &[&format!("name={one}"), "state=running"]).await.is_empty());
}

pub(crate) async fn filters_by_label_and_state_are_exact(setting: Arc<Setting>) {
    // Whatever others left would be found, too.
    setting.sweep();
    let (ended, kept) = (setting.name("ended"), setting.name("kept"));
    let mut spec = setting.named(&ended, &["exit", "7"]);
    spec.labels = vec!["org.example.tier=a=b".parse().unwrap(), "org.example.x=1".parse().unwrap()];
    setting.run_to_end(&spec).await;
    let mut spec = setting.named(&kept, &["wait"]);
    spec.labels = vec!["org.example.tier=a".parse().unwrap()];
    setting.host.create(&spec).await.unwrap();
    assert_eq!(names(&setting, &["label=org.example.tier=a=b"]).await, std::slice::from_ref(&ended));
    assert_eq!(names(&setting, &["label=org.example.tier=a"]).await, std::slice::from_ref(&kept));
    assert_eq!(names(&setting, &["label=org.example.tier"]).await, [ended.clone(), kept.clone()]);
    assert_eq!(names(&setting, &["label=org.example.tier", "label=org.example.x"]).await, std::slice::from_ref(&ended));
    assert_eq!(names(&setting, &["exited=7"]).await, std::slice::from_ref(&ended));
    assert_eq!(names(&setting, &["status=exited"]).await, std::slice::from_ref(&ended));
    assert_eq!(names(&setting, &["state=created"]).await, std::slice::from_ref(&kept));
    assert!(names(&setting, &["label=org.example"]).await.is_empty());
    assert!(names(&setting, &["exited=0"]).await.is_empty());
}

pub(crate) async fn filters_by_image_and_volume_are_exact(setting: Arc<Setting>) {
    // Whatever others left would be found, too.
    setting.sweep();
    let (plain, mounting, volume) = (setting.name("plain"), setting.name("mounting"), setting.name("data"));
    setting.host.create(&setting.named(&plain, &["wait"])).await.unwrap();
    let mut spec = setting.named(&mounting, &["wait"]);
    spec.mounts = vec![format!("{volume}:/data").parse().unwrap()];
    setting.host.create(&spec).await.unwrap();
    assert_eq!(names(&setting, &[&format!("volume={volume}")]).await, std::slice::from_ref(&mounting));
    assert_eq!(names(&setting, &["volume=/data"]).await, std::slice::from_ref(&mounting));
    assert!(names(&setting, &[&format!("volume={}", &volume[..volume.len() - 1])]).await.is_empty());
    let image = setting.image.single().to_string();
    for image in [image, setting.image.id(), setting.image.id()[..12].to_owned()] {
        assert_eq!(names(&setting, &[&format!("image={image}")]).await, [mounting.clone(), plain.clone()], "{image}");
    }
    assert!(names(&setting, &["image=example.org/nothing:1"]).await.is_empty());
}
