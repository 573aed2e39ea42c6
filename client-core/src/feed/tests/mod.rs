//! The events of a feed, and its reconnects.

mod model;
mod rig;

use super::*;
use crate::cause::{CauseCode, DialError, DialErrorKind};
use crate::link::Hint;
use crate::messages::{Gap, GapReason};
use crate::token::{Credentials, Token, TokenError};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use rig::{Rig, Told, gap, message};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_reader_that_comes_back_asks_for_what_follows_the_last_message_it_was_told() {
    let mut rig = Rig::new(FeedConfig { history: Some(5), ..FeedConfig::default() });
    let asked = rig.dial();
    assert_eq!((asked.last_event_id.as_deref(), asked.history), (None, Some(5)));
    rig.open(asked.conn);
    rig.says(&message("e", 7));
    rig.says(&message("e", 8));
    assert_eq!(rig.told(), ["e:7", "e:8"]);
    assert_eq!(rig.feed.last_event_id(), Some("e:8:m8"));
    rig.ended(Disconnect::Lost);
    let asked = rig.dial();
    assert_eq!(asked.last_event_id.as_deref(), Some("e:8:m8"));
    rig.open(asked.conn);
    rig.says(&message("e", 9));
    assert_eq!(rig.told(), ["e:9"], "nothing is missing, and nobody says so");
}

#[test]
fn a_message_said_again_is_told_once() {
    let mut rig = Rig::connected();
    for seq in [1, 1, 2, 1, 2, 3] {
        rig.says(&message("e", seq));
    }
    assert_eq!(rig.told(), ["e:1", "e:2", "e:3"]);
    rig.reconnect(Disconnect::Lost);
    for seq in 1..=4 {
        rig.says(&message("e", seq));
    }
    assert_eq!(rig.told(), ["e:4"], "a server may begin further back than it is asked to");
}

#[test]
fn a_server_that_begins_far_back_is_not_taken_for_another_log() {
    let mut rig = Rig::connected();
    for seq in 1..=300 {
        rig.says(&message("e", seq));
    }
    rig.told();
    rig.reconnect(Disconnect::Lost);
    for seq in 1..=301 {
        rig.says(&message("e", seq));
    }
    assert_eq!(rig.told(), ["e:301"]);
}

#[test]
fn a_jump_that_the_server_does_not_explain_is_told_before_the_message_behind_it() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    rig.says(&message("e", 5));
    rig.says(&message("f", 3));
    assert_eq!(rig.told(), ["e:1", "gap e 1..5 unavailable", "e:5", "gap e 5.. epoch_changed", "f:3"]);
}

#[test]
fn what_is_to_be_gone_on_from_is_behind_a_message_only_when_that_has_been_told() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    rig.says(&message("e", 5));
    let ids: Vec<Option<String>> = rig.ids();
    assert_eq!(ids, [Some("e:1:m1"), Some("e:1:m1"), Some("e:5:m5")].map(|id| id.map(str::to_owned)));
}

#[test]
fn a_gap_that_the_server_tells_is_told_once_and_in_this_sides_numbers() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 3));
    rig.told();
    for _ in 0..2 {
        rig.reconnect(Disconnect::Lost);
        rig.says(&gap(None, "e", Some(2), Some(40), "trimmed"));
    }
    assert_eq!(rig.told(), ["gap e 3..40 trimmed"]);
    rig.says(&message("e", 40));
    rig.says(&message("e", 41));
    assert_eq!(rig.told(), ["e:40", "e:41"]);
    rig.reconnect(Disconnect::Lost);
    rig.says(&gap(None, "e", Some(41), Some(50), "trimmed"));
    rig.says(&message("e", 52));
    assert_eq!(rig.told(), ["gap e 41..50 trimmed", "gap e 49..52 unavailable", "e:52"]);
}

#[test]
fn behind_a_gap_with_a_place_of_its_own_the_reader_goes_on_from_there() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 3));
    rig.reconnect(Disconnect::Lost);
    rig.says(&gap(Some("f:7:m7"), "e", Some(3), None, "epoch_changed"));
    assert_eq!(rig.told(), ["e:3", "gap e 3.. epoch_changed"]);
    assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id.as_deref(), Some("f:7:m7"));
    rig.says(&message("f", 8));
    assert_eq!(rig.told(), ["f:8"]);
}

