//! Units of numbers that are easily taken for each other. An alias says which is meant; the compiler does not check it.

/// A loss.
pub type LossValue = f64;
/// A squared difference of losses: Δ_k, V, a tolerance for them.
pub type SquaredLoss = f64;
/// A number of samples: N, k, s, K.
pub type Samples = usize;
