//! Notifications and posts from the admin listener.

use super::*;

fn notify(world: &mut World, kind: &str, data: &str) -> Vec<Output> {
    let data = Some(String::from(data));
    world.handle(Input::Notify { call: 1, user: Name::from("ada"), kind: Name::from(kind), data })
}

fn post(world: &mut World, content: &str, key: Option<&str>) -> Vec<Output> {
    world.handle(Input::Post {
        call: 1,
        room: Name::from("lobby"),
        user: Name::from("bot"),
        content: String::from(content),
        data: None,
        key: key.map(|key| key.parse().unwrap()),
    })
}

#[test]
fn a_notification_goes_to_the_users_own_stream_and_to_nobody_else() {
    let mut world = World::new(|_| {});
    for (conn, user) in [(ADA, "ada"), (BOB, "bob"), (CYD, "ada")] {
        world.extend(conn, user);
        let joined = world.enter(conn, "@me");
        assert_eq!((&joined["roomId"], joined.get("members")), (&json!("@me"), None));
    }
    let outputs = notify(&mut world, "invite", r#"{"room":"x"}"#);
    let Some(Output::Published { id, seq: 1, dup: false, .. }) = outputs.first() else {
        panic!("{outputs:?}")
    };
    let epoch = world.epoch("@ada");
    let text = format!(
        r#"{{"type":"notification","kind":"invite","data":{{"room":"x"}},"id":"{id}","epoch":"{epoch}","seq":1}}"#
    );
    assert_eq!(outputs[1..], [sent(ADA, &text), sent(CYD, &text)]);
}

#[test]
fn notifications_missed_are_replayed_to_the_last_one_like_a_room() {
    let mut world = World::new(|config| (config.replay, config.replay_chunk) = (2, 3));
    notify(&mut world, "n", "1");
    let since = world.position("@ada");
    for number in 2..=9 {
        notify(&mut world, "n", &number.to_string());
    }
    world.extend(ADA, "ada");
    let mut frames = world.rejoin(ADA, "@me", &since);
    assert_eq!((&frames[0]["recovered"], &frames[0]["replay"]), (&json!(true), &json!(8)));
    for _ in 0..3 {
        frames.extend(
            heard(&world.handle(Input::QueueDrained { conn: ADA })).into_iter().map(|(_, frame)| frame),
        );
    }
    let seqs: Vec<_> = frames[1..].iter().map(|frame| frame["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(frames[1..].iter().all(|frame| frame["type"] == "notification" && frame["replay"] == true));
}

#[test]
fn a_personal_stream_is_no_room_to_speak_in() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.enter(ADA, "@me");
    let reserved = "roomId starts with the reserved @";
    assert_eq!(world.send(ADA, "@me", "x"), error(ADA, reserved));
    let frame = json!({"type": "history", "roomId": "@me", "ref": "h", "epoch": "e", "after": 0, "limit": 1});
    assert_eq!(world.ask(ADA, &frame)[0].1["code"], "bad_request");
    world.connect(BOB, "bob");
    assert_eq!(world.join(BOB, "@me"), error(BOB, reserved));
    assert_eq!(world.hub.rooms(), 0);
}

#[test]
fn a_post_is_a_message_in_its_authors_name() {
    let mut world = World::lobby(|_| {});
    let outputs = post(&mut world, "hi", None);
    assert!(matches!(outputs[0], Output::Published { seq: 1, dup: false, .. }), "{outputs:?}");
    let text = concat!(
        r#"{"type":"message","roomId":"lobby","userId":"bot","content":"hi","#,
        r#""timestamp":"2025-11-22T21:19:19.123Z"}"#
    );
    assert_eq!(outputs[1..], [sent(ADA, text), sent(BOB, text)]);
}

#[test]
fn a_post_with_the_same_key_is_the_same_post() {
    let mut world = World::lobby(|_| {});
    let first = post(&mut world, "hi", Some("k"));
    let again = post(&mut world, "hi", Some("k"));
    let (Output::Published { id: one, .. }, [Output::Published { id: other, seq: 1, dup: true, .. }]) =
        (&first[0], &again[..])
    else {
        panic!("{first:?} {again:?}")
    };
    assert_eq!(one, other);
    assert_eq!(post(&mut world, "hi", Some("l")).len(), 3);
    assert_eq!(post(&mut world, "hi", None).len(), 3);
}

#[test]
fn what_cannot_be_published_is_refused_with_its_code() {
    let mut world = World::new(|config| config.content_bytes = 4);
    let code = |outputs: &[Output]| match outputs {
        [Output::PublishFailed { code, .. }] => code.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(code(&notify(&mut world, "n", "{")), "bad_request");
    assert_eq!(code(&notify(&mut world, "", "1")), "bad_request");
    assert_eq!(code(&notify(&mut world, &"x".repeat(65), "1")), "bad_request");
    assert_eq!(code(&notify(&mut world, "n", "[1,2]")), "too_large");
    assert_eq!(code(&post(&mut world, "12345", None)), "too_large");
    let room = Name::from("@ada");
    let outputs = world.handle(Input::Post {
        call: 1,
        room,
        user: "x".into(),
        content: "y".into(),
        data: None,
        key: None,
    });
    assert_eq!(code(&outputs), "bad_request");
    assert!(world.hub.store().rooms().next().is_none());
}
