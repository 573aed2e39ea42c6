//! Places for questions to the application's endpoint, of which one address has a part at most. Owns who waits for which; asks
//! nobody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Addresses that are remembered before those with nothing under way are looked for.
const ADDRESSES: usize = 1_024;

pub(super) struct Places {
    all: Semaphore,
    of_address: usize,
    addresses: Mutex<BTreeMap<IpAddr, Weak<Semaphore>>>,
}

/// A place, until this is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    _own: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'a>,
}

impl Places {
    pub(super) fn new(all: usize, of_address: usize) -> Self {
        Self { all: Semaphore::new(all), of_address, addresses: Mutex::default() }
    }

    /// Waits for a place. Cancellation safe: who does not wait any more has none.
    pub(super) async fn take(&self, address: IpAddr) -> Option<Place<'_>> {
        // Its own one first: who waits for that keeps no place from others.
        let own = self.of(address).acquire_owned().await.ok()?;
        let of_all = self.all.acquire().await.ok()?;
        Some(Place { _own: own, _of_all: of_all })
    }

    fn of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = addresses.get(&address).and_then(Weak::upgrade) {
            return own;
        }
        if addresses.len() >= ADDRESSES {
            addresses.retain(|_, own| own.strong_count() > 0);
        }
        let own = Arc::new(Semaphore::new(self.of_address));
        addresses.insert(address, Arc::downgrade(&own));
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[test]
    fn an_address_with_many_slow_questions_waits_for_itself_and_keeps_nobody_else_waiting() {
        let places = Places::new(3, 2);
        let [slow, other] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let take = |address| places.take(address).now_or_never().flatten();
        let held = [take(slow).unwrap(), take(slow).unwrap()];
        assert!(take(slow).is_none());
        let quick = take(other).unwrap();
        assert!(take(other).is_none(), "there are three in all");
        drop(held);
        assert!(take(slow).is_some() && take(other).is_some());
        drop(quick);
    }

    #[test]
    fn addresses_with_nothing_under_way_are_forgotten() {
        let places = Places::new(1, 1);
        for number in 0..5_000_u32 {
            assert!(places.take(IpAddr::from(number.to_be_bytes())).now_or_never().flatten().is_some());
        }
        assert!(places.addresses.lock().unwrap().len() <= ADDRESSES);
    }
}
