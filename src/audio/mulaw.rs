//! G.711 μ-law: 8 bits that hold the range of 14, loud sounds more coarsely than quiet ones.

/// Samples a second on a telephone line.
pub const SAMPLE_RATE: u32 = 8000;

/// Bytes in a millisecond of μ-law.
pub const BYTES_PER_MS: u64 = 8;

/// A byte of silence.
pub const SILENCE: u8 = 0xFF;

/// Added before the logarithm, so that the lowest step is not empty (G.711, scaled to 16 bits).
const BIAS: i32 = 0x84;

/// The loudest sample that still fits after the bias.
const CLIP: i32 = 32_635;

const DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = expand(byte as u8);
        byte += 1;
    }
    table
};

const fn expand(byte: u8) -> i16 {
    let bits = !byte;
    let exponent = (bits >> 4) & 7;
    let mantissa = (bits & 0x0F) as i32;
    let magnitude = (((mantissa << 3) + BIAS) << exponent) - BIAS;
    (if bits & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

/// One sample, from 16 bits.
pub fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The bias makes the highest bit one of 7 to 14.
    let exponent = 31 - magnitude.leading_zeros() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0F;
    !(sign | (exponent as u8) << 4 | mantissa as u8)
}

/// One sample, to 16 bits.
pub fn decode(byte: u8) -> i16 {
    DECODED[usize::from(byte)]
}

/// How loud a stretch of μ-law is: the root of the mean square of its samples, 0 to 32,124. 0 if
/// it is empty.
pub fn loudness(mulaw: &[u8]) -> u16 {
    let squares: u64 = mulaw.iter().map(|&byte| i64::from(decode(byte)).pow(2) as u64).sum();
    match mulaw.len() as u64 {
        0 => 0,
        samples => (squares / samples).isqrt() as u16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_are_those_of_g711() {
        for (sample, byte) in [(0, 0xFF), (-1, 0x7F), (32_767, 0x80), (-32_768, 0x00), (1000, 0xCE)]
        {
            assert_eq!(encode(sample), byte, "{sample}");
        }
        assert_eq!((decode(0xFF), decode(0x7F)), (0, 0));
        assert_eq!((decode(0x80), decode(0x00)), (32_124, -32_124));
    }

    #[test]
    fn every_byte_comes_back_from_its_sample() {
        for byte in 0..=255u8 {
            // 0x7F is a second zero.
            let expected = if byte == 0x7F { 0xFF } else { byte };
            assert_eq!(encode(decode(byte)), expected, "{byte:#x}");
        }
    }

    #[test]
    fn loudness_is_that_of_the_samples() {
        assert_eq!(loudness(&[]), 0);
        assert_eq!(loudness(&[SILENCE, 0x7F]), 0);
        assert_eq!(loudness(&[0x80, 0x00]), 32_124);
    }
}
