//! Takes the hub's frames from each namespace's queue, and writes them as far as the transport takes them.

use super::{Due, Session};
use crate::close_reason::CloseReason;
use crate::faults::FaultState;
use crate::send_queue::{Drained, Shutdown};
use crate::session_log::SessionEnd;
use crate::socket::CLOSE_TIMEOUT;
use crate::socketio::member::Member;
use crate::socketio::packet;
use crate::socketio::transport::{EngineTransport, Written};
use crate::socketio::write_queue::WriteQueue;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

impl Session {
    /// Writes all there is. Ready only when the conversation is over.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let Self { transport, fault_state, write_queue, members, .. } = self;
        let mut end = None;
        let mut window = None;
        let mut written = put_out(transport, write_queue, members, cx);
        loop {
            let mut items = false;
            for at in 0..members.len() {
                if !matches!(written, Written::All) {
                    break;
                }
                share_personal_stream(members);
                if !may_take(members, at, cx) {
                    continue;
                }
                let Some(member) = members.get_mut(at) else { break };
                let (taken, going) = member.take(fault_state, write_queue, cx);
                window = going.or(window);
                match taken {
                    Drained::Items => {
                        items = true;
                        // Before the next one, so that what waits to be written counts as its own.
                        written = put_out(transport, write_queue, members, cx);
                    }
                    Drained::Closed(_) if is_removed_alone(members, at) => {
                        dismiss(members, at, write_queue, fault_state);
                        items = true;
                        written = put_out(transport, write_queue, members, cx);
                        break;
                    }
                    Drained::Closed(end) => return Poll::Ready(CloseReason::Requested(end)),
                    Drained::Empty => {}
                }
            }
            match written {
                Written::All if items => {}
                Written::All => break,
                Written::Lost => return Poll::Ready(CloseReason::Lost),
                Written::Blocked => {
                    while let Some(at) = (0..members.len()).find(|at| is_removed_alone(members, *at)) {
                        dismiss(members, at, write_queue, fault_state);
                    }
                    for member in members.iter() {
                        member.send_queue.mark_blocked();
                        member.send_queue.register_waker(cx.waker());
                        end = end.or(member.send_queue.end());
                    }
                    break;
                }
            }
        }
        match transport.flush(cx) {
            Written::All => {}
            Written::Lost => return Poll::Ready(CloseReason::Lost),
            Written::Blocked => members.iter().for_each(|member| member.send_queue.mark_blocked()),
        }
        if let Some(window) = window {
            // Evenly over the window, as plain clients are closed: this one cannot choose for itself.
            let moment = window.mul_f64(fastrand::f64());
            self.due = Some((Instant::now() + moment, Due::Move));
            cx.waker().wake_by_ref();
        }
        self.await_the_end(end, cx)
    }

    /// The hub has ended the session, and it is not known whether anybody can still be told.
    fn await_the_end(&mut self, end: Option<Shutdown>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        match end {
            Some(end) if self.is_aborting() => return Poll::Ready(CloseReason::Requested(end)),
            Some(end) if !matches!(self.due, Some((_, Due::Farewell(_)))) => {
                self.due = Some((Instant::now() + CLOSE_TIMEOUT, Due::Farewell(end)));
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        Poll::Pending
    }
}

/// A namespace for the personal stream alone gets its user's, and the main namespace of the same user gets it no more.
fn share_personal_stream(members: &mut [Member]) {
    let Some(at) = members.iter().position(|member| member.namespace.is_main()) else { return };
    let Some(main) = members.get(at) else { return };
    let mut of_user = members.iter().filter(|other| other.is_of_user_of(main));
    let claimed = of_user.find_map(Member::claims).cloned();
    if let Some(main) = members.get_mut(at) {
        main.yields(claimed);
    }
}

/// Whether it is settled which of a user's two namespaces the personal stream comes to, so that no notification comes to
/// both: the main one waits until the other one has joined it, and the other one until servers that may go on with the
/// session know that the main one has it no more.
fn may_take(members: &mut [Member], at: usize, cx: &mut Context<'_>) -> bool {
    let Some(member) = members.get(at) else { return true };
    let is_main = member.namespace.is_main();
    let Some(other) = members.iter().position(|other| {
        let is_counterpart = if is_main { other.joins_personal_stream() } else { other.namespace.is_main() };
        is_counterpart && other.is_of_user_of(member)
    }) else {
        return true;
    };
    if is_main {
        return false;
    }
    !member.namespace.is_personal() || members.get_mut(other).is_none_or(|main| main.is_kept(cx))
}

/// Whether the hub has ended the session. A user who is removed alone only leaves a namespace.
pub(super) fn is_over(members: &[Member]) -> bool {
    let is_ended =
        |(at, member): (usize, &Member)| member.send_queue.end().is_some() && !is_removed_alone(members, at);
    members.iter().enumerate().any(is_ended)
}

/// Whether an operator has removed the user of a namespace, and another user is in one.
fn is_removed_alone(members: &[Member], at: usize) -> bool {
    let Some(removed) = members.get(at).filter(|member| member.is_removed()) else { return false };
    members.iter().any(|member| !member.is_of_user_of(removed) && !member.is_removed())
}

/// A removed user leaves a namespace. The others are of other users, and nothing has happened to them.
fn dismiss(members: &mut Vec<Member>, at: usize, write_queue: &mut WriteQueue, fault_state: &FaultState) {
    let member = members.remove(at);
    write_queue.push(packet::disconnected(member.namespace.prefix()));
    member.leave(SessionEnd::lost(fault_state), false, Duration::ZERO);
}

/// Writes what waits, and tells the hub whose turn has come.
fn put_out(
    transport: &mut EngineTransport,
    write_queue: &mut WriteQueue,
    members: &[Member],
    cx: &mut Context<'_>,
) -> Written {
    let drained = |number| {
        if let Some(member) = members.iter().find(|member| member.number() == number) {
            member.queue_drained();
        }
    };
    transport.write(write_queue, drained, cx)
}
