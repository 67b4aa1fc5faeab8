//! The list of behaviours, and their run on one engine.

use std::fs;
use std::io::Write as _;
use std::panic;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::ground::{Ground, Kind};
use crate::setting::Setting;
use crate::table::{Outcome, Verdict};
use crate::{
    archives, commands, compose, containers, control, copies, creation, crowd, detection, doomed, ends, events, exec,
    filters, gpus, health, images, journal, layers, leftovers, liars, logs, networks, options, ownership, pods, policy,
    preflight, program, proofs, secrets, units, volumes,
};

/// How long one behaviour may take.
const LIMIT: Duration = Duration::from_secs(90);

type Trial = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something that every engine's host does alike.
pub(crate) struct Behaviour {
    pub(crate) name: &'static str,
    module: &'static str,
    on: fn(Kind) -> bool,
    run: fn(Arc<Setting>) -> Trial,
}

impl Behaviour {
    pub(crate) fn is_for(&self, kind: Kind) -> bool {
        (self.on)(kind)
    }

    /// Whether it is tried on made GPUs, in a pass of its own: the others take it that there are none.
    pub(crate) fn needs_gpus(&self) -> bool {
        self.module == "gpus"
    }
}

fn all(kind: Kind) -> bool {
    kind != Kind::RehearsalMasquerade
}

fn rehearsal(kind: Kind) -> bool {
    all(kind) && !kind.is_real()
}

fn real(kind: Kind) -> bool {
    kind.is_real()
}

fn podman(kind: Kind) -> bool {
    kind.is_real() && kind.is_podman()
}

fn docker(kind: Kind) -> bool {
    kind.is_real() && !kind.is_podman()
}

/// Where Podman can be had under Docker's name.
fn masquerade(kind: Kind) -> bool {
    kind == Kind::RehearsalMasquerade || (kind.is_real() && kind.is_podman())
}

macro_rules! behaviours {
    ($($on:ident: $module:ident { $($name:ident)* })*) => {
        pub(crate) const BEHAVIOURS: &[Behaviour] = &[
            $($(Behaviour { name: stringify!($name), module: stringify!($module), on: $on, run: |setting| Box::pin($module::$name(setting)) },)*)*
        ];
    };
}

