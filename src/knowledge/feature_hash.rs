//! Embeddings without a model: feature hashing of words and pairs of words. Texts that share words
//! are near each other, which is what a rehearsal of retrieval needs. Pure and deterministic.

/// Dimensions of an embedding, as OpenAI's `text-embedding-3-small` has (protocols 6.6).
pub const DIMENSIONS: usize = 1536;

/// A pair of words says more than either, but two texts share it less often.
const PAIR_WEIGHT: f32 = 0.5;

/// The embedding of `text`, of length 1; a text without words gives the same vector always.
pub fn embed(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    let words = words(text);
    for word in &words {
        add(&mut vector, &[word], 1.0);
    }
    for pair in words.windows(2) {
        add(&mut vector, &[&pair[0], &pair[1]], PAIR_WEIGHT);
    }
    normalise(&mut vector);
    vector
}

/// The first `dimensions` of the embedding, of length 1 again: what OpenAI's `dimensions` asks for.
pub fn embed_to(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = embed(text);
    vector.truncate(dimensions);
    normalise(&mut vector);
    vector
}

/// Lower-case words. A plural's "s" is dropped, so that "hours" and "hour" are one.
fn words(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            let word = word.to_lowercase();
            match word.strip_suffix('s') {
                Some(stem) if stem.len() > 2 && !stem.ends_with('s') => stem.to_owned(),
                _ => word,
            }
        })
        .collect()
}

/// Adds a feature: its hash chooses the dimension and the sign, so that collisions cancel out on
/// average rather than add up.
fn add(vector: &mut [f32], feature: &[&String], weight: f32) {
    let hash = hash(feature);
    let sign = if hash >> 63 == 0 { weight } else { -weight };
    vector[(hash % DIMENSIONS as u64) as usize] += sign;
}

/// FNV-1a with a final mix: the standard library's hash may differ from build to build.
fn hash(feature: &[&String]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for word in feature {
        for byte in word.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// Gives the vector length 1. An empty one gets a direction: cosine distance to zero is not defined.
fn normalise(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    } else if let Some(first) = vector.first_mut() {
        *first = 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similarity(one: &str, other: &str) -> f32 {
        embed(one).iter().zip(embed(other)).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn texts_that_share_words_are_nearer() {
        let question = "What are your opening hours?";
        let near = similarity(question, "Opening hours: we are open from nine to five.");
        let far = similarity(question, "Parking is free behind the building.");
        assert!(near > far + 0.2, "near {near}, far {far}");
        assert!(similarity("one hour", "one hours") > 0.99);
    }

    #[test]
    fn word_order_counts() {
        assert!(similarity("dog bites man", "dog bites man") > 0.999);
        assert!(similarity("dog bites man", "man bites dog") < 0.95);
    }

    #[test]
    fn every_embedding_has_length_one() {
        for text in ["hello", "", "¿?", "a much longer text with many a word in it"] {
            let vector = embed(text);
            assert_eq!(vector.len(), DIMENSIONS);
            let length: f32 = vector.iter().map(|value| value * value).sum();
            assert!((length - 1.0).abs() < 1e-4, "{text:?}: {length}");
        }
        assert_eq!(embed_to("hello there", 256).len(), 256);
    }
}
