//! A recording as WAV, for players that do not read Ogg Opus. How long it is is known before anything
//! is decoded, and any part of it can be had without what comes before it.

use bytes::Bytes;
use ropus::{Channels, DecodeMode, Decoder};

/// The longest packet there is, 120 ms of stereo at 8 kHz.
const PACKET_SAMPLES: usize = 2 * 960;
/// How many samples of Ogg Opus's clock, which is 48 kHz, one of ours is.
const RATIO: u64 = 6;
/// What a decoder needs to hear before what it gives is right: 80 ms (RFC 7845, 4.6).
const PRE_ROLL: u64 = 640;
/// The header of a WAV file, bytes.
const HEADER: u64 = 44;
/// Two sides of 16 bits.
const FRAME_BYTES: u64 = 4;
/// What is given at once where there is nothing to decode, bytes.
const PIECE_BYTES: u64 = 32_000;

/// A recording that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a whole stereo Opus stream")]
pub struct NotOpus;

/// A page of an Ogg file.
#[derive(Debug)]
struct OggPage {
    /// Where the lengths of its segments are, and where what they hold is.
    lacing: std::ops::Range<usize>,
    body: std::ops::Range<usize>,
    /// Our samples since the beginning, at its end.
    ends: u64,
    /// Whether it begins in the middle of a packet.
    is_continued: bool,
}

/// A recording that can be read as WAV.
#[derive(Debug)]
pub struct WavFile {
    ogg: Bytes,
    pages: Vec<OggPage>,
    /// Samples that a player leaves out at the beginning.
    skipped: u64,
    /// How many are to be heard.
    samples: u64,
}

impl WavFile {
    /// Of an Ogg Opus file of ours.
    ///
    /// # Errors
    /// [`NotOpus`].
    pub fn open(ogg: Bytes) -> Result<Self, NotOpus> {
        let mut pages = pages(&ogg).into_iter();
        let mut head = |magic: &[u8]| {
            let page = pages.next().ok_or(NotOpus)?;
            let body = &ogg[page.body];
            body.starts_with(magic).then_some(body).ok_or(NotOpus)
        };
        let is_stereo = |head: &[u8]| head.len() >= 19 && head[9] == 2;
        let opus = head(b"OpusHead").and_then(|head| match is_stereo(head) {
            true => Ok(u64::from(u16::from_le_bytes([head[10], head[11]]))),
            false => Err(NotOpus),
        })?;
        head(b"OpusTags")?;
        let pages: Vec<OggPage> = pages.collect();
        let skipped = opus / RATIO;
        let samples = pages.last().map_or(0, |page| page.ends.saturating_sub(skipped));
        // The sizes in the header have 32 bits.
        if samples * FRAME_BYTES > u64::from(u32::MAX) - HEADER {
            return Err(NotOpus);
        }
        Ok(Self { ogg, pages, skipped, samples })
    }

    /// How long the WAV file is, bytes.
    pub fn bytes(&self) -> u64 {
        HEADER + self.samples * FRAME_BYTES
    }

    /// Its bytes from `from` up to `until`.
    ///
    /// # Errors
    /// [`NotOpus`]: there is no decoder.
    pub fn part(self, from: u64, until: u64) -> Result<WavPart, NotOpus> {
        let decoder = Decoder::new(8_000, Channels::Stereo).map_err(|_| NotOpus)?;
        let until = until.min(self.bytes());
        let first = from.saturating_sub(HEADER) / FRAME_BYTES + self.skipped;
        let starts = |page: usize| page.checked_sub(1).map_or(0, |before| self.pages[before].ends);
        let is_usable =
            |page: &usize| !self.pages[*page].is_continued && starts(*page) + PRE_ROLL <= first;
        let page = (0..self.pages.len()).rev().find(is_usable).unwrap_or(0);
        let decoded = starts(page);
        Ok(WavPart { file: self, decoder, page, decoded, packet: Vec::new(), at: from, until })
    }

    fn header(&self) -> Vec<u8> {
        let data = u32::try_from(self.samples * FRAME_BYTES).unwrap_or(u32::MAX);
        let mut header = b"RIFF".to_vec();
        header.extend_from_slice(&data.saturating_add(36).to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&16_u32.to_le_bytes());
        // PCM, two sides.
        header.extend_from_slice(&[1, 0, 2, 0]);
        header.extend_from_slice(&8_000_u32.to_le_bytes());
        header.extend_from_slice(&32_000_u32.to_le_bytes());
        header.extend_from_slice(&[4, 0, 16, 0]);
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data.to_le_bytes());
        header
    }
}