#[test]
fn a_log_that_begins_anew_is_not_measured_by_the_old_one() {
    let mut rig = Rig::connected();
    for seq in 1..=5 {
        rig.says(&message("e", seq));
    }
    rig.told();
    rig.reconnect(Disconnect::Lost);
    rig.says(&gap(Some("f:0:0"), "e", Some(5), None, "epoch_changed"));
    for seq in 1..=3 {
        rig.says(&message("f", seq));
    }
    assert_eq!(rig.told(), ["gap e 5.. epoch_changed", "f:1", "f:2", "f:3"]);
}

#[test]
fn another_message_at_a_remembered_place_is_another_log() {
    let mut rig = Rig::connected();
    for seq in 1..=4 {
        rig.says(&message("e", seq));
    }
    rig.told();
    rig.says("id: e:3:other\ndata: e:3\n\n");
    rig.says("id: e:4:other\ndata: e:4\n\n");
    rig.says(&message("e", 5));
    assert_eq!(rig.told(), ["gap e 4.. forked", "e:3", "e:4", "e:5"]);
}

#[test]
fn a_number_that_goes_back_on_the_same_stream_is_another_log_however_long_ago_it_was() {
    let mut rig = Rig::connected();
    for seq in 1..=200 {
        rig.says(&message("e", seq));
    }
    rig.told();
    rig.says("id: e:10:other\ndata: e:10\n\n");
    assert_eq!(rig.told(), ["gap e 200.. forked", "e:10"]);
}

#[test]
fn after_a_fork_that_the_server_tells_nothing_that_was_told_comes_again() {
    let mut rig = Rig::connected();
    for seq in 1..=5 {
        rig.says(&message("e", seq));
    }
    rig.told();
    rig.reconnect(Disconnect::Lost);
    rig.says(&gap(None, "e", Some(5), None, "forked"));
    for seq in 2..=3 {
        rig.says(&message("e", seq));
    }
    rig.says("id: e:4:other\ndata: e:4\n\n");
    assert_eq!(rig.told(), ["gap e 5.. forked", "e:4"]);
}

#[test]
fn another_process_goes_on_where_the_last_one_was() {
    let since = Some("e:8:m8".into());
    let mut rig = Rig::new(FeedConfig { since, ..FeedConfig::default() });
    let asked = rig.dial();
    assert_eq!(asked.last_event_id.as_deref(), Some("e:8:m8"));
    rig.open(asked.conn);
    rig.says(&message("e", 8));
    rig.says(&message("e", 10));
    assert_eq!(rig.told(), ["gap e 8..10 unavailable", "e:10"]);
}

#[test]
fn a_place_named_at_the_beginning_keeps_what_comes_while_nobody_has_heard_anything() {
    let mut rig = Rig::connected();
    rig.says("retry: 1000\nid: e:0:0\n\n");
    assert_eq!(rig.told(), ["began"]);
    assert_eq!(rig.ids(), [Some("e:0:0".to_owned())]);
    assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id.as_deref(), Some("e:0:0"));
    rig.says(&message("e", 1));
    assert_eq!(rig.told(), ["e:1"]);
    // It is not believed where messages would be skipped.
    rig.says("id: e:9:m9\n\n");
    rig.says(&message("e", 10));
    assert_eq!(rig.told(), ["gap e 1..10 unavailable", "e:10"]);
}

#[test]
fn without_any_id_each_return_may_have_missed_something() {
    let mut rig = Rig::connected();
    rig.says("data: one\n\n");
    rig.reconnect(Disconnect::Lost);
    rig.says("data: one\n\n");
    assert_eq!(rig.told(), ["one", "gap ? reconnected", "one"]);
}

#[test]
fn ids_of_another_form_are_passed_back_and_nothing_is_concluded_from_them() {
    for id in ["17", "e:x:m", "e:1", "e:01:m", "e:1:m:2", "e:+1:m", "é:1:m", "e:9007199254740992:m"] {
        let mut rig = Rig::connected();
        rig.says(&format!("id: {id}\ndata: one\n\n"));
        rig.says(&format!("id: {id}\ndata: one\n\n"));
        assert_eq!(rig.told(), ["one", "one"], "{id}");
        assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id.as_deref(), Some(id));
        rig.says("id: 18\ndata: two\n\n");
        assert_eq!(rig.told(), ["gap ? reconnected", "two"], "{id}");
    }
    let mut rig = Rig::connected();
    rig.says(&message("e", 3));
    rig.says("id: 17\ndata: strange\n\n");
    assert_eq!(rig.told(), ["e:3", "gap e 3.. epoch_changed", "strange"]);
    rig.says("id\ndata: reset\n\n");
    assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id, None);
}

