//! The colours of a chat: the terminal's palette, and the colour of each name. Prints nothing.

use serde::Deserialize;

/// Of the terminal's own 16: those that most schemes keep readable on light and on dark.
const SIXTEEN: [u8; 4] = [6, 5, 1, 4];
/// Of the 256: at least 4:1 against black and against white.
const MANY: [u8; 15] = [28, 31, 62, 97, 130, 162, 30, 63, 98, 131, 163, 29, 99, 132, 64];

/// The control sequences for who says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Palette {
    own: u8,
    names: Vec<u8>,
}

/// The table `[chat.colours]` of the configuration: numbers of the terminal's colours.
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Colours {
    /// The user's own name.
    pub(crate) own: Option<u8>,
    /// The names of others: each has one of these.
    pub(crate) names: Option<Vec<u8>>,
}

impl Palette {
    /// What the terminal has, as far as its name and `COLORTERM` say, unless the configuration says otherwise.
    pub(crate) fn of_terminal(wanted: Colours) -> Self {
        let is_set = |name: &str, part: &str| std::env::var(name).is_ok_and(|value| value.contains(part));
        let has_many = is_set("TERM", "256color")
            || is_set("TERM", "direct")
            || is_set("COLORTERM", "truecolor")
            || is_set("COLORTERM", "24bit");
        Self::new(has_many, wanted)
    }

    fn new(has_many: bool, wanted: Colours) -> Self {
        let usual = if has_many { &MANY[..] } else { &SIXTEEN[..] };
        let names = wanted.names.filter(|names| !names.is_empty());
        Self { own: wanted.own.unwrap_or(2), names: names.unwrap_or_else(|| usual.to_vec()) }
    }

    /// The user's own colour.
    pub(crate) fn own(&self) -> String {
        sequence(self.own)
    }

    /// The colour of a name: the same in every chat and on every day.
    pub(crate) fn of(&self, name: &str) -> String {
        // FNV-1a.
        let hash = name
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let count = u32::try_from(self.names.len()).unwrap_or(1).max(1);
        let at = usize::try_from((hash ^ hash >> 16) % count).unwrap_or(0);
        sequence(self.names.get(at).copied().unwrap_or(6))
    }
}

impl Default for Palette {
    fn default() -> Self {
        Self::new(false, Colours::default())
    }
}

fn sequence(colour: u8) -> String {
    match colour {
        0..=7 => format!("\x1b[{}m", 30 + colour),
        8..=15 => format!("\x1b[{}m", 82 + colour),
        _ => format!("\x1b[38;5;{colour}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance of one of the 216 colours of the cube.
    fn luminance(colour: u8) -> f64 {
        let at = colour - 16;
        let channel = |step: u8| {
            let value = f64::from([0_u8, 95, 135, 175, 215, 255][usize::from(step)]) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let (red, green, blue) = (channel(at / 36), channel(at / 6 % 6), channel(at % 6));
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    #[test]
    fn each_name_can_be_read_on_black_and_on_white() {
        for colour in MANY {
            let luminance = luminance(colour);
            let (on_black, on_white) = ((luminance + 0.05) / 0.05, 1.05 / (luminance + 0.05));
            assert!(on_black >= 4.0 && on_white >= 4.0, "{colour}: {on_black} and {on_white}");
        }
    }

    #[test]
    fn a_name_keeps_its_colour_and_names_have_different_ones() {
        let palette = Palette::new(true, Colours::default());
        assert_eq!(palette.of("bob"), palette.of("bob"));
        let names: std::collections::BTreeSet<String> =
            ["ada", "bob", "eve", "zoe", "al", "mia"].map(|name| palette.of(name)).into();
        assert!(names.len() >= 4, "{names:?}");
        assert!(palette.of("bob").starts_with("\x1b[38;5;"));
    }

    #[test]
    fn the_configuration_wins_and_the_sixteen_have_their_own_sequences() {
        let wanted = Colours { own: Some(12), names: Some(vec![3]) };
        let palette = Palette::new(true, wanted);
        assert_eq!((palette.own(), palette.of("bob")), ("\x1b[94m".into(), "\x1b[33m".into()));
        assert!(Palette::default().of("bob").len() == 5);
        let none = Colours { own: None, names: Some(Vec::new()) };
        assert_eq!(Palette::new(true, none).names, MANY);
    }
}
