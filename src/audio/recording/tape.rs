//! A call's tape: what happened on its media streams, in the order in which it happened.
//!
//! It is written while the call goes on and read when that is over, perhaps by another process and
//! after a crash, so a tape may end in the middle of a record. Payloads stay in base64, as they came
//! from one wire and went to the other: nothing on the audio path decodes them.
//!
//! A tape begins with its [`Label`]. Each record is a kind (one byte), a time (8 bytes), the length
//! of what belongs to it (4 bytes), and that; all numbers have their lowest byte first.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use crate::call::{Mark, ReplyId};

/// The first bytes of a tape; the digit is the format's.
const MAGIC: &[u8; 8] = b"FDTAPE1\n";
/// Bytes of a record before what belongs to it.
const HEAD: usize = 13;
/// The longest record: a media message is at most 64 KiB.
const BODY_MAX: usize = 64 * 1024;

/// Says whose tape it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// The agent's `voice_agents.id`.
    pub agent_id: Uuid,
    /// `call_logs.id`.
    pub call_log_id: Uuid,
    /// A random name, so that nobody can guess where the recording will be.
    pub secret: Uuid,
}

impl Label {
    /// Bytes of a label.
    pub const LENGTH: usize = MAGIC.len() + 3 * 16;

    /// The label as it stands at the beginning of a tape.
    pub fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(self.agent_id.as_bytes());
        bytes[24..40].copy_from_slice(self.call_log_id.as_bytes());
        bytes[40..].copy_from_slice(self.secret.as_bytes());
        bytes
    }

    fn read(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let id = |at: usize| Uuid::from_slice(&bytes[at..at + 16]).ok();
        (bytes[..8] == *MAGIC)
            .then(|| Some(Self { agent_id: id(8)?, call_log_id: id(24)?, secret: id(40)? }))?
    }
}

/// One thing that happened on a media stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded<'a> {
    /// The stream began: its time stamps count from here.
    Started,
    /// The caller's audio, μ-law; none if it could not be read.
    Caller {
        /// Twilio's time stamp, milliseconds since the stream began, if it gave one.
        timestamp_ms: Option<u32>,
        /// μ-law samples at 8 kHz.
        audio: &'a [u8],
    },
    /// Audio that was sent to be played, μ-law.
    Agent {
        /// μ-law samples at 8 kHz.
        audio: &'a [u8],
    },
    /// A mark was sent behind the audio so far.
    MarkPlaced(Mark),
    /// Twilio sent the mark back.
    MarkReturned(Mark),
    /// What had not been played was thrown away.
    Cleared,
    /// The media stream ended.
    Ended,
}

const STARTED: u8 = 1;
const CALLER: u8 = 2;
const AGENT: u8 = 3;
const MARK_PLACED: u8 = 4;
const MARK_RETURNED: u8 = 5;
const CLEARED: u8 = 6;
const ENDED: u8 = 7;

/// Stands for a time stamp that was not there.
const NO_TIMESTAMP: u32 = u32::MAX;

/// Writes records to the end of a buffer. Times are microseconds since the call was answered.
#[derive(Debug)]
pub struct TapeWriter<'a>(pub &'a mut Vec<u8>);

