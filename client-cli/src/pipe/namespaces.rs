//! Further Socket.IO namespaces of `pipe`: their clients, their events as lines, and the input for them. They are not in the state
//! file.

use super::bad_line::BadLine;
use super::execute::as_raw;
use super::in_flight::{Origin, Send};
use super::input::{Frame, OwnMessage, Request};
use super::leaves::Leaves;
use super::output::{self, JoinAnswers, Outcome, Repetition};
use super::phase::Phase;
use super::{AskedJoin, Pipe};
use crate::describe::is_success;
use crate::error::{Exit, Failure};
use crate::settings::Settings;
use rejoin::{
    Client, Delivery, DeliveryStatus, Event, Join, PERSONAL_ROOM, RoomChange, RoomState, SendFailure, State,
};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Batches that wait between the namespaces and the pipe; each namespace has a bounded queue of its own behind that.
const BATCHES: usize = 4;

/// One more namespace.
pub(super) struct OtherNamespace {
    name: String,
    client: Client,
    joins: BTreeMap<String, AskedJoin>,
    leaves: Leaves,
    join_answers: JoinAnswers,
    /// It has failed or is being left: what resolves from here on resolves because of that.
    pub(super) has_ended: bool,
    /// Nothing comes any more, unless something is asked for.
    is_over: bool,
    /// Something has been asked for.
    wake: mpsc::Sender<()>,
}

/// What happened in a namespace, by its number; nothing when that is over.
pub(super) type Batch = (usize, Vec<Event>);

#[derive(Default)]
pub(super) struct Namespaces {
    pub(super) list: Vec<OtherNamespace>,
    /// The events of the first one are over.
    pub(super) first_is_over: bool,
    events: Option<mpsc::Receiver<Batch>>,
}

impl Namespaces {
    /// Opens those that the settings name.
    pub(super) fn open(client: &Client, settings: &Settings) -> Result<Self, Failure> {
        if settings.namespaces.is_empty() {
            return Ok(Self::default());
        }
        let (sender, events) = mpsc::channel(BATCHES);
        let mut list = Vec::new();
        for (at, (name, client, mut events)) in settings.open_namespaces(client)?.into_iter().enumerate() {
            let sender = sender.clone();
            let (wake, mut asked) = mpsc::channel(1);
            // Ends with the pipe, which has the other ends of both channels.
            tokio::spawn(async move {
                loop {
                    let batch = events.next_batch().await;
                    let is_over = batch.is_empty();
                    if sender.send((at, batch)).await.is_err() {
                        return;
                    }
                    // One that has failed still answers what it is asked for.
                    if is_over && asked.recv().await.is_none() {
                        return;
                    }
                }
            });
            let (joins, join_answers) = (BTreeMap::new(), JoinAnswers::default());
            list.push(OtherNamespace {
                name,
                client,
                joins,
                leaves: Leaves::default(),
                join_answers,
                has_ended: false,
                is_over: false,
                wake,
            });
        }
        Ok(Self { list, first_is_over: false, events: Some(events) })
    }

