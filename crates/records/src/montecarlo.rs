//! What `montecarlo` is told and what it records.

use std::fmt;
use std::path::PathBuf;

use landscape::change::prefix::{geometric_sizes, prefix_sizes};
pub use landscape::change::sampling::Sampling;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::eigen::BasisName;
use crate::ranges::positive;
use crate::section::{Precision, Section, Unfit, at_least, unique_names};
use crate::units::{Samples, SquaredLoss};

/// Monte Carlo of V over a grid of σ by every sampling method, in the first directions of the Hessian basis.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// The first so many directions, d; null: all.
    #[schemars(range(min = 1))]
    pub dim: Option<usize>,
    /// Standard deviations σ of θ, ascending, in parameter units.
    #[schemars(length(min = 2), transform = positive)]
    pub sigmas: Vec<f64>,
    /// The first so many samples take part, or all if there are fewer.
    #[schemars(range(min = 2))]
    pub n_samples: Samples,
    /// Draws T per σ and method.
    #[schemars(range(min = 4))]
    pub draws: usize,
    /// Methods compared at each σ; `plain` is what the others and the theories are held against.
    pub methods: Vec<Sampling>,
}

impl Sweep {
    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.sigmas.is_sorted_by(|a, b| a < b), "sweep.sigmas", || {
            "not ascending: the radius where a theory fails is looked for between neighbours".into()
        })?;
        Unfit::unless(self.methods.contains(&Sampling::Plain), "sweep.methods", || {
            "`plain` is missing: the other methods and the theories are held against it".into()
        })?;
        for (i, method) in self.methods.iter().enumerate() {
            Unfit::unless(!self.methods[..i].contains(method), "sweep.methods", || {
                format!("{method:?} occurs twice")
            })?;
            check_draws("sweep.draws", self.draws, *method, self.dim.unwrap_or(1))?;
        }
        Ok(())
    }
}

/// Whether `draws` draws of `dim` coordinates can be taken this way: whole groups, at least four of them.
fn check_draws(key: &str, draws: usize, method: Sampling, dim: usize) -> Result<(), Unfit> {
    let multiple = method.multiple();
    at_least(key, draws, if method == Sampling::Sobol { multiple } else { 4 * multiple })?;
    Unfit::unless(draws.is_multiple_of(multiple), key, || {
        format!("{draws}; a multiple of {multiple} is needed for {method:?} draws")
    })?;
    Unfit::unless(method != Sampling::Sobol || (dim <= 256 && draws <= 16 << 16), key, || {
        format!(
            "{draws} draws in {dim} directions; Sobol sequences have up to 256 directions and {} draws",
            16 << 16
        )
    })
}

/// One Δ_k curve: which directions, how many, how far.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Folder of its artifacts.
    pub name: String,
    /// Whose directions; `given`, and only that, beside `losses`.
    #[serde(default = "given")]
    pub basis: BasisName,
    /// The first so many of them, d.
    #[schemars(range(min = 1))]
    pub dim: usize,
    /// Standard deviation σ of each coordinate of θ, in parameter units; or `posterior`, 1/√(N λ_i) along the i-th eigenvector;
    /// or `posterior-gauss-newton`, 1/√(N uᵢᵀGuᵢ) along it, with the Gauss-Newton matrix G.
    #[schemars(schema_with = "Sigma::schema")]
    pub sigma: Sigma,
    /// Draws of another program instead of our own: `.npy` (T, d).
    #[serde(default)]
    pub theta: Option<PathBuf>,
    /// Losses ℓ_i(w* + Pθ_t) that another program computed for any model, (T, N) of f32 or f64: a row for each draw, which
    /// count as independent, samples in their order. A `.npy`, which is read row by row, or an array of an `.npz`,
    /// `data.npz[losses]`. Then no data, network or eigen-solve are needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<PathBuf>,
    /// Beside `losses`, for the theories: ℓ_i(w*), (N,).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<PathBuf>,
    /// Beside `losses`, for the theories: Pᵀ∇ℓ_i(w*), (N, d).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slopes: Option<PathBuf>,
    /// Beside `losses`, for the theories: Pᵀ∇²ℓ_i(w*)P, (N, d, d).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curvatures: Option<PathBuf>,
    /// Beside `losses`, for the page: eigenvalues of the Hessian of the mean loss in these directions, (d,).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eigenvalues: Option<PathBuf>,
}