impl TapeWriter<'_> {
    /// Writes down that the media stream began.
    pub fn started(&mut self, at_us: u64) {
        self.put(STARTED, at_us, &[]);
    }

    /// The caller's audio in base64, with Twilio's time stamp.
    pub fn caller(&mut self, at_us: u64, timestamp_ms: Option<u64>, payload: &str) {
        let stamp = timestamp_ms.and_then(|ms| u32::try_from(ms).ok()).unwrap_or(NO_TIMESTAMP);
        self.put(CALLER, at_us, &[&stamp.to_le_bytes(), payload.as_bytes()]);
    }

    /// Audio that is sent, in base64.
    pub fn agent(&mut self, at_us: u64, payload: &str) {
        self.put(AGENT, at_us, &[payload.as_bytes()]);
    }

    /// A mark is sent.
    pub fn mark_placed(&mut self, at_us: u64, mark: Mark) {
        self.mark(MARK_PLACED, at_us, mark);
    }

    /// A mark came back.
    pub fn mark_returned(&mut self, at_us: u64, mark: Mark) {
        self.mark(MARK_RETURNED, at_us, mark);
    }

    /// What has not been played is thrown away.
    pub fn cleared(&mut self, at_us: u64) {
        self.put(CLEARED, at_us, &[]);
    }

    /// Writes down that the media stream ended.
    pub fn ended(&mut self, at_us: u64) {
        self.put(ENDED, at_us, &[]);
    }

    fn mark(&mut self, kind: u8, at_us: u64, mark: Mark) {
        let (generation, reply) = (mark.generation.to_le_bytes(), mark.reply.0.to_le_bytes());
        self.put(kind, at_us, &[&generation, &reply, &mark.ms.to_le_bytes()]);
    }

    fn put(&mut self, kind: u8, at_us: u64, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        // A message that long is refused before it comes here.
        let Some(length) = u32::try_from(length).ok().filter(|_| length <= BODY_MAX) else {
            return;
        };
        self.0.push(kind);
        self.0.extend_from_slice(&at_us.to_le_bytes());
        self.0.extend_from_slice(&length.to_le_bytes());
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
    }
}

/// Reads a tape to where it ends or breaks off.
#[derive(Debug)]
pub struct TapeReader<R> {
    source: R,
    /// Whose tape it is.
    pub label: Label,
    /// Bytes of whole records so far, the label included.
    pub whole_bytes: u64,
    body: Vec<u8>,
    audio: Vec<u8>,
}

impl<R: Read> TapeReader<R> {
    /// Begins with the label. `None`: it is no tape.
    ///
    /// # Errors
    /// The source's, except that it is too short.
    pub fn new(mut source: R) -> io::Result<Option<Self>> {
        let mut bytes = [0; Label::LENGTH];
        if !read_whole(&mut source, &mut bytes)? {
            return Ok(None);
        }
        Ok(Label::read(&bytes).map(|label| Self {
            source,
            label,
            whole_bytes: Label::LENGTH as u64,
            body: Vec::new(),
            audio: Vec::new(),
        }))
    }

    /// The next record and its time. `None`: the tape ends here, or is broken from here on.
    ///
    /// # Errors
    /// The source's, except that it ends.
    pub fn next_record(&mut self) -> io::Result<Option<(u64, Recorded<'_>)>> {
        let Some((kind, at_us)) = self.read()? else { return Ok(None) };
        Ok(self.decode(kind).map(|recorded| (at_us, recorded)))
    }

    /// Reads to where the tape ends or breaks off. Gives `whole_bytes`.
    ///
    /// # Errors
    /// The source's, except that it ends.
    pub fn skip_to_end(&mut self) -> io::Result<u64> {
        while self.read()?.is_some() {}
        Ok(self.whole_bytes)
    }

    /// The next record's kind and time; what belongs to it is in `body`.
    fn read(&mut self) -> io::Result<Option<(u8, u64)>> {
        let mut head = [0; HEAD];
        if !read_whole(&mut self.source, &mut head)? {
            return Ok(None);
        }
        let [kind, rest @ ..] = head;
        let (at_us, length) = rest.split_at(8);
        let at_us = u64::from_le_bytes(at_us.try_into().expect("it was split there"));
        let length = u32::from_le_bytes(length.try_into().expect("the rest has 4 bytes"));
        let length = length as usize;
        if !(STARTED..=ENDED).contains(&kind) || length > BODY_MAX {
            return Ok(None);
        }
        self.body.resize(length, 0);
        if !read_whole(&mut self.source, &mut self.body)? {
            return Ok(None);
        }
        self.whole_bytes += (HEAD + length) as u64;
        Ok(Some((kind, at_us)))
    }

