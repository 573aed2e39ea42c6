//! Checks when clients dial and how many sockets they have (invariants 10, 11, 12 and rule 3 of reconnecting.md).

use super::Checker;
use crate::sim::{Micros, SECOND};
use std::collections::VecDeque;

/// What is known of a client's dials.
#[derive(Debug, Default)]
pub(super) struct Link {
    dials: VecDeque<Micros>,
    terminal: bool,
    /// The count of attempts the last dial named.
    attempt: u32,
    /// Nothing has happened since the last dial that may begin the count anew.
    counting: bool,
    /// How unlikely its last moves are, if each begins at a random moment.
    unspread: u64,
    /// When its server said that it is about to go, and how long it may take to move.
    told: Option<(Micros, Micros)>,
}

/// In which quarter of the time that there was for it moves began.
pub type Moves = [u32; 4];

/// A move begins so much before the end of its window, or a quarter of it.
const MARGIN: Micros = 5 * SECOND;

/// A connection this short was never in sync long enough to matter.
const UNSTABLE: Micros = 4 * SECOND;

impl Checker {
    fn link(&mut self, client: usize) -> &mut Link {
        if self.links.len() <= client {
            self.links.resize_with(client + 1, Link::default);
        }
        &mut self.links[client]
    }

    /// The client dials for the `attempt`th time, having `sockets` already.
    pub fn dialled(&mut self, client: usize, monotonic: Micros, attempt: u32, sockets: usize, moving: bool) {
        if sockets > usize::from(moving) {
            self.violated(format!("12: u{client} dials beside {sockets} sockets it has"));
        }
        let link = self.link(client);
        let told = link.told.take().filter(|_| moving);
        let (counting, last) = (link.counting, link.attempt);
        link.counting = true;
        link.attempt = attempt;
        let terminal = link.terminal;
        link.dials.push_back(monotonic);
        while link.dials.front().is_some_and(|first| monotonic - first > 30 * SECOND) {
            link.dials.pop_front();
        }
        let count = link.dials.len();
        if let Some((at, window)) = told {
            // Longer than that is the limit of dials, or a process that stood still.
            let latest = window - MARGIN.min(window / 4);
            self.is_move_spread(client, monotonic - at, latest);
            let quarter = 4 * (monotonic - at) / latest.max(1);
            if let Some(count) = usize::try_from(quarter).ok().and_then(|quarter| self.moves.get_mut(quarter))
            {
                *count += 1;
            }
        }
        if terminal {
            self.violated(format!("10: u{client} dials after a terminal code"));
        }
        if count > 6 {
            self.violated(format!("11: u{client} made {count} dials in 30 s"));
        }
        if counting && attempt < last && !moving && !self.legacy {
            self.violated(format!(
                "11: u{client} counts attempt {attempt} after attempt {last} without a stable connection"
            ));
        }
    }

    /// A move begins so much later than it may, at the latest then.
    fn is_move_spread(&mut self, client: usize, at: Micros, latest: Micros) {
        let (least, of) = (2_000, (latest / 2_000).max(1));
        let is_at_an_end = at < least || at + least > latest && at < latest + least;
        let link = self.link(client);
        link.unspread = if is_at_an_end { link.unspread.max(1).saturating_mul(of) } else { 1 };
        if link.unspread > 1_000_000 {
            self.violated(format!("2.2: u{client} moves at an end of the time for it, again and again"));
        }
    }

    /// A client is told that its server is about to go.
    pub fn going_away(&mut self, client: usize, monotonic: Micros, window: Micros) {
        let link = self.link(client);
        link.told = link.told.or((window >= SECOND).then_some((monotonic, window)));
    }

    /// A connection is gone that was open for so long.
    pub fn lost(&mut self, client: usize, open: Micros) {
        self.link(client).told = None;
        if open > UNSTABLE {
            self.link(client).counting = false;
        }
    }

    /// Attempts may be counted anew: the user asked, the platform hinted, the server is moving.
    pub fn counts_anew(&mut self, client: usize) {
        self.link(client).counting = false;
    }

    /// The user starts a failed or closed client anew.
    pub fn revived(&mut self, client: usize) {
        let link = self.link(client);
        link.terminal = false;
        link.counting = false;
    }

    /// A new process of the client: it knows nothing of the last one's dials.
    pub(super) fn link_restarted(&mut self, client: usize) {
        *self.link(client) = Link::default();
    }

    /// A new process of a reader.
    pub fn reader_restarts(&mut self, number: usize) {
        self.link_restarted(number);
    }

    /// A close code arrives after which there is nothing more to try.
    pub fn terminal_code(&mut self, client: usize) {
        self.ended(client);
    }

    pub(super) fn ended(&mut self, client: usize) {
        self.link(client).terminal = true;
    }
}
