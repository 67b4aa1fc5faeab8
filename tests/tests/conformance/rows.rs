//! What works where, for people: `host/docs/support.md`, made of the suite's own results.
//!
//! A row is something that a caller asks for, with the behaviours that show it, through the API and through the program.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use portreeve_tests::engines::Engine;

use crate::behaviours::BEHAVIOURS;
use crate::ground::Kind;
use crate::table::{Outcome, Verdict};

/// The engines that the page has columns for.
const COLUMNS: [(&str, Kind); 4] = [
    ("Podman root", Kind::Real(Engine::PodmanRoot)),
    ("Podman rootless", Kind::Real(Engine::PodmanRootless)),
    ("Docker", Kind::Real(Engine::Docker)),
    ("rehearsal", Kind::RehearsalPodman),
];

/// Something that a caller asks for.
struct Row {
    what: &'static str,
    api: &'static [&'static str],
    program: &'static [&'static str],
    /// What is to be said of it: where an engine does it in another way, or a part of it nowhere.
    note: &'static str,
}

const fn row(
    what: &'static str,
    api: &'static [&'static str],
    program: &'static [&'static str],
    note: &'static str,
) -> Row {
    Row { what, api, program, note }
}

const ROWS: &[Row] = &[
    row(
        "Detect: what works, what is behind a program, in order of preference, within a bound",
        &[
            "a_working_engine_is_detected",
            "an_absent_program_is_said",
            "auto_is_no_preference",
            "an_engine_that_hangs_is_bounded",
            "engines_are_asked_side_by_side_in_order_of_preference",
            "podman_under_the_name_of_docker_is_named",
            "podman_behind_a_docker_client_is_named",
            "a_context_elsewhere_is_told_and_not_followed",
        ],
        &["the_program_tells_its_failures_apart"],
        "",
    ),
    row(
        "Which engine owns a container",
        &["the_owner_of_a_container_is_told"],
        &["the_program_tells_whose_a_container_is"],
        "",
    ),
    row(
        "Preflight: findings with remedies, in one pass",
        &[
            "preflight_finds_no_failure_on_a_good_machine",
            "a_preflight_is_one_pass",
            "a_preflight_records_its_evidence",
            "a_taken_port_is_found_before_it_is_asked_for",
            "the_sources_of_mounts_are_looked_at",
            "a_version_below_its_floor_is_a_warning",
            "remedies_are_of_this_distribution",
            "storage_and_registries_are_told",
        ],
        &["the_program_looks_before_it_starts"],
        "",
    ),
    row(
        "GPUs: a mask exposes exactly what it names; an absent one fails before anything is created",
        &[
            "a_mask_exposes_exactly_its_gpu",
            "several_gpus_and_all_of_them",
            "without_a_mask_no_gpu_is_seen",
            "more_than_the_mask_is_ended",
            "more_than_the_mask_ends_an_attached_run",
            "an_absent_gpu_of_several_fails_before_anything_is_created",
            "a_profile_that_nobody_can_judge_ends_a_call",
            "a_required_gpu_fails_before_an_engine_is_asked",
            "an_optional_gpu_is_left_out_aloud",
            "absent_gpus_end_a_call_before_anything_is_created",
            "preflight_tells_no_gpu_from_no_toolkit",
        ],
        &["the_program_exposes_exactly_a_mask", "the_program_looks_before_it_starts"],
        "the rehearsal engine has no device nodes: there it is shown that absent ones fail",
    ),
    row(
        "Explain GPUs and mounts",
        &["gpus_and_mounts_are_explained_and_nothing_is_run"],
        &["the_program_explains_gpus_and_mounts"],
        "",
    ),
    row(
        "Images: pull by digest or tag, proved",
        &[
            "a_manifest_is_pulled_by_its_digest",
            "an_index_is_pulled_by_its_digest",
            "a_tag_is_warned_of_and_resolved",
            "other_manifest_bytes_are_a_digest_error",
            "an_image_is_proved_link_by_link",
        ],
        &["the_program_verifies_and_its_status_tells", "the_program_tries_a_pull_again"],
        "",
    ),
    row(
        "Images: tries again what may pass",
        &[
            "a_pull_is_tried_again_after_what_passes",
            "what_does_not_pass_is_not_tried_again",
            "tries_of_a_pull_are_bounded",
            "a_registry_that_stalls_ends_with_the_callers_time",
        ],
        &["the_program_tries_a_pull_again"],
        "",
    ),
    row(
        "Images: list, size, inspect, remove, advice",
        &[
            "images_are_listed_and_removed",
            "one_of_two_names_of_an_image_is_removed",
            "an_image_is_looked_at_and_measured",
            "an_image_that_is_not_held_may_be_removed_when_asked",
            "what_no_container_is_of_is_told",
        ],
        &["the_program_shows_saves_loads_and_removes_images"],
        "",
    ),
    row(
        "Images: load and save",
        &[
            "an_image_goes_into_a_file_and_comes_back",
            "a_tag_goes_into_a_file_with_its_image",
            "an_archive_that_is_not_what_it_says_is_not_loaded",
            "a_name_in_an_archive_is_bounded_by_the_policy",
        ],
        &["the_program_shows_saves_loads_and_removes_images"],
        "",
    ),
    row(
        "Layers: ensure and assemble",
        &[
            "only_layers_that_are_missing_are_brought",
            "an_image_is_assembled_of_held_layers_and_runs",
            "a_layer_that_lies_is_not_kept",
            "a_held_layer_that_was_changed_makes_no_image",
        ],
        &["the_program_brings_layers_and_makes_an_image_of_them"],
        "",
    ),
    row(
        "Containers: create, idempotent; run; to completion",
        &[
            "create_is_an_exact_rendering",
            "create_again_gives_the_existing_one",
            "another_spec_is_a_conflict_that_says_what_differs",
            "an_image_can_not_begin_outside_of_its_container",
            "a_detached_run_ends_with_its_status",
            "an_attached_run_keeps_its_streams_apart",
            "a_run_to_completion_tells_all",
            "a_run_is_fed_to_its_end",
            "a_run_with_a_terminal_has_one",
        ],
        &[
            "the_program_ends_with_the_containers_status",
            "the_program_removes_what_it_ran",
            "an_interrupted_program_leaves_nothing",
            "a_program_interrupted_while_it_creates_leaves_nothing",
        ],
        "",
    ),
    row(
        "Exec: status, input, terminal, time-out",
        &[
            "an_exec_ends_with_the_commands_status",
            "an_exec_is_fed_by_its_caller",
            "an_exec_with_a_terminal_has_the_size_that_is_set",
            "an_exec_that_takes_too_long_is_ended_inside",
            "a_secret_of_an_exec_appears_nowhere",
        ],
        &["the_program_runs_a_command_in_a_container"],
        "",
    ),
    row(
        "Copy in and out",
        &[
            "a_file_is_copied_in_and_out",
            "a_folder_is_copied_in_and_out",
            "what_is_in_a_folder_is_copied",
            "what_leads_out_is_not_copied_out",
            "a_copy_that_is_too_large_leaves_nothing",
        ],
        &["the_program_copies_in_and_out"],
        "Docker copies nothing into a container whose root can't be written: unsupported there, and said so",
    ),
    row(
        "Stop, kill, wait, remove, restart",
        &[
            "a_container_that_ignores_term_is_killed",
            "stopping_one_that_has_ended_is_no_error",
            "a_signal_reaches_the_container",
            "what_runs_is_removed_only_by_force",
            "a_restart_begins_anew",
        ],
        &["the_program_stops_kills_waits_and_removes"],
        "",
    ),
    row(
        "Rename: refused, clearly",
        &["a_container_keeps_its_name"],
        &["the_program_filters_pauses_and_renames_not"],
        "on purpose: a name is part of the owner label",
    ),
    row(
        "Pause and unpause",
        &["a_pause_stands_still_until_it_ends", "a_paused_container_is_stopped_all_the_same"],
        &["the_program_filters_pauses_and_renames_not"],
        "Podman without root on cgroups v1 or hybrid has no freezer: unsupported there, and said so",
    ),
    row(
        "Top and stats",
        &[
            "processes_are_told_by_their_numbers",
            "one_reading_tells_what_a_container_uses",
            "readings_end_with_the_container",
        ],
        &["the_program_filters_pauses_and_renames_not"],
        "Podman without root on cgroups v1 or hybrid has no stats: unsupported there, and said so",
    ),
    row(
        "List, filters, inspect typed and raw",
        &[
            "a_filter_is_a_whole_name_or_id",
            "filters_by_label_and_state_are_exact",
            "filters_by_image_and_volume_are_exact",
            "a_container_has_its_ports_before_it_runs_and_after",
            "a_raw_document_is_the_engines_and_hides_secrets",
        ],
        &["the_program_filters_pauses_and_renames_not"],
        "",
    ),
    row(
        "Logs: follow, tail, since, timestamps",
        &["a_tail_is_the_last_lines", "since_and_timestamps_hold", "following_ends_with_the_container"],
        &["the_program_reads_logs"],
        "",
    ),
    row(
        "Health checks, and waiting for what a container becomes",
        &[
            "a_health_check_is_what_was_asked_for",
            "a_container_that_gets_well_is_waited_for",
            "a_line_of_the_log_is_waited_for",
            "a_listener_is_waited_for",
        ],
        &["the_program_waits_for_what_a_container_becomes"],
        "where Podman has no timers of systemd the host has the check run while it waits",
    ),
    row(
        "Limits, shared memory, tmpfs, read-only root, capabilities, user namespaces, host names, stop signals, restart policies",
        &[
            "a_process_limit_of_the_callers_holds",
            "an_added_capability_takes_a_policy",
            "capabilities_taken_away_are_read_back",
            "a_user_namespace_takes_a_policy",
            "a_file_system_in_memory_has_a_size_or_none",
            "a_restart_policy_is_read_back",
            "other_settings_are_read_back",
        ],
        &["the_program_limits_a_container"],
        "",
    ),
    row(
        "Secrets, as variables and as files",
        &["a_secret_appears_nowhere", "a_secret_as_a_file_is_only_there"],
        &["the_program_hands_over_secrets"],
        "",
    ),
    row(
        "Volumes",
        &[
            "a_volume_is_made_once_and_found",
            "a_volume_keeps_what_was_written",
            "a_volume_in_use_is_not_removed",
            "a_foreign_volume_is_not_touched",
        ],
        &["the_program_makes_lists_shows_and_removes_volumes"],
        "",
    ),
    row(
        "Networks: internal, several of a container, names between containers",
        &[
            "a_network_is_made_once_and_found",
            "an_internal_network_is_internal",
            "containers_of_one_network_find_each_other_by_name",
            "a_container_is_on_several_networks",
            "a_network_in_use_is_not_removed",
            "a_foreign_network_is_not_touched",
        ],
        &["the_program_makes_lists_shows_and_removes_networks"],
        "",
    ),
    row(
        "Pods: one network for several containers",
        &[
            "a_pod_is_made_once_and_found",
            "members_share_one_network",
            "a_port_of_a_pod_is_published_for_its_members",
            "a_pod_is_stopped_and_goes_on",
            "a_pod_goes_with_its_members",
            "a_copied_label_makes_no_holder",
        ],
        &["the_program_makes_shows_and_removes_pods"],
        "Docker has no pods: emulated there, and reported as emulated",
    ),
    row(
        "Clean-up after what failed half-way or was killed",
        &[
            "a_run_that_fails_leaves_no_new_volume",
            "a_killed_host_leaves_what_can_be_found",
            "what_a_killed_host_left_is_cleaned_up",
            "what_a_killed_host_left_may_become_a_callers",
            "what_a_killed_project_left_is_cleaned_up",
            "what_a_caller_was_handed_is_not_left_over",
        ],
        &["an_interrupted_program_leaves_nothing", "a_program_interrupted_while_it_creates_leaves_nothing"],
        "",
    ),
    row(
        "Units of systemd",
        &[
            "a_plain_unit_runs_what_it_says",
            "a_unit_of_a_container_names_its_id",
            "a_unit_holds_no_secret",
            "a_unit_has_files_for_its_volumes",
            "a_unit_of_a_pod_has_a_service_for_each_part",
            "a_unit_in_a_pod_to_be",
        ],
        &["the_program_writes_units", "the_program_makes_shows_and_removes_pods"],
        "",
    ),
    row(
        "Compose files",
        &[
            "a_project_comes_up_and_goes_down",
            "a_dry_run_of_a_project_makes_each_part_once",
            "a_project_that_fails_half_way_leaves_nothing",
            "a_project_with_an_unsupported_key_is_not_brought_up",
        ],
        &["the_program_brings_a_project_up_and_down"],
        "",
    ),
    row(
        "A host against a standard",
        &["a_standard_is_compared_with_the_host", "a_preference_hides_no_daemon_from_a_standard"],
        &["the_program_compares_a_host_with_a_standard"],
        "",
    ),
    row(
        "Errors: each its own kind, with what may be tried again and what to do",
        &[
            "an_unknown_digest_is_not_found",
            "a_registry_that_is_down_is_unavailable",
            "a_registry_that_fails_is_unavailable",
            "a_login_that_nobody_has_is_unauthorised",
            "other_manifest_bytes_are_a_digest_error",
            "a_foreign_name_is_a_conflict",
            "a_port_that_the_engine_chose_is_read_back",
            "absent_gpus_end_a_call_before_anything_is_created",
            "what_does_not_pass_is_not_tried_again",
        ],
        &["the_program_tells_its_failures_apart"],
        "",
    ),
    row(
        "Time-outs and cancellation",
        &[
            "an_engine_that_hangs_is_bounded",
            "a_registry_that_stalls_ends_with_the_callers_time",
            "an_exec_that_takes_too_long_is_ended_inside",
            "an_exec_that_nobody_waits_for_is_ended_inside",
            "a_container_that_is_not_well_is_a_time_out_with_its_state",
            "a_container_that_ignores_term_is_killed",
        ],
        &["an_interrupted_program_leaves_nothing", "a_program_interrupted_while_it_creates_leaves_nothing"],
        "",
    ),
    row(
        "Many calls at once: in turn, once for one name, none lost",
        &[
            "many_containers_at_once_lose_no_call",
            "calls_that_wait_look_together",
            "calls_for_one_name_make_it_once",
            "removals_side_by_side_are_one",
            "what_another_host_made_is_left_alone",
            "engines_are_asked_side_by_side_in_order_of_preference",
        ],
        &["programs_side_by_side_make_it_once"],
        "",
    ),
    row(
        "Events",
        &[
            "a_life_is_told_in_order",
            "a_pause_and_a_stop_are_told",
            "only_our_events_are_told",
            "events_go_on_when_the_engines_client_ends",
            "events_end_when_nobody_listens",
        ],
        &["the_program_tells_events"],
        "",
    ),
];