/// How far draws go.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged, expecting = "a number above 0, posterior or posterior-gauss-newton is needed")]
pub enum Sigma {
    /// the same standard deviation along each direction, parameter units
    Same(f64),
    /// that of Laplace's approximation to the posterior of the weights, under a flat prior and with the loss as the negative log
    /// likelihood: `N(0, 1/(N λ_i))` along the i-th eigenvector uᵢ of the Hessian (MacKay 1992), λ_i = uᵢᵀAuᵢ
    Of(Source),
}

/// Where standard deviations come from: the second derivative A.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// the Hessian
    Posterior,
    /// its Gauss-Newton part, which has no negative values
    PosteriorGaussNewton,
}

impl Sigma {
    /// Whether each direction has its own.
    pub fn is_posterior(self) -> bool {
        matches!(self, Self::Of(_))
    }

    /// σ of all directions: in parameter units, or in those of the posterior, where it is 1.
    pub fn value(self) -> f64 {
        if let Self::Same(sigma) = self { sigma } else { 1.0 }
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        let mut number = generator.subschema_for::<f64>();
        positive(&mut number);
        json_schema!({"anyOf": [number, {"type": "string", "enum": ["posterior", "posterior-gauss-newton"]}]})
    }
}

impl fmt::Display for Sigma {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same(sigma) => sigma.fmt(f),
            Self::Of(Source::Posterior) => "posterior".fmt(f),
            Self::Of(Source::PosteriorGaussNewton) => "posterior-gauss-newton".fmt(f),
        }
    }
}

fn given() -> BasisName {
    BasisName::Given
}

impl Setting {
    /// Files of the theories: values, slopes and curvatures, where they are given.
    pub fn derivatives(&self) -> Option<[&PathBuf; 3]> {
        Some([self.values.as_ref()?, self.slopes.as_ref()?, self.curvatures.as_ref()?])
    }

    fn check(&self, key: &str) -> Result<(), Unfit> {
        let is_given = self.losses.is_some();
        Unfit::unless(is_given == (self.basis == BasisName::Given), key, || {
            if is_given {
                "`losses` come with the directions of the program that computed them: leave out `basis`"
                    .into()
            } else {
                "`basis` (hessian, random or filter) is needed, or `losses` that another program computed"
                    .into()
            }
        })?;
        let some = [&self.values, &self.slopes, &self.curvatures].map(Option::is_some);
        Unfit::unless(some == [false; 3] || (is_given && some == [true; 3]), key, || {
            "`values`, `slopes` and `curvatures` go together, and with `losses`".into()
        })?;
        let own = self.basis == BasisName::Hessian && self.theta.is_none();
        Unfit::unless(!self.sigma.is_posterior() || own, &format!("{key}.sigma"), || {
            format!(
                "{}, which is known along the eigenvectors of the Hessian and for draws of our own: set basis: hessian without theta, or give a number",
                self.sigma
            )
        })?;
        Unfit::unless(self.eigenvalues.is_none() || is_given, key, || {
            "`eigenvalues` go with `losses`; `eigen` computes its own".into()
        })
    }
}

/// A landscape over two directions: points on a lattice instead of draws.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Folder of its artifacts, after `grid_`.
    pub name: String,
    /// Whose first two directions.
    pub basis: BasisName,
    /// Points along each axis.
    #[schemars(range(min = 2))]
    pub points: usize,
    /// The axes run from −extent to extent, in parameter units.
    #[schemars(transform = positive)]
    pub extent: f64,
    /// Prefix sizes k whose surfaces are kept, in samples; multiples of `step`. Those beyond the samples are left out.
    /// The largest k with k + step ≤ N is always kept too.
    #[schemars(inner(range(min = 1)))]
    pub prefix_sizes: Vec<Samples>,
    /// So many more, in geometric steps from `step` to that: the places of the slider in the report.
    #[serde(default)]
    pub prefix_count: usize,
}

