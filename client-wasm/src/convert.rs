//! Conversions between JavaScript numbers and integers. Numbers of the page are clamped, never trusted.

use rejoin::Timestamp;
use rejoin::machine::ClockReading;

/// A count, milliseconds, or the number of a connection, frame or send.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; NaN is zero")]
pub(crate) fn count(number: f64) -> u64 {
    number as u64
}

/// A handle or a small code.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; NaN is zero")]
pub(crate) fn handle(number: f64) -> u32 {
    number as u32
}

/// A count for JavaScript.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53; none of these counts gets there")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// The two clocks, in milliseconds.
pub(crate) fn clock_reading(monotonic: f64, wall: f64) -> ClockReading {
    let at = |millis| Timestamp::from_millis(count(millis));
    ClockReading { monotonic: at(monotonic), wall: at(wall) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn no_number_of_the_page_is_out_of_range_here() {
        for wild in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 0.5] {
            assert!(count(-wild.abs()) == 0 && handle(-wild.abs()) == 0, "{wild}");
        }
        assert_eq!(handle(1e300), u32::MAX);
        assert_eq!(count(12.9), 12);
    }
}
