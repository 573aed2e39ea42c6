//! Limits connections whose handshake is not finished: in all, and for each address. Evicts the oldest silent or slow one.

use super::Network;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A silent connection younger than this gives way to nobody: its first byte may be on its way, or lie unread behind a herd.
const GRACE: Duration = Duration::from_millis(500);

/// One that speaks and has not said all of a request has longer: a TLS handshake takes several ways there and back.
const SLOW: Duration = Duration::from_secs(2);

/// The places, some for each address at most. One that has said nothing for a while gives way to a newcomer, the oldest
/// first, and then one that takes long to say all of a request: otherwise a few hundred silent connections, or half
/// requests from a few networks, would keep everybody out. The network that has the most gives way to one that has fewer
/// whatever the age.
#[derive(Debug, Clone)]
pub(crate) struct Handshakes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_one: Option<usize>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<u64, Open>,
    of_networks: BTreeMap<Network, usize>,
    last: u64,
}

#[derive(Debug)]
struct Open {
    since: Instant,
    stage: Stage,
    /// Whose share it is; nobody's for a trusted proxy.
    network: Option<Network>,
    evicted: Arc<Notify>,
}

/// Whom a handshake waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its peer, who has said nothing.
    Silent,
    /// Its peer, who has not said all.
    Partial,
    /// The server, which answers.
    Complete,
    /// Nobody: it has been told that it is nobody's, and what is left are farewells.
    Refused,
}

/// Why there is no place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken by others who speak, or have just come.
    All,
    /// The share of the address is.
    Share,
}

/// What was given for a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Free,
    /// A connection was ended for it whose peer is silent or slow.
    Evicted,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    shared: Arc<Shared>,
    number: u64,
    evicted: Arc<Notify>,
}

/// A handshake that somebody else keeps.
#[derive(Debug)]
pub(crate) struct HandshakeRef {
    shared: Arc<Shared>,
    number: u64,
}

impl Handshakes {
    pub(crate) fn new(most: usize, most_of_one: Option<usize>) -> Self {
        let most_of_one = most_of_one.map(|most| most.max(1));
        Self(Arc::new(Shared { most: most.max(1), most_of_one, table: Mutex::default() }))
    }

    /// A place for a connection that was just accepted. `network` is absent for a trusted proxy, whose clients are not
    /// known yet.
    pub(crate) fn begin(&self, network: Option<Network>, now: Instant) -> Result<(Handshake, Given), Full> {
        let mut table = self.0.lock();
        let mut given = Given::Free;
        if network.is_some_and(|network| self.0.is_used_up(&table, network)) {
            table.evict(now, |open| open.network == network).ok_or(Full::Share)?;
            given = Given::Evicted;
        }
        if table.open.len() >= self.0.most {
            table.evict(now, |_| true).or_else(|| table.evict_of_heaviest(network)).ok_or(Full::All)?;
            given = Given::Evicted;
        }
        table.last += 1;
        let (number, evicted) = (table.last, Arc::new(Notify::new()));
        let open = Open { since: now, stage: Stage::Silent, network: None, evicted: Arc::clone(&evicted) };
        table.open.insert(number, open);
        table.assign(number, network);
        drop(table);
        Ok((Handshake { shared: Arc::clone(&self.0), number, evicted }, given))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().open.len()
    }
}

impl Shared {
    fn is_used_up(&self, table: &Table, network: Network) -> bool {
        let open = table.of_networks.get(&network).copied().unwrap_or(0);
        self.most_of_one.is_some_and(|most| open >= most)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn assign(&mut self, number: u64, network: Option<Network>) {
        let Some(open) = self.open.get_mut(&number) else { return };
        let before = std::mem::replace(&mut open.network, network);
        self.give_back(before);
        if let Some(network) = network {
            *self.of_networks.entry(network).or_default() += 1;
        }
    }

    fn set_stage(&mut self, number: u64, stage: Stage) {
        if let Some(open) = self.open.get_mut(&number) {
            open.stage = stage;
        }
    }

    /// Ends the oldest refused connection of these, or else the oldest silent one, or the oldest slow one; `None` if there is
    /// none that is old enough.
    fn evict(&mut self, now: Instant, of: impl Fn(&Open) -> bool) -> Option<()> {
        let oldest = |stage, least: Duration| {
            // In the order in which they came.
            let (number, open) = self.open.iter().find(|(_, open)| open.stage == stage && of(open))?;
            (now.saturating_duration_since(open.since) >= least).then_some(*number)
        };
        let refused = oldest(Stage::Refused, Duration::ZERO);
        let number =
            refused.or_else(|| oldest(Stage::Silent, GRACE)).or_else(|| oldest(Stage::Partial, SLOW))?;
        self.remove(number)?.evicted.notify_one();
        Some(())
    }

    /// Ends the oldest connection of the network that has the most, however young it is, if that has more than a newcomer of
    /// `network` will have: who dials anew again and again has only young ones. `None` if there is none.
    fn evict_of_heaviest(&mut self, network: Option<Network>) -> Option<()> {
        let own = network.and_then(|network| self.of_networks.get(&network)).copied().unwrap_or(0);
        let (heaviest, _) =
            self.of_networks.iter().filter(|(_, open)| **open > own + 1).max_by_key(|(_, open)| **open)?;
        let heaviest = Some(*heaviest);
        let oldest = |stage| {
            let open = self.open.iter().find(|(_, open)| open.network == heaviest && open.stage == stage);
            open.map(|(number, _)| *number)
        };
        let number = oldest(Stage::Silent).or_else(|| oldest(Stage::Partial))?;
        self.remove(number)?.evicted.notify_one();
        Some(())
    }

    fn remove(&mut self, number: u64) -> Option<Open> {
        let open = self.open.remove(&number)?;
        self.give_back(open.network);
        Some(open)
    }

    /// One place less is the network's.
    fn give_back(&mut self, network: Option<Network>) {
        if let Some(network) = network
            && let Some(count) = self.of_networks.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                self.of_networks.remove(&network);
            }
        }
    }
}

