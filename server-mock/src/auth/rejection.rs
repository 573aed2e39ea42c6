//! The rule that a rejected token breaks, in words for the server's log. The client does not learn it. Never holds a part
//! of a token.

use crate::counters::kinds;

kinds! {
    /// The rule that a token breaks.
    pub(crate) enum TokenRejection {
        /// The table, the endpoint or the function does not know it.
        Unknown = "unknown",
        /// With `--auth open`: it is no user's name.
        Name = "name",
        /// It has more bytes than any token.
        TooLong = "too_long",
        /// It is no JSON Web Token.
        Form = "form",
        /// There is no key for its algorithm.
        Algorithm = "alg",
        /// It names a key that is not there.
        Key = "kid",
        /// No key verifies its signature.
        Signature = "signature",
        /// It is of another issuer.
        Issuer = "iss",
        /// It is for somebody else.
        Audience = "aud",
        /// Its time is over.
        Expired = "exp",
        /// Its time has not come yet.
        NotYet = "nbf",
        /// It lacks a claim that the rules want.
        Missing = "missing_claim",
        /// The claim that has the user has no user's name.
        User = "user_claim",
        /// Its `rooms` cannot be read.
        Rooms = "rooms_claim",
        /// It was taken back.
        Revoked = "revoked",
        /// A ticket that lets nobody in any more.
        Ticket = "ticket",
    }
}

impl TokenRejection {
    /// What the log says of it.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Unknown => "nobody has this token",
            Self::Name => {
                "with --auth open the token is the user's name, of 1-128 characters, none of them invisible"
            }
            Self::TooLong => "the token has more than 16 KiB",
            Self::Form => "it is no JSON Web Token: three parts in base64url, divided by dots",
            Self::Algorithm => "alg: there is no key for the algorithm that the token is signed with",
            Self::Key => "kid: the token names a key that is not in the file of keys",
            Self::Signature => "signature: no key in the file has made it, or the token was changed",
            Self::Issuer => "iss: the token's issuer is none of --jwt-issuer",
            Self::Audience => {
                "aud: the token is for none of --jwt-audience, or for somebody although there is none"
            }
            Self::Expired => "exp: the token has expired",
            Self::NotYet => "nbf: the token is not good yet; the clocks may differ by more than --jwt-leeway",
            Self::Missing => {
                "the token lacks a claim, or has it in another form: exp always, iss and aud if they are asked for"
            }
            Self::User => {
                "the claim that has the user (--jwt-user-claim) is missing, or is no name of 1-128 characters"
            }
            Self::Rooms => "rooms: the claim is neither a map of lists of actions nor a list",
            Self::Revoked => "the token was revoked (POST /revocations)",
            Self::Ticket => "the ticket was used, is older than 30 s, or was never given",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_place_a_name_and_words_of_its_own() {
        for (index, rejection) in TokenRejection::ALL.iter().enumerate() {
            assert_eq!(*rejection as usize, index);
            let others = &TokenRejection::ALL[..index];
            assert!(!others.iter().any(|other| other.as_str() == rejection.as_str()));
            assert!(!others.iter().any(|other| other.words() == rejection.words()));
        }
    }
}
