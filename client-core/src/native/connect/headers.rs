//! The application's own header fields. Their values are secrets: no text shows them.

use core::fmt;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Header fields for the requests to a server, such as cookies or the key of a gateway. `Debug` shows names only.
///
/// ```
/// let headers = rejoin::Headers::new().with("Cookie", "session=1")?.with("X-Api-Key", "secret")?;
/// assert_eq!(format!("{headers:?}"), r#"Headers(["cookie", "x-api-key"])"#);
/// # Ok::<(), rejoin::HeaderError>(())
/// ```
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

/// Why a header field cannot be sent. Never holds its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is empty or has characters that a name cannot have.
    #[error("a header's name is letters, digits and hyphens, as in \"X-Api-Key: value\"")]
    Name,
    /// The value has characters that a header cannot carry, such as line ends.
    #[error("the value of the header {name} has characters that a header cannot carry")]
    Value {
        /// The header's name.
        name: Box<str>,
    },
    /// The header belongs to the connection itself.
    #[error("the header {name} is set by the client itself")]
    Reserved {
        /// The header's name.
        name: Box<str>,
    },
}

impl Headers {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one. A name may be used several times; a name that the client sets too (`User-Agent`, `Host`,
    /// `Authorization`) replaces the client's.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name)?;
        if is_reserved(&name) {
            return Err(HeaderError::Reserved { name: name.as_str().into() });
        }
        let mut value =
            HeaderValue::from_str(value).map_err(|_| HeaderError::Value { name: name.as_str().into() })?;
        value.set_sensitive(true);
        self.0.append(name, value);
        Ok(())
    }

    /// As [`Headers::add`], for building in one expression.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        self.add(name, value)?;
        Ok(self)
    }

    /// Whether there is a field of this name, in any case.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn extend(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            self.0.append(name, value.clone());
        }
    }

    pub(crate) fn has_authorization(&self) -> bool {
        self.0.contains_key(header::AUTHORIZATION)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().filter_map(|value| value.to_str().ok())
    }

    /// Puts them into a request, instead of fields of the same name.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        for name in self.0.keys() {
            headers.remove(name);
            for value in self.0.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// What frames the request or belongs to the WebSocket handshake.
fn is_reserved(name: &HeaderName) -> bool {
    let framing = [
        header::CONNECTION,
        header::UPGRADE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::TE,
        header::TRAILER,
        header::EXPECT,
    ];
    framing.contains(name) || name.as_str().starts_with("sec-websocket-")
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.keys().map(HeaderName::as_str).collect();
        f.debug_tuple("Headers").field(&names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_replaces_the_clients_own_and_may_be_there_twice() {
        let headers = Headers::new().with("User-Agent", "mine").unwrap();
        let headers = headers.with("cookie", "a=1").unwrap().with("Cookie", "b=2").unwrap();
        let mut request = HeaderMap::new();
        request.insert(header::USER_AGENT, HeaderValue::from_static("rejoin"));
        headers.write(&mut request);
        assert!(headers.contains("COOKIE") && !headers.contains("Origin") && !headers.contains("é\n"));
        assert_eq!(request.get_all(header::USER_AGENT).iter().collect::<Vec<_>>(), ["mine"]);
        assert_eq!(request.get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    }

    #[test]
    fn what_cannot_be_sent_is_refused_without_its_value() {
        let error = |name: &str, value: &str| Headers::new().with(name, value).unwrap_err();
        assert_eq!(error("X Y", "s3cret"), HeaderError::Name);
        assert_eq!(error("", "s3cret"), HeaderError::Name);
        assert_eq!(error("X", "s3cret\r\nY: z"), HeaderError::Value { name: "x".into() });
        for name in ["Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Content-Length"] {
            assert!(matches!(error(name, "s3cret"), HeaderError::Reserved { .. }), "{name}");
        }
    }
}