impl Handshake {
    /// Something has come: it gives way only if the rest takes long.
    pub(crate) fn speaks(&self) {
        self.shared.lock().set_stage(self.number, Stage::Partial);
    }

    /// Until it has to give way.
    pub(crate) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// For those who read its requests.
    pub(crate) fn reference(&self) -> HandshakeRef {
        HandshakeRef { shared: Arc::clone(&self.shared), number: self.number }
    }
}

/// Until a handshake has to give way; for ever without one.
pub(crate) async fn until_evicted(handshake: Option<&Handshake>) {
    match handshake {
        Some(handshake) => handshake.evicted().await,
        None => std::future::pending().await,
    }
}

impl HandshakeRef {
    /// More has to come from the peer: the body of a request, or what it says over a new WebSocket.
    pub(crate) fn is_partial(&self) {
        self.shared.lock().set_stage(self.number, Stage::Partial);
    }

    /// The answer is that it is nobody's: it gives way to whoever comes.
    pub(crate) fn is_refused(&self) {
        self.shared.lock().set_stage(self.number, Stage::Refused);
    }

    /// All of it is here, and the server answers: it does not give way.
    pub(crate) fn is_complete(&self) {
        self.shared.lock().set_stage(self.number, Stage::Complete);
    }

    /// A trusted proxy has said whose connection it is. `false`: the share of that address is used up. A handshake that is
    /// over is nobody's.
    pub(crate) fn belongs_to(&self, network: Network) -> bool {
        let mut table = self.shared.lock();
        if table.open.get(&self.number).is_none_or(|open| open.network == Some(network)) {
            return true;
        }
        // Who has been refused gives way here too.
        let is_refused = |open: &Open| open.stage == Stage::Refused && open.network == Some(network);
        let fits =
            !self.shared.is_used_up(&table, network) || table.evict(Instant::now(), is_refused).is_some();
        if fits {
            table.assign(self.number, Some(network));
        }
        fits
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.shared.lock().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::OnceLock;

    fn network(last: u8) -> Network {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)).into()
    }

    fn begin(places: &Handshakes, last: u8) -> Result<(Handshake, Given), Full> {
        at(places, last, 0)
    }

    /// So many milliseconds after the others.
    fn at(places: &Handshakes, last: u8, ms: u64) -> Result<(Handshake, Given), Full> {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        places.begin(Some(network(last)), start + Duration::from_millis(ms))
    }

    fn is_evicted(handshake: &Handshake) -> bool {
        !handshake.shared.lock().open.contains_key(&handshake.number)
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_silent_one_gives_way() {
        let places = Handshakes::new(3, None);
        let (oldest, _) = begin(&places, 1).unwrap();
        let (silent, _) = begin(&places, 2).unwrap();
        let (_third, _) = begin(&places, 3).unwrap();
        oldest.speaks();
        assert_eq!(at(&places, 4, 499).unwrap_err(), Full::All);
        let (newcomer, given) = at(&places, 4, 500).unwrap();
        assert_eq!((given, places.count()), (Given::Evicted, 3));
        assert!(is_evicted(&silent) && !is_evicted(&oldest) && !is_evicted(&newcomer));
    }

    #[test]
    fn who_takes_long_to_say_all_gives_way_when_nobody_is_silent_and_who_is_answered_does_not() {
        let places = Handshakes::new(3, None);
        let (answered, _) = begin(&places, 1).unwrap();
        let (slow, _) = begin(&places, 2).unwrap();
        let (body, _) = begin(&places, 3).unwrap();
        for handshake in [&answered, &slow, &body] {
            handshake.speaks();
        }
        answered.reference().is_complete();
        body.reference().is_complete();
        assert_eq!(at(&places, 4, 1_999).unwrap_err(), Full::All);
        let (silent, given) = at(&places, 4, 2_000).unwrap();
        assert!(given == Given::Evicted && is_evicted(&slow));
        let (_next, _) = at(&places, 5, 2_500).unwrap();
        assert!(is_evicted(&silent));
        // The others are answered, or have just come.
        assert_eq!(at(&places, 6, 2_600).unwrap_err(), Full::All);
        body.reference().is_partial();
        assert!(at(&places, 6, 2_600).is_ok());
        assert!(is_evicted(&body) && !is_evicted(&answered));
    }

    #[test]
    fn who_has_been_refused_gives_way_at_once_and_before_those_who_are_silent() {
        let places = Handshakes::new(2, None);
        let (silent, _) = begin(&places, 1).unwrap();
        let (refused, _) = begin(&places, 2).unwrap();
        refused.speaks();
        refused.reference().is_refused();
        let (_newcomer, given) = at(&places, 3, 600).unwrap();
        assert!(given == Given::Evicted && is_evicted(&refused) && !is_evicted(&silent));
    }

    #[test]
    fn the_network_with_the_most_gives_way_to_one_with_fewer_however_young_its_connections_are() {
        let places = Handshakes::new(6, None);
        let mut heavy: Vec<_> = (0..4).map(|_| begin(&places, 1).unwrap().0).collect();
        let _light: Vec<_> = (0..2).map(|_| begin(&places, 2).unwrap().0).collect();
        heavy[0].speaks();
        heavy[0].reference().is_complete();
        heavy[1].speaks();
        // A silent one goes first, and who is answered stays.
        let (third, given) = begin(&places, 3).unwrap();
        assert!(given == Given::Evicted && is_evicted(&heavy.remove(2)));
        let (_fifth, _) = begin(&places, 5).unwrap();
        assert!(is_evicted(&heavy.remove(2)) && !is_evicted(&heavy[0]) && !is_evicted(&heavy[1]));
        // Two of one network are no reason for a second of another one, and its own are none for more of it.
        assert_eq!(begin(&places, 3).unwrap_err(), Full::All);
        assert_eq!(begin(&places, 2).unwrap_err(), Full::All);
        assert!(begin(&places, 4).is_ok() && !is_evicted(&third));
    }

    #[test]
    fn a_place_that_is_given_back_is_free() {
        let places = Handshakes::new(1, None);
        let (one, _) = begin(&places, 1).unwrap();
        one.speaks();
        assert_eq!(at(&places, 2, 1_000).unwrap_err(), Full::All);
        drop(one);
        assert_eq!(begin(&places, 2).unwrap().1, Given::Free);
    }

    #[test]
    fn an_address_has_its_share_and_leaves_the_others_theirs() {
        let places = Handshakes::new(10, Some(2));
        let (one, _) = begin(&places, 1).unwrap();
        let (other, _) = begin(&places, 1).unwrap();
        one.speaks();
        assert_eq!(begin(&places, 1).unwrap_err(), Full::Share);
        let (third, given) = at(&places, 1, 500).unwrap();
        assert!(given == Given::Evicted && is_evicted(&other));
        third.speaks();
        assert_eq!(at(&places, 1, 1_000).unwrap_err(), Full::Share);
        assert!(begin(&places, 2).is_ok());
        drop(one);
        assert!(begin(&places, 1).is_ok());
    }

    #[test]
    fn what_a_proxy_brings_is_in_the_share_of_whom_it_names() {
        let places = Handshakes::new(10, Some(1));
        let (one, _) = places.begin(None, Instant::now()).unwrap();
        let (other, _) = places.begin(None, Instant::now()).unwrap();
        assert!(one.reference().belongs_to(network(1)));
        assert!(!other.reference().belongs_to(network(1)));
        assert!(other.reference().belongs_to(network(2)));
        drop(one);
        assert!(begin(&places, 1).is_ok());
    }

    #[test]
    fn in_the_share_of_whom_a_proxy_names_those_who_have_been_refused_give_way() {
        let places = Handshakes::new(10, Some(1));
        let (refused, _) = places.begin(None, Instant::now()).unwrap();
        assert!(refused.reference().belongs_to(network(1)));
        refused.reference().is_refused();
        let (next, _) = places.begin(None, Instant::now()).unwrap();
        assert!(next.reference().belongs_to(network(1)));
        assert!(is_evicted(&refused) && !is_evicted(&next));
    }

    #[test]
    fn nothing_is_left_of_what_is_over() {
        let places = Handshakes::new(2, Some(1));
        drop(begin(&places, 1).unwrap());
        let evicted = begin(&places, 1).unwrap();
        let newcomer = at(&places, 1, 500).unwrap();
        drop((evicted, newcomer));
        let table = places.0.lock();
        assert!(table.open.is_empty() && table.of_networks.is_empty());
    }
}