behaviours! {
    all: detection {
        a_working_engine_is_detected
        an_absent_program_is_said
        preflight_finds_no_failure_on_a_good_machine
        preflight_tells_no_gpu_from_no_toolkit
    }
    rehearsal: detection { an_engine_that_is_down_is_said }
    all: preflight {
        auto_is_no_preference
        the_owner_of_a_container_is_told
        a_preflight_is_one_pass
        a_preflight_records_its_evidence
        a_taken_port_is_found_before_it_is_asked_for
        the_sources_of_mounts_are_looked_at
        a_version_below_its_floor_is_a_warning
        remedies_are_of_this_distribution
        storage_and_registries_are_told
        a_required_gpu_fails_before_an_engine_is_asked
        an_optional_gpu_is_left_out_aloud
    }
    rehearsal: preflight {
        an_engine_that_hangs_is_bounded
        engines_are_asked_side_by_side_in_order_of_preference
        a_preference_hides_no_daemon_from_a_standard
    }
    real: preflight { a_context_elsewhere_is_told_and_not_followed }
    masquerade: detection {
        podman_under_the_name_of_docker_is_named
        podman_behind_a_docker_client_is_named
    }
    all: images {
        a_manifest_is_pulled_by_its_digest
        an_index_is_pulled_by_its_digest
        a_tag_is_warned_of_and_resolved
        other_manifest_bytes_are_a_digest_error
        a_bad_layer_is_a_digest_error
        a_bad_config_is_a_digest_error
        an_unknown_digest_is_not_found
        a_registry_that_is_down_is_unavailable
        a_registry_that_fails_is_unavailable
        a_login_that_nobody_has_is_unauthorised
        images_are_listed_and_removed
        an_image_that_is_removed_by_force_costs_no_container
        one_of_two_names_of_an_image_is_removed
    }
    all: archives {
        a_pull_is_tried_again_after_what_passes
        what_does_not_pass_is_not_tried_again
        tries_of_a_pull_are_bounded
        a_registry_that_stalls_ends_with_the_callers_time
        an_image_is_looked_at_and_measured
        an_image_that_is_not_held_may_be_removed_when_asked
        what_no_container_is_of_is_told
        an_image_goes_into_a_file_and_comes_back
        a_tag_goes_into_a_file_with_its_image
        an_archive_that_is_not_what_it_says_is_not_loaded
        a_name_in_an_archive_is_bounded_by_the_policy
        gpus_and_mounts_are_explained_and_nothing_is_run
    }
    all: layers {
        only_layers_that_are_missing_are_brought
        an_image_is_assembled_of_held_layers_and_runs
        a_layer_that_lies_is_not_kept
        a_held_layer_that_was_changed_makes_no_image
    }
    all: proofs {
        an_image_is_proved_link_by_link
        an_edited_layer_is_found_by_its_content_alone
        a_demand_for_content_is_met_once_for_an_image
        an_edited_layer_does_not_meet_a_demand_for_content
        a_registry_that_lies_later_is_not_believed
        without_a_source_nothing_is_called_proved
        an_absent_image_can_not_be_verified
    }
    podman: proofs { a_manifest_that_was_changed_in_the_engines_store_is_found }
    real: proofs { the_program_verifies_and_its_status_tells }
    rehearsal: proofs { an_engine_that_lies_is_found_by_a_verification }
    rehearsal: liars {
        an_engine_that_lies_of_a_digest_is_not_believed
        an_engine_that_lies_of_an_id_is_not_believed
        an_engine_that_lies_of_a_container_is_not_believed
        an_engine_that_leaves_out_the_label_is_not_believed
        an_engine_that_only_says_that_it_stopped_is_not_believed
        an_engine_that_only_says_that_it_paused_is_not_believed
        an_engine_that_leaks_the_environment_leaks_no_secret
    }
    all: creation {
        create_is_an_exact_rendering
        a_process_limit_of_the_callers_holds
        a_port_that_the_engine_chose_is_read_back
        no_network_means_none
        mounts_are_what_they_say
        create_again_gives_the_existing_one
        calls_for_one_name_make_it_once
        another_spec_is_a_conflict_that_says_what_differs
        a_changed_secret_is_a_conflict_that_tells_no_value
        a_foreign_name_is_a_conflict
    }
    all: crowd {
        many_containers_at_once_lose_no_call
        calls_that_wait_look_together
        removals_side_by_side_are_one
        what_another_host_made_is_left_alone
    }
    rehearsal: crowd { an_engine_that_fails_on_several_is_asked_for_each }
    all: crowd { programs_side_by_side_make_it_once }
    all: containers {
        a_detached_run_ends_with_its_status
        an_attached_run_keeps_its_streams_apart
        a_run_that_removes_leaves_nothing
        a_detached_run_that_removes_leaves_nothing
        a_dry_run_only_looks
    }
    real: containers { a_program_that_is_not_there_leaves_nothing }
    all: exec {
        an_exec_ends_with_the_commands_status
        an_exec_has_its_own_variables_folder_and_user
        a_secret_of_an_exec_appears_nowhere
        a_secret_of_an_exec_that_the_client_would_read_is_refused
        an_exec_is_fed_by_its_caller
        an_exec_that_asks_for_no_input_has_none
        an_exec_with_a_terminal_has_the_size_that_is_set
        a_secret_is_masked_on_a_terminal_too
        an_exec_of_what_is_not_there_has_the_status_of_shells
        an_exec_in_what_does_not_run_is_no_status
        an_exec_in_what_is_not_ours_is_refused
        an_exec_that_takes_too_long_is_ended_inside
        an_exec_that_nobody_waits_for_is_ended_inside
        an_exec_prints_more_than_is_kept
        a_dry_run_runs_no_command_in_a_container
        a_run_is_fed_to_its_end
        a_run_with_a_terminal_has_one
        a_run_to_completion_tells_all
    }
    all: copies {
        a_file_is_copied_in_and_out
        a_folder_is_copied_in_and_out
        what_is_in_a_folder_is_copied
        a_copy_into_a_folder_keeps_its_name
        what_is_no_file_is_not_copied_in
        what_leads_out_is_not_copied_in
        what_leads_out_is_not_copied_out
        a_copy_that_is_too_large_leaves_nothing
        a_copy_of_what_is_not_there_leaves_nothing
        a_copy_never_goes_through_a_link
        a_copy_in_what_is_not_ours_is_refused
        a_dry_run_copies_nothing
    }
    rehearsal: copies { an_engine_that_only_says_that_it_copied_is_not_believed }
    all: logs {
        a_tail_is_the_last_lines
        since_and_timestamps_hold
        following_ends_with_the_container
    }
    all: secrets {
        a_secret_appears_nowhere
        a_secret_as_a_file_is_only_there
        a_secret_that_the_client_would_read_is_refused
        a_secret_that_can_not_be_masked_is_refused
        a_secret_in_a_word_is_refused
    }
    all: ends {
        a_container_that_ignores_term_is_killed
        stopping_one_that_has_ended_is_no_error
        a_signal_reaches_the_container
        what_runs_is_removed_only_by_force
    }
    all: ownership {
        a_foreign_container_can_not_be_touched
        a_name_is_a_whole_name
        an_image_can_not_forge_ownership
        an_image_can_not_begin_outside_of_its_container
        a_copied_label_is_no_ownership
        a_label_on_another_container_of_its_name_is_no_ownership
        another_install_is_not_seen
    }
    all: policy {
        protected_folders_are_not_mounted
        a_loose_folder_is_not_mounted
        ports_beyond_loopback_are_refused_with_a_remedy
        the_hosts_network_is_refused_with_a_remedy
        absent_gpus_end_a_call_before_anything_is_created
    }
    real: policy { a_mount_that_is_exchanged_is_noticed }
    docker: policy { a_context_of_the_clients_configuration_is_not_followed }
    all: control {
        a_pause_stands_still_until_it_ends
        a_paused_container_is_stopped_all_the_same
        what_does_not_run_is_neither_paused_nor_read
        a_restart_begins_anew
        a_container_keeps_its_name
        processes_are_told_by_their_numbers
        one_reading_tells_what_a_container_uses
        readings_end_with_the_container
        a_foreign_container_is_neither_paused_nor_looked_into
        a_raw_document_is_the_engines_and_hides_secrets
    }
    all: filters {
        a_filter_is_a_whole_name_or_id
        filters_by_label_and_state_are_exact
        filters_by_image_and_volume_are_exact
        a_container_has_its_ports_before_it_runs_and_after
    }
    all: health {
        a_health_check_is_what_was_asked_for
        a_container_that_gets_well_is_waited_for
        a_container_that_is_not_well_is_a_time_out_with_its_state
        what_ends_is_not_waited_for
        without_a_health_check_nobody_is_well
        a_line_of_the_log_is_waited_for
        a_listener_is_waited_for
    }
    all: options {
        an_added_capability_takes_a_policy
        capabilities_taken_away_are_read_back
        a_user_namespace_takes_a_policy
        an_alias_needs_a_named_network
        the_platform_of_an_image_is_looked_at
        a_file_system_in_memory_has_a_size_or_none
        a_restart_policy_is_read_back
        other_settings_are_read_back
    }
    all: events {
        a_life_is_told_in_order
        a_pause_and_a_stop_are_told
        a_health_check_is_told
        only_our_events_are_told
        events_go_on_when_the_engines_client_ends
        events_end_when_nobody_listens
    }
    all: volumes {
        a_volume_is_made_once_and_found
        a_label_of_a_volume_is_one_label
        a_volume_keeps_what_was_written
        a_volume_in_use_is_not_removed
        a_container_with_a_volume_is_created_once
        a_foreign_volume_is_not_touched
        a_copied_label_makes_no_volume_ours
        another_installs_volume_is_not_ours
        a_volumes_name_is_a_whole_name
        a_run_that_fails_leaves_no_new_volume
        a_policy_says_which_volumes
        a_dry_run_makes_no_volume
    }
    rehearsal: volumes {
        a_volume_that_is_exchanged_is_noticed
        an_engine_that_lies_of_a_volume_is_not_believed
    }
    all: units {
        a_plain_unit_runs_what_it_says
        a_unit_of_a_container_names_its_id
        a_unit_holds_no_secret
        a_unit_has_files_for_its_volumes
        a_unit_of_a_pod_has_a_service_for_each_part
        a_unit_in_a_pod_to_be
        a_standard_is_compared_with_the_host
    }
    all: networks {
        a_network_is_made_once_and_found
        another_network_of_the_name_is_a_conflict_that_says_what_differs
        an_internal_network_is_internal
        containers_of_one_network_find_each_other_by_name
        a_container_joins_the_network_by_its_id
        a_container_is_on_several_networks
        a_further_network_is_ours_too
        a_network_that_is_not_there_is_not_joined
        a_network_in_use_is_not_removed
        a_foreign_container_is_not_cut_off
        a_foreign_network_is_not_touched
        a_copied_label_makes_no_network_ours
        another_installs_network_is_not_ours
        a_networks_name_is_a_whole_name
        a_policy_says_which_networks
        a_dry_run_makes_no_network
    }
    real: networks { a_container_that_left_a_network_is_no_longer_the_same }
    rehearsal: networks {
        a_network_that_is_exchanged_is_noticed
        an_engine_that_lies_of_a_network_is_not_believed
    }
    all: compose {
        a_project_comes_up_and_goes_down
        a_dry_run_of_a_project_makes_each_part_once
        a_project_that_fails_half_way_leaves_nothing
        a_project_with_an_unsupported_key_is_not_brought_up
    }
    all: pods {
        a_pod_is_made_once_and_found
        another_pod_of_the_name_is_a_conflict
        members_share_one_network
        a_port_of_a_pod_is_published_for_its_members
        a_pod_on_a_network_is_found_by_its_holders_name
        a_pod_is_stopped_and_goes_on
        a_pod_goes_with_its_members
        a_member_is_created_once
        a_pod_that_is_not_there_is_not_joined
        a_holder_is_no_container_of_a_callers
        another_installs_pod_is_not_ours
        a_copied_label_makes_no_holder
        a_policy_says_what_a_pod_may_publish
    }
    podman: pods { a_foreign_container_in_a_pod_is_spared }
    rehearsal: pods { an_engine_that_lies_of_a_pod_is_not_believed }
    all: doomed { a_killed_host_leaves_what_can_be_found }
    all: leftovers {
        what_a_killed_host_left_is_cleaned_up
        what_a_killed_host_left_may_become_a_callers
        what_a_killed_project_left_is_cleaned_up
    }
    real: leftovers { what_a_caller_was_handed_is_not_left_over }
    all: program {
        the_program_brings_layers_and_makes_an_image_of_them
        the_program_ends_with_the_containers_status
        the_program_tells_its_failures_apart
        the_program_removes_what_it_ran
        a_dry_run_of_the_program_prints_argvs
        an_interrupted_program_leaves_nothing
        a_program_interrupted_while_it_creates_leaves_nothing
        what_a_killed_program_was_to_remove_is_cleaned_up
        the_program_makes_lists_shows_and_removes_volumes
        the_program_runs_a_command_in_a_container
        the_program_copies_in_and_out
        the_program_waits_for_what_a_container_becomes
        the_program_filters_pauses_and_renames_not
        the_program_tells_events
        the_program_makes_lists_shows_and_removes_networks
    }
    all: commands {
        the_program_tells_whose_a_container_is
        the_program_looks_before_it_starts
        the_program_explains_gpus_and_mounts
        the_program_tries_a_pull_again
        the_program_shows_saves_loads_and_removes_images
        the_program_stops_kills_waits_and_removes
        the_program_reads_logs
        the_program_limits_a_container
        the_program_hands_over_secrets
        the_program_makes_shows_and_removes_pods
        the_program_writes_units
        the_program_brings_a_project_up_and_down
        the_program_compares_a_host_with_a_standard
    }
    real: gpus {
        a_mask_exposes_exactly_its_gpu
        several_gpus_and_all_of_them
        without_a_mask_no_gpu_is_seen
        more_than_the_mask_is_ended
        more_than_the_mask_ends_an_attached_run
        an_absent_gpu_of_several_fails_before_anything_is_created
        absent_gpus_end_a_project_before_anything_is_made
        a_preflight_knows_which_gpus_the_specs_name
        a_profile_that_nobody_can_judge_ends_a_call
        the_program_exposes_exactly_a_mask
    }
    all: journal {
        the_journal_verifies_and_has_every_command
        every_command_that_ran_is_reachable
    }
}

