//! Binary attachments on their way: a packet whose JSON has holes, and then the frames that fill them.

use super::PacketError;
use super::packet::MOST_ATTACHMENTS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Most bytes of all attachments of one packet.
const MOST_BYTES: usize = 16 << 20;

/// A packet with its attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The packet's text.
    pub text: Box<str>,
    /// In the order of their numbers.
    pub attachments: Vec<Box<[u8]>>,
}

/// Waits for the attachments of one packet at a time: on a connection nothing comes in between.
#[derive(Debug, Default)]
pub struct Attachments {
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    whole: Whole,
    wanted: usize,
    bytes: usize,
}

impl Attachments {
    /// A packet whose attachments follow, `wanted` of them and at least one.
    ///
    /// # Errors
    /// When those of another are still missing, or it wants more than are taken. The connection is out of step then.
    pub fn expect(&mut self, text: &str, wanted: u8) -> Result<(), PacketError> {
        self.check_complete()?;
        if wanted > MOST_ATTACHMENTS {
            return Err(PacketError::TooManyAttachments);
        }
        let whole = Whole { text: text.into(), attachments: Vec::with_capacity(wanted.into()) };
        self.waiting = Some(Waiting { whole, wanted: wanted.into(), bytes: 0 });
        Ok(())
    }

    /// Nothing is missing, so that another packet may come.
    ///
    /// # Errors
    /// When something is. The connection is out of step then.
    pub fn check_complete(&mut self) -> Result<(), PacketError> {
        if self.waiting.take().is_some() { Err(PacketError::AttachmentMissing) } else { Ok(()) }
    }

    /// A binary frame. Gives the packet with its last attachment.
    ///
    /// # Errors
    /// When none is waited for, or they grow too large. The connection is out of step then.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Option<Whole>, PacketError> {
        let waiting = self.waiting.as_mut().ok_or(PacketError::UnexpectedAttachment)?;
        waiting.bytes = waiting.bytes.saturating_add(bytes.len());
        if waiting.bytes > MOST_BYTES {
            self.waiting = None;
            return Err(PacketError::AttachmentsTooLarge);
        }
        waiting.whole.attachments.push(bytes.into());
        if waiting.whole.attachments.len() < waiting.wanted {
            return Ok(None);
        }
        Ok(self.waiting.take().map(|waiting| waiting.whole))
    }
}