#[test]
fn an_event_that_cannot_be_read_is_told_and_its_gap_too() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    rig.says("id: e:2:m2\ndata: unreadable\n\n");
    rig.says(&message("e", 3));
    assert_eq!(rig.told(), ["e:1", "garbled", "gap e 1..3 unavailable", "e:3"]);
    let long = "x".repeat(rig::MOST);
    rig.says(&format!("id: e:4:m4\ndata: {long}\n\n"));
    rig.says(&message("e", 5));
    assert_eq!(rig.told(), ["garbled", "gap e 3..5 unavailable", "e:5"]);
    let mut rig = Rig::connected();
    rig.says(&format!("id: 6\ndata: {long}\n\n"));
    assert_eq!(rig.told(), ["garbled", "gap ? unavailable"]);
}

#[test]
fn an_event_of_another_make_is_told_as_it_is_and_leaves_no_gap() {
    let mut rig = Rig::connected();
    rig.says("event: weather\nid: 5\ndata: rain\ndata: and wind\n\n");
    rig.says("event: weather\ndata\n\n");
    rig.says("data: unreadable\n\n");
    assert_eq!(rig.feed.last_event_id(), Some("5"));
    rig.says("event: done\nid: 6\ndata:\n\n");
    rig.says("data: unreadable\nid: 7\0\nretry: soon\n: a comment\n\n");
    assert_eq!(
        rig.told(),
        [
            "event weather \"rain\\nand wind\" 5",
            "event weather \"\" -",
            "event message \"unreadable\" -",
            "event done \"\" 6",
            "event message \"unreadable\" -",
        ]
    );
    assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id.as_deref(), Some("6"));
    assert_eq!(rig.told(), ["gap ? reconnected"]);
}

#[test]
fn an_event_of_another_name_among_places_is_told_and_moves_none() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    rig.says("event: weather\nid: e:9:x\ndata: rain\n\n");
    rig.says(&message("e", 2));
    assert_eq!(rig.told(), ["e:1", "event weather \"rain\" e:9:x", "e:2"]);
}

#[test]
fn ids_like_places_on_events_of_another_make_are_passed_back_and_leave_neither_errors_nor_a_gap() {
    let mut rig = Rig::connected();
    rig.says("id: orders:0:17\ndata: unreadable\n\nid: orders:1:3\ndata: unreadable\n\n");
    rig.says("id: orders:0:18\nevent: order\ndata: one\n\nid: orders:1:4\ndata: unreadable\n\n");
    let events = [
        "event message \"unreadable\" orders:0:17",
        "event message \"unreadable\" orders:1:3",
        "event order \"one\" orders:0:18",
        "event message \"unreadable\" orders:1:4",
    ];
    assert_eq!(rig.told(), events);
    assert_eq!(rig.reconnect(Disconnect::Lost).last_event_id.as_deref(), Some("orders:1:4"));
    rig.says("id: orders:1:5\ndata: unreadable\n\n");
    assert_eq!(rig.told(), ["gap ? reconnected", "event message \"unreadable\" orders:1:5"]);
    // One large event more or less cannot be told from the ids.
    let long = "x".repeat(rig::MOST);
    rig.says(&format!("id: orders:1:6\ndata: {long}\n\n"));
    assert_eq!(rig.told(), ["garbled", "gap ? unavailable"]);
}

#[test]
fn a_reader_that_was_given_such_an_id_goes_on_and_learns_once_that_nobody_knows_what_it_missed() {
    let since = Some("orders:1:3".into());
    let mut rig = Rig::new(FeedConfig { since, ..FeedConfig::default() });
    let asked = rig.dial();
    rig.open(asked.conn);
    rig.says("id: orders:1:4\nevent: order\ndata: one\n\nid: orders:1:9\ndata: unreadable\n\n");
    let told =
        ["gap ? reconnected", "event order \"one\" orders:1:4", "event message \"unreadable\" orders:1:9"];
    assert_eq!(rig.told(), told);
    let ids = [Some("orders:1:3"), Some("orders:1:4"), Some("orders:1:9")];
    assert_eq!(rig.ids(), ids.map(|id| id.map(str::to_owned)));
}

#[test]
fn a_position_that_is_named_alone_shows_that_the_server_has_a_log() {
    let mut rig = Rig::connected();
    rig.says("retry: 1000\nid: e:0:0\n\n");
    rig.says("id: e:1:m1\ndata: unreadable\n\n");
    rig.says(&message("e", 2));
    assert_eq!(rig.told(), ["began", "garbled", "gap e 0..2 unavailable", "e:2"]);
}

