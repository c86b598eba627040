//! From a tape to a file: mixing and encoding, a piece at a time, so that calls come first.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::PathBuf;

use crate::audio::recording::opus::{EncodeError, OggOpusWriter};
use crate::audio::recording::tape::{Label, Recorded, TapeReader};
use crate::audio::recording::{FRAME, Mixer};
use crate::clock::{self, Stopwatch};

/// Frames that are encoded in one go: ten seconds of a call, a tenth of a second of one core.
const PIECE_FRAMES: usize = 500;

/// A recording in a file of its own.
#[derive(Debug)]
pub(super) struct Made {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What it is to be called in the object store.
    pub(super) name: String,
    /// How long it is.
    pub(super) ms: u64,
    /// Whether it was recorded to its end.
    pub(super) complete: bool,
}

/// Makes a recording of a tape, beside other work unless `is_hurried`. Gives the tape back, and
/// nothing else if there is nothing on it.
pub(super) async fn make(
    tape: File,
    path: PathBuf,
    is_hurried: bool,
) -> Result<(File, Option<Made>), EncodeError> {
    let kept = tape.try_clone()?;
    let mut step = beside(move || Work::begin(tape, path)).await?;
    loop {
        let mut work = match step {
            Step::More(work) => work,
            Step::Done(made) => return Ok((kept, made)),
        };
        let watch = Stopwatch::start();
        step = beside(move || match work.piece()? {
            true => Ok(Step::More(work)),
            false => work.finish().map(Step::Done),
        })
        .await?;
        if !is_hurried {
            // Half a core at the most.
            clock::pause(watch.elapsed()).await;
        }
    }
}

/// Runs what blocks where nothing waits for it.
async fn beside(
    step: impl FnOnce() -> Result<Step, EncodeError> + Send + 'static,
) -> Result<Step, EncodeError> {
    tokio::task::spawn_blocking(step).await.map_err(std::io::Error::other)?
}

/// How far a tape is.
enum Step {
    More(Box<Work>),
    Done(Option<Made>),
}

/// A tape that is being encoded.
struct Work {
    tape: TapeReader<BufReader<File>>,
    mixer: Mixer,
    writer: OggOpusWriter<BufWriter<File>>,
    path: PathBuf,
    is_at_end: bool,
    /// Whether the last that is on it is the end of a stream.
    complete: bool,
}

impl Work {
    fn begin(tape: File, path: PathBuf) -> Result<Step, EncodeError> {
        let Some(tape) = TapeReader::new(BufReader::new(tape))? else {
            return Ok(Step::Done(None));
        };
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = BufWriter::new(options.open(&path)?);
        let serial = tape.label.secret.as_fields().0;
        let writer = OggOpusWriter::new(file, serial, &["TITLE=Caller left, agent right".into()])?;
        let mixer = Mixer::new();
        let work = Self { tape, mixer, writer, path, is_at_end: false, complete: false };
        Ok(Step::More(Box::new(work)))
    }

    /// Encodes a piece. Gives whether there is more.
    fn piece(&mut self) -> Result<bool, EncodeError> {
        let mut frames = 0;
        while frames < PIECE_FRAMES {
            if let Some(frame) = self.mixer.take() {
                self.writer.write(&frame)?;
                frames += 1;
                continue;
            }
            if self.is_at_end {
                return Ok(false);
            }
            match self.tape.next_record()? {
                Some((at_us, recorded)) => {
                    self.mixer.advance(at_us, &recorded);
                    while let Some(frame) = self.mixer.take() {
                        self.writer.write(&frame)?;
                        frames += 1;
                    }
                    self.mixer.apply(at_us, &recorded);
                    self.complete = recorded == Recorded::Ended;
                }
                None => {
                    self.mixer.finish();
                    self.is_at_end = true;
                }
            }
        }
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<Option<Made>, EncodeError> {
        let samples = self.mixer.samples().unwrap_or_default();
        let Label { agent_id, call_log_id, secret } = self.tape.label;
        let name = format!("{agent_id}/{call_log_id}-{}.ogg", secret.simple());
        self.writer.finish(samples)?;
        if samples < FRAME as u64 {
            std::fs::remove_file(&self.path)?;
            return Ok(None);
        }
        Ok(Some(Made { path: self.path, name, ms: samples / 8, complete: self.complete }))
    }
}
