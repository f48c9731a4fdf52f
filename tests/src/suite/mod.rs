//! Scenarios with a socket in them, generic over the runtime.
//!
//! Each takes a runtime, plays one rule against the emulator, and panics where the rule does not
//! hold. [`scenarios!`](crate::scenarios) makes a test of each.

pub(crate) mod child;
mod front;
mod heard;
mod probe;
mod relay;
mod support;

// For tests of what is no runtime's, such as the methods of the blocking client.
pub use front::{Front, Trust};
pub use relay::Relay;

pub mod cancel;
pub mod certificates;
pub mod coding;
pub mod connect;
pub mod connection;
pub mod continuity;
pub mod credentials;
pub mod environment;
pub mod faults;
pub mod fields;
pub mod hostile;
pub mod lifecycle;
pub mod proxy;
pub mod proxy_faults;
pub mod redirect;
pub mod responses;
pub mod rest;
pub mod retry;
pub mod secrets;
pub mod sse;
pub mod tls;
pub mod traces;
pub mod websocket;
pub mod websocket_faults;

/// Makes a `#[test]` of every scenario: `run` takes the name and an async function of a runtime.
///
/// The names stand here, once, so that no adapter can lack one.
#[macro_export]
macro_rules! scenarios {
    ($run:path) => {
        $crate::scenarios! { $run => rest:
            create_gives_the_stream,
            get_gives_what_was_created,
            list_gives_a_page,
            update_sets_clears_and_leaves,
            start_and_stop_change_the_status,
            delete_takes_the_stream_away,
            validate_api_key_asks_about_a_key,
            credit_usage_counts_events,
            connection_snippets_give_urls_and_code,
            direct_setup_describes_the_target,
            direct_session_is_found_again_by_its_key,
            pages_are_walked_to_the_end,
            a_page_that_comes_again_is_the_end,
            an_id_is_one_path_segment,
            a_wrong_key_is_refused_with_401,
            a_bad_value_is_refused_with_a_message_and_a_request_id,
            a_reply_that_is_not_json_is_an_error,
            a_reply_without_content_is_an_error,
            a_reply_over_the_limit_is_an_error,
            no_answer_is_a_timeout,
            a_reply_that_stalls_is_a_timeout,
            a_connect_that_never_ends_is_a_connect_timeout,
            a_refused_connect_is_an_error,
            a_name_that_does_not_resolve_is_an_error,
            a_host_name_is_resolved,
            a_reply_that_is_cut_is_an_error,
            idle_connections_are_used_again,
            a_refusal_leaves_its_connection_usable,
            a_connection_behind_an_ambiguous_reply_is_not_used_again,
            calls_side_by_side_have_a_connection_each,
            a_kept_connection_that_was_closed_is_replaced,
            an_idempotent_call_on_a_connection_that_dies_is_sent_again,
            a_dropped_call_closes_its_connection,
        }
        $crate::scenarios! { $run => sse:
            a_stream_is_followed_by_its_id,
            a_session_is_followed_by_its_id,
            a_url_is_followed,
            a_rest_api_is_followed_directly,
            the_key_goes_out_as_a_bearer_token,
            each_request_says_what_client_it_comes_from,
            a_key_in_the_url_is_the_only_one,
            without_a_position_it_starts_with_the_latest,
            what_comes_in_an_outage_before_the_first_event_comes,
            since_replays_what_came_after_it,
            a_stored_cursor_resumes_in_another_subscription,
            the_cursor_moves_when_an_event_is_handed_out,
            data_is_the_text_that_arrived,
            an_error_event_has_code_and_message,
            a_malformed_event_is_handed_out_and_passed,
            an_event_over_the_limit_is_rejected_and_passed,
            large_events_come_through_whole,
            signed_updates_are_events_with_the_right_secret,
            signed_updates_are_rejected_with_a_wrong_secret,
            unsigned_updates_are_rejected_where_a_secret_is_given,
            with_reconnect_off_the_end_of_the_stream_is_the_end,
            a_stream_that_is_deleted_ends_with_404_on_the_next_connect,
            a_client_without_a_key_sends_none,
        }
        $crate::scenarios! { $run => environment:
            the_environment_names_the_service,
        }
        $crate::scenarios! { $run => faults:
            a_connection_without_an_answer_is_replaced,
            interim_responses_without_end_are_no_answer,
            an_answer_that_does_not_come_is_a_loss,
            a_head_that_is_held_back_is_silence,
            resets_under_a_long_url_end_it,
            a_connect_that_never_ends_is_a_loss,
            a_server_that_is_gone_is_found_again,
            a_busy_or_broken_server_is_asked_again,
            retry_after_is_waited_for,
            a_refusal_ends_the_subscription,
            a_wrong_key_and_an_unknown_stream_end_the_subscription,
            a_refusal_that_goes_on_for_ever_is_told,
            reconnecting_is_given_up_after_as_many_as_allowed,
            a_cut_after_any_byte_loses_nothing,
            an_end_after_any_byte_loses_nothing,
            a_reset_after_any_byte_loses_nothing,
            a_loss_says_how_the_connection_ended,
            content_in_pieces_of_one_byte_makes_the_same_events,
            silence_is_a_loss,
            silence_in_the_middle_of_an_event_is_a_loss,
            all_faults_in_a_row_lose_nothing,
            a_server_that_ends_at_once_is_not_asked_in_a_tight_loop,
            subscriptions_of_one_client_are_apart,
            a_subscription_has_a_connection_of_its_own,
        }
        $crate::scenarios! { $run => credentials:
            a_key_does_not_go_over_plain_http,
            a_websocket_s_credentials_do_not_go_over_plain_http,
            each_call_and_each_connect_asks_for_its_key,
            a_refused_key_is_renewed,
            a_second_401_is_the_end,
            no_key_is_an_error_of_its_own,
            a_question_is_dropped_with_whoever_asks,
            next_that_is_dropped_asks_once,
        }
        $crate::scenarios! { $run => retry:
            a_busy_service_is_asked_again,
            a_post_that_may_have_been_received_is_made_once,
            a_post_that_was_not_sent_is_made_again,
            a_session_is_made_again_where_it_has_a_dedupe_key,
            a_busy_service_says_when_to_come_back,
            giving_up_says_how_often_it_was_tried,
            one_deadline_is_over_all_tries,
            a_dead_connection_is_no_try,
            a_call_dropped_in_its_back_off_leaves_nothing,
        }
        $crate::scenarios! { $run => coding:
            a_call_asks_for_a_coding_and_reads_it,
            a_refusal_in_a_coding_is_read,
            a_reply_that_breaks_its_coding_is_an_error,
            a_coding_that_no_registry_has_changes_nothing,
            a_transfer_coding_is_an_error_that_says_so,
            padding_behind_a_coding_s_end_says_nothing,
            no_content_is_none_in_any_coding,
            a_bomb_stops_at_the_limit,
            a_stream_that_is_coded_unasked_is_read,
            an_event_comes_out_when_it_is_flushed,
            a_coded_stream_cut_after_any_byte_loses_nothing,
            a_stream_that_breaks_its_coding_is_a_loss,
            a_stream_in_an_unknown_coding_ends,
            a_bomb_without_an_event_ends_the_subscription,
        }
        $crate::scenarios! { $run => cancel:
            next_that_is_dropped_at_any_poll_loses_nothing,
            next_that_loses_to_a_timer_loses_nothing,
            a_new_next_is_woken_by_what_comes,
            a_call_that_is_dropped_at_any_poll_harms_no_other,
            poll_next_is_the_same_sequence,
            a_stream_that_is_over_stays_over,
        }
        $crate::scenarios! { $run => fields:
            a_client_s_fields_go_with_each_request,
            a_field_of_one_request_goes_before_the_client_s,
            a_good_answer_has_its_fields,
            a_field_that_can_t_be_sent_makes_no_client,
        }
        $crate::scenarios! { $run => hostile:
            a_head_without_end_is_an_error,
            a_length_over_63_bits_is_an_error,
            a_frame_of_2_to_the_63_is_a_violation,
            a_flood_starves_nobody,
        }
        $crate::scenarios! { $run => lifecycle:
            a_dropped_subscription_closes_its_socket,
            a_subscription_that_has_ended_keeps_no_connection,
            a_subscription_dropped_before_the_answer_closes_its_socket,
            a_subscription_dropped_while_connecting_leaves_nothing,
            a_subscription_dropped_in_its_back_off_leaves_nothing,
            subscribing_and_dropping_leaves_nothing,
            a_subscription_that_is_not_polled_does_not_connect,
            a_subscription_outlives_its_client,
            close_ends_it_and_leaves_the_cursor,
            close_ends_it_in_any_state,
            a_watch_sees_each_state,
            a_watch_is_woken_by_each_turn,
            a_slow_reader_is_no_silent_server,
            sound_that_waits_in_the_socket_is_no_silence,
            nothing_piles_up_before_a_slow_reader,
            clients_and_subscriptions_can_be_sent,
        }
        $crate::scenarios! { $run => proxy:
            everything_goes_through_a_proxy,
            a_proxy_that_refuses_ends_it,
            a_proxy_that_can_t_reach_the_host_is_a_loss,
            a_proxy_is_no_origin,
            a_proxy_that_is_not_there_is_named,
            a_proxy_elsewhere_is_no_way_to_this_machine,
            a_proxy_that_keeps_silent_is_named,
            a_socks5_proxy_that_wants_another_user_ends_it,
            a_proxy_without_credentials_is_sent_none,
            interim_responses_to_connect_are_passed,
            over_redirects_each_side_keeps_its_credentials,
            the_environment_says_which_proxy,
        }
        $crate::scenarios! { $run => proxy_faults:
            a_proxy_s_url_that_can_t_be_one_is_an_error_at_once,
            a_refusal_of_a_port_says_what_is_usual,
            an_answer_to_connect_that_is_none_is_refused_at_once,
            an_answer_to_connect_without_end_is_an_error,
            a_socks5_reply_that_is_none_is_an_error,
            a_socks5_reply_that_is_cut_is_an_error,
            a_proxy_s_retry_after_is_waited_for,
            a_refusal_that_may_be_the_proxy_s_names_both,
            a_tunnel_that_breaks_names_the_proxy,
            a_proxy_is_told_the_user_agent,
        }
        $crate::scenarios! { $run => responses:
            a_head_of_many_fields_is_read,
            a_head_of_too_many_fields_is_named,
            a_head_that_is_too_large_is_named,
            folded_fields_are_read,
            a_higher_minor_version_is_read,
            chunks_in_http_1_0_are_read,
            chunk_extensions_lose_nothing,
            a_date_in_retry_after_needs_no_date_beside_it,
            a_408_on_a_kept_connection_is_no_answer,
        }
        $crate::scenarios! { $run => redirect:
            each_status_has_its_method_and_each_origin_its_key,
            each_origin_has_its_bearer_token,
            a_key_in_the_query_stays_behind,
            from_https_to_http_the_key_stays_behind,
            an_origin_is_its_scheme_host_and_port,
            a_key_does_not_go_over_plain_http_by_a_redirect,
            a_location_is_required_and_must_lead_somewhere,
            ten_redirects_are_followed_and_no_more,
            a_loop_over_two_origins_ends_without_the_key,
            a_relative_location_is_resolved,
            a_reconnect_starts_at_the_first_url,
        }
        $crate::scenarios! { $run => tls:
            calls_work_over_tls,
            subscriptions_work_over_tls,
            a_certificate_may_be_for_an_address,
            a_server_that_speaks_no_tls_is_a_loss,
            a_server_with_nothing_in_common_ends_it,
            a_handshake_that_stalls_is_a_timeout_of_its_own,
            a_handshake_that_breaks_off_is_no_connection,
            a_server_that_prefers_h2_is_not_taken_at_its_word,
        }
        $crate::scenarios! { $run => secrets:
            the_search_finds_what_it_looks_for,
            calls_tell_nobody_a_key,
            subscriptions_tell_nobody_a_key,
            what_a_server_says_again_of_a_key_is_told_to_nobody,
            a_connection_that_fails_tells_nobody_a_key,
            any_websocket_tells_nobody_a_key,
            a_proxy_s_password_is_told_to_nobody,
        }
        $crate::scenarios! { $run => traces:
            an_exchange_is_told_by_its_standard_names,
            an_exchange_that_fails_is_told_by_its_kind,
        }
        $crate::scenarios! { $run => connect:
            a_black_hole_holds_nobody_up,
            a_refusal_makes_way_at_once,
            black_holes_alone_are_a_connect_timeout,
            an_address_that_never_speaks_tls_makes_way,
            an_address_of_a_proxy_that_never_answers_makes_way,
            each_reconnect_resolves_the_name_anew,
            a_refusal_names_the_address,
            localhost_is_this_machine_whatever_a_resolver_says,
            idle_connections_that_were_closed_go_with_whatever_comes_next,
        }
        $crate::scenarios! { $run => certificates:
            each_bad_certificate_is_refused_over_each_transport,
            a_certificate_of_a_trusted_authority_is_accepted,
            a_proxy_in_the_middle_is_refused,
            the_platform_s_verifier_refuses_over_each_transport,
            an_authority_of_the_platform_s_is_trusted,
            a_client_s_certificate_is_shown_where_it_is_asked_for,
            a_signature_that_ring_does_not_know_is_named,
            roots_of_the_caller_s_join_the_platform_s,
            what_is_no_root_is_an_error_at_once,
            a_trust_store_that_can_t_be_read_is_named,
        }
        $crate::scenarios! { $run => connection:
            the_method_is_get,
            accept_asks_for_an_event_stream,
            caches_are_kept_out,
            a_first_request_has_no_id,
            the_caller_s_fields_go_with_each_request,
            status_200_with_the_right_type_opens,
            status_204_ends_it_on_a_first_request_and_on_a_later_one,
            any_other_status_fails_the_connection,
            a_wrong_content_type_fails_the_connection,
            a_missing_content_type_fails_the_connection,
            only_the_essence_of_the_content_type_counts,
            of_several_content_types_the_last_that_is_one_counts,
            content_is_utf_8_whatever_the_charset_says,
            the_body_of_a_failed_response_is_not_parsed,
            redirects_are_followed,
            the_end_of_the_body_reestablishes,
            a_network_error_reestablishes,
            after_close_nothing_comes,
            a_reconnection_has_its_order,
            the_reconnection_time_is_a_second_unless_set,
            retry_sets_the_reconnection_time,
            retry_that_is_no_number_is_ignored,
            the_wait_is_longer_while_nothing_comes_and_never_shorter,
            the_last_event_id_is_sent_as_the_cursor,
            an_id_in_a_block_that_is_cut_off_does_not_count,
            an_id_without_data_counts,
            an_id_stays_for_later_events_without_one,
            an_empty_id_moves_nothing,
            an_id_of_any_text_comes_back_whole,
            an_id_with_a_nul_is_ignored,
            an_id_is_not_carried_into_the_next_connection,
            nothing_else_survives_a_connection,
            a_partial_event_is_dropped,
            any_byte_restarts_the_idle_timer,
            the_states_are_connecting_open_and_closed,
            open_is_told_once_and_before_the_first_event,
        }
        $crate::scenarios! { $run => continuity:
            what_happened_before_the_answer_is_replayed,
            what_comes_again_is_repeated,
            what_comes_again_is_dropped_where_that_is_asked_for,
            ids_that_went_back_are_a_gap,
            a_refused_position_is_a_gap,
            a_snapshot_in_the_place_of_patches_is_a_gap,
            a_rejected_event_leaves_a_gap,
            a_stale_document_heals,
        }
        $crate::scenarios! { $run => websocket:
            a_stream_is_followed_over_websocket,
            a_rest_api_is_followed_directly_over_websocket,
            both_transports_give_the_same_events,
            the_handshake_is_a_websocket_s,
            the_key_goes_out_with_the_handshake,
            the_caller_s_fields_go_with_each_handshake,
            subprotocols_are_offered,
            compression_is_offered_or_not,
            compressed_messages_are_read,
            a_position_means_the_same_over_websocket,
            the_cursor_moves_with_each_message,
            an_event_is_one_message_in_any_form,
            a_message_that_is_no_event_is_handed_out_and_passed,
            a_message_over_the_limit_is_rejected_and_passed,
            signatures_are_verified_over_websocket,
            any_websocket_is_opened_used_and_closed,
            what_is_sent_goes_out_at_once,
            websockets_work_over_tls,
            close_closes_the_websocket,
            a_close_that_is_not_answered_ends_in_time,
            a_dropped_websocket_closes_its_socket,
            the_end_of_a_websocket_is_as_that_of_an_event_stream,
        }
        $crate::scenarios! { $run => websocket_faults:
            a_cut_in_any_part_of_a_frame_loses_nothing,
            a_cut_after_any_byte_of_the_frames_loses_nothing,
            an_end_without_a_close_frame_is_a_broken_connection,
            a_server_that_answers_no_ping_is_left,
            a_quiet_server_that_answers_pings_is_kept,
            silence_over_websocket_is_a_loss,
            what_came_before_a_failed_write_is_read,
            a_flood_of_pings_does_not_hold_events_back,
            each_close_code_means_what_the_table_says,
            a_close_without_a_code_is_an_end_in_good_order,
            the_caller_decides_on_close_codes,
            a_server_that_breaks_the_protocol_is_left,
            a_response_that_opens_no_websocket_is_an_error,
            a_refused_upgrade_is_asked_again_where_it_may_pass,
            a_handshake_without_an_answer_is_a_loss,
            a_redirected_handshake_is_followed,
            reconnecting_over_websocket_is_given_up,
            a_server_that_closes_at_once_is_not_asked_in_a_tight_loop,
            all_faults_of_websockets_in_a_row_lose_nothing,
            next_over_websocket_that_loses_to_a_timer_loses_nothing,
            nothing_piles_up_before_a_slow_reader_of_a_websocket,
            a_websocket_has_a_connection_of_its_own,
        }
    };
    ($run:path => $room:ident: $($name:ident),* $(,)?) => {
        mod $room {
            $(
                #[test]
                fn $name() {
                    ($run)($crate::suite::$room::$name);
                }
            )*
        }
    };
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    /// The list of names, as it is written above.
    const LIST: &str = include_str!("mod.rs");

    macro_rules! rooms {
        ($($room:ident)*) => {
            &[$((stringify!($room), include_str!(concat!(stringify!($room), ".rs")))),*]
        };
    }

    /// The files with scenarios, and what is in them.
    const ROOMS: &[(&str, &str)] = rooms! {
        cancel
        certificates
        coding
        connect
        connection
        continuity
        credentials
        environment
        faults
        fields
        hostile
        lifecycle
        proxy
        proxy_faults
        redirect
        responses
        rest
        retry
        secrets
        sse
        tls
        traces
        websocket
        websocket_faults
    };

    macro_rules! files {
        ($($path:literal)*) => {
            &[$(($path, include_str!(concat!("../../../", $path)))),*]
        };
    }

    /// The other files with sockets in their tests, by their path from the workspace's root.
    const FILES: &[(&str, &str)] = files! {
        "tests/tests/tokio.rs"
        "tests/tests/blocking/api.rs"
        "tests/tests/leaks.rs"
        "cli/tests/cli/tail.rs"
        "examples/tests/bring_your_own.rs"
        "examples/tests/how_to.rs"
        "examples/tests/readme.rs"
    };

    /// The functions of a file that `named` finds a name in, which it is told with whether
    /// `#[test]` is above it: each one's, and the rule in the comment above it.
    fn rules<'a>(
        source: &'a str,
        named: impl Fn(&'a str, bool) -> Option<&'a str>,
    ) -> Vec<(&'a str, String)> {
        let mut found = Vec::new();
        let (mut rule, mut is_test) = (String::new(), false);
        for line in source.lines() {
            if let Some(text) = line.strip_prefix("///") {
                rule.push_str(text);
            } else if line.starts_with("#[") {
                is_test |= line == "#[test]";
            } else {
                let rule = std::mem::take(&mut rule).trim().to_owned();
                found.extend(named(line, std::mem::take(&mut is_test)).map(|name| (name, rule)));
            }
        }
        found
    }

    /// The scenarios of a room.
    fn scenarios(source: &str) -> Vec<(&str, String)> {
        rules(source, |line, _| Some(line.strip_prefix("pub async fn ")?.split_once('<')?.0))
    }

    /// The tests of a file, and the rules that are tests of several examples.
    fn tests(source: &str) -> Vec<(&str, String)> {
        rules(source, |line, is_test| {
            let (name, arguments) = line.strip_prefix("fn ")?.split_once('(')?;
            (is_test || arguments == "stage: &Stage) {").then_some(name)
        })
    }

    fn write_table(due: &mut String, source: &str, what: &str, rules: Vec<(&str, String)>) {
        let about = source.lines().map_while(|line| line.strip_prefix("//! "));
        let about = about.collect::<Vec<_>>().join(" ");
        write!(due, "\n{about}\n\n| {what} | rule |\n| --- | --- |\n").unwrap();
        for (name, rule) in rules {
            assert!(!rule.is_empty(), "{name} does not say its rule");
            writeln!(due, "| `{name}` | {} |", rule.replace('|', "\\|")).unwrap();
        }
    }

    #[test]
    fn every_room_is_known() {
        let declared = LIST.lines().filter_map(|line| line.strip_prefix("pub mod "));
        let declared: Vec<_> = declared.map(|line| line.trim_end_matches(';')).collect();
        let known: Vec<_> = ROOMS.iter().map(|(room, _)| *room).collect();
        assert_eq!(declared, known);
    }

    #[test]
    fn every_scenario_is_in_the_list() {
        let mut count = 0;
        for (name, _) in ROOMS.iter().flat_map(|(_, source)| scenarios(source)) {
            assert!(LIST.contains(&format!(" {name},\n")), "{name} is not in the list");
            count += 1;
        }
        assert!(count > 100, "{count} scenarios were found");
    }

    #[test]
    fn the_readme_maps_each_test_to_its_rule() {
        const START: &str = "<!-- scenarios -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).expect("the README");
        let (text, _) = readme.split_once(START).expect("where the table starts");
        let mut due = format!("{text}{START}");
        for (room, source) in ROOMS {
            writeln!(due, "\n## `{room}`").unwrap();
            write_table(&mut due, source, "scenario", scenarios(source));
        }
        due.push_str("\n# Beside the suite\n");
        for (path, source) in FILES {
            writeln!(due, "\n## `{path}`").unwrap();
            write_table(&mut due, source, "test", tests(source));
        }
        if std::env::var_os("RESTLESS_BLESS").is_some() {
            std::fs::write(path, &due).expect("the README can be written");
        } else {
            assert!(
                readme == due,
                "the table is not that of the scenarios: RESTLESS_BLESS=1 writes it"
            );
        }
    }
}
