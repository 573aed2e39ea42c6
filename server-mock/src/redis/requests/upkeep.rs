//! The work of the timer: gives up what waits for a Redis that is away, asks whether it is there, asks again for
//! what it has refused, and comparing the heads of rooms.

use super::{Done, PINGS, REQUEST_TIMEOUT, RETRY_TICKS, Requests};
use crate::redis::health::ConnectionKind;
use tokio::time::Instant;

impl Requests {
    pub(super) async fn tick(&mut self) {
        let now = Instant::now();
        let Some(connection) = &self.connection else {
            if self.away_since.elapsed() >= REQUEST_TIMEOUT {
                let parked = std::mem::take(&mut self.parked);
                self.waiting -= parked.len();
                for request in parked {
                    self.fail(request);
                }
            }
            return;
        };
        if self.next.is_some() && self.away_since.elapsed() >= REQUEST_TIMEOUT {
            // What is under way for so long is not waited for.
            self.disconnect("a shard of the cluster does not answer");
            if let Some(next) = self.next.take() {
                self.connected(next).await;
            }
            return;
        }
        let (shards, number) = (connection.shards.clone(), self.number);
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(PINGS) && !std::mem::replace(&mut self.pinging, true) {
            self.health.asked(ConnectionKind::Requests);
            let shards = shards.clone();
            self.start(Box::pin(async move {
                Done::Ping { connection: number, reply: shards.ping().await, aside: false }
            }))
            .await;
        }
        if self.ticks.is_multiple_of(RETRY_TICKS) {
            // What Redis has refused, for want of memory for instance.
            for request in std::mem::take(&mut self.controls) {
                self.dispatch(request, false).await;
            }
        }
        let rooms = self.reconcile.next(now);
        if !rooms.is_empty() {
            let heads: Vec<_> = rooms.iter().map(|room| self.commands.head(room)).collect();
            self.start(Box::pin(async move {
                let reply = shards.pipelined(&heads).await;
                Done::Heads { rooms, reply }
            }))
            .await;
        }
    }
}
