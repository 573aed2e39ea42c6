//! The requests of a hub that is one node of several to its store, the answers, and those who wait for them. The store is written by hand.

use super::*;
use crate::auth::{Auth, Identity};
use crate::connection_limits::Limits;
use crate::hub::shared::RoomState;
use crate::hub::{FeedRequest, RoomPosition, Since, Text};
use crate::send_queue::{Outbound, SendQueue};
use crate::session_log::{Origin, TransportKind};
use rejoin::Id;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::task::{Context, Waker};
use tokio::sync::mpsc::Receiver;

const ORIGIN: Origin = Origin {
    client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    protocol: "extended",
    transport: TransportKind::WebSocket,
};

fn id(text: &str) -> Id {
    Id::new(text).unwrap()
}

/// A node whose store takes so many requests before somebody carries them out.
fn node(requests: usize) -> (Arc<SharedHub>, Receiver<StoreRequest>) {
    let (store, asked) = mpsc::channel(requests);
    let config = HubConfig { node: Some(id("here")), ..HubConfig::default() };
    let gate = Arc::new(AdmissionControl::new(&Limits::default(), Vec::new(), false));
    let (authority, metrics) = (Arc::new(Authority::new(Auth::Open, 10)), Arc::new(Metrics::default()));
    (Arc::new(SharedHub::new(config, authority, metrics, gate, Some(store), None)), asked)
}

fn send_queue() -> Arc<SendQueue> {
    Arc::new(SendQueue::new(64, 1 << 20))
}

fn ada() -> Identity {
    Auth::Open.identify_at_once("ada", Instant::now()).unwrap().unwrap()
}

fn room() -> StoreResponse {
    let (epoch, gone) = (id("e1"), (0, None));
    StoreResponse::Opened(RoomState {
        epoch,
        head: 0,
        entries: Vec::new(),
        preceding: gone,
        remote_members: Vec::new(),
    })
}

fn texts(send_queue: &SendQueue) -> Vec<Text> {
    let mut items = VecDeque::new();
    send_queue.take(&mut items, (0, 0), Waker::noop());
    let texts = items.into_iter().filter_map(|item| match item {
        Outbound::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

fn join(hub_conn: &HubConnection) {
    hub_conn.handle_frames(&[r#"{"type":"join_room","roomId":"lobby","ref":"j"}"#.into()]);
}

#[tokio::test]
async fn a_join_goes_to_the_store_and_its_answer_to_the_client() {
    let (board, mut asked) = node(8);
    let send_queue = send_queue();
    let hub_conn = board.connect(ada(), true, ORIGIN, Arc::clone(&send_queue));
    texts(&send_queue);
    join(&hub_conn);
    let ticket = asked.recv().await.unwrap().request_id().unwrap();
    assert!(texts(&send_queue).is_empty());
    board.handle_store_events([
        StoreEvent::Response(ticket, room()),
        StoreEvent::Notice(StoreNotice::Interrupted),
    ]);
    assert!(texts(&send_queue)[0].contains("\"joined\""));
}

#[tokio::test]
async fn what_a_store_without_room_is_asked_has_failed() {
    let (board, asked) = node(1);
    let (first, second) = (send_queue(), send_queue());
    let seats =
        [&first, &second].map(|send_queue| board.connect(ada(), true, ORIGIN, Arc::clone(send_queue)));
    texts(&second);
    join(&seats[0]);
    seats[1].handle_frames(&[r#"{"type":"join_room","roomId":"other","ref":"j"}"#.into()]);
    assert!(texts(&second)[0].contains("\"overloaded\""));
    // The same if nobody carries anything out.
    drop(asked);
    seats[1].handle_frames(&[r#"{"type":"join_room","roomId":"third","ref":"j"}"#.into()]);
    assert!(texts(&second)[0].contains("\"overloaded\""));
}

#[tokio::test]
async fn a_publication_waits_for_the_store() {
    let (board, mut asked) = node(8);
    let store = async {
        let ticket = asked.recv().await.unwrap().request_id().unwrap();
        let (epoch, id) = (id("e1"), id("m1"));
        let answer = StoreResponse::Appended { epoch, entry: None, id, seq: 1, dup: false };
        board.handle_store_events([StoreEvent::Response(ticket, answer)]);
    };
    let note = |call| Input::Notify { call, user: "ada".into(), kind: "like".into(), data: None };
    let (published, ()) = tokio::join!(board.publish(None, note), store);
    assert_eq!(published.unwrap().seq, 1);
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_behind() {
    let (board, _asked) = node(8);
    let note = |call| Input::Notify { call, user: "ada".into(), kind: "like".into(), data: None };
    {
        let publication = pin!(board.publish(None, note));
        assert!(publication.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(board.lock().calls.len(), 1);
    }
    assert!(board.lock().calls.is_empty());
}

#[tokio::test]
async fn a_feed_waits_for_the_store() {
    let (board, mut asked) = node(8);
    let request =
        || FeedRequest { room: "lobby".into(), since: Since::Nothing, history: 0, announces_join: false };
    let (good, bad) = (send_queue(), send_queue());
    let store = async {
        for answer in [room(), StoreResponse::Failed] {
            let ticket = asked.recv().await.unwrap().request_id().unwrap();
            board.handle_store_events([StoreEvent::Response(ticket, answer)]);
        }
    };
    let feeds = async {
        let feed = board.open_feed(ada(), request(), ORIGIN, &good).await;
        assert!(feed.is_ok());
        let none = board.open_feed(ada(), request(), ORIGIN, &bad).await;
        assert_eq!(none.err(), Some(FeedError::Closed(1013)));
    };
    tokio::join!(feeds, store);
}

#[tokio::test]
async fn a_session_is_restored_when_the_store_has_answered() {
    let (board, mut asked) = node(8);
    let hub_conn = board.connect(ada(), true, ORIGIN, send_queue());
    let position = RoomPosition { room: "lobby".into(), epoch: id("e1"), after: 0 };
    let restored = hub_conn.restore(vec![position.clone()]);
    let ticket = asked.recv().await.unwrap().request_id().unwrap();
    board.handle_store_events([StoreEvent::Response(ticket, room())]);
    assert!(restored.await);
    // Whoever goes away meanwhile is not waited for.
    let other = board.connect(ada(), true, ORIGIN, send_queue());
    let restored = other.restore(vec![position]);
    drop(other);
    assert!(!restored.await);
    assert!(board.lock().restoring.is_empty());
}