    fn decode(&mut self, kind: u8) -> Option<Recorded<'_>> {
        Some(match kind {
            STARTED => Recorded::Started,
            CALLER => {
                let (stamp, payload) = self.body.split_first_chunk::<4>()?;
                let stamp = u32::from_le_bytes(*stamp);
                let timestamp_ms = (stamp != NO_TIMESTAMP).then_some(stamp);
                Recorded::Caller { timestamp_ms, audio: unpacked(&mut self.audio, payload) }
            }
            AGENT => Recorded::Agent { audio: unpacked(&mut self.audio, &self.body) },
            MARK_PLACED => Recorded::MarkPlaced(mark(&self.body)?),
            MARK_RETURNED => Recorded::MarkReturned(mark(&self.body)?),
            CLEARED => Recorded::Cleared,
            ENDED => Recorded::Ended,
            _ => return None,
        })
    }
}

fn unpacked<'a>(audio: &'a mut Vec<u8>, payload: &[u8]) -> &'a [u8] {
    audio.clear();
    if STANDARD.decode_vec(payload, audio).is_err() {
        audio.clear();
    }
    audio
}

fn mark(body: &[u8]) -> Option<Mark> {
    let (generation, rest) = body.split_first_chunk::<4>()?;
    let (reply, rest) = rest.split_first_chunk::<4>()?;
    Some(Mark {
        generation: u32::from_le_bytes(*generation),
        reply: ReplyId(u32::from_le_bytes(*reply)),
        ms: u64::from_le_bytes(rest.try_into().ok()?),
    })
}

/// Fills `bytes`; `false` if the source ends before.
fn read_whole(source: &mut impl Read, bytes: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(bytes) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        agent_id: Uuid::from_u128(1),
        call_log_id: Uuid::from_u128(2),
        secret: Uuid::from_u128(3),
    };

    const MARK: Mark = Mark { generation: 2, reply: ReplyId(7), ms: 1_300 };

    fn tape() -> Vec<u8> {
        let mut bytes = LABEL.to_bytes().to_vec();
        let mut writer = TapeWriter(&mut bytes);
        writer.started(1);
        writer.caller(2, Some(20), "AQID");
        writer.caller(3, None, "not base64!");
        writer.agent(4, "BAUG");
        writer.mark_placed(5, MARK);
        writer.mark_returned(6, MARK);
        writer.cleared(7);
        writer.ended(8);
        bytes
    }

    #[test]
    fn what_was_recorded_is_read() {
        let bytes = tape();
        let mut reader = TapeReader::new(&bytes[..]).unwrap().unwrap();
        assert_eq!(reader.label, LABEL);
        for expected in [
            (1, Recorded::Started),
            (2, Recorded::Caller { timestamp_ms: Some(20), audio: &[1, 2, 3] }),
            (3, Recorded::Caller { timestamp_ms: None, audio: &[] }),
            (4, Recorded::Agent { audio: &[4, 5, 6] }),
            (5, Recorded::MarkPlaced(MARK)),
            (6, Recorded::MarkReturned(MARK)),
            (7, Recorded::Cleared),
            (8, Recorded::Ended),
        ] {
            assert_eq!(reader.next_record().unwrap(), Some(expected));
        }
        assert_eq!(reader.next_record().unwrap(), None);
        assert_eq!(reader.whole_bytes, bytes.len() as u64);
    }

    #[test]
    fn a_tape_that_breaks_off_anywhere_ends_with_its_last_whole_record() {
        let bytes = tape();
        let mut last = 0;
        for length in 0..bytes.len() {
            let Some(mut reader) = TapeReader::new(&bytes[..length]).unwrap() else {
                assert!(length < Label::LENGTH);
                continue;
            };
            let whole = reader.skip_to_end().unwrap();
            assert!(whole <= length as u64 && whole >= last, "{whole} of {length}");
            last = whole;
        }
    }

    #[test]
    fn what_is_no_tape_is_not_read_as_one() {
        assert!(TapeReader::new(&[0; 100][..]).unwrap().is_none());
        let mut broken = tape();
        broken[Label::LENGTH] = 99;
        let mut reader = TapeReader::new(&broken[..]).unwrap().unwrap();
        assert_eq!(reader.next_record().unwrap(), None);
    }
}