/// All whole pages of a file.
fn pages(ogg: &[u8]) -> Vec<OggPage> {
    let mut found: Vec<OggPage> = Vec::new();
    let mut at = 0;
    while let Some(head) = ogg.get(at..at + 27).filter(|head| head.starts_with(b"OggS")) {
        let lacing = at + 27..at + 27 + usize::from(head[26]);
        let Some(lengths) = ogg.get(lacing.clone()) else { break };
        let length: usize = lengths.iter().copied().map(usize::from).sum();
        let body = lacing.end..lacing.end + length;
        if body.end > ogg.len() {
            break;
        }
        at = body.end;
        let before = found.last().map_or(0, |page| page.ends);
        let position: [u8; 8] = head[6..14].try_into().unwrap_or_default();
        // Where no packet ends on it, its position is -1.
        let ends = match u64::from_le_bytes(position) {
            u64::MAX => before,
            position => (position / RATIO).max(before),
        };
        found.push(OggPage { lacing, body, ends, is_continued: head[5] & 1 != 0 });
    }
    found
}

/// A part of a WAV file, made as it is read.
pub struct WavPart {
    file: WavFile,
    decoder: Decoder,
    /// The page that comes next, and which sample is its first.
    page: usize,
    decoded: u64,
    /// What there is of a packet that goes on on the next page.
    packet: Vec<u8>,
    /// Where in the WAV file we are, and where the part ends.
    at: u64,
    until: u64,
}

impl std::fmt::Debug for WavPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WavPart").field("at", &self.at).finish_non_exhaustive()
    }
}

impl WavPart {
    /// What comes next, about a second of it; none at the end. Decodes, which takes milliseconds.
    ///
    /// # Errors
    /// [`NotOpus`]: a packet cannot be decoded.
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, NotOpus> {
        if self.at >= self.until {
            return Ok(None);
        }
        if self.at < HEADER {
            let header = self.file.header();
            return Ok(Some(self.cut(header, 0)));
        }
        loop {
            let wanted = (self.at - HEADER) / FRAME_BYTES + self.file.skipped;
            if self.page == self.file.pages.len() {
                // It says that it is longer than it is.
                let rest = (self.until - self.at).min(PIECE_BYTES);
                let at = self.at;
                return Ok(Some(self.cut(vec![0; usize::try_from(rest).unwrap_or(0)], at)));
            }
            let first = self.decoded;
            let pairs = self.decode_page()?;
            let pairs_wanted = usize::try_from(wanted.saturating_sub(first)).unwrap_or(usize::MAX);
            let heard = pairs.get(pairs_wanted.saturating_mul(2)..).unwrap_or_default();
            if !heard.is_empty() {
                let bytes = heard.iter().flat_map(|sample| sample.to_le_bytes()).collect();
                let start = HEADER + (wanted - self.file.skipped) * FRAME_BYTES;
                return Ok(Some(self.cut(bytes, start)));
            }
        }
    }

    /// What is wanted of bytes that begin at `start`; we are behind them then.
    fn cut(&mut self, mut bytes: Vec<u8>, start: u64) -> Vec<u8> {
        let before = usize::try_from(self.at - start).unwrap_or(usize::MAX).min(bytes.len());
        bytes.drain(..before);
        bytes.truncate(usize::try_from(self.until - self.at).unwrap_or(usize::MAX));
        self.at += bytes.len() as u64;
        bytes
    }

    /// The samples of the next page, both sides in turn.
    fn decode_page(&mut self) -> Result<Vec<i16>, NotOpus> {
        let page = &self.file.pages[self.page];
        let (lacing, mut at) = (page.lacing.clone(), page.body.start);
        if !page.is_continued {
            self.packet.clear();
        }
        let (mut samples, mut buffer) = (Vec::new(), [0; PACKET_SAMPLES]);
        for place in lacing {
            let length = self.file.ogg[place];
            let end = at + usize::from(length);
            self.packet.extend_from_slice(&self.file.ogg[at..end]);
            at = end;
            // A packet ends with a segment that is not full.
            if length < u8::MAX {
                let count = self.decoder.decode(&self.packet, &mut buffer, DecodeMode::Normal);
                let count = count.map_err(|_| NotOpus)?;
                samples.extend_from_slice(&buffer[..2 * count]);
                self.packet.clear();
            }
        }
        self.page += 1;
        self.decoded += samples.len() as u64 / 2;
        Ok(samples)
    }
}

#[cfg(test)]
#[path = "wav_tests.rs"]
mod tests;
