//! Limits Socket.IO sessions that have not authenticated yet: in all, and for each address.

use super::{Full, Network};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A quota of their own, in all and for each address, so that they never take the places of people with tokens.
#[derive(Debug, Clone)]
pub(crate) struct EarlySessions(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    most_of_one: Option<usize>,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    all: usize,
    of_networks: BTreeMap<Network, usize>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Early {
    shared: Arc<Shared>,
    network: Network,
}

impl EarlySessions {
    pub(crate) fn new(most: usize, most_of_one: Option<usize>) -> Self {
        let most_of_one = most_of_one.map(|most| most.max(1));
        Self(Arc::new(Shared { most: most.max(1), most_of_one, table: Mutex::default() }))
    }

    pub(crate) fn begin(&self, network: Network) -> Result<Early, Full> {
        let mut table = self.0.lock();
        let of_one = table.of_networks.get(&network).copied().unwrap_or(0);
        if self.0.most_of_one.is_some_and(|most| of_one >= most) {
            return Err(Full::Share);
        }
        if table.all >= self.0.most {
            return Err(Full::All);
        }
        table.all += 1;
        table.of_networks.insert(network, of_one + 1);
        Ok(Early { shared: Arc::clone(&self.0), network })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().all
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Early {
    fn drop(&mut self) {
        let mut table = self.shared.lock();
        table.all -= 1;
        if let Some(count) = table.of_networks.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                table.of_networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    #[test]
    fn each_address_has_a_share_and_all_together_a_quota() {
        let network = |last| Network::from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
        let sessions = EarlySessions::new(3, Some(2));
        let one = sessions.begin(network(1)).unwrap();
        let _other = sessions.begin(network(1)).unwrap();
        assert_eq!(sessions.begin(network(1)).unwrap_err(), Full::Share);
        let _third = sessions.begin(network(2)).unwrap();
        assert_eq!(sessions.begin(network(3)).unwrap_err(), Full::All);
        drop(one);
        assert_eq!(sessions.count(), 2);
        drop(sessions.begin(network(1)).unwrap());
        assert_eq!((sessions.count(), sessions.0.lock().of_networks.len()), (2, 2));
    }
}
