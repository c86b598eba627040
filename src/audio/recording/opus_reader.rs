//! Reads an Ogg Opus recording back, as a player does: for tests, and not in the image.

use std::io::{Read, Seek};

use ogg::PacketReader;
use ropus::{Channels, DecodeMode, Decoder};

/// The longest packet there is, 120 ms of stereo at 8 kHz.
const PACKET_SAMPLES: usize = 2 * 960;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not Ogg.
    #[error("not Ogg: {0}")]
    Ogg(#[from] ogg::OggReadError),
    /// It is not stereo Opus, or breaks off.
    #[error("not a whole stereo Opus stream")]
    NotOpus,
}

/// A recording as samples at 8 kHz.
#[derive(Debug)]
pub struct Decoded {
    /// The caller's side, the left channel.
    pub left: Vec<i16>,
    /// The agent's side, the right channel.
    pub right: Vec<i16>,
    /// The comments in the file's header, as `NAME=value`.
    pub comments: Vec<String>,
}

/// Decodes a file.
pub fn read(file: impl Read + Seek) -> Result<Decoded, ReadError> {
    let mut packets = PacketReader::new(file);
    let head = packets.read_packet()?.ok_or(ReadError::NotOpus)?.data;
    let is_ours = head.len() >= 19 && head.starts_with(b"OpusHead") && head[9] == 2;
    if !is_ours {
        return Err(ReadError::NotOpus);
    }
    let pre_skip = u64::from(u16::from_le_bytes([head[10], head[11]]));
    let tags = packets.read_packet()?.ok_or(ReadError::NotOpus)?.data;
    let comments = comments(&tags).ok_or(ReadError::NotOpus)?;
    let mut decoder = Decoder::new(8_000, Channels::Stereo).map_err(|_| ReadError::NotOpus)?;
    let (mut samples, mut buffer) = (Vec::new(), [0; PACKET_SAMPLES]);
    let mut end = None;
    while let Some(packet) = packets.read_packet()? {
        let count = decoder.decode(&packet.data, &mut buffer, DecodeMode::Normal);
        let count = count.map_err(|_| ReadError::NotOpus)?;
        samples.extend_from_slice(&buffer[..2 * count]);
        if packet.last_in_stream() {
            end = Some(packet.absgp_page());
        }
    }
    let end = end.ok_or(ReadError::NotOpus)?;
    let sample = |at: u64| usize::try_from(at / 6).unwrap_or(usize::MAX);
    let heard = sample(pre_skip)..sample(end);
    let pairs = samples.chunks_exact(2).take(heard.end).skip(heard.start);
    let (left, right) = pairs.map(|pair| (pair[0], pair[1])).unzip();
    Ok(Decoded { left, right, comments })
}

fn comments(tags: &[u8]) -> Option<Vec<String>> {
    let rest = tags.strip_prefix(b"OpusTags")?;
    let (_vendor, mut rest) = text(rest)?;
    let (count, after) = rest.split_first_chunk::<4>()?;
    rest = after;
    let mut comments = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (comment, after) = text(rest)?;
        comments.push(comment);
        rest = after;
    }
    Some(comments)
}

fn text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((String::from_utf8_lossy(text).into_owned(), rest))
}
