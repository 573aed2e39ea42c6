//! Messages over an extended connection (protocol.md §2.4).

use super::rig::{Rig, hello, id, join_answer, live, message, replayed};
use crate::event::{Event, RoomState};
use crate::messages::{
    ClientMessage, Code, EntryMeta, ErrorDetail, History, HistoryRequest, JoinReason, Joined, Notification,
    Presence, ServerMessage,
};
use crate::session::{Command, Input};
use crate::{Config, Join};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

fn fetch(rig: &mut Rig) -> Option<HistoryRequest> {
    let asked = |frame| match frame {
        ClientMessage::History(request) => Some(request),
        _ => None,
    };
    rig.frames().into_iter().filter_map(asked).next_back()
}

fn answer(rig: &mut Rig, request: &HistoryRequest, seqs: &[u64], complete: bool) {
    let messages = seqs.iter().map(|seq| message(request.epoch.as_str(), *seq)).collect();
    let (reference, room, epoch) = (request.reference.clone(), request.room.clone(), request.epoch.clone());
    rig.receive(ServerMessage::History(Box::new(History { reference, room, epoch, messages, complete })));
}

/// Reconnects and answers the join.
fn rejoin(rig: &mut Rig, answer: impl FnOnce(Joined) -> Joined) {
    rig.reconnect();
    let request = rig.join_request("r");
    rig.receive(hello("me"));
    rig.receive(ServerMessage::Joined(Box::new(answer(join_answer(request.reference, "e", 14)))));
}

#[test]
fn a_rejoin_goes_on_from_the_last_message_and_what_is_replayed_again_is_dropped() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 11));
    rig.reconnect();
    let since = rig.join_request("r").since.unwrap();
    assert_eq!((since.seq, since.id), (11, id("e11")));
    let mut rig = Rig::joined();
    rig.receive(live("e", 11));
    rejoin(&mut rig, |answer| Joined { recovered: true, replay: 4, ..answer });
    for seq in 11..=14 {
        rig.receive(replayed("e", seq));
    }
    rig.receive(live("e", 15));
    assert_eq!(rig.story(), ["m12", "m13", "m14", "m15"]);
}

#[test]
fn a_join_counts_of_its_replay_only_what_is_new_to_the_application() {
    // Nothing has come since the first join, so that it is not known by which message to continue.
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(crate::Name::from("r").into()));
    rig.command(Command::Connect);
    rig.open();
    rig.receive(hello("me"));
    let reference = rig.join_request("r").reference;
    rig.receive(ServerMessage::Joined(Box::new(join_answer(reference, "e", 10))));
    rig.said();
    rejoin(&mut rig, |answer| Joined { replay: 9, ..answer });
    for seq in 6..=14 {
        rig.receive(replayed("e", seq));
    }
    let events = rig.events();
    let told = events.iter().find_map(|event| match event {
        Event::Joined(joined) => Some(joined.replayed),
        _ => None,
    });
    let shown = events.iter().filter(|event| matches!(event, Event::Message(_))).count();
    assert_eq!((told, shown), (Some(4), 4));
}

#[test]
fn messages_behind_a_gap_wait_until_it_is_fetched() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 13));
    rig.receive(live("e", 14));
    let request = fetch(&mut rig).expect("a request for what is missing");
    assert_eq!(request.after, 10);
    assert_eq!(rig.story(), [""; 0]);
    answer(&mut rig, &request, &[11, 12, 13], true);
    rig.receive(live("e", 15));
    assert_eq!(rig.story(), ["m11", "m12", "m13", "m14", "m15"]);
}

#[test]
fn a_gap_that_cannot_be_filled_is_announced_before_anything_later() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 14));
    let request = fetch(&mut rig).unwrap();
    answer(&mut rig, &request, &[13, 14], false);
    assert_eq!(rig.story(), ["gap 10..13 trimmed", "m13", "m14"]);
}

#[test]
fn a_history_that_never_comes_is_asked_for_twice_and_then_given_up() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 12));
    rig.receive(live("e", 13));
    assert!(fetch(&mut rig).is_some());
    rig.pass(Duration::from_secs(10));
    assert!(fetch(&mut rig).is_some());
    rig.pass(Duration::from_secs(10));
    assert_eq!(rig.story(), ["gap 10..13 unavailable", "m13"]);
}

#[test]
fn a_history_that_is_late_for_what_has_come_meanwhile_does_not_count_against_the_next() {
    let mut rig = Rig::joined();
    rejoin(&mut rig, |answer| Joined { recovered: true, replay: 4, ..answer });
    rig.receive(replayed("e", 11));
    rig.said();
    rig.pass(Duration::from_secs(10));
    assert_eq!(fetch(&mut rig).map(|request| request.after), Some(11));
    rig.receive(replayed("e", 12));
    rig.pass(Duration::from_secs(10));
    assert_eq!(fetch(&mut rig).map(|request| request.after), Some(12));
    rig.pass(Duration::from_secs(10));
    assert_eq!(fetch(&mut rig).map(|request| request.after), Some(12), "once more");
}

