//! The modelled store keeps the rules that are written in `hub/shared.rs`.

use super::store::{RequestResult, SharedStore};
use crate::sim::{Micros, SECOND};
use rejoin::machine::ClockReading;
use rejoin::messages::Code;
use rejoin::{Id, Name};
use rejoin_server::hub::shared::{
    Control, Decision, KnownHead, RequestId, RoomState, SendKey, StoreNotice, StoreRequest, StoreResponse,
    UserPresence,
};
use rejoin_server::hub::{Hub, HubConfig, Input, LogEntry};
use std::time::Duration;

const WINDOW: Micros = 60 * SECOND;

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// An entry as a hub makes it.
fn entry(content: &str) -> Box<LogEntry> {
    let mut hub = Hub::new(HubConfig::default(), content.len() as u64 + 7);
    let (room, user) = (Name::from("lobby"), Name::from("ada"));
    let content = content.to_owned();
    hub.handle(ClockReading::default(), Input::Post { call: 0, room, user, content, data: None, key: None });
    Box::new(hub.store().room("lobby").unwrap().messages().next().unwrap().clone())
}

/// A store and two nodes, and what they have asked so far.
struct Case {
    store: SharedStore,
    now: Micros,
    tickets: u64,
}

impl Case {
    fn new() -> Self {
        Self { store: SharedStore::new(2, 3, WINDOW), now: SECOND, tickets: 0 }
    }

    fn ask(&mut self, node: usize, request: impl FnOnce(RequestId) -> StoreRequest) -> RequestResult {
        self.tickets += 1;
        let name = id(["node-a", "node-b"][node]);
        self.store.carry_out(self.now, (node, &name), request(RequestId(self.tickets)))
    }

    fn open(&mut self, node: usize, held: Option<KnownHead>) -> RoomState {
        let (room, fresh) = (Name::from("lobby"), id(&format!("e{}", self.tickets)));
        let carried = self.ask(node, |request_id| StoreRequest::Open {
            request_id,
            room,
            known_head: held,
            new_epoch: fresh,
        });
        match carried.answer {
            Some((_, StoreResponse::Opened(state))) => state,
            other => panic!("{other:?}"),
        }
    }

    fn append(&mut self, node: usize, send: Option<SendKey>, decision: Decision) -> RequestResult {
        let (room, fresh) = (Name::from("lobby"), id("fresh"));
        self.ask(node, |request_id| StoreRequest::Append {
            request_id,
            room,
            known_head: None,
            new_epoch: fresh,
            send,
            decision,
        })
    }

    /// A numbered send, and its answer.
    fn send(&mut self, node: usize, pseq: u64, epoch: &Id) -> StoreResponse {
        let send = SendKey { user: Some("ada".into()), pid: id("p"), pseq, epoch: Some(epoch.clone()) };
        let said = entry(&"x".repeat(usize::try_from(pseq).unwrap()));
        self.append(node, Some(send), Decision::Append(said)).answer.unwrap().1
    }

    fn say(&mut self, content: &str) -> RequestResult {
        self.append(0, None, Decision::Append(entry(content)))
    }
}

fn held(state: &RoomState) -> KnownHead {
    let newest = state.entries.last();
    KnownHead { epoch: state.epoch.clone(), head: state.head, id: newest.map(|entry| entry.id.clone()) }
}

#[test]
fn a_send_that_is_made_again_is_recognised_on_whatever_node() {
    let mut case = Case::new();
    let epoch = case.open(0, None).epoch;
    let StoreResponse::Appended { seq: 1, dup: false, id: first, .. } = case.send(0, 1, &epoch) else {
        panic!()
    };
    let again = case.send(1, 1, &epoch);
    assert!(
        matches!(&again, StoreResponse::Appended { seq: 1, dup: true, id, .. } if *id == first),
        "{again:?}"
    );
    assert_eq!(case.open(1, None).head, 1);
    case.now += WINDOW + 30 * SECOND;
    let forgotten = case.send(1, 2, &epoch);
    assert!(matches!(forgotten, StoreResponse::Refused { code: Code::UnknownProducer, .. }), "{forgotten:?}");
}

#[test]
fn a_producer_begins_under_the_current_epoch_and_leaves_no_number_out() {
    let mut case = Case::new();
    let epoch = case.open(0, None).epoch;
    let other = case.send(0, 1, &id("another"));
    assert!(
        matches!(other, StoreResponse::Refused { code: Code::UnknownProducer, dup: false, .. }),
        "{other:?}"
    );
    case.send(0, 1, &epoch);
    let hole = case.send(0, 3, &epoch);
    assert!(
        matches!(hole, StoreResponse::Refused { code: Code::SequenceGap, expected: Some(2), .. }),
        "{hole:?}"
    );
}

