//! A number for a short text, to tell it from others without keeping it. Nobody gains by a collision here: it costs a
//! cache miss, or hides a fork from a server that made both ids itself. State files keep such numbers: the same text has
//! the same one for ever.

/// Eight bytes at a time, each mixed into all that came before (the multiplier is 2^64 over the golden ratio).
pub(crate) fn of(text: &[u8]) -> u64 {
    let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut hash = 0xcbf2_9ce4_8422_2325;
    let mut words = text.chunks_exact(8);
    for word in &mut words {
        hash = mix(hash, word.try_into().map_or(0, u64::from_le_bytes));
    }
    let rest = words.remainder().iter().fold(1, |rest, byte| rest << 8 | u64::from(*byte));
    let hash = mix(hash, rest);
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;

    #[test]
    fn texts_that_differ_a_little_have_different_numbers() {
        let texts = (0..20_000)
            .flat_map(|n| [format!("m{n}"), format!("m{n:015}"), format!("{n:031}-"), format!("{n}\0")]);
        let numbers: BTreeSet<u64> = texts.map(|text| of(text.as_bytes())).collect();
        assert_eq!(numbers.len(), 80_000);
        // The lower bits choose a place.
        let mut places = [0; 32];
        for number in &numbers {
            places[(number % 32) as usize] += 1;
        }
        assert!(places.iter().all(|count| (2_000..3_000).contains(count)), "{places:?}");
    }
}
