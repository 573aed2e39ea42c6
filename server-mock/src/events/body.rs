//! The body of a feed: what the hub says to one reader, as fast as the socket takes it.

use crate::app::Place;
use crate::faults::{Hit, Late, Link};
use crate::hub::{COMMENT, Text, anonymous};
use crate::mailbox::{End, Mailbox, Parcel, Taken};
use crate::switchboard::Seat;
use futures_util::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio_tungstenite::tungstenite::Bytes;

/// Dropped when the answer is over, whoever ended it; the hub and all who count connections learn of it by that.
pub(super) struct Feed {
    mailbox: Arc<Mailbox>,
    link: Arc<Link>,
    seat: Seat,
    /// Taken from the mailbox and not yet written.
    out: VecDeque<Parcel>,
    /// Waiting before it goes to `out`.
    late: Late,
    /// To be written a second time.
    again: Option<Bytes>,
    _hit: Hit,
    _place: Place,
}

/// Ends the connection without the end of the answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(super) struct Cut;

impl Feed {
    pub(super) fn new(mailbox: Arc<Mailbox>, link: Arc<Link>, seat: Seat, hit: Hit, place: Place) -> Self {
        let (out, late, again) = (VecDeque::new(), Late::default(), None);
        Self { mailbox, link, seat, out, late, again, _hit: hit, _place: place }
    }

    fn text(&mut self, text: Text) -> Bytes {
        let bytes = Bytes::from(text.into_bytes());
        if self.link.duplicate() {
            self.again = Some(bytes.clone());
        }
        bytes
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.seat.lost(&self.link);
    }
}

impl Stream for Feed {
    type Item = Result<Bytes, Cut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.mailbox.hurries() {
            (this.again, this.out) = (None, VecDeque::new());
            this.late.clear();
        }
        if let Some(bytes) = this.again.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            this.late.release(&this.link, &mut this.out, cx);
            while let Some(parcel) = this.out.pop_front() {
                let bytes = match parcel {
                    // The socket has taken what was before it, but for a buffer: time for more of the log.
                    Parcel::Mark => {
                        this.seat.drained();
                        continue;
                    }
                    Parcel::Ping => Bytes::from_static(COMMENT.as_bytes()),
                    Parcel::Text(text) => this.text(text),
                    Parcel::Garbage(text) => Bytes::from(anonymous(&text)),
                };
                return Poll::Ready(Some(Ok(bytes)));
            }
            match this.mailbox.take(&mut this.out, this.late.holding(), cx.waker()) {
                Taken::Parcels => this.late.hold(&this.link, &mut this.out),
                Taken::End(End::Cut(_)) => return Poll::Ready(Some(Err(Cut))),
                // A half-open connection stays as it is until the peer ends it or the fault is cleared.
                Taken::End(End::Close { .. } | End::HangUp { .. })
                    if this.late.is_empty() && this.link.dead().is_none() =>
                {
                    return Poll::Ready(None);
                }
                Taken::End(_) | Taken::Nothing => return Poll::Pending,
            }
        }
    }
}