/// `--ground NAME FOLDER PROGRAM [WORD…]`: everything on one engine, a line of JSON for each behaviour.
pub(crate) fn run(words: &[String]) -> ExitCode {
    let [kind, folder, program, filters @ ..] = words else { return ExitCode::from(2) };
    let Some(kind) = Kind::from_name(kind) else { return ExitCode::from(2) };
    let ground = Ground::new(kind, Path::new(folder));
    let panics = remember_panics();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let clean = runtime.block_on(all_on(ground, program.into(), filters, &panics));
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn all_on(ground: Ground, program: PathBuf, filters: &[String], panics: &Panics) -> bool {
    let kind = ground.kind;
    let opened = tokio::spawn(Setting::open(ground, program)).await;
    let Ok(setting) = opened else {
        report(kind, "opening", Verdict::Failed(panics.take()), Duration::ZERO);
        return false;
    };
    let mut clean = true;
    let gpus = std::env::var_os(crate::made::VARIABLE).is_some();
    let of_this_pass = |behaviour: &&Behaviour| behaviour.is_for(kind) && behaviour.needs_gpus() == gpus;
    let mut group = "";
    for behaviour in BEHAVIOURS.iter().filter(of_this_pass).filter(|behaviour| is_chosen(kind, behaviour, filters)) {
        if std::mem::replace(&mut group, behaviour.module) != behaviour.module {
            setting.sweep();
        }
        let begun = Instant::now();
        let verdict = verdict(behaviour, Arc::clone(&setting), panics).await;
        clean &= verdict == Verdict::Holds;
        report(kind, behaviour.name, verdict, begun.elapsed());
        setting.ground_is_honest();
    }
    setting.clear();
    clean
}

pub(crate) fn is_chosen(kind: Kind, behaviour: &Behaviour, filters: &[String]) -> bool {
    let name = format!("{}/{}", kind.name(), behaviour.name);
    filters.iter().all(|word| name.contains(word.as_str()))
}

async fn verdict(behaviour: &Behaviour, setting: Arc<Setting>, panics: &Panics) -> Verdict {
    let mut task = tokio::spawn((behaviour.run)(setting));
    match tokio::time::timeout(LIMIT, &mut task).await {
        Ok(Ok(())) => Verdict::Holds,
        Ok(Err(_)) => Verdict::Failed(panics.take()),
        Err(_) => {
            task.abort();
            Verdict::Failed(format!("it took more than {LIMIT:?}"))
        }
    }
}

fn report(kind: Kind, behaviour: &str, verdict: Verdict, time: Duration) {
    let outcome = Outcome { kind, behaviour: behaviour.to_owned(), verdict, time };
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", outcome.to_line()).unwrap();
    stdout.flush().unwrap();
}

/// The words of the panics since the last look.
#[derive(Clone, Default)]
struct Panics(Arc<Mutex<Vec<String>>>);

impl Panics {
    fn take(&self) -> String {
        let words = std::mem::take(&mut *self.0.lock().unwrap());
        words.join("; ")
    }
}

fn remember_panics() -> Panics {
    let panics = Panics::default();
    let kept = panics.clone();
    panic::set_hook(Box::new(move |info| kept.0.lock().unwrap().push(info.to_string())));
    panics
}

/// A folder of a behaviour's own, below the ground's.
pub(crate) fn folder(setting: &Setting, name: &str) -> PathBuf {
    let path = setting.ground.folder.join(name);
    fs::create_dir_all(&path).unwrap();
    path
}
