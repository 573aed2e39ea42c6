//! The fields of a request's query, and the token that a request shows there or in its header. Verifies none.

use crate::auth::Tickets;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};

/// The token of `Authorization: Bearer` or, without one, the token or the ticket of the query. Another scheme is not for
/// us: a proxy that asks for Basic passes it on.
pub(crate) fn token(headers: &HeaderMap, query: Option<&str>) -> Option<String> {
    if let Some(token) = headers.get_all(AUTHORIZATION).iter().find_map(bearer) {
        return Some(token);
    }
    let token = field(query, "token").and_then(percent_decode);
    // Where a log of URLs leaves tokens out by this name, tickets have one of their own.
    token.or_else(|| field(query, "ticket").and_then(percent_decode).filter(|ticket| Tickets::is_one(ticket)))
}

fn bearer(value: &HeaderValue) -> Option<String> {
    let (scheme, token) = std::str::from_utf8(value.as_bytes()).ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| String::from(token.trim()))
}

/// The value of a field of the query, as it is written there.
pub(crate) fn field<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let mut fields = query?.split('&').filter_map(|field| field.split_once('='));
    fields.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The names of the fields of the query, as they are written there.
pub(crate) fn query_fields(query: Option<&str>) -> impl Iterator<Item = &str> {
    let fields = query.unwrap_or_default().split('&').filter(|field| !field.is_empty());
    fields.map(|field| field.split_once('=').map_or(field, |(name, _)| name))
}

/// Undoes `encodeURIComponent` and `URLSearchParams`; `None` if what comes out is not UTF-8.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_token_is_found_in_the_header_or_in_the_query() {
        let bearer = headers(&[("authorization", "bearer  s3cret")]);
        assert_eq!(token(&bearer, Some("token=other")).as_deref(), Some("s3cret"));
        let none = HeaderMap::new();
        assert_eq!(token(&none, Some("ext=1&token=a%20b%2Bc+d%C3%A9")).as_deref(), Some("a b+c dé"));
        for query in [
            None,
            Some(""),
            Some("token"),
            Some("Token=x"),
            Some("token=%"),
            Some("token=%zz"),
            Some("token=%ff"),
        ] {
            assert_eq!(token(&none, query), None, "{query:?}");
        }
    }

    #[test]
    fn credentials_of_another_scheme_are_a_proxys_and_leave_the_token_to_the_query() {
        for foreign in ["Basic eDp5", "Digest a=b", "Negotiate YQ==", "s3cret"] {
            let foreign = ("authorization", foreign);
            assert_eq!(token(&headers(&[foreign]), Some("token=x")).as_deref(), Some("x"), "{foreign:?}");
            assert_eq!(token(&headers(&[foreign]), None), None, "{foreign:?}");
        }
        let mut both = headers(&[("authorization", "Basic eDp5")]);
        both.append(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        assert_eq!(token(&both, Some("token=x")).as_deref(), Some("s3cret"));
        assert_eq!(token(&headers(&[("authorization", "Bearer ")]), Some("token=x")).as_deref(), Some(""));
    }
}