#[test]
fn a_long_absence_is_paged_from_where_the_replay_ends() {
    let mut rig = Rig::joined();
    rejoin(&mut rig, |answer| Joined { recovered: true, replay: 2, ..answer });
    rig.receive(replayed("e", 11));
    assert_eq!(fetch(&mut rig), None);
    rig.receive(replayed("e", 12));
    let request = fetch(&mut rig).expect("the rest, at once");
    answer(&mut rig, &request, &[13, 14], true);
    assert_eq!(rig.story(), ["m13", "m14"]);
}

#[test]
fn a_replay_that_stops_coming_is_fetched_instead() {
    let mut rig = Rig::joined();
    rejoin(&mut rig, |answer| Joined { recovered: true, replay: 4, ..answer });
    rig.receive(replayed("e", 11));
    rig.said();
    rig.pass(Duration::from_secs(10));
    assert_eq!(fetch(&mut rig).map(|request| request.after), Some(11));
}

#[test]
fn a_log_that_forked_leaves_a_gap_up_to_its_replay() {
    let mut rig = Rig::joined();
    rejoin(&mut rig, |answer| Joined { reason: Some(JoinReason::Forked), replay: 2, ..answer });
    rig.receive(replayed("e", 13));
    rig.receive(replayed("e", 14));
    assert_eq!(rig.story(), ["gap 10..? forked", "m13", "m14"]);
}

#[test]
fn what_a_log_still_holds_that_lost_its_beginning_is_fetched_whether_a_replay_came_or_not() {
    for replay in [0, 1] {
        let mut rig = Rig::joined();
        rejoin(&mut rig, |answer| Joined { reason: Some(JoinReason::Trimmed), replay, ..answer });
        let request = fetch(&mut rig).expect("at once");
        assert_eq!(request.after, 10);
        if replay > 0 {
            rig.receive(replayed("e", 14));
        }
        assert_eq!(rig.story(), [""; 0], "what is missing is not known yet");
        answer(&mut rig, &request, &[13, 14], false);
        assert_eq!(rig.story(), ["gap 10..13 trimmed", "m13", "m14"], "{replay}");
    }
}

/// A client whose room has another log now, with three messages.
fn begun_anew(replay: u64) -> Rig {
    let mut rig = Rig::joined();
    let reason = Some(JoinReason::EpochChanged);
    rejoin(&mut rig, |answer| Joined { epoch: id("f"), seq: 3, reason, replay, ..answer });
    rig
}

#[test]
fn a_log_that_began_anew_leaves_a_gap_and_is_fetched_from_its_beginning() {
    assert_eq!(begun_anew(1).story(), ["gap 10..? epoch_changed"]);
    let mut rig = begun_anew(1);
    let request = fetch(&mut rig).expect("at once");
    assert_eq!((request.epoch.clone(), request.after), (id("f"), 0));
    rig.receive(replayed("f", 3));
    answer(&mut rig, &request, &[1, 2, 3], true);
    assert_eq!(rig.story(), ["m1", "m2", "m3"]);
}

#[test]
fn of_a_log_that_began_anew_and_lost_its_beginning_that_is_a_gap_too() {
    let mut rig = begun_anew(0);
    let request = fetch(&mut rig).expect("at once");
    answer(&mut rig, &request, &[2, 3], false);
    assert_eq!(rig.story(), ["gap 0..2 trimmed", "m2", "m3"]);
}

#[test]
fn a_live_message_that_does_not_grow_the_log_shows_a_fork_and_a_frame_said_twice_does_not() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 11));
    rig.receive(live("e", 11));
    assert_eq!(rig.story(), ["m11"]);
    let mut other = message("e", 11);
    if let Some(stamp) = &mut other.entry {
        stamp.id = id("another");
    }
    rig.receive(ServerMessage::Message(other));
    let request = rig.join_request("r");
    assert_eq!(request.since.unwrap().seq, 11);
    rig.receive(live("e", 12));
    assert_eq!(rig.story(), [""; 0], "what comes before the answer is of the log that was");
}

#[test]
fn a_slow_application_finds_everything_later() {
    let mut rig = Rig::joined();
    rig.input(Input::Backpressure(true));
    for seq in 11..=13 {
        rig.receive(live("e", seq));
    }
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.story(), [""; 0]);
    rig.input(Input::Backpressure(false));
    let request = fetch(&mut rig).unwrap();
    answer(&mut rig, &request, &[11, 12, 13], true);
    assert_eq!(rig.story(), ["m11", "m12", "m13"]);
}

#[test]
fn a_first_join_delivers_old_messages_only_if_they_were_asked_for() {
    for (history, expected) in [(None, &["m15"][..]), (Some(2), &["m13", "m14", "m15"])] {
        let mut rig = Rig::new(Config::default());
        rig.command(Command::Join(Join { history, ..Join::from(crate::Name::from("r")) }));
        rig.command(Command::Connect);
        rig.open();
        let request = rig.join_request("r");
        rig.receive(hello("me"));
        let answer = Joined { replay: 2, ..join_answer(request.reference, "e", 14) };
        rig.receive(ServerMessage::Joined(Box::new(answer)));
        for seq in 13..=14 {
            rig.receive(replayed("e", seq));
        }
        rig.receive(live("e", 15));
        assert_eq!(rig.story(), expected);
    }
}

