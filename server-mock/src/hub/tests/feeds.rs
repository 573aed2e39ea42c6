//! Readers and what they are sent (protocol.md §4).

use super::*;
use crate::hub::{FeedRequest, Since};

const EVE: ConnId = ConnId(4);

impl World {
    fn watch(&mut self, conn: ConnId, since: Since, history: u64) -> Vec<Output> {
        let request = FeedRequest { room: Name::from("lobby"), since, history, announces_join: false };
        self.handle(Input::OpenFeed { conn, user: Name::from("eve"), expires: None, request })
    }

    fn watch_from(&mut self, since: &str) -> Vec<Block> {
        to_eve(&self.watch(EVE, Since::from(since), 0))
    }

    /// The position of the message with this number, as a feed writes it.
    fn id(&self, seq: u64) -> String {
        let log = self.hub.store().room("lobby").unwrap();
        let entry = log.messages().find(|entry| entry.seq == seq).unwrap();
        format!("{}:{seq}:{}", log.epoch(), entry.id)
    }

    fn drained(&mut self, conn: ConnId) -> Vec<Block> {
        to_eve(&self.handle(Input::QueueDrained { conn }))
    }
}

/// One block of an event stream, by the names of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Block {
    event: Option<String>,
    id: Option<String>,
    data: Option<Value>,
    retry: Option<u64>,
}

impl Block {
    fn content(&self) -> &str {
        self.data.as_ref().unwrap()["content"].as_str().unwrap()
    }

    fn gap(&self) -> &Value {
        assert_eq!(self.event.as_deref(), Some("gap"), "{self:?}");
        self.data.as_ref().unwrap()
    }
}

/// Reads a text that has to be one whole block.
fn block(text: &str) -> Block {
    let (block, rest) = text.split_once("\n\n").unwrap();
    assert!(rest.is_empty() && !text.contains('\r'), "{text:?}");
    let mut read = Block::default();
    for line in block.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        let fresh = match name {
            "event" => read.event.replace(String::from(value)).is_none(),
            "id" => read.id.replace(String::from(value)).is_none(),
            "data" => read.data.replace(serde_json::from_str(value).unwrap()).is_none(),
            "retry" => read.retry.replace(value.parse().unwrap()).is_none(),
            _ => false,
        };
        assert!(fresh, "{line}");
    }
    read
}

fn to_eve(outputs: &[Output]) -> Vec<Block> {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Send { conn, text } if *conn == EVE => Some(text),
        _ => None,
    });
    texts.map(|text| block(text)).collect()
}

fn contents_of(blocks: &[Block]) -> Vec<&str> {
    blocks.iter().filter(|block| block.event.is_none() && block.data.is_some()).map(Block::content).collect()
}

/// Ada and Bob talk in `lobby`, which has this many messages.
fn talk(count: u64, change: impl FnOnce(&mut HubConfig)) -> World {
    let mut world = World::lobby(change);
    for number in 1..=count {
        world.send(ADA, "lobby", &number.to_string());
    }
    world
}

#[test]
fn an_event_is_the_plain_message_under_its_position_and_nothing_more() {
    let mut world = World::lobby(|_| {});
    world.extend(CYD, "cyd");
    world.enter(CYD, "lobby");
    world.watch(EVE, Since::Nothing, 0);
    let epoch = world.epoch("lobby");
    let frame = json!({
        "type": "send_message", "roomId": "lobby", "content": "a\r\nb", "ref": "s", "pid": "p", "pseq": 1,
        "epoch": epoch, "data": {"x": 1},
    });
    let outputs = world.say(CYD, &frame.to_string());
    let text = outputs.iter().find_map(|output| match output {
        Output::Send { conn: EVE, text } => Some(text.to_string()),
        _ => None,
    });
    let data = r#"{"type":"message","roomId":"lobby","userId":"cyd","content":"a\r\nb","timestamp":"2025-11-22T21:19:19.123Z"}"#;
    assert_eq!(text.unwrap(), format!("id: {}\ndata: {data}\n\n", world.id(1)));
}

