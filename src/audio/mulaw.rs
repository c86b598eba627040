//! μ-law (ITU-T G.711): 8 bits a sample, what a telephone line carries. Pure.

/// Silence.
pub const SILENCE: u8 = 0xFF;

const BIAS: i32 = 0x84;
const CLIP: i32 = 32_635;

/// The 16-bit sample that a byte stands for.
pub const fn decode(byte: u8) -> i16 {
    let byte = !byte;
    let exponent = (byte >> 4) & 7;
    let magnitude = (((byte & 0x0F) as i32) << 3) + BIAS;
    let sample = (magnitude << exponent) - BIAS;
    if byte & 0x80 == 0 { sample as i16 } else { -sample as i16 }
}

/// The byte whose sample is nearest.
pub const fn encode(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let wide = sample as i32;
    let absolute = if wide < 0 { -wide } else { wide };
    let biased = if absolute > CLIP { CLIP } else { absolute } + BIAS;
    let exponent = (24 - biased.leading_zeros()) as u8;
    let mantissa = ((biased >> (exponent + 3)) & 0x0F) as u8;
    !(sign | (exponent << 4) | mantissa)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for byte in 0..=u8::MAX {
            // 0x7F is a second zero.
            let expected = if byte == 0x7F { SILENCE } else { byte };
            assert_eq!(encode(decode(byte)), expected);
        }
        assert_eq!((decode(SILENCE), decode(0x00), decode(0x80)), (0, -32_124, 32_124));
    }
}
