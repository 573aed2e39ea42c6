//! Chooses how much of each log is kept when all of them together are too large: the logs of the users who have filled most give way,
//! the largest ones first. Trims none itself.

use super::eviction::Creator;
use rejoin::Name;
use std::collections::BTreeMap;

/// For each room that has to give way, the bytes that are left to it, so that all rooms have `target` together.
pub(super) fn shares<'a>(
    rooms: impl Iterator<Item = (&'a Name, &'a Creator, usize)>,
    target: usize,
) -> Vec<(Name, usize)> {
    let mut creators = BTreeMap::<&Creator, (usize, Vec<(&Name, usize)>)>::new();
    for (room, creator, bytes) in rooms {
        let (sum, own) = creators.entry(creator).or_default();
        *sum += bytes;
        own.push((room, bytes));
    }
    let most = level(creators.values().map(|(sum, _)| *sum), target);
    let mut shares = Vec::new();
    for (_, rooms) in creators.into_values().filter(|(sum, _)| *sum > most) {
        let most = level(rooms.iter().map(|(_, bytes)| *bytes), most);
        let larger = rooms.into_iter().filter(|(_, bytes)| *bytes > most);
        shares.extend(larger.map(|(room, _)| (room.clone(), most)));
    }
    shares
}

/// The size to which the larger ones are cut so that all together have `target`.
fn level(sizes: impl Iterator<Item = usize>, target: usize) -> usize {
    let mut sizes: Vec<usize> = sizes.collect();
    sizes.sort_unstable();
    let (mut left, mut count) = (target, sizes.len());
    for size in sizes {
        let share = left / count;
        if size > share {
            return share;
        }
        (left, count) = (left - size, count - 1);
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_filled_most_gives_way_in_the_largest_rooms() {
        let rooms =
            [("e1", "eve", 50), ("e2", "eve", 30), ("e3", "eve", 10), ("a", "ada", 20), ("b", "bob", 5)];
        let of = |target| {
            let rooms: Vec<_> = rooms
                .iter()
                .map(|(room, user, bytes)| (Name::from(*room), Some(Name::from(*user)), *bytes))
                .collect();
            let shares = shares(rooms.iter().map(|(room, creator, bytes)| (room, creator, *bytes)), target);
            shares.into_iter().map(|(room, bytes)| (room.to_string(), bytes)).collect::<Vec<_>>()
        };
        let share = |room: &str, bytes| (String::from(room), bytes);
        assert_eq!(of(115), []);
        assert_eq!(of(95), [share("e1", 30)]);
        assert_eq!(of(75), [share("e1", 20), share("e2", 20)]);
        // Ada has less than a third, and keeps all of it until that is no more so.
        assert_eq!(of(65), [share("e1", 15), share("e2", 15)]);
        assert_eq!(of(35), [share("a", 15), share("e1", 5), share("e2", 5), share("e3", 5)]);
        assert_eq!(of(0).len(), 5);
    }
}
