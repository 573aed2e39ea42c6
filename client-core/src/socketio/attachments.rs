//! Assembles packets with binary attachments: the JSON with placeholders, and the binary frames that follow it.

use super::PacketError;
use super::packet::MAX_ATTACHMENTS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Maximum attachments that are skipped with a packet that has more than are taken. One that announces still more puts the
/// connection out of step.
#[cfg(feature = "json")]
pub(super) const MAX_SKIPPED: usize = 1_000;
/// Maximum bytes of all attachments of one packet.
const MAX_BYTES: usize = 16 << 20;

/// A packet with its attachments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assembled {
    /// The packet's text.
    pub text: Box<str>,
    /// In the order of their numbers.
    pub attachments: Vec<Box<[u8]>>,
}

/// Waits for the attachments of one packet at a time: on a connection nothing comes in between.
#[derive(Debug, Default)]
pub struct Attachments {
    partial: Option<Partial>,
    /// So many frames belong to a packet that is left out.
    skipping: usize,
}

#[derive(Debug)]
struct Partial {
    whole: Assembled,
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
        if wanted > MAX_ATTACHMENTS {
            return Err(PacketError::TooManyAttachments);
        }
        let whole = Assembled { text: text.into(), attachments: Vec::with_capacity(wanted.into()) };
        self.partial = Some(Partial { whole, wanted: wanted.into(), bytes: 0 });
        Ok(())
    }

    /// A packet is left out: the `count` attachments that follow it are skipped.
    #[cfg(feature = "json")]
    pub(super) fn skip(&mut self, count: usize) {
        self.skipping = count;
    }

    /// Nothing is missing, so that another packet may come.
    ///
    /// # Errors
    /// When something is. The connection is out of step then.
    pub fn check_complete(&mut self) -> Result<(), PacketError> {
        let is_skipping = core::mem::take(&mut self.skipping) > 0;
        if self.partial.take().is_some() || is_skipping {
            return Err(PacketError::AttachmentMissing);
        }
        Ok(())
    }

    /// A binary frame. Returns the packet with its last attachment.
    ///
    /// # Errors
    /// When none is waited for: the connection is out of step then. When they grow too large: the packet is left out, and
    /// the rest of them is skipped.
    pub fn add(&mut self, bytes: &[u8]) -> Result<Option<Assembled>, PacketError> {
        if let Some(left) = self.skipping.checked_sub(1) {
            self.skipping = left;
            return Ok(None);
        }
        let waiting = self.partial.as_mut().ok_or(PacketError::UnexpectedAttachment)?;
        waiting.bytes = waiting.bytes.saturating_add(bytes.len());
        if waiting.bytes > MAX_BYTES {
            self.skipping = waiting.wanted - waiting.whole.attachments.len() - 1;
            self.partial = None;
            return Err(PacketError::AttachmentsTooLarge);
        }
        waiting.whole.attachments.push(bytes.into());
        if waiting.whole.attachments.len() < waiting.wanted {
            return Ok(None);
        }
        Ok(self.partial.take().map(|waiting| waiting.whole))
    }
}
