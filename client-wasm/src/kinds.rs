//! Kinds that cross the border as numbers, with the list the generator reads.

/// An enum whose variants are numbered from 1 by their place.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident, $list:ident: $($name:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $kind { $($name),+ }

        impl $kind {
            const ALL: &[Self] = &[$(Self::$name),+];

            /// The number the page uses for it.
            #[expect(dead_code, reason = "each direction needs one of the two")]
            pub(crate) fn number(self) -> u32 {
                self as u32 + 1
            }

            /// The kind with this number.
            #[expect(dead_code, reason = "each direction needs one of the two")]
            pub(crate) fn from_number(number: u32) -> Option<Self> {
                Self::ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
            }
        }

        #[cfg(not(target_family = "wasm"))]
        pub(crate) const $list: &[&str] = &[$(stringify!($name)),+];
    };
}

pub(crate) use kinds;