/// The page.
fn page(outcomes: &[Outcome]) -> String {
    let mut text = String::from(HEAD);
    for row in ROWS {
        let cells: Vec<String> = [row.api, row.program]
            .into_iter()
            .flat_map(|shown| COLUMNS.map(|(_, kind)| cell(outcomes, kind, shown).to_owned()))
            .collect();
        text.push_str(&format!("| {} | {} | {} |\n", row.what, cells.join(" | "), row.note));
    }
    text
}

const HEAD: &str = "\
# What works where

Made of the conformance suite's own results, by which it is compared at every run over all engines
(`PORTREEVE_REGENERATE=1 cargo test -p portreeve-tests --test conformance` writes it). *yes*: every behaviour that shows it
holds; *–*: the suite has none for it there. On the rehearsal engine the program drives a backend that was approved under
a grant for it, as an operator would.

| | API: Podman root | Podman rootless | Docker | rehearsal | program: Podman root | Podman rootless | Docker | rehearsal | |
|---|---|---|---|---|---|---|---|---|---|
";

fn cell(outcomes: &[Outcome], kind: Kind, behaviours: &[&str]) -> &'static str {
    let tried = |outcome: &&Outcome| outcome.kind == kind && behaviours.contains(&outcome.behaviour.as_str());
    let tried: Vec<&Outcome> = outcomes.iter().filter(tried).collect();
    match (tried.is_empty(), tried.iter().any(|outcome| outcome.failed())) {
        (true, _) => "–",
        (_, true) => "no",
        _ => "yes",
    }
}

