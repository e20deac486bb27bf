//! The arrays of one layer, by their names in a file.

/// The arrays of a layer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    /// name of the weights, (out, in) or (out, in, kh, kw)
    pub weights: String,
    /// name of the bias, (out,), where there is one
    pub bias: String,
}

impl Pair {
    /// Those of `W1` and `b1`, for 1.
    pub fn own(l: usize) -> Self {
        Self { weights: format!("W{l}"), bias: format!("b{l}") }
    }

    /// Those of `0.weight` and `0.bias`, for `0.`.
    pub fn of_prefix(prefix: &str) -> Self {
        Self { weights: format!("{prefix}weight"), bias: format!("{prefix}bias") }
    }

    /// The name of the layer: `0` of `0.weight`; `W1` and `weight` of themselves.
    pub fn label(&self) -> String {
        let prefix = self.weights.strip_suffix("weight").filter(|prefix| !prefix.is_empty());
        prefix.unwrap_or(&self.weights).trim_end_matches(['.', '_', '/']).to_owned()
    }
}