#[test]
fn a_reader_is_no_member_and_nobody_hears_of_it() {
    let mut world = World::lobby(|_| {});
    let outputs = world.watch(EVE, Since::Nothing, 0);
    assert!(outputs.iter().all(|output| matches!(output, Output::Send { conn: EVE, .. })), "{outputs:?}");
    world.extend(CYD, "cyd");
    assert_eq!(world.enter(CYD, "lobby")["members"], json!(["ada", "bob", "cyd"]));
    assert_eq!(world.hub.members("lobby").count(), 3);
    assert_eq!(world.hub.connections(), 4);
    assert_eq!(world.hang_up(EVE), []);
    assert_eq!((world.hub.connections(), world.send(ADA, "lobby", "x").len()), (3, 3));
    // What it says, it cannot have said.
    world.watch(EVE, Since::Nothing, 0);
    assert_eq!(world.join(EVE, "lobby"), []);
    assert_eq!(world.hub.members("lobby").count(), 3);
}

#[test]
fn a_reader_that_comes_back_gets_what_it_missed_and_then_what_is_said() {
    let mut world = talk(4, |_| {});
    let since = world.id(2);
    let blocks = world.watch_from(&since);
    assert_eq!((&blocks[0].id, &blocks[0].data), (&Some(since), &None));
    assert_eq!(contents_of(&blocks), ["3", "4"]);
    assert_eq!(blocks[2].id, Some(world.id(4)));
    assert_eq!(contents_of(&to_eve(&world.send(BOB, "lobby", "5"))), ["5"]);
}

#[test]
fn one_who_is_new_begins_at_the_end_or_the_last_n_before_it() {
    let mut world = talk(5, |config| config.history = 4);
    for (history, expected) in
        [(0, &[][..]), (2, &["4", "5"]), (4, &["2", "3", "4", "5"]), (u64::MAX, &["2", "3", "4", "5"])]
    {
        let blocks = to_eve(&world.watch(EVE, Since::Nothing, history));
        assert_eq!(contents_of(&blocks), expected);
        assert!(blocks.iter().all(|block| block.event.is_none()), "nothing is lost: {blocks:?}");
    }
}

#[test]
fn one_who_is_new_has_a_position_before_the_first_message_comes() {
    let mut world = World::lobby(|_| {});
    for said in ["1", "2"] {
        let begun = to_eve(&world.watch(EVE, Since::Nothing, 0)).remove(0);
        world.hang_up(EVE);
        world.send(ADA, "lobby", said);
        let blocks = world.watch_from(&begun.id.unwrap());
        assert_eq!(contents_of(&blocks), [said]);
        assert!(blocks.iter().all(|block| block.event.is_none()), "{blocks:?}");
    }
}

#[test]
fn a_trimmed_position_is_told_by_a_gap_and_what_is_still_held_follows() {
    let mut world = talk(2, |config| config.history = 3);
    let (epoch, since) = (world.epoch("lobby"), world.id(1));
    for number in 3..=6 {
        world.send(ADA, "lobby", &number.to_string());
    }
    let blocks = world.watch_from(&since);
    let gap = json!({"roomId": "lobby", "epoch": epoch, "after": 1, "before": 4, "reason": "trimmed"});
    assert_eq!(blocks[1].gap(), &gap);
    assert_eq!(contents_of(&blocks), ["4", "5", "6"]);
    // With the gap's own position the gap is not told again.
    let again = world.watch_from(blocks[1].id.as_ref().unwrap());
    assert_eq!((contents_of(&again), again.len()), (vec!["4", "5", "6"], 4));
}

#[test]
fn a_position_of_another_life_is_told_by_a_gap_and_all_of_this_one_follows() {
    let mut world = talk(2, |_| {});
    let blocks = world.watch_from("elsewhere:7:x");
    let gap = json!({"roomId": "lobby", "epoch": "elsewhere", "after": 7, "before": null, "reason": "epoch_changed"});
    assert_eq!(blocks[1].gap(), &gap);
    assert_eq!(contents_of(&blocks), ["1", "2"]);
    assert_eq!(blocks[0].id, None, "a gap lost on its way has to be told again");
    let again = world.watch_from(blocks[1].id.as_ref().unwrap());
    assert_eq!((contents_of(&again), again.len()), (vec!["1", "2"], 3));
}

