//! Rooms as the store has them: what is kept, what is lost, who is there, what is announced.

use crate::node::{Node, entry, held, id, seq};
use harness::redis_process::RedisProcess;
use rejoin::Name;
use rejoin::messages::Signal;
use rejoin_server::hub::shared::{
    Control, KnownHead, StoreNotice, StoreRequest, StoreResponse, UserPresence,
};
use std::time::Duration;

#[tokio::test]
async fn a_room_is_read_from_where_a_node_is() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let empty = a.open("lobby", None).await;
    assert_eq!((empty.head, empty.entries.len(), &empty.preceding), (0, 0, &(0, None)));
    for text in ["one", "two", "three"] {
        a.say("lobby", text).await;
    }
    let whole = b.open("lobby", None).await;
    assert_eq!((&whole.epoch, whole.head, whole.entries.len()), (&empty.epoch, 3, 3));
    let part = KnownHead { epoch: whole.epoch.clone(), head: 2, id: Some(whole.entries[1].id.clone()) };
    let rest = b.open("lobby", Some(part)).await;
    assert_eq!(
        (rest.entries, rest.preceding),
        (whole.entries[2..].to_vec(), (2, Some(whole.entries[1].id.clone())))
    );
    let other = KnownHead { epoch: id("other"), head: 9, id: Some(id("x")) };
    assert_eq!(b.open("lobby", Some(other)).await.entries, whole.entries, "of another life nothing is held");
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_said_with_the_last_id() {
    let redis = RedisProcess::start();
    let mut node = Node::start_with(&redis, "a", |_, hub| hub.history = 2).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let StoreResponse::Appended { id, .. } = node.say("lobby", &number.to_string()).await else {
            panic!()
        };
        ids.push(id);
    }
    let state = node.open("lobby", None).await;
    let kept: Vec<_> = state.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!((kept, state.preceding), (vec![4, 5], (3, Some(ids[2].clone()))));
    let old = KnownHead { epoch: state.epoch.clone(), head: 1, id: Some(ids[0].clone()) };
    let rest = node.open("lobby", Some(old)).await;
    assert_eq!((rest.epoch, rest.preceding.0, rest.entries.len()), (state.epoch, 3, 2));
}

#[tokio::test]
async fn the_bytes_of_a_room_are_bounded_and_the_newest_entry_stays() {
    let redis = RedisProcess::start();
    let mut node = Node::start_with(&redis, "a", |_, hub| hub.history_bytes = 1_000).await;
    for _ in 0..20 {
        node.say("lobby", &"x".repeat(300)).await;
    }
    let state = node.open("lobby", None).await;
    assert_eq!((state.head, state.entries.len()), (20, 3));
    node.say("lobby", &"x".repeat(3_000)).await;
    assert_eq!(node.open("lobby", None).await.entries.len(), 1);
}

#[tokio::test]
async fn a_log_that_has_lost_its_end_begins_a_new_life_and_everybody_is_told() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    for text in ["one", "two", "three"] {
        a.say("lobby", text).await;
    }
    let before = a.open("lobby", None).await;
    let log = redis.cli(&["--scan", "--pattern", "rejoin:*:room"]);
    // As a copy that was behind has it.
    redis.cli(&["hset", &log, "head", "2", "hid", before.entries[1].id.as_str()]);
    b.open("lobby", None).await;
    let after = a.open("lobby", Some(held(&before))).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.head, after.entries.len()), (0, 0));
    let told = b.notice_of(|notice| match notice {
        StoreNotice::Head { epoch, head, .. } => Some((epoch, head)),
        _ => None,
    });
    assert_eq!(told.await, (after.epoch, 0));
}

