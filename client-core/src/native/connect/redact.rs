//! Removes secrets from the texts of errors: a server may echo them in a redirect or an error page.

use core::fmt;

/// A secret this short may be an ordinary word too: it is removed only where it stands alone.
const SHORT: usize = 8;

/// The secrets of one request.
#[derive(Clone, Default)]
pub(crate) struct Secrets {
    texts: Vec<Box<str>>,
    /// One of them is in an `Authorization` header of the application's own.
    pub(crate) has_authorization: bool,
}

impl Secrets {
    /// Remembers a secret, as it is and as a URL has it.
    pub(crate) fn add(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        let percent = form.replace('+', "%20");
        for text in [secret, &form, &percent] {
            if !self.texts.iter().any(|known| **known == *text) {
                self.texts.push(text.into());
            }
        }
        // The longest first: one may be part of another.
        self.texts.sort_by_key(|known| core::cmp::Reverse(known.len()));
    }

    /// The text with `…` in place of each secret, and of whatever follows `token=`.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for secret in &self.texts {
            out = without(&out, secret);
        }
        without_parameter(&out, "token=")
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

/// Without `secret`, in whatever case its letters are.
fn without(text: &str, secret: &str) -> String {
    let (folded, secret) = (text.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in folded.match_indices(&secret) {
        let end = at + secret.len();
        let part = |range| text.get(range).unwrap_or_default();
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let is_inside =
            is_word(part(from..at).chars().next_back()) || is_word(part(end..text.len()).chars().next());
        if secret.len() < SHORT && is_inside {
            continue;
        }
        out.push_str(part(from..at));
        out.push('…');
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Without the values of the parameter `name=`.
fn without_parameter(text: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.to_ascii_lowercase().find(name) {
        let (before, value) = rest.split_at(at + name.len());
        out.push_str(before);
        let end = value.find(|c: char| c.is_whitespace() || "&#'\"`<>()".contains(c)).unwrap_or(value.len());
        if end > 0 {
            out.push('…');
        }
        rest = value.get(end..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(all: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        for secret in all {
            secrets.add(secret);
        }
        secrets
    }

    #[test]
    fn a_secret_is_removed_as_it_is_and_as_a_url_has_it() {
        let secrets = secrets(&["s3cret/with +=", "s3cret/with"]);
        for text in ["s3cret/with +=", "S3CRET%2fwith+%2B%3D", "s3cret%2Fwith%20%2b%3d", "s3cret/with"] {
            assert_eq!(secrets.redact(&format!("no: {text}.")), "no: ….");
        }
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }

    #[test]
    fn a_short_secret_is_removed_only_where_it_is_a_word() {
        assert_eq!(secrets(&["ada"]).redact("ada: no madam ada"), "…: no madam …");
        assert_eq!(secrets(&["é"]).redact("é é, née"), "… …, née");
    }

    #[test]
    fn the_value_of_a_token_parameter_is_removed_whatever_it_is() {
        let text = "see /ws?a=1&Token=other&b=2 (access_token=x) token=";
        assert_eq!(Secrets::default().redact(text), "see /ws?a=1&Token=…&b=2 (access_token=…) token=");
    }
}
