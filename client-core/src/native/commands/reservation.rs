//! Room that a driver has set aside in its outbox, and the way back of what is not needed any more. Grants nothing.

use futures_util::task::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

/// The reservations that have come back to a driver.
#[derive(Debug, Default)]
pub(crate) struct ReleasedReservations {
    count: AtomicUsize,
    driver: AtomicWaker,
}

impl ReleasedReservations {
    /// How many have come back since the last time; the driver is woken by the next one.
    pub(crate) fn take(&self, driver: &Waker) -> usize {
        self.driver.register(driver);
        self.count.swap(0, Ordering::Acquire)
    }
}

/// Room for one message. It goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation(Arc<ReleasedReservations>);

impl Reservation {
    pub(crate) fn new(released: &Arc<ReleasedReservations>) -> Self {
        Self(Arc::clone(released))
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.0.count.fetch_add(1, Ordering::Release);
        self.0.driver.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::task::{ArcWake, waker};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl ArcWake for Wakes {
        fn wake_by_ref(this: &Arc<Self>) {
            this.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_comes_back_is_counted_once_and_wakes_the_driver() {
        let wakes = Arc::new(Wakes::default());
        let (driver, released) = (waker(Arc::clone(&wakes)), Arc::<ReleasedReservations>::default());
        let reservations = [Reservation::new(&released), Reservation::new(&released)];
        assert_eq!(released.take(&driver), 0);
        drop(reservations);
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(released.take(&driver), 2);
        assert_eq!(released.take(&driver), 0);
    }
}
