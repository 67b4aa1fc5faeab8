//! Named volumes.

use serde_json::json;

use super::{created, on_both};

#[test]
fn volumes_are_made_used_and_removed() {
    on_both(|harbour| {
        let create = ["volume", "create", "--driver=local", "--label=a=b", "data"];
        assert_eq!(harbour.run(&create).out, "data\n");
        assert_eq!(harbour.run(&create).status, if harbour.is_podman() { 125 } else { 0 });
        let seen = harbour.run(&["volume", "inspect", "data"]).json()[0].clone();
        assert_eq!((&seen["Name"], &seen["Labels"]), (&json!("data"), &json!({"a": "b"})));
        assert_eq!(harbour.run(&["volume", "ls", "--quiet", "--filter=label=a=b"]).out, "data\n");
        assert_eq!(harbour.run(&["volume", "ls", "--quiet", "--filter=label=a=c"]).out, "");
        let mounts = ["--mount=type=volume,source=data,target=/data", "--mount=type=volume,source=more,target=/more"];
        let id = created(harbour, &mounts, &["write", "/data/note", "kept"]);
        harbour.run(&["start", "--attach", &id]);
        let other = created(harbour, &mounts[..1], &["file", "/data/note"]);
        assert_eq!(harbour.run(&["start", "--attach", &other]).out, "kept");
        let used = harbour.run(&["volume", "rm", "data"]);
        assert_eq!(used.status, if harbour.is_podman() { 2 } else { 1 });
        assert!(used.err.contains(&id) && used.err.contains(&other), "{used:?}");
        for id in [&id, &other] {
            assert_eq!(harbour.run(&["rm", "--volumes", id]).status, 0);
        }
        // Named ones stay; one that a container's mount made has no labels.
        assert_eq!(harbour.run(&["volume", "ls", "--quiet"]).out, "data\nmore\n");
        assert_eq!(harbour.run(&["volume", "rm", "data", "more"]).out, "data\nmore\n");
        assert_eq!(harbour.run(&["volume", "ls", "--quiet"]).out, "");
        let missing = harbour.run(&["volume", "inspect", "data"]);
        assert_eq!((missing.status, missing.out.as_str()), (if harbour.is_podman() { 125 } else { 1 }, "[]\n"));
        assert!(missing.err.contains("no such volume"), "{missing:?}");
        assert_eq!(harbour.run(&["volume", "rm", "data"]).status, 1);
        assert_eq!(harbour.run(&["volume", "rm", "--force", "data"]).status, 0);
        assert!(harbour.run(&["volume", "create", "--", "-x"]).status != 0);
    });
}

#[test]
fn a_forced_removal_of_a_volume_takes_podmans_containers_with_it() {
    on_both(|harbour| {
        let id = created(harbour, &["--mount=type=volume,source=data,target=/data"], &["exit", "0"]);
        let status = harbour.run(&["volume", "rm", "--force", "data"]).status;
        let left = harbour.run(&["ps", "--all", "--quiet", "--no-trunc"]).out;
        let expected = if harbour.is_podman() { (0, String::new()) } else { (1, format!("{id}\n")) };
        assert_eq!((status, left), expected);
    });
}
