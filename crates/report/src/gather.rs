//! Everything that the page shows, read from the artifacts of the other stages.

use anyhow::Result;
use ndarray::{Array1, Array2, Array3, Ix1, Ix2, Ix3};
use pipeline::shell::StageContext;
use records::{BasisName, Eigen, MonteCarlo, Which};
use serde::Deserialize;
use store::manifest::Manifest;

use crate::beyond::Beyond;
use crate::confidence::{PilotDocument, Sweep, read_sweep};

/// One experiment.
pub struct Experiment {
    pub name: String,
    pub data: Data,
    pub model: Model,
    pub spectrum: Spectrum,
    /// s, samples
    pub step: usize,
    /// prefix sizes of every Δ_k curve, (n,)
    pub sizes: Vec<usize>,
    pub settings: Vec<Setting>,
    pub grids: Vec<Grid>,
    /// what lies beyond the top of the spectrum
    pub beyond: Beyond,
    /// coverage of every interval
    pub confidence: f64,
    pub rows: Vec<SufficientRow>,
    pub pilots: PilotDocument,
    pub sweep: Option<Sweep>,
    /// of the stages before this one
    pub manifests: Vec<Manifest>,
}

pub struct Data {
    pub n_samples: usize,
    pub n_test: usize,
    pub n_features: usize,
    pub n_classes: usize,
    pub source: String,
    pub attribution: String,
}

pub struct Model {
    pub layers: Vec<usize>,
    pub activation: String,
    pub n_params: usize,
    pub train_loss: f64,
    pub train_accuracy: Option<f64>,
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub gradient_norm: f64,
    pub origin: String,
    /// (epochs + 1, 5): epoch, train loss, train accuracy, test loss, test accuracy
    pub history: Array2<f64>,
}

pub struct Spectrum {
    /// what the values belong to
    pub basis: Basis,
    /// the end of the spectrum that the prefixes begin with
    pub which: Which,
    pub eigenvalues: Array1<f64>,
    pub residuals: Array1<f64>,
    pub n_products: usize,
    pub prefix_sizes: Vec<usize>,
    /// (n, d)
    pub prefix_eigenvalues: Array2<f64>,
}

/// What the directions of a basis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// of the Hessian, from this end of its spectrum on
    Eigenvectors(Which),
    /// the user's, `eigen.basis`
    Given,
    Random,
    Filter,
}

impl Basis {
    fn of(name: BasisName, eigen: &Eigen) -> Self {
        match name {
            BasisName::Hessian if eigen.basis.is_some() => Self::Given,
            BasisName::Hessian => Self::Eigenvectors(eigen.which),
            BasisName::Random => Self::Random,
            BasisName::Filter => Self::Filter,
        }
    }

    /// Whether the paper's figures 1 and 6 to 8 are of such directions: its power iteration finds the largest magnitude.
    pub fn is_of_the_paper(self) -> bool {
        matches!(self, Self::Eigenvectors(Which::LargestAlgebraic | Which::LargestMagnitude))
    }
}

