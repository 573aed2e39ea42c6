//! Closes the connections whose token is nobody's any more.

use super::SharedHub;
use super::core::Core;
use crate::auth::Credential;
#[cfg(feature = "redis")]
use crate::auth::Revocation;
use crate::hub::{ConnId, Input};
use rejoin::Name;

impl SharedHub {
    /// Closes the connections whose token is nobody's any more, or somebody else's; how many.
    pub(crate) fn close_revoked(&self) -> usize {
        let mut core = self.lock();
        let revoked: Vec<ConnId> = core
            .slots
            .credentials()
            .filter(|(_, credential)| !self.is_valid(credential))
            .map(|(conn, _)| conn)
            .collect();
        for conn in &revoked {
            self.run(&mut core, Input::Revoked { conn: *conn });
        }
        revoked.len()
    }

    /// Tokens were taken back, or given back, on another server: their connections are closed here too. Gives those that a whole
    /// list does not have.
    #[cfg(feature = "redis")]
    pub(crate) fn apply_revocations(&self, list: Vec<Revocation>, is_whole: bool) -> Vec<Revocation> {
        let missing = self.authority.apply_revocations(list, is_whole).unwrap_or_else(|_| {
            tracing::error!("too many tokens are revoked: this server does not know all of them");
            Vec::new()
        });
        let closed = self.close_revoked();
        if closed > 0 {
            tracing::info!(target: "rejoin_server::audit", closed, "tokens revoked on another server");
        }
        missing
    }

    /// A token may have been taken away between the look at it and now.
    pub(super) fn recheck_revocation(&self, core: &mut Core, conn: ConnId) {
        let credential = core.slots.get(conn).and_then(|slot| slot.credential.clone());
        if credential.is_some_and(|credential| !self.is_valid(&credential)) {
            self.run(core, Input::Revoked { conn });
        }
    }

    fn is_valid(&self, (credential, user): &(Credential, Name)) -> bool {
        self.authority.holds(credential, user)
    }
}
