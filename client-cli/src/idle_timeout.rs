//! Describes an idle timeout between client and server: its length, its probable origin and what to do.

use rejoin::StateChange;
use std::time::Duration;

/// Timeouts that proxies and load balancers have when nobody sets them, in seconds.
const DEFAULTS: [(u64, &str); 6] = [
    (30, "of Google Cloud's load balancers (timeoutSec of the backend service)"),
    (55, "of Heroku's router, which cannot be set"),
    (60, "of nginx (proxy_read_timeout), Apache (ProxyTimeout) and AWS's load balancers (idle timeout)"),
    (100, "of Cloudflare"),
    (240, "of Azure's load balancers (idle timeout)"),
    (300, "of Envoy (stream_idle_timeout)"),
];

/// What was found out about the connection.
pub(crate) fn what(timeout: Duration) -> String {
    let seconds = rounded(timeout);
    format!("cut twice after {seconds} s without traffic: an idle timeout on the way, a proxy's most likely")
}

/// What to do about it.
pub(crate) fn advice(timeout: Duration) -> String {
    let seconds = rounded(timeout);
    match DEFAULTS.iter().find(|(default, _)| default.abs_diff(seconds) <= 1) {
        Some((_, whose)) => format!(
            "{seconds} s is the default {whose}: set it higher, or let the server ping more often than that"
        ),
        None => format!(
            "set the proxy's timeout above {seconds} s (nginx: proxy_read_timeout; haproxy: timeout tunnel; AWS: the load \
             balancer's idle timeout), or let the server ping more often than that"
        ),
    }
}

fn rounded(timeout: Duration) -> u64 {
    (timeout + Duration::from_millis(500)).as_secs()
}

/// Tells of a timeout once, though every loss shows it again.
#[derive(Debug, Default)]
pub(crate) struct IdleNotice {
    is_told: bool,
}

impl IdleNotice {
    /// What a change of state newly shows.
    pub(crate) fn of(&mut self, change: &StateChange) -> Option<String> {
        let timeout = change.cause.as_ref()?.idle_timeout?;
        (!std::mem::replace(&mut self.is_told, true))
            .then(|| format!("the connection was {}; {}", what(timeout), advice(timeout)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rejoin::{Cause, CauseCode, State};

    #[test]
    fn a_usual_timeout_is_named_and_any_other_is_told_with_what_to_set() {
        let usual = advice(Duration::from_millis(60_300));
        assert!(usual.starts_with("60 s is the default of nginx (proxy_read_timeout)"), "{usual}");
        let other = advice(Duration::from_millis(12_600));
        assert!(
            other.starts_with("set the proxy's timeout above 13 s (nginx: proxy_read_timeout;"),
            "{other}"
        );
    }

    #[test]
    fn it_is_told_once() {
        let state = State::Reconnecting { attempt: 1, retry_at: None };
        let cause = Cause::new(CauseCode::ConnectionLost, "");
        let ordinary = StateChange::new(state, Some(cause.clone()));
        let mut cause = cause;
        cause.idle_timeout = Some(Duration::from_secs(60));
        let shown = StateChange::new(state, Some(cause));
        let mut notice = IdleNotice::default();
        assert_eq!(notice.of(&ordinary), None);
        assert!(notice.of(&shown).is_some_and(|text| text.contains("cut twice after 60 s without traffic")));
        assert_eq!(notice.of(&shown), None);
    }
}