#[tokio::test]
async fn another_entry_at_a_known_number_begins_a_new_life() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "one").await;
    node.say("lobby", "two").await;
    let state = node.open("lobby", None).await;
    for (head, real) in [(2, &state.entries[1].id), (1, &state.entries[0].id)] {
        let held = |id| Some(KnownHead { epoch: state.epoch.clone(), head, id });
        assert_eq!(node.open("lobby", held(Some(real.clone()))).await.epoch, state.epoch);
        let decision = rejoin_server::hub::shared::Decision::Append(Box::new(entry("new", "new")));
        if head == 1 {
            let answer = node.decide("lobby", held(Some(id("forked"))), None, decision).await;
            let StoreResponse::Appended { epoch, seq: 1, .. } = answer else { panic!("{answer:?}") };
            assert_ne!(epoch, state.epoch);
        }
    }
}

#[tokio::test]
async fn the_producers_of_an_earlier_life_are_not_known() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    let epoch = node.open("lobby", None).await.epoch;
    node.send("lobby", 1, &epoch).await;
    let lost = KnownHead { epoch: epoch.clone(), head: 7, id: Some(id("x")) };
    let new = node.open("lobby", Some(lost)).await.epoch;
    assert!(seq(&node.send("lobby", 2, &epoch).await).is_err());
    assert!(seq(&node.send("lobby", 2, &new).await).is_err());
    assert_eq!(seq(&node.send("lobby", 1, &new).await), Ok((1, false)));
}

#[tokio::test]
async fn a_room_that_nobody_uses_is_forgotten_after_its_retention() {
    let redis = RedisProcess::start();
    let short = Duration::from_millis(100);
    let change = |_: &mut _, hub: &mut rejoin_server::hub::HubConfig| {
        (hub.retention, hub.dedupe_window) = (short, short);
    };
    let mut node = Node::start_with(&redis, "a", change).await;
    node.say("lobby", "one").await;
    while redis.cli(&["dbsize"]) != "0" {
        tokio::task::yield_now().await;
    }
    assert_eq!(node.open("lobby", None).await.head, 0);
}

#[tokio::test]
async fn a_key_of_another_application_is_left_alone_and_what_needs_it_fails() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "one").await;
    let room = redis.cli(&["--scan", "--pattern", "rejoin:*:room"]);
    for make in
        [vec!["set", &room, "theirs"], vec!["hset", &room, "color", "red"], vec!["hset", &room, "name", "x"]]
    {
        redis.cli(&["flushall"]);
        redis.cli(&make);
        let before = redis.cli(&["dump", &room]);
        assert_eq!(node.try_open("lobby", None).await, StoreResponse::Failed);
        assert_eq!(node.say("lobby", "two").await, StoreResponse::Failed);
        assert_eq!(redis.cli(&["dump", &room]), before);
    }
    redis.cli(&["flushall"]);
    assert!(matches!(node.say("lobby", "two").await, StoreResponse::Appended { .. }));
}

#[tokio::test]
async fn scripts_that_were_flushed_are_loaded_again() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.open("lobby", None).await;
    for number in 0..3 {
        redis.cli(&["script", "flush"]);
        assert!(matches!(node.say("lobby", &number.to_string()).await, StoreResponse::Appended { .. }));
        redis.cli(&["script", "flush"]);
        node.open(&format!("room {number}"), None).await;
    }
    assert_eq!(node.open("lobby", None).await.entries.len(), 3);
}

fn attend(room: &str, users: &[(&str, bool)], whole: bool) -> StoreRequest {
    let users = users
        .iter()
        .map(|(user, here)| UserPresence { user: Name::from(*user), is_present: *here })
        .collect();
    StoreRequest::UpdatePresence { room: Name::from(room), users, is_snapshot: whole }
}