    /// What happened in one of them; never ready without any.
    pub(super) async fn next(&mut self) -> Batch {
        match &mut self.events {
            Some(events) => match events.recv().await {
                Some(batch) => batch,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    pub(super) fn are_over(&self) -> bool {
        self.list.iter().all(|elsewhere| elsewhere.is_over)
    }

    pub(super) fn have_ended(&self) -> bool {
        self.list.iter().all(|elsewhere| elsewhere.has_ended)
    }

    pub(super) fn are_joined(&self) -> bool {
        self.list.iter().all(|elsewhere| elsewhere.joins.values().all(|join| join.is_member))
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|elsewhere| elsewhere.name == name)
    }
}

impl Pipe {
    /// What happened in one of the other namespaces.
    pub(super) fn take_events_in(&mut self, (at, batch): Batch) {
        if batch.is_empty()
            && let Some(elsewhere) = self.namespaces.list.get_mut(at)
        {
            elsewhere.is_over = true;
            elsewhere.has_ended = true;
            self.end_if_over();
        }
        for event in &batch {
            self.event_in(at, event);
        }
    }

    fn event_in(&mut self, at: usize, event: &Event) {
        let now = self.client.now();
        let Some(elsewhere) = self.namespaces.list.get_mut(at) else { return };
        let answer = elsewhere.join_answers.of(event);
        let answer = answer.as_deref();
        let mut line = Vec::new();
        match event {
            Event::Delivery(delivery) => return self.delivered_in(at, delivery),
            Event::Joined(room) => {
                let reference = elsewhere.joins.remove(&*room.room).map(|join| join.reference);
                output::joined(&mut line, room, reference.as_deref(), answer);
            }
            Event::Room(change) => {
                let reference = elsewhere.room_changed(change);
                if matches!(change.state, RoomState::Failed(_) | RoomState::Refused) {
                    self.exit = self.exit.max(Exit::Incomplete);
                }
                output::room(&mut line, change, reference.as_deref(), answer);
            }
            Event::State(change) => {
                output::event(&mut line, event, now);
                elsewhere.has_ended = matches!(change.state, State::Closing | State::Closed | State::Failed);
                if change.state == State::Failed {
                    self.exit = self.exit.max(Exit::of_failed(change.cause.as_ref()));
                }
                if elsewhere.has_ended {
                    for (room, join) in std::mem::take(&mut elsewhere.joins) {
                        if !join.is_member {
                            self.exit = self.exit.max(Exit::Incomplete);
                            output::join_given_up(&mut line, &room, &join.reference);
                        }
                    }
                    for (room, reference) in elsewhere.leaves.at_the_end() {
                        output::left(&mut line, &room, &reference);
                    }
                }
            }
            // It names its namespace already.
            Event::Frame(_) => return output::event(&mut self.printed, event, now),
            event => {
                if let Event::NotKept { .. } | Event::NotAnswered { .. } = event {
                    self.exit = self.exit.max(Exit::Incomplete);
                }
                output::event(&mut line, event, now);
            }
        }
        output::in_namespace(&mut self.printed, &elsewhere.name, &line);
    }

    fn delivered_in(&mut self, at: usize, delivery: &Delivery) {
        let reference = self.flight.resolve(at + 1, delivery.id).and_then(|send| send.reference);
        let mut delivery = delivery.clone();
        // Closing was our doing, because the time was up.
        if delivery.status == DeliveryStatus::Failed(SendFailure::Closed)
            && self.phase == Phase::Closing(true)
        {
            delivery.status = DeliveryStatus::Failed(SendFailure::Timeout);
        }
        self.outcome_in(at, reference.as_deref(), &delivery);
        if matches!(self.phase, Phase::Draining(_)) {
            self.phase = Phase::Draining(Instant::now() + self.drain_timeout);
        }
    }

    fn outcome_in(&mut self, at: usize, reference: Option<&str>, delivery: &Delivery) {
        if !is_success(&delivery.status) {
            self.exit = self.exit.max(Exit::Incomplete);
        }
        let Some(elsewhere) = self.namespaces.list.get(at) else { return };
        let (outcome, reply) = (Outcome::Final(delivery.status.clone()), delivery.reply.as_deref());
        let is_unknown = delivery.status == DeliveryStatus::Unknown;
        let unknown = is_unknown.then(|| self.unknown_reason());
        let mut line = Vec::new();
        output::delivery(
            &mut line,
            reference,
            &delivery.room,
            &outcome,
            reply,
            Repetition::First,
            unknown.as_ref(),
        );
        output::in_namespace(&mut self.printed, &elsewhere.name, &line);
    }

    /// Does what a line asks for in one of the other namespaces.
    pub(super) fn act_in(&mut self, at: usize, request: Request, number: u64) {
        self.do_in(at, request, number);
        self.wake(at);
    }

    fn do_in(&mut self, at: usize, request: Request, number: u64) {
        let Some(elsewhere) = self.namespaces.list.get_mut(at) else { return };
        let client = elsewhere.client.clone();
        let Request { frame, reference, .. } = request;
        elsewhere.is_over = false;
        match frame {
            // Nothing else comes here by then.
            frame if self.closed_by.is_some() => {
                let room = if let Frame::Send { room, .. } = &frame { &**room } else { "" };
                self.submitted_in(at, room, 0, reference, Err(SendFailure::Closed));
            }
            Frame::Join { room, since, history } => {
                if elsewhere.has_ended {
                    if let Some(reference) = reference {
                        let mut line = Vec::new();
                        output::join_given_up(&mut line, &room, &reference);
                        output::in_namespace(&mut self.printed, &elsewhere.name, &line);
                        self.exit = self.exit.max(Exit::Incomplete);
                    }
                    return;
                }
                let personal = room == PERSONAL_ROOM;
                let join = Join::room(room.as_str()).since(since).history(history);
                // The name has been checked with the rest of the line.
                let checked = client.join_with(if personal { join.personal() } else { join });
                debug_assert!(checked.is_ok());
                if let Some(reference) = reference {
                    elsewhere.joins.insert(room, AskedJoin { reference, is_member: false });
                }
            }
            Frame::Leave { room } => {
                client.leave(&room);
                if let Some(reference) = reference {
                    elsewhere.leaves.asked(room, reference);
                }
            }
            // Such a server has none.
            Frame::Signal { .. } => {}
            Frame::Send { room, content, data } => {
                let weight = content.len() + data.as_ref().map_or(0, String::len);
                let mut draft = client.message(&room, content);
                if let Some(data) = &data {
                    draft = draft.data(&as_raw(data));
                }
                let submitted = draft.submit();
                self.submitted_in(at, &room, weight, reference, submitted);
            }
            Frame::Own { message, volatile, ack, idempotent } => {
                let mut draft = match &message {
                    OwnMessage::Frame(json) => client.frame(&as_raw(json)),
                    OwnMessage::Event { name, arguments } => client.event(name, &as_raw(arguments)),
                };
                if volatile {
                    draft = draft.volatile();
                }
                if ack {
                    draft = draft.with_ack();
                }
                if let Some(key) = &idempotent {
                    draft = draft.idempotent(key);
                }
                let weight = draft.content().map_or(0, str::len);
                let submitted = draft.submit();
                self.submitted_in(at, "", weight, reference, submitted);
            }
            Frame::Keep { key, message } => {
                let kept = match &message {
                    OwnMessage::Frame(json) => client.keep(&key, &as_raw(json)),
                    OwnMessage::Event { name, arguments } => {
                        client.keep_event(&key, name, &as_raw(arguments))
                    }
                };
                if let Err(why) = kept {
                    self.bad_line(number, &BadLine::not_kept(why));
                }
            }
            Frame::DropKept { key } => client.drop_kept(&key),
            Frame::Answer { ack, arguments } => {
                if let Err(why) = client.answer(ack, &as_raw(&arguments)) {
                    self.bad_line(number, &BadLine::not_answered(why));
                }
            }
            Frame::Diagnostics => {
                let mut line = Vec::new();
                output::diagnostics(&mut line, &client, reference.as_deref());
                output::in_namespace(&mut self.printed, &elsewhere.name, &line);
            }
            // The namespace is left, and the others stay. Ends by itself.
            Frame::Close => drop(tokio::spawn(client.close())),
        }
    }

    /// Something has been asked for in a namespace, so that something may come of it.
    fn wake(&mut self, at: usize) {
        if let Some(elsewhere) = self.namespaces.list.get(at) {
            // One that is full says the same.
            let _ = elsewhere.wake.try_send(());
        }
    }

    fn submitted_in(
        &mut self,
        at: usize,
        room: &str,
        weight: usize,
        reference: Option<String>,
        submitted: Result<rejoin::SendId, SendFailure>,
    ) {
        self.has_sent = true;
        match submitted {
            Ok(id) => {
                let send = Send { reference, user: self.present(), origin: Origin::ThisRun, weight };
                self.flight.add(at + 1, id, send);
            }
            Err(why) => {
                let status = DeliveryStatus::Failed(why);
                let delivery = Delivery::new(rejoin::SendId(0), room.into(), status);
                self.outcome_in(at, reference.as_deref(), &delivery);
            }
        }
    }
}

impl OtherNamespace {
    /// A room's membership has changed. Gives the `ref` of the line that asked for it, if that is answered by this.
    fn room_changed(&mut self, change: &RoomChange) -> Option<String> {
        let room = &*change.room;
        match change.state {
            RoomState::Joining if change.refused.is_some() => {
                self.joins.get(room).map(|join| join.reference.clone())
            }
            RoomState::Joining => None,
            RoomState::Joined => {
                if let Some(join) = self.joins.get_mut(room) {
                    join.is_member = true;
                }
                None
            }
            RoomState::Left => {
                self.joins.remove(room);
                self.leaves.left(room)
            }
            _ => self.joins.remove(room).map(|join| join.reference),
        }
    }
}
