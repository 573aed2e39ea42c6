//! Tells the log what the limits of users and rooms refuse, each limit at most once a minute: what one user does must not
//! fill a disk. It counts nothing that the hub has not counted.

use crate::hub::Refused;
use crate::seldom::Seldom;
use rejoin::Name;
use std::net::IpAddr;

#[derive(Debug, Default)]
pub(crate) struct Limited {
    seen: Refused,
    told: [Seldom; Refused::LIMITS],
}

impl Limited {
    /// What the hub had counted when it was last looked at.
    pub(crate) fn seen(&self) -> Refused {
        self.seen
    }

    /// The hub has counted so much by now; `user` did the last of it, from `address`.
    pub(crate) fn look(&mut self, now: Refused, user: Option<&Name>, address: Option<IpAddr>) {
        let before = std::mem::replace(&mut self.seen, now).by_limit();
        for (((limit, now), (_, before)), told) in now.by_limit().into_iter().zip(before).zip(&mut self.told)
        {
            if now > before {
                told.tell(|refused| {
                    let (user, address) = (user.map(Name::as_str), address.map(tracing::field::display));
                    tracing::warn!(
                        limit,
                        refused,
                        user,
                        address,
                        "a limit refused something; told at most once a minute for each limit"
                    );
                });
            }
        }
    }
}
