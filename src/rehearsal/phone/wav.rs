//! WAV files, read into the μ-law of a telephone line.

use std::f64::consts::PI;

use crate::audio::mulaw;

/// The largest file that is read, bytes.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;

const ACCEPTED: &str = "16-bit PCM or μ-law, 1 or 2 channels, 4,000 to 192,000 samples a second";
const PCM: u16 = 1;
const MULAW: u16 = 7;
/// The true format stands at the start of the sub-format.
const EXTENSIBLE: u16 = 0xFFFE;

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    /// It does not begin as a WAV file does.
    #[error("not a WAV file: expected RIFF … WAVE at its start")]
    NotWav,
    /// It is too large.
    #[error("WAV file of {found} bytes: at most {MAX_FILE_BYTES} are accepted")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// A chunk that is needed is missing, or cut off.
    #[error("WAV file without a complete {chunk:?} chunk")]
    Missing {
        /// The four letters of the chunk's name.
        chunk: &'static str,
    },
    /// It holds another kind of audio.
    #[error(
        "WAV file with format {format}, {bits} bits, {channels} channels, \
         {rate} samples a second: accepted is {ACCEPTED}"
    )]
    Unacceptable {
        /// The number of the format, as the file gives it.
        format: u16,
        /// Bits of a sample.
        bits: u16,
        /// How many channels the file has.
        channels: u16,
        /// How many samples a second the file has.
        rate: u32,
    },
}

struct Format {
    format: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

/// Reads a WAV file into raw μ-law at 8 kHz. Two channels are mixed; another rate is resampled.
///
/// # Errors
/// If it is not a WAV file, or holds audio that is not accepted.
pub fn read_as_mulaw(file: &[u8]) -> Result<Vec<u8>, WavError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(WavError::TooLarge { found: file.len() });
    }
    if file.len() < 12 || &file[..4] != b"RIFF" || &file[8..12] != b"WAVE" {
        return Err(WavError::NotWav);
    }
    let format = chunk(file, b"fmt ").and_then(read_format);
    let format = format.ok_or(WavError::Missing { chunk: "fmt " })?;
    let data = chunk(file, b"data").ok_or(WavError::Missing { chunk: "data" })?;
    let acceptable = (1..=2).contains(&format.channels)
        && (4_000..=192_000).contains(&format.rate)
        && matches!((format.format, format.bits), (PCM, 16) | (MULAW, 8));
    if !acceptable {
        let Format { format, channels, rate, bits } = format;
        return Err(WavError::Unacceptable { format, bits, channels, rate });
    }
    if format.format == MULAW && format.channels == 1 && format.rate == mulaw::SAMPLE_RATE {
        return Ok(data.to_vec());
    }
    let samples: Vec<f64> = match format.format {
        MULAW => data.iter().map(|&byte| f64::from(mulaw::decode(byte))).collect(),
        _ => {
            let pairs = data.chunks_exact(2);
            pairs.map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]]))).collect()
        }
    };
    let channels = usize::from(format.channels);
    let mono: Vec<f64> = samples
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f64>() / channels as f64)
        .collect();
    let resampled = resample(&mono, format.rate, mulaw::SAMPLE_RATE);
    Ok(resampled.into_iter().map(|sample| mulaw::encode(sample.round() as i16)).collect())
}

/// The content of the first chunk of a name. One that claims more than there is ends with the
/// file: programs that write to a pipe do not know the length beforehand.
fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    let mut rest = &file[12..];
    while rest.len() >= 8 {
        let (header, content) = rest.split_at(8);
        let claimed = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let length = claimed.min(content.len());
        if &header[..4] == name {
            return Some(&content[..length]);
        }
        // Chunks begin at even places.
        rest = content.get(length + claimed % 2..)?;
    }
    None
}

fn read_format(chunk: &[u8]) -> Option<Format> {
    let u16_at = |at: usize| Some(u16::from_le_bytes([*chunk.get(at)?, *chunk.get(at + 1)?]));
    let rate = u32::from(u16_at(4)?) | u32::from(u16_at(6)?) << 16;
    let format = match u16_at(0)? {
        EXTENSIBLE => u16_at(24)?,
        format => format,
    };
    Some(Format { format, channels: u16_at(2)?, rate, bits: u16_at(14)? })
}

