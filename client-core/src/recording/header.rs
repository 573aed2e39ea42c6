//! The first line of a recording: what the session is made from.

use super::RecordingError;
#[cfg(feature = "native")]
use super::redactor::Redactor;
use crate::config::Config;
#[cfg(feature = "sse")]
use crate::link::EventStreams;
use crate::name::Name;
use crate::session::Session;
use crate::token::{Credentials, Token};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// The version of the format that this build writes and reads.
const FORMAT: u32 = 1;

/// That of the crate: the machine of another one may act otherwise.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// Of the format.
    rejoin_recording: u32,
    /// Of the crate that has written it.
    version: String,
    /// Whether the texts of messages are in it.
    pub(super) content: bool,
    seed: u64,
    config: Config,
    credentials: RecordedCredentials,
    /// Changes are tracked for a store.
    stored: bool,
    /// The room of custom frames.
    custom_frames: Name,
    event_streams: RecordedStreams,
}

/// Where tokens come from; a fixed one by what stands in for it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordedCredentials {
    Anonymous,
    Fixed(String),
    Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordedStreams {
    Auto,
    Never,
    Only,
}

#[cfg(feature = "sse")]
impl From<EventStreams> for RecordedStreams {
    fn from(streams: EventStreams) -> Self {
        match streams {
            EventStreams::Auto => Self::Auto,
            EventStreams::Never => Self::Never,
            EventStreams::Only => Self::Only,
        }
    }
}

/// What a recorded session is made from.
#[cfg(feature = "native")]
#[derive(Debug)]
pub(crate) struct RecordedSetup<'a> {
    pub(crate) config: &'a Config,
    pub(crate) seed: u64,
    pub(crate) stored: bool,
    pub(crate) custom_frames: Name,
    #[cfg(feature = "sse")]
    pub(crate) event_streams: EventStreams,
}

impl Header {
    #[cfg(feature = "native")]
    pub(super) fn new(setup: RecordedSetup<'_>, redactor: &Redactor) -> Self {
        let credentials = match &setup.config.link.credentials {
            Credentials::Anonymous => RecordedCredentials::Anonymous,
            Credentials::Fixed(token) => RecordedCredentials::Fixed(redactor.token(token)),
            Credentials::Source => RecordedCredentials::Source,
        };
        Self {
            rejoin_recording: FORMAT,
            version: VERSION.into(),
            content: redactor.keeps_content(),
            seed: setup.seed,
            config: setup.config.clone(),
            credentials,
            stored: setup.stored,
            custom_frames: setup.custom_frames,
            #[cfg(feature = "sse")]
            event_streams: setup.event_streams.into(),
            #[cfg(not(feature = "sse"))]
            event_streams: RecordedStreams::Never,
        }
    }

    pub(super) fn read(line: &str) -> Result<Self, RecordingError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Format {
            rejoin_recording: u32,
        }
        let format: Format = serde_json::from_str(line).map_err(|_| RecordingError::NoRecording)?;
        if format.rejoin_recording != FORMAT {
            return Err(RecordingError::Format(format.rejoin_recording));
        }
        let header: Self = serde_json::from_str(line).map_err(|error| RecordingError::line(1, &error))?;
        if cfg!(not(feature = "sse")) && header.event_streams != RecordedStreams::Never {
            return Err(RecordingError::NoEventStreams);
        }
        Ok(header)
    }

    /// The version of the crate, if it is another one than this.
    pub(super) fn other_version(&self) -> Option<&str> {
        (self.version != VERSION).then_some(&self.version)
    }

    /// The same session, before its first input.
    pub(super) fn session(self) -> Session {
        let mut config = self.config;
        config.link.credentials = match self.credentials {
            RecordedCredentials::Anonymous => Credentials::Anonymous,
            RecordedCredentials::Fixed(token) => Credentials::Fixed(Token::new(token)),
            RecordedCredentials::Source => Credentials::Source,
        };
        let mut session = Session::new(config, self.seed);
        session.custom_frames(self.custom_frames);
        #[cfg(feature = "sse")]
        session.event_streams(match self.event_streams {
            RecordedStreams::Auto => EventStreams::Auto,
            RecordedStreams::Never => EventStreams::Never,
            RecordedStreams::Only => EventStreams::Only,
        });
        if self.stored {
            session.track_changes();
        }
        session
    }
}