/// Opens the room until what it says of who is there is as wanted.
async fn until_there(node: &mut Node, wanted: &[&str]) {
    crate::within("who is there", async {
        loop {
            let mut users: Vec<_> = node
                .open("lobby", None)
                .await
                .remote_members
                .iter()
                .map(|who| who.user.to_string())
                .collect();
            users.sort();
            if users == wanted {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_is_there_on_other_nodes_is_told_and_is_over_when_the_node_says_it_no_more() {
    let redis = RedisProcess::start();
    let short = |config: &mut rejoin_server::redis::RedisConfig, _: &mut _| {
        config.presence_ttl = Duration::from_secs(2);
    };
    let mut a = Node::start_with(&redis, "a", short).await;
    let mut b = Node::start(&redis, "b").await;
    b.open("lobby", None).await;
    a.ask(attend("lobby", &[("ada", true), ("bob|x", true), ("cy", true)], false)).await;
    let told = b.notice_of(|notice| match notice {
        StoreNotice::Presence { node, users, is_snapshot: whole, .. } => Some((node, users.len(), whole)),
        _ => None,
    });
    assert_eq!(told.await, (id("a"), 3, false));
    until_there(&mut b, &["ada", "bob|x", "cy"]).await;
    a.ask(attend("lobby", &[("cy", false)], false)).await;
    until_there(&mut b, &["ada", "bob|x"]).await;
    a.ask(attend("lobby", &[("ada", true)], true)).await;
    until_there(&mut b, &["ada"]).await;
    assert!(a.open("lobby", None).await.remote_members.is_empty(), "its own are not told to a node");
    drop(a);
    until_there(&mut b, &[]).await;
}

#[tokio::test]
async fn signals_and_controls_reach_the_other_nodes_and_bans_those_that_start_later() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    a.open("lobby", None).await;
    b.open("lobby", None).await;
    let (room, user) = (Name::from("lobby"), Name::from("ada"));
    let signal = || {
        StoreRequest::Signal(Signal {
            room: room.clone(),
            user: user.clone(),
            kind: Name::from("typing"),
            data: Some(String::from("{\"on\":true}")),
        })
    };
    a.ask(signal()).await;
    let heard = b.notice_of(|notice| match notice {
        StoreNotice::Signal(Signal { kind, data, .. }) => Some((kind, data)),
        _ => None,
    });
    assert_eq!(heard.await, (Name::from("typing"), Some(String::from("{\"on\":true}"))));
    let remove = Control::Remove { room: room.clone(), user: user.clone() };
    let ban = Control::Kick { user: user.clone(), ban: Some(Duration::from_secs(600)) };
    for control in [remove, ban] {
        a.ask(StoreRequest::Control(control.clone())).await;
        let heard = b.notice_of(|notice| match notice {
            StoreNotice::Control(control) => Some(control),
            _ => None,
        });
        assert_eq!(heard.await, control);
    }
    let control = |notice| match notice {
        StoreNotice::Control(Control::Kick { user, ban }) => Some((user, ban)),
        _ => None,
    };
    let mut late = Node::start(&redis, "c").await;
    let (who, left) = late.notice_of(control).await;
    assert_eq!(who, user);
    assert!(left.is_some_and(|left| left > Duration::from_secs(300) && left <= Duration::from_secs(600)));
    a.ask(StoreRequest::Control(Control::Kick { user: user.clone(), ban: Some(Duration::ZERO) })).await;
    assert_eq!(late.notice_of(control).await, (user.clone(), Some(Duration::ZERO)));
    assert!(redis.cli(&["hvals", "rejoin:bans"]).starts_with('-'), "that it was lifted is known");
    // What a node itself has done, nobody tells it.
    a.ask(signal()).await;
    a.say("lobby", "last").await;
    let own = a.notice().await;
    assert!(matches!(own, StoreNotice::Appended { .. }), "{own:?}");
}

/// Waits until the user is banned, for how long; or until a ban is lifted.
async fn banned(node: &mut Node, whom: &Name, is_lifted: bool) -> Duration {
    node.notice_of(|notice| match notice {
        StoreNotice::Control(Control::Kick { user, ban: Some(ban) }) => {
            (user == *whom && ban.is_zero() == is_lifted).then_some(ban)
        }
        _ => None,
    })
    .await
}

// The nodes go on while Redis is asked.
#[tokio::test(flavor = "multi_thread")]
async fn bans_that_redis_has_lost_are_written_back_by_whoever_knows_them() {
    let mut redis = RedisProcess::start();
    let (a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let (ada, eve) = (Name::from("ada"), Name::from("eve"));
    for user in [&ada, &eve] {
        let ban = Some(Duration::from_secs(600));
        a.ask(StoreRequest::Control(Control::Kick { user: user.clone(), ban })).await;
        banned(&mut b, user, false).await;
    }
    a.ask(StoreRequest::Control(Control::Kick { user: ada.clone(), ban: Some(Duration::ZERO) })).await;
    banned(&mut b, &ada, true).await;
    let written_back = |redis: &RedisProcess, after: &str| {
        let end = std::time::Instant::now() + Duration::from_secs(40);
        while !redis.cli(&["hkeys", "rejoin:bans"]).contains("eve") {
            assert!(
                std::time::Instant::now() < end,
                "after {after} the ban is not written back: {}",
                redis.cli(&["hgetall", "rejoin:bans"])
            );
        }
    };
    redis.restart_empty();
    written_back(&redis, "a restart");
    let mut late = Node::start(&redis, "c").await;
    let left = banned(&mut late, &eve, false).await;
    assert!(left > Duration::from_secs(300) && left <= Duration::from_secs(600), "{left:?}");
    // The same where no connection is lost with it.
    redis.cli(&["flushall"]);
    written_back(&redis, "flushall");
}

#[tokio::test]
async fn a_node_that_was_away_carries_out_the_removals_that_it_has_missed() {
    let redis = RedisProcess::start();
    let (a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    let remove = |user: &str| Control::Remove { room: "lobby".into(), user: user.into() };
    let controls = ["u0", "u1", "u2", "u3"].map(remove).into_iter();
    let kick = Control::Kick { user: "eve".into(), ban: None };
    for control in controls.chain([kick]) {
        redis.cli(&["client", "kill", "type", "pubsub"]);
        a.ask(StoreRequest::Control(control.clone())).await;
        let heard = b.notice_of(|notice| match notice {
            StoreNotice::Control(heard) if heard == control => Some(()),
            _ => None,
        });
        heard.await;
    }
    // Who begins later has nobody to remove.
    let mut late = Node::start(&redis, "c").await;
    redis.cli(&["client", "kill", "type", "pubsub"]);
    late.is_interrupted().await;
}

#[tokio::test]
async fn a_room_that_was_closed_is_not_told_of_any_more() {
    let redis = RedisProcess::start();
    let (mut a, mut b) = (Node::start(&redis, "a").await, Node::start(&redis, "b").await);
    for room in ["left", "kept"] {
        b.open(room, None).await;
    }
    b.ask(StoreRequest::Close { room: Name::from("left") }).await;
    while redis.cli(&["pubsub", "channels", "rejoin:{*"]).lines().count() > 1 {
        tokio::task::yield_now().await;
    }
    a.say("left", "unheard").await;
    a.say("kept", "heard").await;
    assert_eq!(b.hears("heard").await, ["heard"]);
    // And again, however quickly.
    b.ask(StoreRequest::Close { room: Name::from("kept") }).await;
    b.open("kept", None).await;
    a.say("kept", "again").await;
    assert_eq!(b.hears("again").await, ["again"]);
}

#[tokio::test]
async fn a_notice_that_was_lost_is_noticed_when_heads_are_compared() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "one").await;
    let state = node.open("lobby", None).await;
    let room = redis.cli(&["--scan", "--pattern", "rejoin:*:room"]);
    // As if another node had appended it, and its notice were lost.
    redis.cli(&["hset", &room, "head", "2", "hid", "x"]);
    let told = node.notice_of(|notice| match notice {
        StoreNotice::Head { epoch, head, .. } => Some((epoch, head)),
        _ => None,
    });
    assert_eq!(told.await, (state.epoch, 2));
}

#[tokio::test]
async fn a_store_that_has_forgotten_a_room_is_noticed_when_heads_are_compared() {
    let redis = RedisProcess::start();
    let mut node = Node::start(&redis, "a").await;
    node.say("lobby", "one").await;
    let state = node.open("lobby", None).await;
    redis.cli(&["flushall"]);
    let told = node.notice_of(|notice| match notice {
        StoreNotice::Head { epoch, head, .. } => Some((epoch, head)),
        _ => None,
    });
    assert_eq!(told.await, (state.epoch, 0));
}
