//! Detects an idle timeout of a proxy: two connections in a row that broke after the same time without traffic. Reports
//! it, and changes nothing else.

use super::ConnId;
use crate::time::{Nanos, Timestamp};

/// After a shorter silence nobody cuts a connection for it.
const MIN_IDLE: Nanos = Nanos::from_secs(2);
/// Two silences are the same when they differ by no more than a tenth of the longer one, or this, or less where the shorter one
/// is not long.
const TOLERANCE: Nanos = Nanos::from_secs(2);

/// The silences before the last losses.
#[derive(Debug, Default)]
pub(super) struct IdleTimeoutDetector {
    /// When something last came or went on the connection in use; `None` after a sleep, which hides how long ago that was.
    traffic_at: Option<Timestamp>,
    /// The last connection that broke after a silence, and how long that was.
    last: Option<(ConnId, Nanos)>,
}

impl IdleTimeoutDetector {
    /// Something came or went.
    pub(super) fn traffic(&mut self, now: Timestamp) {
        self.traffic_at = Some(now);
    }

    /// The machine slept.
    pub(super) fn slept(&mut self) {
        self.traffic_at = None;
    }

    /// The connection in use broke without a close frame. Returns the timeout, if one explains this loss and the one before.
    pub(super) fn lost(&mut self, now: Timestamp, conn: ConnId) -> Option<Nanos> {
        let idle = self.traffic_at.take().map(|at| now.after(at)).filter(|idle| *idle >= MIN_IDLE)?;
        let (before, silence) = self.last.replace((conn, idle))?;
        // Every dial has a number: between the two there was none that failed, and no other end.
        if before.0 + 1 != conn.0 {
            return None;
        }
        let (short, long) = (silence.min(idle), silence.max(idle));
        let short_tolerance = Nanos::from_millis(short.millis() * 2 / 5).min(TOLERANCE);
        let tolerance = Nanos::from_millis(long.millis() / 10).max(short_tolerance);
        (long.minus(short) <= tolerance).then_some(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of the last loss: each is on the connection with that number, after that many seconds of silence.
    fn said_of(losses: &[(u64, u64)]) -> Option<Nanos> {
        let mut watch = IdleTimeoutDetector::default();
        let mut now = Timestamp::ZERO;
        let mut last = None;
        for (conn, silence) in losses {
            watch.traffic(now);
            now = now + Nanos::from_secs(*silence);
            last = watch.lost(now, ConnId(*conn));
        }
        last
    }

    /// The same of connections that follow on one another.
    fn said(silences: &[u64]) -> Option<Nanos> {
        let losses: Vec<(u64, u64)> = (1..).zip(silences.iter().copied()).collect();
        said_of(&losses)
    }

    #[test]
    fn the_same_silence_twice_is_a_timeout() {
        assert_eq!(said(&[60]), None);
        assert_eq!(said(&[60, 60]), Some(Nanos::from_secs(60)));
        assert_eq!(said(&[300, 330]), Some(Nanos::from_secs(300)));
        assert_eq!(said(&[7, 5]), Some(Nanos::from_secs(5)));
        assert_eq!(said(&[4, 3]), Some(Nanos::from_secs(3)));
        assert_eq!(said(&[2, 2]), Some(Nanos::from_secs(2)));
        assert_eq!(said(&[20, 60, 61, 60]), Some(Nanos::from_secs(60)));
    }

    #[test]
    fn other_silences_are_none() {
        for silences in [&[60, 30][..], &[60, 53], &[8, 5], &[3, 2], &[1, 1], &[60, 1, 60]] {
            assert_eq!(said(silences), None, "{silences:?}");
        }
    }

    #[test]
    fn a_dial_that_failed_between_two_losses_or_another_end_makes_them_no_pair() {
        assert_eq!(said_of(&[(1, 60), (3, 60)]), None);
        assert_eq!(said_of(&[(1, 60), (3, 60), (4, 60)]), Some(Nanos::from_secs(60)));
    }

    #[test]
    fn a_silence_in_which_the_machine_slept_does_not_count() {
        let mut watch = IdleTimeoutDetector::default();
        watch.traffic(Timestamp::ZERO);
        assert_eq!(watch.lost(Timestamp::from_millis(30_000), ConnId(1)), None);
        watch.traffic(Timestamp::ZERO);
        watch.slept();
        assert_eq!(watch.lost(Timestamp::from_millis(30_000), ConnId(2)), None);
    }
}