impl Grid {
    /// Its prefix sizes that `n_samples` samples have, and those that they do not.
    fn fitting(&self, n_samples: Samples, step: Samples) -> (Vec<Samples>, Vec<Samples>) {
        self.prefix_sizes.iter().partition(|&&k| k + step <= n_samples)
    }

    /// The prefix sizes that the samples have, ascending, with the largest that has an increment.
    pub fn sizes(&self, n_samples: Samples, step: Samples) -> Vec<Samples> {
        let all = prefix_sizes(n_samples, step);
        let largest = all[all.len() - 1];
        let (mut sizes, _) = self.fitting(n_samples, step);
        sizes.extend(geometric_sizes(step, largest, self.prefix_count));
        sizes.push(largest);
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// What is said of those that are left out; `None` where none are.
    pub fn left_out(&self, n_samples: Samples, step: Samples) -> Option<String> {
        let (_, beyond) = self.fitting(n_samples, step);
        (!beyond.is_empty()).then(|| {
            format!(
                "montecarlo: landscape {}: prefix sizes {beyond:?} are left out, as there are {n_samples} samples; its largest prefix is kept always",
                self.name
            )
        })
    }
}

/// Parameters of `montecarlo`.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MonteCarlo {
    /// Step s in samples: Δ_k compares k with k + s.
    #[schemars(range(min = 1))]
    pub step: Samples,
    /// Draws T of θ per setting, or the most there may be where `relative_error` is set.
    #[schemars(range(min = 4))]
    pub draws: usize,
    /// How they are taken.
    pub sampling: Sampling,
    /// Whether V is estimated with the second-order model as control variate, for settings on the Hessian basis; a warning names
    /// the others.
    pub control_variate: bool,
    /// Standard error of V over the draws, as a fraction of V, at which no more are taken; null: take all.
    #[schemars(transform = positive)]
    pub relative_error: Option<f64>,
    /// Draw t is a function of (seed, t).
    pub seed: u64,
    /// Numbers of samples n from which V and K at full size are predicted; those below N are used.
    #[schemars(inner(range(min = 3)))]
    pub pilot_sizes: Vec<Samples>,
    /// A comparison of sampling methods and theories over σ; null: none.
    pub sweep: Option<Sweep>,
    /// Type of the products.
    pub precision: Precision,
    /// Memory in MiB for the perturbed weights of all layers but the first.
    #[schemars(range(min = 1))]
    pub weights_mib: usize,
    /// The Δ_k curves.
    #[schemars(length(min = 1))]
    pub settings: Vec<Setting>,
    /// The landscapes.
    pub grids: Vec<Grid>,
}

impl MonteCarlo {
    /// Whether the losses come from another program.
    pub fn is_given(&self) -> bool {
        self.settings.iter().any(|setting| setting.losses.is_some())
    }
}

impl Section for MonteCarlo {
    const STAGE: &'static str = "montecarlo";

    fn check(&self) -> Result<(), Unfit> {
        for (i, &n) in self.pilot_sizes.iter().enumerate() {
            Unfit::unless(i == 0 || n > self.pilot_sizes[i - 1], "pilot_sizes", || {
                format!("{n} after {}; ascending numbers of samples are needed", self.pilot_sizes[i - 1])
            })?;
        }
        if let Some(sweep) = &self.sweep {
            sweep.check()?;
        }
        unique_names("settings", self.settings.iter().map(|s| s.name.as_str()))?;
        // They would be in the folders of the sweep and of the landscapes.
        let taken = self.settings.iter().find(|s| s.name == "sweep" || s.name.starts_with("grid_"));
        Unfit::unless(taken.is_none(), "settings", || {
            let name = taken.map_or("", |s| &s.name);
            format!(
                "name {name:?}; `sweep` and names that begin with `grid_` are folders of other results: choose another"
            )
        })?;
        unique_names("grids", self.grids.iter().map(|g| g.name.as_str()))?;
        for (i, setting) in self.settings.iter().enumerate() {
            setting.check(&format!("settings[{i}]"))?;
        }
        if self.is_given() {
            let own = self.settings.iter().position(|setting| setting.losses.is_none());
            return Unfit::unless(own.is_none(), &format!("settings[{}]", own.unwrap_or_default()), || {
                "has no `losses`, but others have; settings of a network are another experiment".into()
            });
        }
        for setting in &self.settings {
            check_draws("draws", self.draws, self.sampling, setting.dim)?;
        }
        for (i, grid) in self.grids.iter().enumerate() {
            for &k in &grid.prefix_sizes {
                Unfit::unless(k % self.step == 0, &format!("grids[{i}].prefix_sizes"), || {
                    format!("{k}; a multiple of step = {} is needed", self.step)
                })?;
            }
        }
        Ok(())
    }

