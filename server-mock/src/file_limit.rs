//! The limit of open files: raises it at the start, and divides it between connections and the rest.

/// Files that are not for connections: the listeners, the runtime's own, the admin listener's connections, refusals.
const RESERVE: u64 = 128;

/// How many of them are for waiting until a connection beyond the limit has read that there is none for it.
pub(crate) const REFUSALS: usize = 48;

/// Raises the limit to the hard limit.
#[cfg(unix)]
pub(crate) fn raise() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some() && limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        match setrlimit(Resource::Nofile, limit) {
            Ok(()) => tracing::debug!(?before, now = ?limit.current, "raised the limit of open files"),
            Err(error) => tracing::warn!(%error, ?before, "cannot raise the limit of open files"),
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn raise() {}

/// The limit now; `None` where there is none.
#[cfg(unix)]
pub(crate) fn current() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
pub(crate) fn current() -> Option<u64> {
    None
}

/// Most connections that may be open, so that the rest of the server still has files to open.
pub(crate) fn connections() -> usize {
    current().map_or(usize::MAX, |limit| usize::try_from(of(limit)).unwrap_or(usize::MAX))
}

fn of(limit: u64) -> u64 {
    // With a limit this low half of it has to do.
    limit.saturating_sub(RESERVE).max(limit / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_of_every_limit() {
        assert_eq!([0, 1, 100, 256, 1_024].map(of), [1, 1, 50, 128, 896]);
    }
}