/// Prints the page as it is when everything holds.
pub(crate) fn foretell() -> ExitCode {
    let holds = |kind: Kind| {
        let those = BEHAVIOURS.iter().filter(move |behaviour| behaviour.is_for(kind));
        those.map(move |behaviour| Outcome {
            kind,
            behaviour: behaviour.name.to_owned(),
            verdict: Verdict::Holds,
            time: Duration::ZERO,
        })
    };
    print!("{}", page(&Kind::ALL.into_iter().flat_map(holds).collect::<Vec<_>>()));
    ExitCode::SUCCESS
}

/// Compares the page with what a whole run showed, or writes it. What is wrong, in words.
pub(crate) fn compare(outcomes: &[Outcome]) -> Result<(), String> {
    unknown().map_or(Ok(()), |name| Err(format!("host/docs/support.md rests on {name}, which is no behaviour")))?;
    let (path, page) = (path(), page(outcomes));
    if std::env::var_os("PORTREEVE_REGENERATE").is_some() {
        return std::fs::write(&path, page).map_err(|error| error.to_string());
    }
    match std::fs::read_to_string(&path) {
        Ok(text) if text == page => Ok(()),
        _ => Err(format!("host/docs/support.md is not what this run showed:\n{page}")),
    }
}

/// A name in the rows that no behaviour has.
fn unknown() -> Option<&'static str> {
    let named = ROWS.iter().flat_map(|row| row.api.iter().chain(row.program));
    named.copied().find(|name| !BEHAVIOURS.iter().any(|behaviour| behaviour.name == *name))
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/docs/support.md")
}
