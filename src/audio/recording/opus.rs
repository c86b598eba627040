//! Ogg Opus (RFC 7845): what browsers play.

use std::io::{self, Write};

use ogg::{PacketWriteEndInfo, PacketWriter};
use ropus::{Application, Bitrate, Channels, Encoder, Signal};

use super::mixer::{FRAME, StereoFrame};

/// Bits a second for both sides together; a channel that is silent takes nearly none of it.
const BITRATE: u32 = 32_000;
/// How hard the encoder tries, 0 to 10: telephone speech gains nothing above.
const COMPLEXITY: u8 = 5;
/// The largest packet: RFC 6716's limit for 20 ms.
const PACKET_MAX: usize = 1_275;
/// Samples of a packet on the clock of Ogg Opus, which is 48 kHz whatever the input is.
const PACKET: u64 = 960;
/// How many of its samples one of ours is.
const RATIO: u64 = 6;
/// Packets of a page: a second.
const PAGE_PACKETS: u64 = 50;
/// What made the file.
const VENDOR: &str = "Frontdesk";

/// Why a recording cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The Opus encoder refused the samples.
    #[error("the Opus encoder refused")]
    Opus,
    /// The file could not be written.
    #[error("the file cannot be written: {}", .0.kind())]
    Io(#[from] io::Error),
}

/// Writes stereo frames to a file.
pub struct OggOpusWriter<W: Write> {
    encoder: Encoder,
    pages: PacketWriter<'static, W>,
    serial: u32,
    pre_skip: u64,
    /// How many were encoded.
    packets: u64,
    /// The last one. A packet is written when it is known whether another one follows.
    last: Option<Vec<u8>>,
}

impl<W: Write> std::fmt::Debug for OggOpusWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OggOpusWriter").field("packets", &self.packets).finish_non_exhaustive()
    }
}

impl<W: Write> OggOpusWriter<W> {
    /// Begins a file. `serial` tells its stream from others; `comments` are written into it, each
    /// `NAME=value`.
    pub fn new(file: W, serial: u32, comments: &[String]) -> Result<Self, EncodeError> {
        let encoder = Encoder::builder(8_000, Channels::Stereo, Application::Audio)
            .bitrate(Bitrate::Bits(BITRATE))
            .complexity(COMPLEXITY)
            .signal(Signal::Voice)
            .build()
            .map_err(|_| EncodeError::Opus)?;
        // In samples of the input.
        let pre_skip = u64::from(encoder.lookahead()) * RATIO;
        let mut pages = PacketWriter::new(file);
        pages.write_packet(head(pre_skip), serial, PacketWriteEndInfo::EndPage, 0)?;
        pages.write_packet(tags(comments), serial, PacketWriteEndInfo::EndPage, 0)?;
        Ok(Self { encoder, pages, serial, pre_skip, packets: 0, last: None })
    }

    /// Adds 20 ms.
    pub fn write(&mut self, frame: &StereoFrame) -> Result<(), EncodeError> {
        let mut packet = vec![0; PACKET_MAX];
        let length = self.encoder.encode(frame, &mut packet).map_err(|_| EncodeError::Opus)?;
        packet.truncate(length);
        if let Some(before) = self.last.replace(packet) {
            let end = match self.packets.is_multiple_of(PAGE_PACKETS) {
                true => PacketWriteEndInfo::EndPage,
                false => PacketWriteEndInfo::NormalPacket,
            };
            self.pages.write_packet(before, self.serial, end, self.packets * PACKET)?;
        }
        self.packets += 1;
        Ok(())
    }

    /// Ends the file, of which the first `samples` are to be heard. Gives what it was written to.
    pub fn finish(mut self, samples: u64) -> Result<W, EncodeError> {
        // A decoder gives the audio later, by the samples that it skips at the start.
        let end = samples * RATIO + self.pre_skip;
        while self.packets * PACKET < end {
            self.write(&[0; 2 * FRAME])?;
        }
        let last = self.last.take().unwrap_or_default();
        self.pages.write_packet(last, self.serial, PacketWriteEndInfo::EndStream, end)?;
        let mut file = self.pages.into_inner();
        file.flush()?;
        Ok(file)
    }
}

/// The identification header, RFC 7845 5.1.
fn head(pre_skip: u64) -> Vec<u8> {
    let mut head = b"OpusHead".to_vec();
    head.extend_from_slice(&[1, 2]);
    head.extend_from_slice(&u16::try_from(pre_skip).unwrap_or(u16::MAX).to_le_bytes());
    head.extend_from_slice(&8_000_u32.to_le_bytes());
    // No gain, and the mapping of plain stereo.
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// The comment header, RFC 7845 5.2.
fn tags(comments: &[String]) -> Vec<u8> {
    let mut tags = b"OpusTags".to_vec();
    let mut text = |text: &str| {
        tags.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        tags.extend_from_slice(text.as_bytes());
    };
    text(VENDOR);
    let mut list = u32::try_from(comments.len()).unwrap_or(0).to_le_bytes().to_vec();
    for comment in comments {
        list.extend_from_slice(&u32::try_from(comment.len()).unwrap_or(0).to_le_bytes());
        list.extend_from_slice(comment.as_bytes());
    }
    tags.extend_from_slice(&list);
    tags
}

#[cfg(test)]
#[path = "opus_tests.rs"]
mod tests;
