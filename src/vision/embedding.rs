//! A face as a direction: embeddings have length one, and likeness is the cosine between two.

/// An L2-normalised embedding.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding(Box<[f32]>);

impl Embedding {
    /// The direction of a sum of embeddings: their mean, normalised.
    pub fn from_sum(sum: &[f32]) -> Embedding {
        let length = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        Embedding(sum.iter().map(|value| value / length).collect())
    }

    /// The mean of several, normalised; `None` of none.
    pub fn mean<'a>(embeddings: impl IntoIterator<Item = &'a Embedding>) -> Option<Embedding> {
        let mut embeddings = embeddings.into_iter();
        let mut sum = embeddings.next()?.0.to_vec();
        for embedding in embeddings {
            sum.iter_mut().zip(&embedding.0).for_each(|(sum, value)| *sum += value);
        }
        Some(Embedding::from_sum(&sum))
    }

    /// Likeness, −1 to 1.
    pub fn cosine(&self, other: &Embedding) -> f32 {
        dot(&self.0, &other.0)
    }

    /// The values.
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Little-endian f32.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Reads [`Embedding::to_bytes`]; `None` when the length is not a whole number of values.
    pub fn from_bytes(bytes: &[u8]) -> Option<Embedding> {
        let (values, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| Embedding::from_sum(&values.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<_>>()))
    }
}

/// Scalar product in eight lanes, which the compiler turns into vector instructions.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}
