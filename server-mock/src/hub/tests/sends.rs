//! Numbered sends: appended at most once, answered, never out of order (protocol.md §2.3).

use super::*;

/// Ada speaks the extended protocol and is in `lobby`, and so does Bob; Cyd is there too, plainly.
fn lobby(change: impl FnOnce(&mut HubConfig)) -> World {
    let mut world = World::new(change);
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    world.extend(BOB, "bob");
    world.enter(BOB, "lobby");
    world.connect(CYD, "cyd");
    world.join(CYD, "lobby");
    world
}

#[test]
fn a_numbered_send_is_acknowledged_and_each_member_hears_what_it_understands() {
    let mut world = lobby(|_| {});
    let epoch = world.epoch("lobby");
    let frame = json!({
        "type": "send_message", "roomId": "lobby", "content": "hi", "data": {"a": [1, null]},
        "ref": "r", "pid": "p", "pseq": 1, "epoch": epoch,
    });
    let outputs = world.say(ADA, &frame.to_string());
    let id = &world.hub.store().room("lobby").unwrap().messages().next().unwrap().id.to_string();
    let ack = format!(
        r#"{{"type":"ack","ref":"r","roomId":"lobby","timestamp":"2025-11-22T21:19:19.123Z","id":"{id}","epoch":"{epoch}","seq":1}}"#
    );
    let plain = concat!(
        r#"{"type":"message","roomId":"lobby","userId":"ada","content":"hi","#,
        r#""timestamp":"2025-11-22T21:19:19.123Z""#
    );
    let extended = format!(r#"{plain},"data":{{"a":[1,null]}},"id":"{id}","epoch":"{epoch}","seq":1"#);
    assert_eq!(
        outputs,
        [
            sent(ADA, &ack),
            sent(ADA, &format!(r#"{extended},"pid":"p","pseq":1}}"#)),
            sent(BOB, &format!("{extended}}}")),
            sent(CYD, &format!("{plain}}}")),
        ]
    );
}

#[test]
fn a_repeated_send_is_answered_as_before_and_not_appended_again() {
    let mut world = lobby(|_| {});
    let first = world.number(ADA, "p", 1, "one");
    assert_eq!(world.number(ADA, "p", 2, "two")["seq"], 2);
    let mut again = world.number(ADA, "p", 1, "one");
    assert_eq!(again["dup"], true);
    again.as_object_mut().unwrap().remove("dup");
    assert_eq!(again, first);
    assert_eq!(world.logged("lobby"), ["one", "two"]);
}

#[test]
fn a_repetition_is_found_before_membership_size_and_rate_are_asked_for() {
    let mut world = lobby(|config| config.rate = Some(0.5));
    let epoch = world.epoch("lobby");
    assert_eq!(world.number(ADA, "p", 1, "one")["type"], "ack");
    assert_eq!(world.number(ADA, "p", 1, &"x".repeat(100_000))["dup"], true);
    world.hang_up(ADA);
    world.extend(ADA, "ada");
    assert_eq!(world.number_in(ADA, &epoch, "p", 1, "one")["dup"], true);
    assert_eq!(world.number_in(ADA, &epoch, "p", 2, "two")["code"], "not_joined");
}

#[test]
fn a_send_after_a_missing_one_is_refused_with_the_number_expected() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "one");
    let nack = world.number(ADA, "p", 3, "three");
    assert_eq!(
        nack,
        json!({
            "type": "nack", "ref": "s3", "code": "sequence_gap", "retry": true, "expected": 2,
            "message": "an earlier send of this line is missing",
        })
    );
    world.number(ADA, "p", 2, "two");
    world.number(ADA, "p", 3, "three");
    assert_eq!(world.logged("lobby"), ["one", "two", "three"]);
}

#[test]
fn a_line_that_is_not_known_begins_with_one_in_the_present_epoch_and_not_otherwise() {
    let mut world = lobby(|_| {});
    let epoch = world.epoch("lobby");
    for (pseq, epoch) in [(2, epoch.as_str()), (1, "another"), (9_007_199_254_740_991, epoch.as_str())] {
        let nack = world.number_in(ADA, epoch, "p", pseq, "x");
        assert_eq!((&nack["code"], &nack["retry"]), (&json!("unknown_producer"), &json!(false)));
    }
    assert_eq!(world.number(ADA, "p", 1, "x")["type"], "ack");
}

#[test]
fn lines_of_different_users_and_producers_do_not_meet() {
    let mut world = lobby(|_| {});
    for (conn, pid) in [(ADA, "p"), (BOB, "p"), (ADA, "q")] {
        assert_eq!(world.number(conn, pid, 1, "x").get("dup"), None);
    }
    assert_eq!(world.logged("lobby").len(), 3);
}

#[test]
fn a_final_refusal_consumes_the_number_and_is_repeated() {
    let mut world = lobby(|config| config.content_bytes = 4);
    world.number(ADA, "p", 1, "one");
    let nack = world.number(ADA, "p", 2, "too long");
    assert_eq!((&nack["code"], &nack["retry"], nack.get("dup")), (&json!("too_large"), &json!(false), None));
    // Whatever the repetition says.
    let again = world.number(ADA, "p", 2, "two");
    assert_eq!((&again["code"], &again["dup"]), (&json!("too_large"), &json!(true)));
    assert_eq!(world.number(ADA, "p", 3, "3")["type"], "ack");
    assert_eq!(world.logged("lobby"), ["one", "3"]);
}

#[test]
fn a_refusal_makes_no_line() {
    let mut world = lobby(|config| config.content_bytes = 4);
    assert_eq!(world.number(ADA, "p", 1, "too long")["code"], "too_large");
    assert_eq!(world.number(ADA, "p", 2, "two")["code"], "unknown_producer");
    assert_eq!(world.hub.store().producer_count(), 0);
    assert_eq!(world.number(ADA, "p", 1, "one")["type"], "ack");
}

#[test]
fn a_temporary_refusal_consumes_nothing() {
    let mut world = lobby(|config| config.rate = Some(1.0));
    for pseq in 1..=2 {
        assert_eq!(world.number(ADA, "p", pseq, "x")["type"], "ack");
    }
    let nack = world.number(ADA, "p", 3, "x");
    assert_eq!((&nack["code"], &nack["retryAfterMs"]), (&json!("rate_limited"), &json!(1_000)));
    assert_eq!(world.number(ADA, "p", 4, "x")["code"], "sequence_gap");
    world.ms += 1_000;
    assert_eq!(world.number(ADA, "p", 3, "x")["seq"], 3);
}

#[test]
fn a_whole_pipeline_behind_a_rate_limit_is_one_refusal_and_no_flood() {
    let mut world = lobby(|config| config.rate = Some(1.0));
    for pseq in 1..=64 {
        world.number(ADA, "p", pseq, "x");
    }
    assert_eq!(world.hub.connections(), 3);
}

#[test]
fn content_and_data_share_the_limit() {
    let mut world = lobby(|config| config.content_bytes = 4);
    let frame = json!({"type": "send_message", "roomId": "lobby", "content": "ab", "data": [1], "ref": "r"});
    assert_eq!(world.ask(ADA, &frame)[0].1["code"], "too_large");
    let frame = json!({"type": "send_message", "roomId": "lobby", "content": "ab", "data": 12, "ref": "r"});
    assert_eq!(world.ask(ADA, &frame)[0].1["type"], "ack");
}

#[test]
fn a_send_before_the_first_hello_has_a_ref_only_and_is_appended_each_time() {
    let mut world = lobby(|_| {});
    let frame = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "r"});
    for seq in 1..=2 {
        let frames = world.ask(ADA, &frame);
        assert_eq!((&frames[0].1["type"], &frames[0].1["seq"]), (&json!("ack"), &json!(seq)));
    }
    assert_eq!(world.hub.store().producer_count(), 0);
}

