//! Kinds that cross the border as numbers, with the list the generator reads.

/// An enum whose variants are numbered from 1 by their place. One that not every machine has comes last.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident, $list:ident: $($(#[$when:meta])* $name:ident),+ $(,)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $kind { $($(#[$when])* $name),+ }

        #[allow(dead_code, reason = "read for inputs only, and written for both")]
        impl $kind {
            /// By number, from 1.
            pub(crate) const ALL: &[Self] = &[$($(#[$when])* Self::$name),+];
        }

        #[cfg(any(test, not(target_family = "wasm")))]
        #[cfg_attr(target_family = "wasm", allow(dead_code, reason = "the tests there read two of the lists"))]
        pub(crate) const $list: &[&str] = &[$($(#[$when])* stringify!($name)),+];
    };
}

pub(crate) use kinds;
