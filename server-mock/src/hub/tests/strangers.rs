//! Hostile and mistaken frames on an extended connection: a refusal, never an end, never a panic.

use super::*;

#[test]
fn a_malformed_frame_is_answered_and_the_connection_goes_on() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    let history = "history needs ref, roomId, epoch, after and limit";
    for (text, message) in [
        (r#"{"type":"history"}"#, history),
        (r#"{"type":"history","ref":"r","roomId":"lobby","epoch":"e","after":-1,"limit":1}"#, history),
        (r#"{"type":"history","ref":"r","roomId":"lobby","epoch":"e","after":1e99,"limit":1}"#, history),
        (
            r#"{"type":"history","ref":"r","roomId":"lobby","epoch":"e","after":1,"limit":9007199254740992}"#,
            history,
        ),
        (r#"{"type":"history","ref":"a b","roomId":"lobby","epoch":"e","after":1,"limit":1}"#, history),
        (r#"{"type":"presence","roomId":7}"#, "presence needs a string roomId"),
        (r#"{"type":"signal","roomId":"lobby"}"#, "signal needs a string roomId and a string kind"),
        (r#"{"type":"ping","t":"x"}"#, "ping needs a number t"),
        (r#"{"type":"auth","token":"x"}"#, "auth needs ref and a string token"),
        ("?", "Invalid JSON"),
    ] {
        let (to, said) = heard(&world.say(ADA, text)).remove(0);
        assert_eq!((to, &said["type"], &said["message"]), (ADA, &json!("error"), &json!(message)), "{text}");
        assert_eq!((&said["code"], &said["retry"]), (&json!("bad_request"), &json!(false)), "{text}");
        // What it says of itself comes back, so that the client knows which of its requests it was.
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        for field in ["ref", "roomId"] {
            let known = frame[field].as_str().filter(|text| !text.contains(' '));
            assert_eq!(said[field].as_str(), known, "{field} of {text}");
        }
    }
    assert_eq!(world.ask(ADA, &json!({"type": "ping", "t": 1}))[0].1["t"], 1);
}

#[test]
fn a_type_of_the_future_is_ignored() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    assert_eq!(world.say(ADA, r#"{"type":"hologram","roomId":7}"#), []);
}

#[test]
fn a_ref_of_the_wrong_form_makes_a_join_plain() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    for reference in [json!(1), json!(""), json!("a b"), json!("x".repeat(65)), json!({"a": 1}), json!(null)]
    {
        assert_eq!(world.ask(ADA, &json!({"type": "join_room", "roomId": "lobby", "ref": reference})), []);
    }
    assert_eq!(world.send(ADA, "lobby", "x").len(), 1);
}

#[test]
fn somebody_who_only_makes_mistakes_is_closed_under_a_rate() {
    let mut world = World::new(|config| config.rate = Some(2.0));
    world.extend(ADA, "ada");
    let frame = json!({"type": "send_message", "roomId": "lobby", "content": "x", "ref": "r"}).to_string();
    let outputs: Vec<_> = (0..100).flat_map(|_| world.say(ADA, &frame)).collect();
    assert_eq!(outputs.last(), closed(ADA, 4008, "Rate limited").first());
}

#[test]
fn whatever_the_numbers_and_names_are_nothing_breaks() {
    let mut world = World::new(|config| config.rate = None);
    let mut rng = fastrand::Rng::with_seed(7);
    let numbers = [
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(1.5),
        json!(rejoin::messages::MAX_INT),
        json!(u64::MAX),
        json!("1"),
    ];
    let names = [
        json!("lobby"),
        json!("@me"),
        json!("@ada"),
        json!(""),
        json!("\u{202e}"),
        json!("x".repeat(300)),
        json!(7),
    ];
    let ids = [json!("a"), json!("b"), json!(""), json!("x".repeat(64)), json!("x".repeat(65)), json!(null)];
    for conn in [ADA, BOB] {
        world.extend(conn, "ada");
    }
    for round in 0..20_000 {
        let mut pick = |from: &[Value]| from[rng.usize(..from.len())].clone();
        let kind =
            ["join_room", "leave_room", "send_message", "history", "presence", "signal", "ping", "auth"];
        let since = json!({"epoch": pick(&ids), "seq": pick(&numbers), "id": pick(&ids)});
        let frame = json!({
            "roomId": pick(&names), "content": "x", "kind": "k", "t": pick(&numbers), "token": "x",
            "ref": pick(&ids), "pid": pick(&ids), "pseq": pick(&numbers), "epoch": pick(&ids),
            "since": since, "history": pick(&numbers), "after": pick(&numbers), "limit": pick(&numbers),
            "type": kind[round % kind.len()],
        });
        world.say(ADA, &frame.to_string());
        match round % 97 {
            0 => drop(world.handle(Input::QueueDrained { conn: ADA })),
            1 => world.hub.store_mut().truncate_newest("lobby", 3),
            2 => world.hub.store_mut().trim("lobby", 2),
            3 => {
                let epoch = pick(&ids[..2]);
                world.hub.store_mut().begin_epoch("lobby", epoch.as_str().unwrap().parse().unwrap());
            }
            4 => drop(world.send(BOB, "lobby", "x")),
            5 => drop(world.join(BOB, "lobby")),
            6 => world.hub.store_mut().forget("lobby"),
            _ => {}
        }
    }
    assert_eq!(world.hub.connections(), 2);
}

#[test]
fn half_of_a_surrogate_pair_is_taken_for_u_fffd_and_costs_no_frame() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    let epoch = world.epoch("lobby");
    let frame = format!(
        r#"{{"type":"send_message","roomId":"lobby","content":"look \ud83d","data":["\ude00"],"ref":"r","pid":"p","pseq":1,"epoch":"{epoch}"}}"#
    );
    let answers = heard(&world.say(ADA, &frame));
    assert_eq!(answers[0].1["type"], "ack");
    assert_eq!(
        (&answers[1].1["content"], &answers[1].1["data"]),
        (&json!("look \u{fffd}"), &json!(["\u{fffd}"]))
    );
}

#[test]
fn data_of_more_than_64_levels_is_refused_for_good_and_uses_its_number_up() {
    let mut world = World::new(|_| {});
    world.extend(ADA, "ada");
    world.enter(ADA, "lobby");
    let epoch = world.epoch("lobby");
    let mut send = |pseq: usize, levels: usize| {
        let data = "[".repeat(levels) + &"]".repeat(levels);
        let frame = format!(
            r#"{{"type":"send_message","roomId":"lobby","content":"x","data":{data},"ref":"r{pseq}","pid":"p","pseq":{pseq},"epoch":"{epoch}"}}"#
        );
        heard(&world.say(ADA, &frame)).remove(0).1
    };
    assert_eq!(send(1, 64)["type"], "ack");
    for (pseq, levels) in [(2, 65), (3, 3_000)] {
        let answer = send(pseq, levels);
        let expected = (&json!("nack"), &json!("bad_request"), &json!(false));
        assert_eq!((&answer["type"], &answer["code"], &answer["retry"]), expected);
    }
    assert_eq!(send(4, 1)["type"], "ack");
}