#[test]
fn a_refused_join_is_final_or_tried_again_as_the_server_says() {
    for (retry, states) in [(false, &[RoomState::Failed(Code::Forbidden)][..]), (true, &[RoomState::Joining])]
    {
        let mut rig = Rig::joined();
        rig.reconnect();
        let reference = Some(rig.join_request("r").reference);
        rig.receive(hello("me"));
        rig.said();
        let refusal = ErrorDetail {
            reference,
            room: Some("r".into()),
            code: Code::Forbidden,
            retry,
            retry_after_ms: Some(3_000),
            server_code: None,
        };
        rig.receive(ServerMessage::Error { message: "no".into(), detail: Some(Box::new(refusal)) });
        let changes: Vec<RoomState> = rig
            .events()
            .into_iter()
            .filter_map(|event| if let Event::Room(change) = event { Some(change.state) } else { None })
            .collect();
        assert_eq!(changes, states);
        rig.pass(Duration::from_secs(3));
        let joins =
            rig.frames().iter().filter(|frame| matches!(frame, ClientMessage::JoinRoom { .. })).count();
        assert_eq!(joins, usize::from(retry));
    }
}

#[test]
fn a_room_that_is_joined_again_and_again_without_anything_coming_of_it_is_joined_less_and_less_often() {
    let mut rig = Rig::joined();
    rig.receive(live("e", 13));
    let (mut joins, end) = (0, rig.now.monotonic + Duration::from_secs(60));
    while rig.now.monotonic < end {
        for frame in rig.frames() {
            match frame {
                ClientMessage::History(request) => {
                    rig.receive(ServerMessage::History(Box::new(History {
                        reference: request.reference,
                        room: request.room,
                        epoch: id("over"),
                        messages: Vec::new(),
                        complete: true,
                    })));
                }
                ClientMessage::JoinRoom { request: Some(request), .. } => {
                    joins += 1;
                    let answer = Joined { recovered: true, ..join_answer(request.reference, "e", 13) };
                    rig.receive(ServerMessage::Joined(Box::new(answer)));
                }
                _ => {}
            }
        }
        rig.pass(Duration::from_millis(100));
    }
    assert!((3..=10).contains(&joins), "{joins} joins in a minute");
}

#[test]
fn an_own_stream_whose_epoch_has_changed_goes_on_from_its_last_message() {
    let mut rig = Rig::new(Config::default());
    rig.command(Command::Join(Join { personal: true, ..Join::from(crate::Name::from("@me")) }));
    rig.command(Command::Connect);
    rig.open();
    rig.receive(hello("me"));
    let answer = |request: crate::messages::JoinRequest, epoch, seq| {
        let joined = Joined { room: "@me".into(), ..join_answer(request.reference, epoch, seq) };
        ServerMessage::Joined(Box::new(joined))
    };
    let request = rig.join_request("@me");
    rig.receive(answer(request, "e", 0));
    rig.reconnect();
    rig.receive(hello("me"));
    let request = rig.join_request("@me");
    assert_eq!((request.since.map(|since| since.seq), request.history), (Some(0), Some(1)));
}

#[test]
fn a_gap_in_an_own_stream_whose_last_id_is_not_known_is_filled_from_all_of_the_stream() {
    let mut rig = Rig::new(Config::default());
    let personal = Join { personal: true, history: Some(8), ..Join::from(crate::Name::from("@me")) };
    rig.command(Command::Join(personal));
    rig.command(Command::Connect);
    rig.open();
    rig.receive(hello("me"));
    let request = rig.join_request("@me");
    let joined = Joined { room: "@me".into(), replay: 8, ..join_answer(request.reference, "e", 11) };
    rig.receive(ServerMessage::Joined(Box::new(joined)));
    // What was between has been lost on its way.
    let note = |seq| {
        let stamp = Some(EntryMeta { replay: true, ..*message("e", seq).entry.unwrap() });
        let notification = Notification { entry: stamp, kind: "note".into(), data: None };
        ServerMessage::Notification(Box::new(notification))
    };
    rig.receive(note(10));
    rig.receive(note(11));
    rig.pass(Duration::from_secs(30));
    let request = rig.join_request("@me");
    assert_eq!((request.since, request.history), (None, Some(crate::messages::MAX_INT)));
}

#[test]
fn a_list_that_comes_before_a_join_is_answered_is_of_an_earlier_membership() {
    let mut rig = Rig::joined();
    rig.reconnect();
    rig.receive(hello("me"));
    let list = || Presence { room: "r".into(), members: Some(["ada".into()].into()), member_count: None };
    rig.receive(ServerMessage::Presence(list()));
    assert_eq!(rig.session.members(&"r".into()), None);
    let request = rig.join_request("r");
    rig.receive(ServerMessage::Joined(Box::new(join_answer(request.reference, "e", 10))));
    rig.receive(ServerMessage::Presence(list()));
    assert_eq!(rig.session.members(&"r".into()), Some(&["ada".into()][..]));
}