#[test]
fn a_position_that_the_log_contradicts_is_told_by_a_gap_and_nothing_comes_twice() {
    let mut world = talk(3, |_| {});
    let epoch = world.epoch("lobby");
    for (seq, expected) in [(2, &["3"][..]), (9, &[]), (rejoin::messages::MAX_INT, &[])] {
        let blocks = world.watch_from(&format!("{epoch}:{seq}:another"));
        let gap =
            json!({"roomId": "lobby", "epoch": epoch, "after": seq, "before": null, "reason": "forked"});
        assert_eq!(blocks[1].gap(), &gap);
        assert_eq!(contents_of(&blocks), expected);
    }
    assert_eq!(contents_of(&to_eve(&world.send(BOB, "lobby", "4"))), ["4"]);
}

#[test]
fn a_position_that_is_none_is_told_by_a_gap_of_unknown_size() {
    let mut world = talk(3, |_| {});
    let blocks = to_eve(&world.watch(EVE, Since::from("12345"), 1));
    let gap =
        json!({"roomId": "lobby", "epoch": null, "after": null, "before": null, "reason": "unavailable"});
    assert_eq!(blocks[1].gap(), &gap);
    assert_eq!(contents_of(&blocks), ["3"]);
}

#[test]
fn a_feed_comes_in_parts_each_when_the_one_before_is_gone_and_live_messages_wait_in_the_log() {
    let mut world = talk(5, |config| config.replay_chunk = 2);
    let since = world.id(1);
    let outputs = world.watch(EVE, Since::from(&*since), 0);
    assert_eq!(contents_of(&to_eve(&outputs)), ["2", "3"]);
    assert_eq!(outputs.last(), Some(&Output::NotifyQueueDrained { conn: EVE }));
    assert_eq!(to_eve(&world.send(BOB, "lobby", "6")), []);
    assert_eq!(contents_of(&world.drained(EVE)), ["4", "5"]);
    assert_eq!(contents_of(&world.drained(EVE)), ["6"]);
    assert_eq!(contents_of(&to_eve(&world.send(BOB, "lobby", "7"))), ["7"]);
    // The queue may be full now: what comes is left in the log again.
    assert_eq!(to_eve(&world.send(BOB, "lobby", "8")), []);
    assert_eq!(contents_of(&world.drained(EVE)), ["8"]);
}

#[test]
fn a_part_ends_with_its_bytes_too() {
    let mut world = World::lobby(|config| config.replay_chunk_bytes = 1_000);
    for _ in 0..4 {
        world.send(ADA, "lobby", &"x".repeat(600));
    }
    let blocks = to_eve(&world.watch(EVE, Since::Nothing, 4));
    assert_eq!((contents_of(&blocks).len(), contents_of(&world.drained(EVE)).len()), (2, 2));
}

#[test]
fn a_slow_reader_whose_messages_were_trimmed_meanwhile_is_told_before_the_next_one() {
    let mut world = talk(0, |config| (config.history, config.replay_chunk) = (2, 1));
    let epoch = world.epoch("lobby");
    world.watch(EVE, Since::Nothing, 0);
    assert_eq!(contents_of(&to_eve(&world.send(BOB, "lobby", "1"))), ["1"]);
    for number in 2..=5 {
        assert_eq!(to_eve(&world.send(BOB, "lobby", &number.to_string())), []);
    }
    let gap = world.drained(EVE);
    let expected = json!({"roomId": "lobby", "epoch": epoch, "after": 1, "before": 4, "reason": "trimmed"});
    assert_eq!((gap[0].gap(), gap.len()), (&expected, 1));
    assert_eq!(contents_of(&world.drained(EVE)), ["4"]);
    assert_eq!(contents_of(&world.drained(EVE)), ["5"]);
}

