//! Each bug on purpose is switched on somewhere: a long scenario comes out differently with any of them.

use super::*;
use crate::hub::Bug;

/// A bit of everything that a bug could show itself in, and all that came of it.
fn scenario(bug: Option<Bug>) -> Vec<Output> {
    let mut world = World::new(|config| {
        (config.bug, config.replay_chunk, config.history, config.content_bytes) = (bug, 2, 60, 20);
        config.rate = Some(20.0);
    });
    let mut seen = Vec::new();
    for (conn, user) in [(ADA, "ada"), (BOB, "bob")] {
        seen.extend(world.extend(conn, user));
        seen.extend(
            world.say(conn, &json!({"type": "join_room", "roomId": "lobby", "ref": "j"}).to_string()),
        );
    }
    seen.extend(world.connect(CYD, "cyd"));
    seen.extend(world.join(CYD, "lobby"));
    let epoch = world.epoch("lobby");
    let number = |world: &mut World, pid: &str, pseq: u64, content: &str| {
        let frame = json!({
            "type": "send_message", "roomId": "lobby", "content": content, "ref": "s",
            "pid": pid, "pseq": pseq, "epoch": epoch,
        });
        world.say(ADA, &frame.to_string())
    };
    let (mut early, mut late) = (Value::Null, Value::Null);
    for pseq in 1..=30 {
        seen.extend(number(&mut world, "p", pseq, "x"));
        world.ms += 100;
        match pseq {
            2 => early = world.position("lobby"),
            25 => late = world.position("lobby"),
            _ => {}
        }
    }
    // Repeated, out of order, refused, from nowhere, late.
    for (pid, pseq, content) in [
        ("p", 30, "x"),
        ("p", 32, "x"),
        ("p", 31, "far too long for the limit"),
        ("q", 7, "x"),
        ("p", 32, "x"),
    ] {
        seen.extend(number(&mut world, pid, pseq, content));
    }
    world.ms += 6_000;
    seen.extend(number(&mut world, "p", 32, "x"));
    for pseq in 33..=90 {
        seen.extend(number(&mut world, "p", pseq, "fast"));
    }
    // Somebody comes back with an old position, one that is trimmed, and one of another log; all while others talk.
    let mut forked = late.clone();
    forked["id"] = json!("another");
    for since in [&late, &early, &forked] {
        seen.extend(world.hang_up(BOB));
        seen.extend(world.extend(BOB, "bob"));
        let join = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": since, "history": 6})
            .to_string();
        seen.extend(world.say(BOB, &join));
        seen.extend(world.send(CYD, "lobby", "meanwhile"));
        for _ in 0..30 {
            seen.extend(world.handle(Input::Drained { conn: BOB }));
        }
    }
    let history =
        json!({"type": "history", "roomId": "lobby", "ref": "h", "epoch": epoch, "after": 0, "limit": 3});
    seen.extend(world.say(BOB, &history.to_string()));
    seen.extend(world.hang_up(ADA));
    world.ms += 20_000;
    seen.extend(world.handle(Input::Tick));
    seen.extend(world.say(BOB, r#"{"type":"presence","roomId":"lobby"}"#));
    // Everything is lost, and it begins anew.
    world.hub = Hub::with_store(world.hub.config.clone(), 2, crate::hub::Store::new());
    seen.extend(world.extend(BOB, "bob"));
    let join = json!({"type": "join_room", "roomId": "lobby", "ref": "j", "since": late}).to_string();
    seen.extend(world.say(BOB, &join));
    seen
}

#[test]
fn each_bug_shows() {
    let sound = scenario(None);
    assert!(sound == scenario(None), "the scenario is deterministic");
    for bug in Bug::ALL {
        assert!(sound != scenario(Some(bug)), "{bug:?} does not show");
    }
}

#[test]
fn the_list_of_bugs_names_each_once() {
    for (index, bug) in Bug::ALL.iter().enumerate() {
        assert!(!Bug::ALL[..index].contains(bug), "{bug:?}");
    }
}