#[test]
fn behind_a_gap_without_a_place_neither_a_damaged_message_nor_another_event_moves_the_reader() {
    for event in ["id: e:9:m9\ndata: unreadable\n\n", "event: weather\nid: e:9:x\ndata: rain\n\n"] {
        let mut rig = Rig::connected();
        rig.says(&message("e", 1));
        rig.says(&gap(None, "e", Some(1), Some(8), "trimmed"));
        rig.says(event);
        rig.says(&message("e", 8));
        rig.says(&message("e", 9));
        rig.says(&message("e", 10));
        let told = rig.told();
        assert_eq!(told[..2], ["e:1", "gap e 1..8 trimmed"], "{event}");
        assert_eq!(told[3..], ["e:8", "e:9", "e:10"], "{event}");
    }
}

#[test]
fn a_stream_is_dead_after_forty_seconds_of_silence_and_a_comment_is_none() {
    let mut rig = Rig::connected();
    for _ in 0..10 {
        rig.pass(15 * SECOND);
        rig.says(":\n\n");
    }
    assert_eq!(rig.lost(), None);
    rig.pass(39 * SECOND);
    assert_eq!(rig.lost(), None);
    rig.pass(SECOND);
    assert_eq!(rig.lost(), Some(CauseCode::DeadPeer));
    assert!(rig.abandoned.contains(&rig.conn));
    rig.dial();
}

#[test]
fn a_silence_of_a_slow_application_is_not_the_servers() {
    let mut rig = Rig::connected();
    rig.input(FeedInput::Backpressure(true));
    for _ in 0..100 {
        rig.pass(20 * SECOND);
    }
    rig.input(FeedInput::Backpressure(false));
    rig.pass(39 * SECOND);
    assert_eq!(rig.lost(), None);
    rig.pass(SECOND);
    assert_eq!(rig.lost(), Some(CauseCode::DeadPeer));
}

#[test]
fn a_stream_that_may_not_have_survived_a_sleep_or_another_network_is_replaced() {
    for hint in [Hint::Online, Hint::NetworkChanged] {
        let mut rig = Rig::connected();
        rig.input(FeedInput::Hint(hint));
        assert_eq!(rig.lost(), Some(CauseCode::NetworkChanged));
    }
    let mut rig = Rig::connected();
    rig.pass(21 * SECOND);
    rig.input(FeedInput::Hint(Hint::Woke));
    rig.pass(2 * SECOND);
    assert_eq!(rig.lost(), None, "what has come meanwhile may not have been read yet");
    rig.pass(SECOND);
    assert_eq!(rig.lost(), Some(CauseCode::NetworkChanged));
}

#[test]
fn the_server_says_when_to_come_back_and_the_policys_own_wait_is_the_least() {
    let mut rig = Rig::connected();
    rig.says("retry: 7000\n\n");
    rig.pass(10 * SECOND);
    rig.ended(Disconnect::Ended);
    assert_eq!(rig.lost(), Some(CauseCode::StreamEnded));
    let wait = rig.wait();
    assert!((7 * SECOND..=8 * SECOND).contains(&wait), "{wait:?}");
    let mut longest = Duration::ZERO;
    for _ in 0..12 {
        let asked = rig.dial();
        rig.failed(asked.conn, DialErrorKind::Refused);
        longest = longest.max(rig.wait());
        assert!(rig.wait() >= 7 * SECOND);
    }
    assert!(longest > 10 * SECOND, "{longest:?}");
}

#[test]
fn a_retry_of_nothing_makes_nobody_come_at_once() {
    let mut rig = Rig::connected();
    let mut waits = vec![];
    for _ in 0..6 {
        rig.says("retry: 0\n\n");
        rig.ended(Disconnect::Ended);
        waits.push(rig.wait());
        let asked = rig.dial();
        rig.open(asked.conn);
    }
    assert!(waits.iter().sum::<Duration>() > 10 * SECOND, "{waits:?}");
}

#[test]
fn the_answer_204_is_the_servers_last_word() {
    let mut rig = Rig::new(FeedConfig::default());
    let asked = rig.dial();
    rig.failed(asked.conn, DialErrorKind::Http(204));
    let cause = rig.failure().unwrap();
    assert_eq!((cause.code.as_str(), cause.will_retry), ("server_closed", false));
    assert_eq!(rig.feed.next_deadline(), None);
}

#[test]
fn answers_that_are_no_stream_end_it_at_the_third_time() {
    for kind in
        [404, 410, 302, 400].map(DialErrorKind::Http).into_iter().chain([DialErrorKind::NotEventStream])
    {
        let mut rig = Rig::new(FeedConfig::default());
        for _ in 0..3 {
            assert_eq!(rig.failure(), None);
            let asked = rig.dial();
            rig.failed(asked.conn, kind);
        }
        assert_eq!(rig.failure().map(|cause| cause.code), Some(CauseCode::Dial(kind)));
    }
}

