//! Hands requests to Redis in their order, and whatever is asked beside them. Waits for no answer.

use super::{Done, Requests};
use crate::hub::shared::{Control, StoreRequest};
use crate::redis::aside::AsideCommand;
use crate::redis::connection::begun;
use crate::redis::subscriber::Order;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

impl Requests {
    /// Hands a request to Redis at once, so that requests keep their order.
    pub(super) async fn dispatch(&mut self, request: StoreRequest, whole: bool) {
        if let StoreRequest::Close { room } = request {
            self.positions.closed(&room);
            self.reconcile.closed(&room);
            let _ = self.orders.send(Order::Close { room }).await;
            return;
        }
        if let StoreRequest::Control(control) = &request {
            self.forget_sessions(control).await;
        }
        let (Some(connection), Some(command)) = (&self.connection, self.commands.command(&request, whole))
        else {
            if matches!(request, StoreRequest::Open { .. }) {
                self.opening = self.opening.saturating_sub(1);
            }
            return self.fail(request);
        };
        let (answer, connection, began) = (command.ask(&connection.shards), self.number, Instant::now());
        self.start(Box::pin(async move {
            let reply = answer.await;
            Done::Replied { request, whole, connection, began, reply }
        }))
        .await;
    }

    /// Who is removed does not come back by a Socket.IO session, whichever node has had it.
    pub(super) async fn forget_sessions(&mut self, control: &Control) {
        let Some(connection) = &self.connection else { return };
        let asked = self.commands.forget_sessions(control).ask(&connection.shards);
        let connection = self.number;
        self.start(Box::pin(
            async move { Done::Ping { connection, reply: asked.await.map(drop), aside: true } },
        ))
        .await;
    }

    /// Asks for somebody beside the hub, who is told nothing if there is no answer.
    pub(super) async fn aside(&mut self, AsideCommand { command, answer }: AsideCommand) {
        let Some(connection) = &self.connection else { return };
        let (asked, connection) = (command.ask(&connection.shards), self.number);
        self.start(Box::pin(async move {
            // Nobody may wait any more.
            let reply = asked.await.map(|value| drop(answer.send(value)));
            Done::Ping { connection, reply, aside: true }
        }))
        .await;
    }

    pub(super) async fn start(&mut self, command: BoxFuture<'static, Done>) {
        let command = begun(command).await;
        self.doing.push(command);
    }
}