/// Resamples with a windowed sinc that lets through what both rates can hold.
fn resample(samples: &[f64], from: u32, to: u32) -> Vec<f64> {
    /// Zero crossings of the sinc on each side.
    const CROSSINGS: f64 = 16.0;
    if from == to {
        return samples.to_vec();
    }
    let step = f64::from(from) / f64::from(to);
    // A little below the limit, so that the filter's slope does not reach beyond it.
    let cutoff = 0.95 * (1.0 / step).min(1.0);
    let reach = CROSSINGS / cutoff;
    let count = (samples.len() as u64 * u64::from(to) / u64::from(from)) as usize;
    let at = |index: usize| {
        let centre = index as f64 * step;
        let first = (centre - reach).ceil().max(0.0) as usize;
        let last = ((centre + reach).floor() as usize).min(samples.len().saturating_sub(1));
        let near = samples.get(first..=last).unwrap_or_default().iter().enumerate();
        near.map(|(offset, sample)| {
            let distance = (first + offset) as f64 - centre;
            let angle = PI * distance * cutoff;
            let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
            let window = 0.5 + 0.5 * (PI * distance / reach).cos();
            sample * sinc * window * cutoff
        })
        .sum()
    };
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcm(rate: u32, channels: u16, bits: u16, samples: &[i16]) -> Vec<u8> {
        let mut file = b"RIFF\0\0\0\0WAVELIST\x03\0\0\0abc\0fmt \x10\0\0\0".to_vec();
        file.extend(PCM.to_le_bytes());
        file.extend(channels.to_le_bytes());
        file.extend(rate.to_le_bytes());
        file.extend((rate * u32::from(channels) * 2).to_le_bytes());
        file.extend((channels * 2).to_le_bytes());
        file.extend(bits.to_le_bytes());
        // As if written to a pipe.
        file.extend(b"data\xff\xff\xff\xff");
        file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        file
    }

    fn tone(hz: f64, rate: u32, samples: usize) -> Vec<i16> {
        let at = |n: usize| (2.0 * PI * hz * n as f64 / f64::from(rate)).sin() * 10_000.0;
        (0..samples).map(|n| at(n) as i16).collect()
    }

    #[test]
    fn a_tone_keeps_its_loudness_and_one_too_high_goes() {
        for rate in [8_000, 16_000, 22_050, 24_000, 44_100, 48_000] {
            let length = rate as usize / 2;
            let low = read_as_mulaw(&pcm(rate, 1, 16, &tone(1000.0, rate, length))).unwrap();
            assert_eq!(low.len(), 4000, "{rate}");
            let loudness = mulaw::loudness(&low[200..3800]);
            assert!((6_800..7_350).contains(&loudness), "{rate}: {loudness}");
            if rate > 8_000 {
                let high = read_as_mulaw(&pcm(rate, 1, 16, &tone(5500.0, rate, length))).unwrap();
                let loudness = mulaw::loudness(&high[200..3800]);
                assert!(loudness < 100, "{rate}: {loudness}");
            }
        }
    }

    #[test]
    fn two_channels_are_mixed() {
        let file = pcm(8_000, 2, 16, &[1000, -1000, 2000, 2000]);
        assert_eq!(read_as_mulaw(&file), Ok(vec![mulaw::encode(0), mulaw::encode(2000)]));
    }

    #[test]
    fn what_is_not_accepted_is_named() {
        assert_eq!(read_as_mulaw(b"ID3 mp3"), Err(WavError::NotWav));
        assert_eq!(read_as_mulaw(b"RIFF\0\0\0\0WAVE"), Err(WavError::Missing { chunk: "fmt " }));
        let whole = pcm(8_000, 1, 16, &[]);
        let cut = &whole[..whole.len() - 8];
        assert_eq!(read_as_mulaw(cut), Err(WavError::Missing { chunk: "data" }));
        let error = read_as_mulaw(&pcm(8_000, 6, 24, &[])).unwrap_err();
        assert!(error.to_string().contains("24 bits, 6 channels"), "{error}");
        assert_eq!(read_as_mulaw(&whole), Ok(vec![]));
    }
}