#[test]
fn a_refused_token_is_asked_for_again_once() {
    let mut config = FeedConfig::default();
    config.link.credentials = Credentials::Source;
    let mut rig = Rig::new(config);
    for (round, status) in [401, 403].into_iter().enumerate() {
        rig.until_token();
        rig.input(FeedInput::Token(Ok(Token::new("t"))));
        let asked = rig.dial();
        assert_eq!(asked.token.as_ref().map(Token::expose), Some("t"));
        assert_eq!(rig.failure(), None, "round {round}");
        rig.failed(asked.conn, DialErrorKind::Http(status));
    }
    assert_eq!(rig.failure().map(|cause| cause.code), Some(CauseCode::Unauthorized(403)));
    let mut config = FeedConfig::default();
    config.link.credentials = Credentials::Source;
    let mut rig = Rig::new(config);
    rig.until_token();
    rig.input(FeedInput::Token(Err(TokenError::permanent("logged out"))));
    assert_eq!(rig.failure().map(|cause| cause.code), Some(CauseCode::TokenUnavailable));
}

#[test]
fn an_overloaded_server_is_given_what_it_asks_for() {
    let mut rig = Rig::new(FeedConfig::default());
    let asked = rig.dial();
    let error = DialError::new(DialErrorKind::Http(503), "");
    rig.input(FeedInput::DialFailed(asked.conn, DialError { retry_after: Some(20 * SECOND), ..error }));
    assert!((20 * SECOND..=40 * SECOND).contains(&rig.wait()));
}

#[test]
fn what_an_older_stream_still_says_counts_for_nothing() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    let old = rig.conn;
    rig.reconnect(Disconnect::Lost);
    let said = Message::plain("x".into(), "u".into(), "late".to_owned(), String::new());
    rig.input(FeedInput::Received(old, FeedItem::Message { id: Some("e:2:m2".into()), message: said }));
    rig.input(FeedInput::Closed(old, Disconnect::Lost));
    assert_eq!(rig.told(), ["e:1"]);
    assert_eq!(rig.feed.state(), State::Connected);
}

#[test]
fn close_drops_the_stream_at_once_and_leaves_no_timer() {
    let mut rig = Rig::connected();
    rig.input(FeedInput::Close);
    assert_eq!(rig.feed.state(), State::Closed);
    assert_eq!(rig.abandoned, [rig.conn]);
    assert_eq!(rig.feed.next_deadline(), None);
    let states: Vec<&str> = rig.states();
    assert_eq!(states, ["connecting", "connected", "closing", "closed"]);
    rig.input(FeedInput::Connect);
    assert_eq!(rig.feed.state(), State::Connecting);
}

#[test]
fn the_room_of_a_message_is_the_feeds_and_its_place_is_its_ids() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 4));
    let Some(Told::Message(message)) = rig.events.iter().map(|(told, _)| told).next_back() else { panic!() };
    assert_eq!(&*message.room, "lobby");
    assert_eq!(message.position().map(|position| position.to_event_id()).as_deref(), Some("e:4:m4"));
}

#[test]
fn a_gap_of_a_room_names_the_feeds_room() {
    let mut rig = Rig::connected();
    rig.says(&message("e", 1));
    rig.says(&message("e", 3));
    let expected = Gap {
        room: Name::from("lobby"),
        epoch: Some(crate::id::Id::new("e").unwrap()),
        after: Some(1),
        before: Some(3),
        reason: GapReason::Unavailable,
    };
    assert!(rig.events.iter().any(|(told, _)| *told == Told::Gap(expected.clone())));
}

#[test]
fn where_the_stream_has_worked_such_an_answer_is_an_outage_of_five_minutes() {
    let since = FeedConfig { since: Some("e:1:m1".into()), ..FeedConfig::default() };
    for mut rig in [Rig::connected(), Rig::new(since)] {
        if rig.feed.state() == State::Connected {
            rig.input(FeedInput::Closed(rig.conn, Disconnect::Lost));
        }
        let begin = rig.now;
        while rig.failure().is_none() {
            let asked = rig.dial();
            rig.failed(asked.conn, DialErrorKind::NotEventStream);
        }
        let time = rig.now - begin;
        assert!(time > 295 * SECOND && time < 345 * SECOND, "{time:?}");
    }
}
