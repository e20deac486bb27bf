//! What `bound` reports of each setting, with the curves behind it.

use ndarray::{Array1, Ix1};
use pipeline::Result;
use records::bound::{SettingTheory, Theory};
use store::artifact::Inputs;

use crate::read::eigen::Basis;

/// One Δ_k curve with all that is known of it.
pub struct Setting {
    /// V, exponent, and each theory beside Monte Carlo
    pub found: SettingTheory,
    pub basis: Basis,
    /// (n,), loss²
    pub delta: Array1<f64>,
    pub standard_error: Array1<f64>,
    pub order_average: Array1<f64>,
    /// of `found.theories`, in their order
    pub curves: Vec<TheoryCurve>,
}

/// One theory curve beside Monte Carlo.
pub struct TheoryCurve {
    pub sizes: Vec<usize>,
    /// (sizes,), loss²
    pub values: Array1<f64>,
}

/// Δ_k averaged over orders at k samples: `V (1/k − 1/(k+s))`, loss².
pub fn law(v: f64, step: usize, k: f64) -> f64 {
    let s = step as f64;
    v * s / (k * (k + s))
}

impl Setting {
    /// Curves of one setting: those of Monte Carlo and those of the theories.
    pub fn read(inputs: &Inputs, found: SettingTheory) -> Result<Self> {
        let folder = |file: &str| format!("{}/{file}", found.name);
        let montecarlo = |file: &str| inputs.read::<f64, Ix1>("montecarlo", &folder(file));
        let curve = |theory: &Theory| TheoryCurve::read(inputs, &found.name, &theory.name);
        Ok(Self {
            basis: Basis::read(inputs, found.basis)?,
            delta: montecarlo("delta.npy")?,
            standard_error: montecarlo("standard_error.npy")?,
            order_average: inputs.read("bound", &folder("order_average.npy"))?,
            curves: found.theories.iter().map(curve).collect::<Result<_>>()?,
            found,
        })
    }

    /// Δ_k at the prefix size of number i, less or more its 95 % interval over the draws: `sign` is −1 or 1.
    pub fn edge(&self, i: usize, sign: f64) -> f64 {
        self.delta[i] + sign * 1.96 * self.standard_error[i]
    }

    /// Each theory with its curve.
    pub fn theories(&self) -> impl Iterator<Item = (&Theory, &TheoryCurve)> {
        self.found.theories.iter().zip(&self.curves)
    }
}

impl TheoryCurve {
    fn read(inputs: &Inputs, setting: &str, name: &str) -> Result<Self> {
        let own = format!("{setting}/{name}_prefix_sizes.npy");
        let sizes = if inputs.has("bound", &own) {
            inputs.read_sizes("bound", &own)?
        } else {
            inputs.read_sizes("montecarlo", "prefix_sizes.npy")?
        };
        let values = inputs.read("bound", &format!("{setting}/{}.npy", name.replace('-', "_")))?;
        Ok(Self { sizes, values })
    }
}
