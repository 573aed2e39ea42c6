//! Digests of secrets that are the same on every node, so that they can be compared across nodes.

use ring::digest::{Context, SHA256};
use std::fmt::Write as _;

/// SHA-256 of several parts, one after the other. Who uses it for two things begins with the name of the thing.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// The first half of it: nobody makes another text with the same.
pub(super) fn short(parts: &[&[u8]]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(sha256(parts).split_at(16).0);
    short
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a String does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Undoes [`hex`]; `None` for another number of bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_all_parts_and_is_read_as_it_is_written() {
        // printf abc | sha256sum
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(&[b"a", b"bc"])), abc);
        assert_eq!(unhex(abc), Some(sha256(&[b"abc"])));
        for bad in ["", "ba", "ba7816bf8f01cfea414140de5dae22xx", "é"] {
            assert_eq!(unhex::<16>(bad), None, "{bad}");
        }
    }
}
