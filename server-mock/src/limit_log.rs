//! Logs what the limits of users, rooms and sessions refuse, counted by limit and throttled. Enforces no limit.

use crate::counters::KindCounters;
use crate::limits::{Limit, RefusalCounts};
use std::net::IpAddr;
use std::time::Instant;

/// Whom a limit has refused something, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) address: Option<IpAddr>,
}

#[derive(Debug, Default)]
pub(crate) struct LimitLog(KindCounters<{ Limit::ALL.len() }>);

impl LimitLog {
    pub(crate) fn note(&self, limit: Limit, subject: Subject<'_>) {
        self.note_some(limit, 1, subject);
    }

    fn note_some(&self, limit: Limit, times: u64, Subject { user, address }: Subject<'_>) {
        if let Some(refused) = self.0.count(limit as usize, times, Instant::now()) {
            let (limit, address) = (limit.as_str(), address.map(tracing::field::display));
            tracing::warn!(
                limit,
                refused,
                user,
                address,
                "a limit refused something; told at most once a minute for each limit"
            );
        }
    }

    /// The hub had counted `before` and has `now`; gives the limit that refused something, if one did.
    pub(crate) fn look(
        &self,
        before: &RefusalCounts,
        now: &RefusalCounts,
        subject: Subject<'_>,
    ) -> Option<Limit> {
        let mut last = None;
        for limit in Limit::ALL {
            let times = now.get(limit).saturating_sub(before.get(limit));
            if times > 0 {
                self.note_some(limit, times, subject);
                last = Some(limit);
            }
        }
        last
    }

    /// For `/metrics`.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Limit::ALL.iter().map(|limit| limit.as_str()).zip(self.0.counts())
    }
}