    fn files(&self) -> Vec<PathBuf> {
        let of = |s: &Setting| {
            [&s.theta, &s.losses, &s.values, &s.slopes, &s.curvatures, &s.eigenvalues].map(Clone::clone)
        };
        self.settings.iter().flat_map(of).flatten().collect()
    }
}

/// Facts of `montecarlo`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Facts {
    /// of the sweep, if there was one
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFact>,
    /// s
    pub step: Samples,
    /// those below N: rows of `pilot_variance.npy`
    pub pilot_sizes: Vec<Samples>,
    /// N
    pub n_samples: Samples,
    /// in the order of `pipeline.yaml`
    pub settings: Vec<SettingFact>,
    /// in the order of `pipeline.yaml`
    pub grids: Vec<GridFact>,
}

impl store::manifest::Facts for Facts {
    const STAGE: &'static str = "montecarlo";
}

/// What took part in the sweep.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SweepFact {
    /// d
    pub dim: usize,
    /// parameter units
    pub sigmas: Vec<f64>,
    /// the first so many
    pub n_samples: Samples,
    /// T per σ and method
    pub draws: usize,
    /// compared at each σ
    pub methods: Vec<Sampling>,
}

/// What a Δ_k curve is of.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SettingFact {
    /// folder of its artifacts
    pub name: String,
    /// whose directions
    pub basis: BasisName,
    /// d
    pub dim: usize,
    /// σ, parameter units; 1 where `deviations` are there
    pub sigma: f64,
    /// (d,), standard deviations of θ in parameter units, where each direction has its own (`sigma: posterior` or
    /// `posterior-gauss-newton`)
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviations: Vec<f64>,
    /// T that were taken
    pub draws: usize,
    /// how; draws of a file count as `plain`
    pub sampling: Sampling,
    /// standard error of V over the draws over V
    pub relative_error: f64,
    /// E_θ of the control variate; null where there is none
    pub control_mean: Option<SquaredLoss>,
    /// the file of the losses, where they are given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub losses: Option<String>,
    /// whether values, slopes and curvatures are given beside them
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_derivatives: bool,
    /// (d,), loss per squared parameter unit, where they are given beside the losses
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eigenvalues: Vec<f64>,
}

/// What a landscape is of.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GridFact {
    /// folder of its artifacts, after `grid_`
    pub name: String,
    /// whose first two directions
    pub basis: BasisName,
    /// along each axis
    pub points: usize,
    /// the axes run from −extent to extent, parameter units
    pub extent: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// skll #624, scikit-learn #7370: a default that the data do not reach. It was refused, after all draws of all settings.
    #[test]
    fn a_landscape_keeps_the_prefixes_that_the_samples_have() {
        let text = r#"{"name": "hessian", "basis": "hessian", "points": 3, "extent": 1.0, "prefix_sizes": [10, 1000]}"#;
        let grid: Grid = serde_json::from_str(text).unwrap();
        assert_eq!(grid.sizes(60, 1), [10, 59]);
        assert_eq!(grid.sizes(1001, 1), [10, 1000]);
        assert_eq!(grid.sizes(1000, 1), [10, 999]);
        assert!(grid.left_out(60, 1).unwrap().contains("[1000] are left out, as there are 60 samples"));
        assert_eq!(grid.left_out(1001, 1), None);
    }
}
