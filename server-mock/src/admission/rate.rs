//! Limits for each address: connections per second, and failed tokens, with a growing delay.

use super::Network;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// An address may come so many seconds' worth at once: a whole office after an outage.
const BURST: u32 = 10;

/// Most addresses that are remembered. Beyond, strangers are not counted by address, only together with all others.
const ADDRESSES: usize = 16_384;

/// What is known of an address is forgotten when nothing was heard of it for so long.
const FORGET: Duration = Duration::from_secs(120);

/// How often those to forget are looked for, at most.
const SWEEP: Duration = Duration::from_secs(1);

/// One wrong token is forgiven in so long.
const FORGIVE: Duration = Duration::from_secs(30);

/// The longest that an address waits after a wrong token.
const LONGEST: Duration = Duration::from_secs(60);

/// Come again after so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(Duration);

impl Wait {
    /// What is used up now is free soon.
    pub(crate) const SHORT: Self = Self(Duration::from_secs(1));

    /// As `Retry-After` has it.
    pub(crate) fn seconds(self) -> u16 {
        let whole = self.0.as_nanos().div_ceil(1_000_000_000);
        u16::try_from(whole).unwrap_or(u16::MAX).max(1)
    }
}

/// What is known of the addresses that came lately.
#[derive(Debug)]
pub(crate) struct Rates {
    connects: Option<Quota>,
    failed_tokens: Option<u32>,
    clock: DefaultClock,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    addresses: BTreeMap<Network, Address>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct Address {
    connects: Option<DefaultDirectRateLimiter>,
    /// Wrong tokens that are not forgiven yet, at the time of the last.
    failed: u32,
    failed_at: Instant,
    /// No token is looked at before.
    waits_until: Option<Instant>,
    seen: Instant,
}

impl Rates {
    /// Connections per second of an address, and the wrong tokens after which it has to wait; `None` is no limit.
    pub(crate) fn new(connects: Option<u32>, failed_tokens: Option<u32>) -> Self {
        let quota = |connects: u32| {
            let per_second = NonZeroU32::new(connects).unwrap_or(NonZeroU32::MIN);
            let burst = NonZeroU32::new(connects.saturating_mul(BURST)).unwrap_or(per_second);
            Quota::per_second(per_second).allow_burst(burst)
        };
        let clock = DefaultClock::default();
        Self { connects: connects.map(quota), failed_tokens, clock, table: Mutex::default() }
    }

    /// A connection comes.
    pub(crate) fn connect(&self, network: Network, now: Instant) -> Result<(), Wait> {
        let Some(quota) = self.connects else { return Ok(()) };
        let mut table = self.lock();
        let Some(address) = table.know(network, now) else { return Ok(()) };
        let limiter = address.connects.get_or_insert_with(|| RateLimiter::direct(quota));
        limiter.check().map_err(|refused| Wait(refused.wait_time_from(self.clock.now())))
    }

    /// Whether a token from there may be looked at.
    pub(crate) fn may_show_token(&self, network: Network, now: Instant) -> Result<(), Wait> {
        let table = self.lock();
        let until = table.addresses.get(&network).and_then(|address| address.waits_until);
        match until.map(|until| until.saturating_duration_since(now)) {
            Some(left) if !left.is_zero() => Err(Wait(left)),
            _ => Ok(()),
        }
    }

    /// A token from there was nobody's. After the first few, each makes the next wait twice as long.
    pub(crate) fn failed_token(&self, network: Network, now: Instant) {
        let Some(free) = self.failed_tokens else { return };
        let mut table = self.lock();
        let Some(address) = table.know(network, now) else { return };
        let since = address.waits_until.unwrap_or(address.failed_at);
        let forgiven = now.saturating_duration_since(since).as_secs() / FORGIVE.as_secs();
        address.failed = address.failed.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX)) + 1;
        address.failed_at = now;
        if let Some(beyond) = address.failed.checked_sub(free.max(1)) {
            let delay = Duration::from_secs(1 << beyond.min(6)).min(LONGEST);
            address.waits_until = Some(now + delay);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// What is known of an address, from now on if nothing was; `None` while too many others are known.
    fn know(&mut self, network: Network, now: Instant) -> Option<&mut Address> {
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&network) {
            if self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP) {
                self.swept = Some(now);
                self.addresses.retain(|_, address| now.saturating_duration_since(address.seen) < FORGET);
            }
            if self.addresses.len() >= ADDRESSES {
                return None;
            }
        }
        let address = self.addresses.entry(network).or_insert_with(|| Address {
            connects: None,
            failed: 0,
            failed_at: now,
            waits_until: None,
            seen: now,
        });
        address.seen = now;
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv6Addr};

    fn network(number: u16) -> Network {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 1)).into()
    }

    #[test]
    fn an_address_that_comes_too_often_is_told_when_to_come_again_and_others_are_not() {
        let (rates, now) = (Rates::new(Some(1), None), Instant::now());
        let came = (0..20).filter(|_| rates.connect(network(1), now).is_ok()).count();
        assert_eq!(came, 10);
        assert_eq!(rates.connect(network(1), now).unwrap_err().seconds(), 1);
        assert!(rates.connect(network(2), now).is_ok());
    }

    #[test]
    fn each_wrong_token_beyond_the_first_few_makes_the_wait_longer() {
        let (rates, mut now) = (Rates::new(None, Some(3)), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..12 {
            assert!(rates.may_show_token(network(1), now).is_ok());
            rates.failed_token(network(1), now);
            let wait = rates.may_show_token(network(1), now).err();
            waits.push(wait.map_or(0, Wait::seconds));
            now += Duration::from_secs(u64::from(wait.map_or(0, Wait::seconds)));
        }
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        assert!(rates.may_show_token(network(2), now).is_ok());
        // Time forgives.
        now += Duration::from_secs(600);
        rates.failed_token(network(1), now);
        assert!(rates.may_show_token(network(1), now).is_ok());
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (rates, now) = (Rates::new(Some(1), Some(1)), Instant::now());
        for number in 0..=u16::MAX {
            let _ = rates.connect(network(number), now);
        }
        assert_eq!(rates.lock().addresses.len(), ADDRESSES);
        let later = now + FORGET;
        assert!(rates.connect(network(u16::MAX), later).is_ok());
        assert_eq!(rates.lock().addresses.len(), 1);
    }
}
