//! The limit of open files: raises it at the start, and divides it between connections and the rest.

/// Files that are not for connections: the server's own, the admin listener's connections, refusals.
const RESERVE: u64 = 160;

/// Of them, the listeners, the runtime's own, and those of a moment.
const OWN: u64 = 20;

/// How the limit is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Most connections that may be open.
    pub(crate) connections: usize,
    /// Most that wait, beyond that, until a newcomer has read that there is no place.
    pub(crate) refusals: usize,
    /// Most connections of the admin listener.
    pub(crate) admin: usize,
}

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

/// How the limit is divided now.
pub(crate) fn shares() -> Shares {
    current().map_or(Shares { connections: usize::MAX, ..of(u64::MAX) }, of)
}

fn of(limit: u64) -> Shares {
    // With a limit this low half of it has to do.
    let connections = limit.saturating_sub(RESERVE).max(limit / 2).max(1);
    let rest = limit.saturating_sub(connections).saturating_sub(OWN).min(RESERVE - OWN);
    let refusals = rest / 3;
    let size = |files: u64| usize::try_from(files).unwrap_or(usize::MAX);
    Shares {
        connections: size(connections),
        refusals: size(refusals),
        admin: size(rest.saturating_sub(refusals)).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_is_kept_of_every_limit() {
        let shares = |limit| {
            let Shares { connections, refusals, admin } = of(limit);
            (connections, refusals, admin)
        };
        assert_eq!(
            [0, 1, 64, 100, 256, 1_024].map(shares),
            [(1, 0, 1), (1, 0, 1), (32, 4, 8), (50, 10, 20), (128, 36, 72), (864, 46, 94)]
        );
    }
}
