//! What `montecarlo` measured of one setting, and V with its error from it.

use landscape::change::control_variate::adjusted;
use landscape::change::interval::{self, Estimate};
use ndarray::{Array1, Array2, Ix1, Ix2};
use pipeline::Result;
use records::montecarlo::SettingFact;
use store::artifact::Inputs;

/// One setting with its measured curve.
pub struct Measured {
    pub setting: SettingFact,
    /// Δ_k, (n,)
    pub delta: Array1<f64>,
    /// of Δ_k, (n,)
    pub standard_error: Array1<f64>,
    /// S²(θ_t), (T,)
    loss_variance: Array1<f64>,
    /// L_N(θ_t), (T,)
    mean_loss: Array1<f64>,
    /// (N − 1,)
    deviation: Array1<f64>,
    /// (N − 1,)
    deviation_error: Array1<f64>,
    /// (N,)
    sample_loss: Array1<f64>,
    /// Var_θ ℓ_i, (N,)
    sample_variance: Array1<f64>,
    /// M(θ_t), (T,)
    control: Option<Array1<f64>>,
    /// (m, T)
    pilot_variance: Array2<f64>,
}

fn slice(array: &Array1<f64>) -> &[f64] {
    array.as_slice().expect("one axis")
}

impl Measured {
    /// Reads a setting from the results of `montecarlo`.
    pub fn read(inputs: &Inputs, setting: SettingFact) -> Result<Self> {
        let path = |file: &str| format!("{}/{file}.npy", setting.name);
        let read = |file: &str| inputs.read::<f64, Ix1>("montecarlo", &path(file));
        Ok(Self {
            delta: read("delta")?,
            standard_error: read("standard_error")?,
            loss_variance: read("loss_variance")?,
            mean_loss: read("mean_loss")?,
            deviation: read("deviation")?,
            deviation_error: read("deviation_error")?,
            sample_loss: read("sample_loss")?,
            sample_variance: read("sample_variance")?,
            control: setting.control_mean.map(|_| read("control")).transpose()?,
            pilot_variance: inputs.read::<f64, Ix2>("montecarlo", &path("pilot_variance"))?,
            setting,
        })
    }

    fn groups(&self, values: &[f64]) -> Vec<f64> {
        self.setting.sampling.group_means(values)
    }

    /// V with its error over samples and draws.
    pub fn variance(&self) -> Estimate {
        let groups = self.groups(slice(&self.loss_variance));
        let quiet = self.control.as_ref().zip(self.setting.control_mean);
        let quiet = quiet.map(|(control, mean)| adjusted(&groups, &self.groups(slice(control)), mean));
        let quiet = quiet.as_ref().map(|quiet| (quiet.as_slice(), 1.0));
        interval::of_variance(&groups, slice(&self.deviation), slice(&self.deviation_error), quiet)
    }

    /// V over the square of the mean perturbed loss.
    pub fn ratio(&self) -> Estimate {
        let groups = (self.groups(slice(&self.loss_variance)), self.groups(slice(&self.mean_loss)));
        interval::of_ratio((&groups.0, &groups.1), slice(&self.deviation), slice(&self.sample_loss))
    }

    /// L̄ = mean_t L_N(θ_t), loss.
    pub fn mean_loss(&self) -> f64 {
        self.mean_loss.mean().expect("draws")
    }

    /// Mean over the samples of Var_θ ℓ_i, loss².
    pub fn functional_variance(&self) -> f64 {
        self.sample_variance.mean().expect("samples")
    }

    /// V from the first `n` samples alone, the pilot size of this row of `pilot_variance`.
    pub fn pilot(&self, row: usize, n: usize) -> Estimate {
        let groups = self.groups(&self.pilot_variance.row(row).to_vec());
        let (deviation, error) = (slice(&self.deviation), slice(&self.deviation_error));
        interval::of_variance(&groups, &deviation[..n - 1], &error[..n - 1], None)
    }
}
