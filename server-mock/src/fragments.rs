//! Counts the frames of each WebSocket message while its bytes arrive, and refuses too many. The WebSocket library reports
//! a message only when its last frame has arrived, and as one, however many frames it had.

use std::io;

/// Most frames of one message.
const MOST: u32 = 1_024;

/// A message has more frames than one may have.
#[derive(Debug, thiserror::Error)]
#[error("a message has more than 1024 frames")]
pub(crate) struct TooManyFragments;

impl From<TooManyFragments> for io::Error {
    fn from(error: TooManyFragments) -> Self {
        Self::other(error)
    }
}

/// Where in the stream of frames the bytes are (RFC 6455 5.2).
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    /// Of the message that is coming.
    count: u32,
    /// Those that continue a message, since they were last asked for.
    continuations: u32,
    at: At,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// The first byte of a header: FIN and the opcode.
    #[default]
    Start,
    /// The mask bit and the length, or how long that is.
    Length,
    /// More bytes of the length: so many to come, behind them a mask or not.
    MoreLength { left: u8, length: u64, masked: bool },
    /// The rest of the frame: so many bytes of mask and payload.
    Rest(u64),
}

impl Fragments {
    /// Looks at bytes as they come.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) -> Result<(), TooManyFragments> {
        while let Some((&byte, behind)) = bytes.split_first() {
            bytes = behind;
            self.at = match self.at {
                At::Start => {
                    self.begin(byte)?;
                    At::Length
                }
                At::Length => {
                    let masked = byte & 0x80 != 0;
                    match byte & 0x7f {
                        126 => At::MoreLength { left: 2, length: 0, masked },
                        127 => At::MoreLength { left: 8, length: 0, masked },
                        length => rest(u64::from(length), masked),
                    }
                }
                At::MoreLength { left, length, masked } => {
                    let length = length << 8 | u64::from(byte);
                    if left > 1 {
                        At::MoreLength { left: left - 1, length, masked }
                    } else {
                        rest(length, masked)
                    }
                }
                At::Rest(left) => {
                    let skipped = usize::try_from(left - 1).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = bytes.get(skipped..).unwrap_or_default();
                    let left = left - 1 - skipped as u64;
                    if left == 0 { At::Start } else { At::Rest(left) }
                }
            };
        }
        Ok(())
    }

    /// How many frames have come since the last call that continue a message: nobody else hears of them one by one.
    pub(crate) fn take_continuations(&mut self) -> u32 {
        std::mem::take(&mut self.continuations)
    }

    fn begin(&mut self, byte: u8) -> Result<(), TooManyFragments> {
        // Control frames come between those of a message and are none of them.
        if byte & 0x08 != 0 {
            return Ok(());
        }
        self.count += 1;
        self.continuations += u32::from(self.count > 1);
        if self.count > MOST {
            return Err(TooManyFragments);
        }
        if byte & 0x80 != 0 {
            self.count = 0;
        }
        Ok(())
    }
}

fn rest(length: u64, masked: bool) -> At {
    match length.saturating_add(if masked { 4 } else { 0 }) {
        0 => At::Start,
        left => At::Rest(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
            126..=0xffff => {
                frame.push(0xfe);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(0xff);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        // Mask and payload look like frames of their own.
        frame.extend(vec![0x01; length + 4]);
        frame
    }

    /// How many frames pass, when the bytes come in parts of this size.
    fn passes(frames: &[Vec<u8>], part: usize) -> bool {
        let mut fragments = Fragments::default();
        frames.concat().chunks(part).all(|bytes| fragments.pass(bytes).is_ok())
    }

    #[test]
    fn as_many_frames_as_may_be_pass_for_each_message_and_one_more_does_not() {
        for length in [0, 1, 125, 126, 300] {
            let message = |count: usize| {
                let mut frames = vec![frame(0x01, length)];
                frames.resize(count - 1, frame(0x00, length));
                frames.push(frame(0x80, length));
                frames
            };
            for part in [1, 7, 4_096] {
                assert!(passes(&[message(1_024), message(1_024)].concat(), part), "{length} {part}");
                assert!(!passes(&message(1_025), part), "{length} {part}");
            }
        }
    }

    #[test]
    fn whole_messages_and_control_frames_are_no_fragments() {
        let (text, ping, large) = (frame(0x81, 3), frame(0x89, 0), frame(0x82, 70_000));
        assert!(passes(&[vec![text; 3_000], vec![ping.clone(); 3_000], vec![large; 3]].concat(), 1_000));
        let mut between = vec![frame(0x01, 1)];
        between.extend(vec![ping; 3_000]);
        between.extend(vec![frame(0x00, 1); 1_023]);
        assert!(passes(&between, 1_000));
        between.push(frame(0x00, 1));
        assert!(!passes(&between, 1_000));
    }
}