#[test]
fn half_a_line_is_refused_instead_of_being_taken_for_none() {
    let mut world = lobby(|_| {});
    for part in [
        json!({"pid": "p"}),
        json!({"pid": "p", "pseq": 1}),
        json!({"pseq": 1, "epoch": "e"}),
        json!({"pid": "p", "pseq": 0, "epoch": "e"}),
        json!({"pid": "p", "pseq": 9_007_199_254_740_992_u64, "epoch": "e"}),
        json!({"pid": "p", "pseq": -1, "epoch": "e"}),
        json!({"pid": "p", "pseq": "1", "epoch": "e"}),
        json!({"pid": "not an id", "pseq": 1, "epoch": "e"}),
    ] {
        let mut frame = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "r"});
        frame.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        assert_eq!(world.ask(ADA, &frame)[0].1["code"], "bad_request", "{part}");
    }
    assert_eq!(world.logged("lobby").len(), 0);
}

#[test]
fn a_plain_send_on_an_extended_connection_is_refused_plainly() {
    let mut world = lobby(|_| {});
    assert_eq!(world.send(ADA, "other", "x"), error(ADA, "join the room before sending to it"));
    assert_eq!(world.send(ADA, "lobby", "x").len(), 3);
}

#[test]
fn sixty_four_answers_are_remembered_and_what_is_older_is_admitted_to_be_forgotten() {
    let mut world = lobby(|_| {});
    for pseq in 1..=65 {
        world.number(ADA, "p", pseq, "x");
    }
    assert_eq!(world.number(ADA, "p", 2, "x")["dup"], true);
    assert_eq!(world.number(ADA, "p", 1, "x")["code"], "unknown_producer");
}