#[test]
fn a_log_that_loses_its_end_or_its_life_under_a_feed_is_told_by_a_gap() {
    let mut world = talk(3, |_| {});
    let epoch = world.epoch("lobby");
    world.watch(EVE, Since::Nothing, 3);
    world.hub.store_mut().truncate_newest("lobby", 2);
    let blocks = to_eve(&world.send(ADA, "lobby", "again 2"));
    let gap = json!({"roomId": "lobby", "epoch": epoch, "after": 3, "before": null, "reason": "forked"});
    assert_eq!((blocks[0].gap(), contents_of(&blocks)), (&gap, vec!["again 2"]));
    world.hub.store_mut().begin_epoch("lobby", rejoin::Id::new("second").unwrap());
    let blocks = to_eve(&world.send(ADA, "lobby", "first"));
    let gap =
        json!({"roomId": "lobby", "epoch": epoch, "after": 2, "before": null, "reason": "epoch_changed"});
    assert_eq!((blocks[0].gap(), contents_of(&blocks)), (&gap, vec!["first"]));
    assert!(blocks[1].id.as_ref().unwrap().starts_with("second:1:"));
}

#[test]
fn each_feed_is_told_its_own_time_to_come_back_within_a_window_after_the_first_second() {
    let mut world = World::new(|config| (config.sockets_per_user, config.reconnect_rate) = (2_000, 100));
    let retries: Vec<u64> = (0..1_000)
        .map(|number| {
            let outputs = world.watch(ConnId(100 + number), Since::Nothing, 0);
            let Output::Send { text, .. } = &outputs[0] else { panic!("no beginning") };
            block(text).retry.unwrap()
        })
        .collect();
    // A thousand come back at 80 a second in 12.5 s.
    assert!(retries.iter().all(|retry| (1_000..=13_500).contains(retry)), "{retries:?}");
    for second in 1..=13 {
        let range = second * 1_000..(second + 1) * 1_000u64;
        let last = retries.iter().skip(900).filter(|retry| range.contains(*retry)).count();
        assert!(last < 30, "{last} of the last hundred come back in second {second}");
    }
    assert!(retries.iter().any(|retry| *retry > 12_000));
}

#[test]
fn a_comment_line_comes_every_interval_and_one_that_takes_none_is_given_up() {
    let mut world = World::new(|config| config.presence_grace = Duration::ZERO);
    world.watch(EVE, Since::Nothing, 0);
    for beat in 1..=3 {
        let outputs = world.tick();
        assert_eq!(outputs, [Output::Ping { conn: EVE }, Output::NotifyQueueDrained { conn: EVE }]);
        assert_eq!(world.ms, 15_000 * beat);
        assert_eq!(world.drained(EVE), []);
    }
    assert_eq!(world.tick().len(), 2);
    for _ in 0..3 {
        assert_eq!(world.tick(), []);
    }
    assert_eq!((world.tick(), world.ms), (vec![Output::Terminate { conn: EVE }], 15_000 * 8));
    assert_eq!(world.hub.connections(), 0);
}

#[test]
fn a_drain_closes_readers_one_after_another_like_plain_connections() {
    let mut world = World::new(|_| {});
    world.connect(ADA, "ada");
    world.watch(EVE, Since::Nothing, 0);
    let outputs = world.handle(Input::Drain { window: Duration::from_secs(8), reason: DrainReason::Restart });
    assert_eq!(outputs, closed(ADA, 1012, "Service restart"));
    assert_eq!((world.next_tick(), world.ms), (closed(EVE, 1012, "Service restart"), 4_000));
    assert_eq!(world.watch(EVE, Since::Nothing, 0), closed(EVE, 1012, "Service restart"));
    assert_eq!(world.hub.connections(), 0);
}

