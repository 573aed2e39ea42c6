//! Checks how long a client waits before it dials again, and when it stops (reconnecting.md, "Delay"; protocol.md §2.5).

use super::{Begins, CauseCode, MS, Open, Watch};
use crate::sim::{Micros, SECOND};
use rejoin::machine::ConnId;
use rejoin::{DialError, DialErrorKind, Token};

/// In which quarter of what is allowed waits ended.
pub type Waits = [u32; 4];

/// What an ending means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    End,
    Retry,
    Window,
    Hinted,
    Suspect,
    Rejected,
    Expired,
}

fn meaning(code: CauseCode) -> Meaning {
    match code {
        CauseCode::Closed(code) => match code {
            1000 | 4003 | 4004 | 4009 | 4014 | 4403 | 4500..=4899 => Meaning::End,
            1001 | 1012 | 4010 => Meaning::Window,
            1013 | 4008 | 4011 | 4429 => Meaning::Hinted,
            1002 | 1003 | 1007 | 1010 => Meaning::Suspect,
            1008 | 4001 | 4401 => Meaning::Rejected,
            4002 => Meaning::Expired,
            _ => Meaning::Retry,
        },
        CauseCode::Dial(DialErrorKind::Http(status)) => match status {
            401 | 403 => Meaning::Rejected,
            429 | 503 => Meaning::Hinted,
            408 | 421 | 425 | 500..=599 => Meaning::Retry,
            _ => Meaning::Suspect,
        },
        CauseCode::Dial(DialErrorKind::Certificate | DialErrorKind::NotWebSocket) => Meaning::Suspect,
        _ => Meaning::Retry,
    }
}

/// Whether this says that a token was refused.
pub(super) fn is_refusal(code: CauseCode) -> bool {
    matches!(meaning(code), Meaning::Rejected | Meaning::Expired)
}

/// The rule's own state.
#[derive(Debug, Default)]
pub(super) struct Delays {
    legacy: bool,
    attempt: u32,
    stable: bool,
    pub(super) window: Micros,
    worked: bool,
    suspects: [Option<Micros>; 2],
    wrong_since: Option<Micros>,
    local_at: Option<Micros>,
    /// When the next dial is, as was said last.
    pub(super) retry_at: Option<Micros>,
    hint: Option<Micros>,
    /// How much there was to choose from, in waits that were as short as they may be: the product.
    unspread: f64,
    pub(super) spread: Waits,
}

impl Delays {
    pub(super) fn begins(begins: Begins) -> Self {
        let window = if begins.extended { begins.window } else { 0 };
        Self { legacy: begins.legacy, worked: begins.worked, window, unspread: 1.0, ..Self::default() }
    }

    pub(super) fn anew(&mut self) {
        self.attempt = 0;
        self.stable = false;
        self.suspects = [None; 2];
        self.wrong_since = None;
    }

    pub(super) fn opened(&mut self) {
        self.worked = true;
        self.wrong_since = None;
        if self.legacy {
            self.attempt = 0;
        }
    }

    /// A connection is gone that was in sync for so long, or a dial.
    fn lost(&mut self, in_sync: Micros) {
        self.stable = in_sync >= 5 * SECOND;
        if in_sync >= self.window.max(30 * SECOND) {
            self.attempt = 0;
        } else if self.stable {
            self.attempt /= 2;
        }
    }

    fn floor(&self) -> Micros {
        self.window + self.window / 2
    }

    /// From when to when the next dial may be.
    fn range(&mut self, meaning: Meaning, local: bool) -> (Micros, Micros) {
        let attempt = self.attempt;
        self.attempt += 1;
        if self.legacy {
            let exactly = (SECOND << attempt.min(5)).min(30 * SECOND);
            return (exactly, exactly);
        }
        if local {
            return (0, SECOND / 4);
        }
        let known = self.window > 0;
        match meaning {
            Meaning::Hinted => {
                let hint = self.hint.unwrap_or(5 * SECOND).min(600 * SECOND);
                let spread = hint.max(self.window).max(SECOND);
                let to = (hint + spread).max(self.floor()).min(600 * SECOND);
                (hint.max(self.floor() / 4), to)
            }
            Meaning::Window if attempt == 0 => (0, if known { self.window } else { SECOND }),
            Meaning::Retry | Meaning::Suspect | Meaning::Expired | Meaning::Rejected
                if attempt == 0 && (known || self.stable) =>
            {
                (0, self.window.max(SECOND))
            }
            _ => {
                let step = (SECOND << attempt.min(20)).min(30 * SECOND).max(self.floor());
                (step / 4, step)
            }
        }
    }

