//! Enums that cross the border as numbers whose words the page looks up.

/// Gives each variant its number by its place, and natively its name.
macro_rules! numbered {
    ($(#[$doc:meta])* $number:ident, $names:ident, $type:ty, $($(#[$when:meta])* $pattern:pat => $sample:expr),+ $(,)?) => {
        $(#[$doc])*
        pub(crate) fn $number(value: &$type) -> u32 {
            let mut number = 0;
            $(
                $(#[$when])*
                {
                    number += 1;
                    if matches!(value, $pattern) {
                        return number;
                    }
                }
            )+
            0
        }

        #[cfg(not(target_family = "wasm"))]
        pub(crate) fn $names() -> Vec<&'static str> {
            [$($(#[$when])* $sample.as_str()),+].to_vec()
        }
    };
}

pub(crate) use numbered;
