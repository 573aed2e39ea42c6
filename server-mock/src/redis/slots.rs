//! The map from keys to the shards of a cluster: the slot of a key, and the reading of CLUSTER SLOTS. Connects to nothing.

use super::config::Host;
use super::replies;
use crc::{CRC_16_XMODEM, Crc};
use redis::Value;
use std::collections::BTreeMap;

/// A cluster has so many.
const COUNT: u16 = 16_384;

/// Most ranges of slots that are read: one slot each, at the worst.
const MOST_RANGES: usize = COUNT as usize;

const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key: of the text between the first `{` and the next `}` if there is some (Redis Cluster specification,
/// "Hash tags").
fn slot(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = key.get(open + 1..)?;
        let close = rest.iter().position(|byte| *byte == b'}')?;
        rest.get(..close).filter(|tag| !tag.is_empty())
    });
    CRC.checksum(tag.unwrap_or(key)) % COUNT
}

/// Which shard has which slots. Without any, everything is on the first one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Slots {
    /// The last slot of a range to its first one and the number of the shard.
    ranges: BTreeMap<u16, (u16, usize)>,
}

impl Slots {
    /// Reads what a node answers to CLUSTER SLOTS: the slots, and the primary of each shard. A node that knows no name of
    /// itself is the one that was asked.
    pub(super) fn read(answer: &Value, asked: &Host) -> Option<(Self, Vec<Host>)> {
        let Value::Array(ranges) = answer else { return None };
        let (mut slots, mut primaries) = (Self::default(), Vec::new());
        for range in ranges.iter().take(MOST_RANGES) {
            let Value::Array(parts) = range else { return None };
            let [first, last, Value::Array(primary), ..] = parts.as_slice() else { return None };
            let [name, port, ..] = primary.as_slice() else { return None };
            let name = replies::text(name).filter(|name| !name.is_empty() && *name != "?");
            let host = Host {
                name: name.unwrap_or(&asked.name).to_owned(),
                port: u16::try_from(replies::number(port)?).ok()?,
            };
            let known = primaries.iter().position(|primary| *primary == host);
            let shard = known.unwrap_or_else(|| {
                primaries.push(host);
                primaries.len() - 1
            });
            let slot = |value| u16::try_from(replies::number(value)?).ok().filter(|slot| *slot < COUNT);
            slots.ranges.insert(slot(last)?, (slot(first)?, shard));
        }
        Some((slots, primaries))
    }

    /// Whether each key has a shard.
    pub(super) fn is_complete(&self) -> bool {
        let mut next = 0;
        for (last, (first, _)) in &self.ranges {
            if *first != next {
                return false;
            }
            next = last + 1;
        }
        next == COUNT
    }

    /// The number of the shard that has a key.
    pub(super) fn shard_of(&self, key: &str) -> usize {
        self.ranges.range(slot(key.as_bytes())..).next().map_or(0, |(_, (_, shard))| *shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: i64, last: i64, name: &str, port: i64) -> Value {
        let node = |name: &str| {
            Value::Array(vec![
                Value::BulkString(name.into()),
                Value::Int(port),
                Value::BulkString("id".into()),
            ])
        };
        Value::Array(vec![Value::Int(first), Value::Int(last), node(name), node("a replica")])
    }

    fn asked() -> Host {
        Host { name: String::from("seed"), port: 1 }
    }

    #[test]
    fn a_key_has_the_slot_that_redis_computes() {
        // redis-cli cluster keyslot KEY
        for (key, expected) in [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{user1000}.following", 3_443),
            ("{user1000}.followers", 3_443),
            ("foo{}{bar}", 8_363),
            ("foo{{bar}}zap", 4_015),
            ("foo{bar}{zap}", 5_061),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn each_key_is_on_the_shard_whose_range_has_its_slot() {
        let answer =
            Value::Array(vec![range(5_001, 16_383, "b", 2), range(0, 100, "", 1), range(101, 5_000, "a", 1)]);
        let (slots, primaries) = Slots::read(&answer, &asked()).unwrap();
        let host = |name: &str, port| Host { name: name.to_owned(), port };
        assert_eq!(primaries, [host("b", 2), host("seed", 1), host("a", 1)]);
        assert!(slots.is_complete());
        assert_eq!((slots.shard_of("foo"), slots.shard_of("{user1000}")), (0, 2));
        assert_eq!(Slots::default().shard_of("foo"), 0);
    }

    #[test]
    fn slots_that_nobody_has_are_noticed_and_another_answer_is_none() {
        let read = |ranges| Slots::read(&Value::Array(ranges), &asked());
        assert!(!read(vec![range(0, 9, "a", 1)]).unwrap().0.is_complete());
        assert!(!read(vec![range(0, 9, "a", 1), range(11, 16_383, "a", 1)]).unwrap().0.is_complete());
        assert!(!read(Vec::new()).unwrap().0.is_complete());
        for bad in [range(0, 16_384, "a", 1), range(-1, 3, "a", 1), range(0, 3, "a", 70_000), Value::Nil] {
            assert!(read(vec![bad]).is_none());
        }
        assert!(Slots::read(&Value::Okay, &asked()).is_none());
    }
}
