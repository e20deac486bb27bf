//! φ, applied to each pre-activation z of a layer, with φ' and φ''. At the kink of ReLU both are 0.

use crate::numeric::real::Real;

/// The function after a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::VariantArray)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"), schemars(transform = with_none))]
pub enum Activation {
    /// max(z, 0)
    Relu,
    /// tanh z
    Tanh,
    /// z Φ(z), exact (erf)
    Gelu,
    /// log(1 + exp z)
    Softplus,
    /// 1 / (1 + exp −z)
    Sigmoid,
    /// z; `none` is another name of it
    #[cfg_attr(feature = "serde", serde(alias = "none"))]
    Identity,
}

/// The second name of the identity, for the schema.
#[cfg(feature = "serde")]
fn with_none(schema: &mut schemars::Schema) {
    let names = schema.ensure_object().get_mut("oneOf").and_then(|names| names.as_array_mut());
    let none = schemars::json_schema!({"description": "z", "type": "string", "const": "none"});
    names.expect("a choice of names").push(none.to_value());
}

impl Activation {
    /// Whether φ'' is 0 wherever it exists, so that terms with it drop out.
    pub fn is_piecewise_linear(self) -> bool {
        matches!(self, Self::Relu | Self::Identity)
    }

    /// `φ(z)`.
    pub fn value<R: Real>(self, z: R) -> R {
        match self {
            Self::Relu => relu(z),
            Self::Tanh => z.tanh(),
            Self::Gelu => z * normal_cdf(z),
            // For large z, log(1 + exp z) = z + log(1 + exp −z): nothing overflows.
            Self::Softplus => z.max(R::zero()) + (-z.abs()).exp().ln_1p(),
            Self::Sigmoid => sigmoid(z),
            Self::Identity => z,
        }
    }

    /// `(φ(z), φ'(z), φ''(z))`.
    pub fn derivatives<R: Real>(self, z: R) -> (R, R, R) {
        let (zero, one) = (R::zero(), R::one());
        let two = one + one;
        let h = self.value(z);
        match self {
            Self::Relu => (h, if z > zero { one } else { zero }, zero),
            Self::Tanh => (h, one - h * h, -two * h * (one - h * h)),
            Self::Gelu => {
                let density = (-z * z / two).exp() * R::narrow(1.0 / (2.0 * std::f64::consts::PI).sqrt());
                (h, normal_cdf(z) + z * density, density * (two - z * z))
            }
            Self::Softplus => {
                let s = sigmoid(z);
                (h, s, s * (one - s))
            }
            Self::Sigmoid => (h, h * (one - h), h * (one - h) * (one - two * h)),
            Self::Identity => (h, one, zero),
        }
    }
}

/// `φ(z)` in place.
#[inline(always)]
#[allow(clippy::inline_always)] // or it would not be compiled for the vector unit
pub(crate) fn activate<R: Real>(activation: Activation, z: &mut [R]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => {
            for z in z {
                *z = relu(*z);
            }
        }
        _ => {
            for z in z {
                *z = activation.value(*z);
            }
        }
    }
}

/// `max(z, 0)`; what is undefined stays so.
#[inline(always)]
#[allow(clippy::inline_always)] // or it would not be compiled for the vector unit
fn relu<R: Real>(z: R) -> R {
    if z < R::zero() { R::zero() } else { z }
}

fn normal_cdf<R: Real>(z: R) -> R {
    let half = R::narrow(0.5);
    half * (R::one() + (z * R::narrow(std::f64::consts::FRAC_1_SQRT_2)).erf())
}

fn sigmoid<R: Real>(z: R) -> R {
    let e = (-z.abs()).exp();
    let small = e / (R::one() + e);
    if z < R::zero() { small } else { R::one() - small }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact where the arithmetic is
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn derivatives_are_those_of_the_value() {
        for activation in Activation::VARIANTS {
            for z in [-30.0, -2.3, -0.4, 0.7, 1.9, 30.0_f64] {
                let (h, slope, bend) = activation.derivatives(z);
                assert_eq!(h, activation.value(z));
                let step = 6e-6; // eps^(1/3): truncation and rounding are both near 4e-11
                let (up, down) = (activation.derivatives(z + step), activation.derivatives(z - step));
                let near =
                    |found: f64, expected: f64| (found - expected).abs() <= 1e-8 * (1.0 + expected.abs());
                assert!(near((up.0 - down.0) / (2.0 * step), slope), "{activation:?} slope at {z}");
                assert!(near((up.1 - down.1) / (2.0 * step), bend), "{activation:?} bend at {z}");
            }
        }
    }

    #[test]
    fn extremes_stay_finite() {
        for z in [-1e4, 1e4_f64] {
            for activation in Activation::VARIANTS {
                let (h, slope, bend) = activation.derivatives(z);
                assert!(h.is_finite() && slope.is_finite() && bend.is_finite(), "{activation:?} at {z}");
            }
        }
    }
}
