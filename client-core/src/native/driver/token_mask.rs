//! Removes the tokens of a client from what a server says: it may repeat them in the reason of a close, in an error or in a
//! refusal. Messages of rooms are left as they are.

use crate::event::{Event, RoomChange};
use crate::malformed_frames::beginning;
use crate::native::connect::Secrets;
use crate::token::Token;

/// A shorter token may be an ordinary word, such as the name of a user on a server for trying.
const MIN_LEN: usize = 8;

/// The tokens that were shown last.
#[derive(Debug, Default)]
pub(crate) struct TokenMask {
    /// An old connection may still be about the one before the newest.
    tokens: [Option<Token>; 2],
    secrets: Secrets,
}

impl TokenMask {
    /// Remembers a token that is about to be shown to a server.
    pub(super) fn note(&mut self, token: &Token) {
        let [newest, _] = &self.tokens;
        if token.expose().len() < MIN_LEN || newest.as_ref() == Some(token) {
            return;
        }
        let [newest, _] = std::mem::take(&mut self.tokens);
        self.tokens = [Some(token.clone()), newest];
        self.secrets = Secrets::default();
        for token in self.tokens.iter().flatten() {
            self.secrets.add(token.expose());
        }
    }

    /// The event with `…` in the place of each token in the server's own words.
    pub(super) fn mask(&self, event: Event) -> Event {
        match self.without_tokens(event) {
            // Cut last, so that no part of a token stays.
            Event::Malformed { error, count, raw } => Event::Malformed { error, count, raw: beginning(&raw) },
            event => event,
        }
    }

    fn without_tokens(&self, event: Event) -> Event {
        let [Some(_), _] = &self.tokens else { return event };
        match event {
            Event::State(mut change) => {
                if let Some(cause) = &mut change.cause {
                    cause.text = self.secrets.redact(&cause.text).into();
                    cause.data = cause.data.take().map(|data| self.secrets.redact(&data).into());
                }
                Event::State(change)
            }
            Event::ServerError { message, code, server_code } => {
                Event::ServerError { message: self.secrets.redact(&message), code, server_code }
            }
            Event::Room(change) => {
                let message = change.message.as_deref().map(|message| self.secrets.redact(message));
                Event::Room(RoomChange { message, ..change })
            }
            Event::Malformed { error, count, raw } => Event::Malformed {
                error: self.secrets.redact(&error).into(),
                count,
                raw: self.secrets.redact(&raw).into(),
            },
            event => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::{Cause, CauseCode};
    use crate::link::{State, StateChange};

    fn masked(mask: &TokenMask, text: &str) -> String {
        let cause = Some(Cause::new(CauseCode::Closed(4001), text));
        match mask.mask(Event::State(StateChange { state: State::Failed, cause })) {
            Event::State(change) => change.cause.unwrap().text.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_newest_token_and_the_one_before_it_are_masked_and_short_ones_are_words() {
        let mut mask = TokenMask::default();
        assert_eq!(masked(&mask, "bad token s3cret-one"), "bad token s3cret-one");
        for token in ["s3cret-one", "s3cret-two", "s3cret-two", "s3cret-three", "ada"] {
            mask.note(&Token::new(token));
        }
        let told = masked(&mask, "s3cret-one s3cret-two s3cret-three ada");
        assert_eq!(told, "s3cret-one … … ada");
    }

    #[test]
    fn no_part_of_a_token_is_in_the_beginning_of_what_cannot_be_read() {
        let mut mask = TokenMask::default();
        mask.note(&Token::new("a-long-secret"));
        let raw = format!("{}a-long-secret and more", "ü".repeat(195));
        let event = Event::Malformed { error: "x".into(), count: 1, raw: raw.into() };
        let Event::Malformed { raw, .. } = mask.mask(event) else { panic!() };
        assert_eq!(*raw, format!("{}… and", "ü".repeat(195)));
    }
}