    /// Whether a local cause may shorten a wait now.
    fn local(&mut self, now: Micros) -> bool {
        let free = self.local_at.is_none_or(|at| now - at >= 10 * SECOND);
        if free {
            self.local_at = Some(now);
        }
        free
    }

    /// Whether this is one suspicious ending too many.
    fn is_one_too_many(&mut self, now: Micros, code: CauseCode) -> bool {
        if self.worked && matches!(code, CauseCode::Dial(_)) {
            let since = *self.wrong_since.get_or_insert(now);
            return now - since >= 300 * SECOND;
        }
        let [last_but_one, last] = self.suspects;
        self.suspects = [last, Some(now)];
        last_but_one.is_some_and(|at| now - at < 600 * SECOND)
    }
}

impl Watch {
    pub(super) fn dial_fails(&mut self, conn: ConnId, error: &DialError) {
        if self.next_is_given_up(conn) || self.dialling != Some(conn) {
            return;
        }
        if self.offers && matches!(error.kind, DialErrorKind::Http(400 | 404)) {
            self.offer = !self.offered;
        }
        let wrong = meaning(CauseCode::Dial(error.kind)) == Meaning::Suspect && self.delays.worked;
        if !wrong {
            self.delays.wrong_since = None;
        }
        self.delays.hint = error.retry_after.map(|after| u64::try_from(after.as_micros()).unwrap_or(0));
    }

    pub(super) fn dials(
        &mut self,
        conn: ConnId,
        attempt: u32,
        token: Option<&Token>,
        extended: bool,
        url: Option<&str>,
    ) {
        let expected = self.delays.attempt;
        if attempt != expected {
            self.wrong(format!("dial {} is attempt {attempt}, {expected} is right", conn.0));
        }
        if extended != (self.offer || self.knows_extended) {
            self.wrong(format!("dial {} makes the offer: {extended}", conn.0));
        }
        self.uses(token);
        if self.open.is_some() {
            self.dials_next(conn, url);
        } else {
            self.dialling = Some(conn);
            self.dialled_at = self.now;
            self.offered = extended;
            if url.is_some() {
                self.wrong(format!("dial {} goes to another address, and nobody moves", conn.0));
            }
        }
        self.dials.push_back(self.now);
        self.did.dials = true;
        if self.dials.len() > 12 {
            self.dials.pop_front();
        }
        self.delays.hint = None;
    }

    /// Whether it waits for longer than it has to once somebody on its side asks.
    pub(super) fn may_hurry(&self) -> bool {
        let waits = self.open.is_none() && self.opening.is_none() && self.dialling.is_none() && !self.ended;
        let free = self.delays.local_at.is_none_or(|at| self.now >= at + 10 * SECOND);
        let soon = self.earliest(self.now + SECOND / 4) + 2 * MS;
        waits && free && !self.tokens.asking && self.delays.retry_at.is_some_and(|at| at > soon)
    }

    /// A connection or a dial is gone.
    fn is_gone(&mut self, code: CauseCode, lost: Option<Open>) {
        match (code, lost) {
            (_, Some(open)) => {
                self.delays.hint = None;
                self.delays.lost(self.now - open.since);
            }
            (CauseCode::Dial(_), None) => self.delays.lost(0),
            (CauseCode::GaveUp | CauseCode::Unauthorized(_), None) if self.dialling.is_some() => {
                self.delays.lost(0);
            }
            _ => {}
        }
    }