#[test]
fn a_feed_ends_with_its_token() {
    let mut world = World::new(|_| {});
    let request =
        FeedRequest { room: Name::from("lobby"), since: Since::Nothing, history: 0, announces_join: false };
    let expires = Some(Timestamp::from_millis(9_000));
    world.handle(Input::OpenFeed { conn: EVE, user: Name::from("eve"), expires, request });
    assert_eq!((world.tick(), world.ms), (closed(EVE, 4002, "Token expired"), 9_000));
}

#[test]
fn a_feed_ends_when_its_user_is_taken_out_of_the_room_and_no_other_does() {
    let mut world = World::lobby(|_| {});
    world.watch(EVE, Since::Nothing, 0);
    let outputs = world.handle(Input::Remove { room: Name::from("lobby"), user: Name::from("bob") });
    assert_eq!(outputs, []);
    let outputs = world.handle(Input::Remove { room: Name::from("lobby"), user: Name::from("eve") });
    assert_eq!(outputs, closed(EVE, 4003, "Removed from the room"));
}

#[test]
fn a_user_has_so_many_feeds_and_connections_together_and_opens_them_so_fast() {
    let mut world = World::new(|config| config.sockets_per_user = 2);
    world.connect(ADA, "eve");
    world.watch(BOB, Since::Nothing, 0);
    assert_eq!(world.watch(EVE, Since::Nothing, 0), closed(EVE, 4011, "Too many connections"));
    let mut world = World::new(|config| (config.rate, config.rooms_per_conn) = (Some(1.0), 1));
    world.watch(ADA, Since::Nothing, 0);
    world.watch(BOB, Since::Nothing, 0);
    assert_eq!(world.watch(EVE, Since::Nothing, 0), closed(EVE, 4008, "Rate limited"));
    assert_eq!(world.hub.connections(), 2);
}

#[test]
fn a_room_has_so_many_readers_and_they_keep_no_member_out() {
    let mut world = World::new(|config| config.members_per_room = 1);
    world.watch(EVE, Since::Nothing, 0);
    assert_eq!(world.watch(CYD, Since::Nothing, 0), closed(CYD, 1013, "Try again later"));
    world.connect(ADA, "ada");
    assert_eq!(world.join(ADA, "lobby"), []);
}

#[test]
fn what_is_no_room_has_no_feed_least_of_all_somebodys_stream() {
    let mut world = World::new(|_| {});
    for name in ["", "@ada", "@me", "a\u{202e}b"] {
        let request =
            FeedRequest { room: Name::from(name), since: Since::Nothing, history: 0, announces_join: false };
        let outputs =
            world.handle(Input::OpenFeed { conn: EVE, user: Name::from("eve"), expires: None, request });
        assert_eq!(outputs, closed(EVE, 1008, "Not a room name"), "{name:?}");
    }
    assert_eq!(world.hub.store().rooms().count(), 0);
}

#[test]
fn a_room_with_a_reader_keeps_its_log_and_one_without_anybody_is_forgotten() {
    let mut world = World::new(|config| {
        (config.retention, config.dedupe_window) = (Duration::from_secs(20), Duration::from_secs(20));
    });
    world.watch(EVE, Since::Nothing, 0);
    let epoch = world.epoch("lobby");
    while world.ms < 60_000 {
        world.tick();
        world.drained(EVE);
    }
    assert_eq!(world.epoch("lobby"), epoch);
    world.hang_up(EVE);
    while world.ms < 120_000 && world.hub.next_deadline().is_some() {
        world.tick();
    }
    assert_eq!(world.hub.store().rooms().count(), 0);
}

#[test]
fn a_reader_hears_on_after_the_last_member_has_left() {
    let mut world = World::new(|_| {});
    world.watch(EVE, Since::Nothing, 0);
    world.connect(ADA, "ada");
    world.join(ADA, "lobby");
    world.say(ADA, r#"{"type":"leave_room","roomId":"lobby"}"#);
    let (room, user, content) = (Name::from("lobby"), Name::from("bot"), String::from("news"));
    let outputs = world.handle(Input::Post { call: 1, room, user, content, data: None, key: None });
    assert_eq!(contents_of(&to_eve(&outputs)), ["news"]);
}