#[test]
fn a_refusal_uses_up_its_number_where_the_producer_is_known() {
    let mut case = Case::new();
    let epoch = case.open(0, None).epoch;
    let numbered = |pseq| SendKey { user: None, pid: id("p"), pseq, epoch: Some(epoch.clone()) };
    let refuse = Decision::Refuse(Code::TooLarge);
    case.append(0, Some(numbered(1)), refuse.clone());
    let first = case.append(0, Some(numbered(1)), Decision::Append(entry("a"))).answer.unwrap().1;
    assert!(matches!(first, StoreResponse::Appended { seq: 1, dup: false, .. }), "{first:?}");
    case.append(0, Some(numbered(2)), refuse);
    let second = case.append(1, Some(numbered(2)), Decision::Append(entry("b"))).answer.unwrap().1;
    assert!(matches!(second, StoreResponse::Refused { code: Code::TooLarge, dup: true, .. }), "{second:?}");
}

#[test]
fn an_entry_is_told_to_everybody_who_watches_its_room_and_to_nobody_else() {
    let mut case = Case::new();
    case.open(0, None);
    case.open(1, None);
    let told = case.say("a").notices;
    assert_eq!(told.iter().map(|(node, _)| *node).collect::<Vec<_>>(), [0, 1]);
    assert!(matches!(&told[0].1, StoreNotice::Appended { entry, .. } if entry.seq == 1), "{told:?}");
    case.ask(1, |_| StoreRequest::Close { room: "lobby".into() });
    assert_eq!(case.say("bb").notices.len(), 1);
}

#[test]
fn a_node_reads_what_it_has_not_and_is_told_what_is_not_kept() {
    let mut case = Case::new();
    case.open(0, None);
    for content in ["a", "bb", "ccc", "dddd", "eeeee"] {
        case.say(content);
    }
    let whole = case.open(0, None);
    assert_eq!((whole.head, whole.preceding.0, whole.entries.len()), (5, 2, 3));
    let after = KnownHead { head: 4, id: Some(whole.entries[1].id.clone()), ..held(&whole) };
    let rest = case.open(1, Some(after));
    assert_eq!((rest.head, rest.preceding.0, rest.entries.len()), (5, 4, 1));
    let old = KnownHead { head: 1, id: Some(id("whatever")), ..held(&whole) };
    assert_eq!(case.open(1, Some(old)).entries.len(), 3, "what is not kept any more cannot be compared");
}

#[test]
fn what_a_node_has_and_the_store_has_not_begins_a_new_life() {
    let mut case = Case::new();
    case.open(0, None);
    case.say("a");
    case.say("bb");
    let before = case.open(0, None);
    case.store.fails_over(1);
    assert_eq!(case.open(1, None).epoch, before.epoch, "nobody can have noticed");
    let after = case.open(0, Some(held(&before)));
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.head, after.entries.len(), after.preceding), (0, 0, (0, None)));
}

#[test]
fn another_entry_at_the_number_that_a_node_has_begins_a_new_life_too() {
    let mut case = Case::new();
    case.open(0, None);
    case.say("a");
    let before = case.open(0, None);
    case.store.fails_over(1);
    case.say("bb");
    assert_eq!(case.open(1, None).head, 1);
    assert_ne!(case.open(0, Some(held(&before))).epoch, before.epoch);
}

#[test]
fn a_copy_that_was_behind_has_not_decided_what_it_lacks() {
    let mut case = Case::new();
    let epoch = case.open(0, None).epoch;
    case.send(0, 1, &epoch);
    case.send(0, 2, &epoch);
    case.store.fails_over(1);
    let again = case.send(1, 2, &epoch);
    assert!(matches!(again, StoreResponse::Appended { seq: 2, dup: false, .. }), "{again:?}");
}

#[test]
fn a_store_that_begins_empty_begins_a_new_life_of_each_room() {
    let mut case = Case::new();
    case.open(0, None);
    case.say("a");
    let before = case.open(0, None);
    case.store.is_emptied();
    let after = case.open(0, Some(held(&before)));
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.head, 0);
}

#[test]
fn who_is_on_a_node_that_says_nothing_is_gone_after_a_minute() {
    let mut case = Case::new();
    case.open(0, None);
    let users = vec![UserPresence { user: "ada".into(), is_present: true }];
    case.ask(0, |_| StoreRequest::UpdatePresence { room: "lobby".into(), users, is_snapshot: false });
    assert_eq!(case.open(0, None).remote_members, [], "its own are not told");
    let there = case.open(1, None).remote_members;
    assert_eq!(
        there.iter().map(|one| (&*one.user, one.expires_in)).collect::<Vec<_>>(),
        [("ada", Duration::from_secs(60))]
    );
    case.now += 60 * SECOND;
    assert_eq!(case.open(1, None).remote_members, []);
}

#[test]
fn a_node_that_begins_learns_who_is_kept_out() {
    let mut case = Case::new();
    let kick = Control::Kick { user: "eve".into(), ban: Some(Duration::from_secs(30)) };
    let told = case.ask(0, |_| StoreRequest::Control(kick.clone())).notices;
    assert_eq!(told, [(1, StoreNotice::Control(kick))]);
    let later = case.store.node_begins(case.now + 10 * SECOND, 1);
    let left = Control::Kick { user: "eve".into(), ban: Some(Duration::from_secs(20)) };
    assert_eq!(later, [StoreNotice::Control(left)]);
    assert_eq!(case.store.node_begins(case.now + 30 * SECOND, 1), []);
}