    /// A client is told that it will be tried again at this moment.
    pub(super) fn waits(
        &mut self,
        code: CauseCode,
        lost: Option<Open>,
        attempt: u32,
        retry_at: Option<Micros>,
    ) {
        let now = self.now;
        self.is_dead_in_time(code, lost);
        self.is_gone(code, lost);
        let meaning = meaning(code);
        // Somebody asks while it waits: the wait becomes shorter.
        let hurries = lost.is_none() && self.delays.retry_at > retry_at;
        let (from, to) = match (code, lost) {
            // The limit of dials, and nothing else.
            (CauseCode::Requested, None) if !hurries => (0, 0),
            (CauseCode::NetworkChanged | CauseCode::Requested, None) => {
                if !self.delays.local(now) {
                    self.wrong("a local cause shortens a wait again within 10 s".to_owned());
                }
                (0, SECOND / 4)
            }
            (CauseCode::NetworkChanged | CauseCode::Requested, Some(_)) => {
                let local = self.delays.local(now);
                self.delays.range(meaning, local)
            }
            _ => match meaning {
                Meaning::End => return self.wrong(format!("{code:?} is the end, and it tries again")),
                Meaning::Suspect if self.delays.is_one_too_many(now, code) => {
                    return self.wrong(format!("{code:?} came once too often, and it tries again"));
                }
                Meaning::Rejected | Meaning::Expired => match self.refused(meaning == Meaning::Expired) {
                    Some(true) => (0, SECOND),
                    Some(false) => self.delays.range(meaning, false),
                    None => return self.wrong(format!("{code:?} is the end, and it tries again")),
                },
                meaning => self.delays.range(meaning, false),
            },
        };
        if self.delays.legacy && self.delays.attempt > 10 {
            self.wrong(format!("attempt {} of the legacy rule is to come", self.delays.attempt));
        }
        if attempt != self.delays.attempt.max(1) {
            let right = self.delays.attempt;
            self.wrong(format!("{code:?} leads to attempt {attempt}, {right} is right"));
        }
        let before = std::mem::replace(&mut self.delays.retry_at, retry_at);
        let Some(at) = retry_at else { return };
        if (code, lost.is_none()) == (CauseCode::NetworkChanged, true)
            && before.is_some_and(|before| at >= before)
        {
            self.wrong(format!("a hint makes it wait until {at}, longer than it would have"));
        }
        let limit = self.earliest(now);
        if at + 2 * MS < now + from || at > (now + to).max(limit) + 2 * MS {
            self.wrong(format!(
                "{code:?} is followed by a wait until {at}, right is {}..{} or {limit}",
                now + from,
                now + to
            ));
        }
        if limit == now && to > from {
            self.is_spread(at.saturating_sub(now + from), to - from);
        }
    }

    /// A wait ends so long after it might, and might end within so long.
    fn is_spread(&mut self, at: Micros, of: Micros) {
        let quarter = usize::try_from(4 * at / (of + 1)).unwrap_or(3).min(3);
        self.delays.spread[quarter] += 1;
        if of >= SECOND {
            self.delays.unspread = if at < MS { self.delays.unspread * (of / MS) as f64 } else { 1.0 };
        }
        // Two such waits in a row are an accident once in so many.
        if self.delays.unspread > 3e7 {
            self.wrong("waits are as short as they may be, one after another".to_owned());
        }
    }

    /// A client is told that it has failed.
    pub(super) fn fails(&mut self, code: CauseCode, lost: Option<Open>) {
        let now = self.now;
        self.is_gone(code, lost);
        let right = match code {
            CauseCode::GaveUp => self.delays.legacy && self.delays.attempt + 1 > 10,
            CauseCode::TokenUnavailable => self.tokens.is_permanent,
            CauseCode::Unauthorized(code) => {
                let closed = meaning(CauseCode::Closed(code));
                let expired = closed == Meaning::Expired;
                self.refused(expired).is_none()
            }
            code => match meaning(code) {
                Meaning::End => true,
                Meaning::Suspect => self.delays.is_one_too_many(now, code),
                _ => false,
            },
        };
        if !right {
            self.wrong(format!("{code:?} is not the end, and it has failed"));
        }
    }
}
