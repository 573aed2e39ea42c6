//! The user name and password of a URL, for HTTP's Basic authentication (RFC 7617).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use core::fmt;
use url::Url;

/// `Debug` shows neither name nor password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Basic {
    /// What follows `Basic ` in an `Authorization` field.
    pub(super) encoded: Box<str>,
    pub(super) password: Box<str>,
}

impl Basic {
    /// Those of a URL, if it has any.
    pub(super) fn of(url: &Url) -> Option<Self> {
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let decode = |part: &str| {
            // A pair's value is percent-decoded; `+` would become a space, so it is protected first.
            let query = format!("v={}", part.replace('+', "%2B"));
            url::form_urlencoded::parse(query.as_bytes()).map(|(_, v)| v.into_owned()).collect::<String>()
        };
        let password = decode(url.password().unwrap_or_default());
        let encoded = BASE64_STANDARD.encode(format!("{}:{password}", decode(url.username())));
        Some(Self { encoded: encoded.into(), password: password.into() })
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Basic(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(url: &str) -> Option<String> {
        let basic = Basic::of(&Url::parse(url).unwrap())?;
        assert!(!format!("{basic:?}").contains("ss"));
        Some(String::from_utf8(BASE64_STANDARD.decode(&*basic.encoded).unwrap()).unwrap())
    }

    #[test]
    fn name_and_password_are_decoded_for_the_header() {
        assert_eq!(decoded("http://us%65r:p%40ss+@h/").as_deref(), Some("user:p@ss+"));
        assert_eq!(decoded("ws://user@h/").as_deref(), Some("user:"));
        assert_eq!(decoded("ws://:pass@h/").as_deref(), Some(":pass"));
        assert_eq!(decoded("ws://h/"), None);
    }
}