#[test]
fn a_line_out_of_use_for_the_dedupe_window_is_forgotten_and_one_in_use_is_not() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "x");
    world.pass_until(599_999);
    assert_eq!(world.number(ADA, "p", 1, "x")["dup"], true);
    world.pass_until(1_199_998);
    assert_eq!(world.number(ADA, "p", 1, "x")["dup"], true);
    world.pass_until(1_799_998);
    assert_eq!(world.number(ADA, "p", 2, "x")["code"], "unknown_producer");
}

#[test]
fn nobody_can_fill_the_memory_with_lines() {
    let mut world = lobby(|config| (config.producers_per_user, config.producers) = (2, 3));
    for pid in ["a", "b"] {
        assert_eq!(world.number(ADA, pid, 1, "x")["type"], "ack");
    }
    let nack = world.number(ADA, "c", 1, "x");
    assert_eq!((&nack["code"], &nack["retry"]), (&json!("overloaded"), &json!(true)));
    assert!(nack["retryAfterMs"].as_u64().unwrap() > 0);
    assert_eq!(world.number(ADA, "a", 2, "x")["type"], "ack");
    assert_eq!(world.number(BOB, "a", 1, "x")["type"], "ack");
    assert_eq!(world.number(BOB, "b", 1, "x")["code"], "overloaded");
    // The sweep makes room.
    world.pass_until(world.ms + 601_000);
    assert_eq!(world.hub.store().producer_count(), 0);
    assert_eq!(world.number(BOB, "b", 1, "x")["type"], "ack");
}

#[test]
fn a_line_is_remembered_for_longer_by_a_process_that_stood_still() {
    let mut world = lobby(|_| {});
    world.number(ADA, "p", 1, "one");
    // The repetition waits, unread, for longer than the dedupe window.
    world.ms += 1_200_000;
    assert_eq!(world.number(ADA, "p", 1, "one")["dup"], true);
    assert_eq!(world.number(ADA, "p", 2, "two")["type"], "ack");
    assert_eq!(world.logged("lobby"), ["one", "two"]);
}