/// One Δ_k curve with all that is known of it.
pub struct Setting {
    pub name: String,
    pub basis: Basis,
    pub dim: usize,
    pub sigma: f64,
    pub draws: usize,
    pub delta: Array1<f64>,
    pub standard_error: Array1<f64>,
    pub order_average: Array1<f64>,
    pub variance: f64,
    pub variance_standard_error: f64,
    pub exponent: Option<Exponent>,
    pub theories: Vec<Theory>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Exponent {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// One theory curve beside Monte Carlo.
pub struct Theory {
    pub name: String,
    pub sizes: Vec<usize>,
    pub values: Array1<f64>,
    pub comparison: Comparison,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Comparison {
    pub name: String,
    pub n_compared: usize,
    pub fraction_above: f64,
    pub smallest_ratio: f64,
    pub geometric_mean_ratio: f64,
    pub within_three_standard_errors: f64,
}

/// One landscape.
pub struct Grid {
    pub name: String,
    pub basis: Basis,
    pub axis: Array1<f64>,
    pub sizes: Vec<usize>,
    /// those of them that `pipeline.yaml` lists: each has a picture of its own
    pub asked: Vec<usize>,
    /// (m, G, G), nats
    pub loss: Array3<f64>,
    /// (m, G, G), nats²
    pub change: Array3<f64>,
}

/// K of one method at one tolerance.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema, serde::Serialize)]
pub struct SufficientRow {
    /// of `montecarlo.settings`
    pub setting: String,
    /// `order-average`: closed form of the average over all orders; `monte-carlo`: the one measured order; or a theory
    pub method: String,
    /// nats²
    pub tolerance: f64,
    /// the same as √Δ over the mean perturbed loss, if it was given so
    pub relative: Option<f64>,
    /// `reached`, `extrapolated` (beyond the samples at hand) or `not reached`
    pub status: String,
    /// samples; null where not reached
    pub k: Option<usize>,
    /// lower end of the interval, samples
    pub low: Option<usize>,
    /// upper end of the interval, samples
    pub high: Option<usize>,
}

#[derive(Deserialize)]
struct TheoryDocument {
    confidence: f64,
    settings: Vec<SettingTheory>,
}

#[derive(Deserialize)]
struct SettingTheory {
    name: String,
    basis: BasisName,
    dim: usize,
    sigma: f64,
    draws: usize,
    variance: f64,
    variance_standard_error: f64,
    exponent: Option<Exponent>,
    theories: Vec<Comparison>,
}

#[derive(Deserialize)]
struct SufficientDocument {
    rows: Vec<SufficientRow>,
}

#[derive(Deserialize)]
struct GridFact {
    name: String,
    basis: BasisName,
}

impl Experiment {
    /// Reads all artifacts; each is checked against its manifest.
    pub fn read(ctx: &StageContext) -> Result<Self> {
        let inputs = &ctx.inputs;
        let theory: TheoryDocument = inputs.read_json("bound", "theory.json")?;
        let sufficient: SufficientDocument = inputs.read_json("bound", "sufficient.json")?;
        let montecarlo: MonteCarlo = inputs.params("montecarlo")?;
        let grids: Vec<GridFact> = inputs.fact("montecarlo", "grids")?;
        Ok(Self {
            name: ctx.experiment.clone(),
            data: read_data(ctx)?,
            model: read_model(ctx)?,
            spectrum: read_spectrum(ctx)?,
            step: inputs.fact("montecarlo", "step")?,
            sizes: ctx.inputs.read_sizes("montecarlo", "prefix_sizes.npy")?,
            settings: theory.settings.into_iter().map(|s| read_setting(ctx, s)).collect::<Result<_>>()?,
            grids: grids.into_iter().map(|g| read_grid(ctx, g, &montecarlo)).collect::<Result<_>>()?,
            beyond: Beyond::read(ctx)?,
            confidence: theory.confidence,
            rows: sufficient.rows,
            pilots: inputs.read_json("bound", "pilot.json")?,
            sweep: read_sweep(ctx)?,
            manifests: ["fetch-data", "train", "eigen", "montecarlo", "bound", "spectrum", "stream"]
                .map(|s| inputs.manifest(s).clone())
                .to_vec(),
        })
    }

    /// K of `setting` by `method`, a row per tolerance.
    pub fn rows_of<'a>(
        &'a self,
        setting: &'a str,
        method: &'a str,
    ) -> impl Iterator<Item = &'a SufficientRow> {
        self.rows.iter().filter(move |r| r.setting == setting && r.method == method)
    }
}

fn read_data(ctx: &StageContext) -> Result<Data> {
    let inputs = &ctx.inputs;
    Ok(Data {
        n_samples: inputs.fact("fetch-data", "n_samples")?,
        n_test: inputs.fact("fetch-data", "n_test")?,
        n_features: inputs.fact("fetch-data", "n_features")?,
        n_classes: inputs.fact("fetch-data", "n_classes")?,
        source: inputs.fact("fetch-data", "source")?,
        attribution: inputs.fact("fetch-data", "attribution")?,
    })
}

fn read_model(ctx: &StageContext) -> Result<Model> {
    let inputs = &ctx.inputs;
    Ok(Model {
        layers: inputs.fact("train", "layers")?,
        activation: inputs.fact("train", "activation")?,
        n_params: inputs.fact("train", "n_params")?,
        train_loss: inputs.fact("train", "train_loss")?,
        train_accuracy: inputs.fact("train", "train_accuracy")?,
        test_loss: inputs.fact("train", "test_loss")?,
        test_accuracy: inputs.fact("train", "test_accuracy")?,
        gradient_norm: inputs.fact("train", "gradient_norm")?,
        origin: inputs.fact("train", "origin")?,
        history: inputs.read::<f64, Ix2>("train", "loss_history.npy")?,
    })
}

fn read_spectrum(ctx: &StageContext) -> Result<Spectrum> {
    let inputs = &ctx.inputs;
    let params: Eigen = inputs.params("eigen")?;
    Ok(Spectrum {
        basis: Basis::of(BasisName::Hessian, &params),
        which: params.which,
        eigenvalues: inputs.read::<f64, Ix1>("eigen", "eigenvalues.npy")?,
        residuals: inputs.read::<f64, Ix1>("eigen", "residuals.npy")?,
        n_products: inputs.fact("eigen", "n_products")?,
        prefix_sizes: ctx.inputs.read_sizes("eigen", "prefix_sizes.npy")?,
        prefix_eigenvalues: inputs.read::<f64, Ix2>("eigen", "prefix_eigenvalues.npy")?,
    })
}

fn read_setting(ctx: &StageContext, s: SettingTheory) -> Result<Setting> {
    let folder = |file: &str| format!("{}/{file}", s.name);
    let montecarlo = |file: &str| ctx.inputs.read::<f64, Ix1>("montecarlo", &folder(file));
    let all = ctx.inputs.read_sizes("montecarlo", "prefix_sizes.npy")?;
    let theory = |comparison: &Comparison| -> Result<Theory> {
        let own = folder(&format!("{}_prefix_sizes.npy", comparison.name));
        Ok(Theory {
            name: comparison.name.clone(),
            sizes: if ctx.inputs.has("bound", &own) {
                ctx.inputs.read_sizes("bound", &own)?
            } else {
                all.clone()
            },
            values: ctx
                .inputs
                .read("bound", &folder(&format!("{}.npy", comparison.name.replace('-', "_"))))?,
            comparison: comparison.clone(),
        })
    };
    Ok(Setting {
        delta: montecarlo("delta.npy")?,
        standard_error: montecarlo("standard_error.npy")?,
        order_average: ctx.inputs.read("bound", &folder("order_average.npy"))?,
        theories: s.theories.iter().map(theory).collect::<Result<_>>()?,
        name: s.name,
        basis: Basis::of(s.basis, &ctx.inputs.params("eigen")?),
        dim: s.dim,
        sigma: s.sigma,
        draws: s.draws,
        variance: s.variance,
        variance_standard_error: s.variance_standard_error,
        exponent: s.exponent,
    })
}

fn read_grid(ctx: &StageContext, grid: GridFact, params: &MonteCarlo) -> Result<Grid> {
    let file = |file: &str| format!("grid_{}/{file}", grid.name);
    let asked = params.grids.iter().find(|g| g.name == grid.name);
    Ok(Grid {
        asked: asked.map_or(vec![], |g| g.prefix_sizes.clone()),
        axis: ctx.inputs.read::<f64, Ix1>("montecarlo", &file("axis.npy"))?,
        sizes: ctx.inputs.read_sizes("montecarlo", &file("prefix_sizes.npy"))?,
        loss: ctx.inputs.read::<f64, Ix3>("montecarlo", &file("loss.npy"))?,
        change: ctx.inputs.read::<f64, Ix3>("montecarlo", &file("change.npy"))?,
        name: grid.name,
        basis: Basis::of(grid.basis, &ctx.inputs.params("eigen")?),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// V = 1, measured at ten prefix sizes, in one Hessian direction at σ = 1.
    pub fn setting() -> Setting {
        let law = Array1::from_iter((1..=10).map(|k| 1.0 / f64::from(10 * k * (10 * k + 1))));
        Setting {
            name: "hessian-d1-s1".into(),
            basis: Basis::Eigenvectors(Which::LargestAlgebraic),
            dim: 1,
            sigma: 1.0,
            draws: 8,
            standard_error: Array1::zeros(10),
            order_average: law.clone(),
            delta: law,
            variance: 1.0,
            variance_standard_error: 0.1,
            exponent: None,
            theories: vec![],
        }
    }

    /// A landscape of 3 × 3 points at k = 10 and 90, both asked for.
    pub fn grid(name: &str, basis: Basis) -> Grid {
        Grid {
            name: name.into(),
            basis,
            axis: ndarray::array![-1.0, 0.0, 1.0],
            sizes: vec![10, 50, 90],
            asked: vec![10],
            loss: Array3::from_shape_fn((3, 3, 3), |(_, a, b)| (a + b) as f64),
            change: Array3::from_elem((3, 3, 3), 0.25),
        }
    }

    /// A classifier of 100 samples with one setting, and nothing that is only there where it was asked for.
    pub fn experiment() -> Experiment {
        Experiment {
            name: "e".into(),
            data: Data {
                n_samples: 100,
                n_test: 20,
                n_features: 4,
                n_classes: 2,
                source: "files".into(),
                attribution: "own".into(),
            },
            model: Model {
                layers: vec![4, 2],
                activation: "relu".into(),
                n_params: 10,
                train_loss: 0.5,
                train_accuracy: Some(0.9),
                test_loss: None,
                test_accuracy: None,
                gradient_norm: 0.01,
                origin: "trained".into(),
                history: Array2::zeros((1, 5)),
            },
            spectrum: Spectrum {
                basis: Basis::Eigenvectors(Which::LargestAlgebraic),
                which: Which::LargestAlgebraic,
                eigenvalues: ndarray::array![2.0],
                residuals: ndarray::array![1e-6],
                n_products: 7,
                prefix_sizes: vec![],
                prefix_eigenvalues: Array2::zeros((0, 1)),
            },
            step: 1,
            sizes: (1..=10).map(|k| 10 * k).collect(),
            settings: vec![setting()],
            grids: vec![],
            beyond: crate::beyond::tests::nothing_else(),
            confidence: 0.95,
            rows: vec![],
            pilots: PilotDocument { confidence: 0.95, pilots: vec![] },
            sweep: None,
            manifests: vec![],
        }
    }
}
