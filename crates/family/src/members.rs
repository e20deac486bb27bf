//! What each member found, and how its directions and its surface stand to those of the largest member of its replica.

use anyhow::Result;
use landscape::change::fresh::SeenAndFresh;
use landscape::change::prefix::order_factor;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::passes::draws::Draws;
use landscape::spectrum::angles::{outliers, overlap, principal_cosines};
use ndarray::{Array2, Ix1, s};
use pipeline::Failure;
use pipeline::shell::StageContext;
use records::{BasisName, FetchData, MonteCarlo};
use records::{Family, Member};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::artifact::Inputs;

/// One member. Losses in nats, Δ and V in nats².
#[derive(Serialize)]
pub struct MemberResult {
    #[serde(flatten)]
    pub member: Member,
    pub n_samples: usize,
    pub n_classes: usize,
    /// eigenvalues of `eigen` above their largest gap, and the ratio across it; null without a gap
    pub outliers: Option<(usize, f64)>,
    pub train_loss: f64,
    pub train_accuracy: Option<f64>,
    pub test_loss: Option<f64>,
    pub test_accuracy: Option<f64>,
    pub gradient_norm: f64,
    /// as `train` recorded it; null without a polish
    pub polish: Option<Value>,
    #[serde(skip)]
    pub eigenvalues: Vec<f64>,
    /// of the angles to the largest member of the same replica and variant; empty for that one
    #[serde(skip)]
    pub cosines: Vec<f64>,
    /// mean squared cosine
    pub overlap: Option<f64>,
    /// the setting of `montecarlo` that these numbers are of: its first
    pub setting: String,
    pub dim: usize,
    pub sigma: f64,
    pub draws: usize,
    pub step: usize,
    pub layers: Vec<usize>,
    pub activation: String,
    pub n_params: usize,
    pub source: String,
    pub confidence: f64,
    /// V of the member's own samples
    pub variance: f64,
    pub variance_standard_error: f64,
    /// V of each theory that has one, by name
    pub theory_variances: Vec<(String, f64)>,
    /// Δ_k by the closed form over the member's own samples, which it was trained on
    pub delta_seen: f64,
    /// Δ_k over the samples that come next, which it was not; null where none are left
    pub delta_fresh: Option<f64>,
    /// K by the closed form, per tolerance
    pub sufficient: Vec<Sufficient>,
}

#[derive(Clone, Deserialize, Serialize)]
pub struct Sufficient {
    pub tolerance: f64,
    #[serde(skip_serializing)]
    relative: Option<f64>,
    pub k: Option<usize>,
    pub status: String,
    #[serde(skip_serializing)]
    setting: String,
    #[serde(skip_serializing)]
    method: String,
}

#[derive(Deserialize)]
struct TheoryDocument {
    confidence: f64,
    settings: Vec<Setting>,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    basis: BasisName,
    dim: usize,
    sigma: f64,
    draws: usize,
    variance: f64,
    variance_standard_error: f64,
    theories: Vec<Theory>,
}

#[derive(Deserialize)]
struct Theory {
    name: String,
    order_average_variance: Option<f64>,
}

#[derive(Deserialize)]
struct SufficientDocument {
    rows: Vec<Sufficient>,
}

/// All members, in the order of the family.
pub fn read_all(params: &Family, ctx: &StageContext) -> Result<Vec<MemberResult>> {
    let progress = ctx.progress(ctx.members.len(), "family: members");
    let sizes = ctx.members.iter().map(|(_, inputs)| inputs.fact::<usize>("fetch-data", "n_samples"));
    let sizes = sizes.collect::<store::Result<Vec<_>>>()?;
    let one = |(i, (member, inputs)): (usize, &(Member, Inputs))| {
        let largest = largest_of(ctx, &sizes, member);
        let found = read(params, member, inputs, sizes[i], (largest != i).then(|| &ctx.members[largest].1))?;
        progress.add(1);
        Ok(found)
    };
    ctx.members.iter().enumerate().map(one).collect()
}

/// The member of most samples among those of the same replica and variant.
fn largest_of(ctx: &StageContext, sizes: &[usize], member: &Member) -> usize {
    let alike = |i: &usize| {
        let other = &ctx.members[*i].0;
        (other.replica, &other.variant) == (member.replica, &member.variant)
    };
    (0..sizes.len()).filter(alike).max_by_key(|&i| sizes[i]).expect("the member itself")
}

fn read(
    params: &Family,
    member: &Member,
    inputs: &Inputs,
    n_samples: usize,
    largest: Option<&Inputs>,
) -> Result<MemberResult> {
    let theory: TheoryDocument = inputs.read_json("bound", "theory.json")?;
    let setting = &theory.settings[0]; // `montecarlo` has at least one
    let step: usize = inputs.fact("montecarlo", "step")?;
    let sufficient: SufficientDocument = inputs.read_json("bound", "sufficient.json")?;
    // A relative tolerance is another one for each member.
    let of_setting =
        |r: &Sufficient| r.setting == setting.name && r.method == "order-average" && r.relative.is_none();
    let (cosines, delta_fresh) = match largest {
        None => (vec![], None),
        Some(largest) => {
            (cosines(inputs, largest)?, Some(fresh(params, inputs, largest, setting, n_samples, step)?))
        }
    };
    let eigenvalues = inputs.read::<f64, Ix1>("eigen", "eigenvalues.npy")?.to_vec();
    let residuals = inputs.read::<f64, Ix1>("eigen", "residuals.npy")?.to_vec();
    Ok(MemberResult {
        member: member.clone(),
        n_samples,
        n_classes: inputs.fact("fetch-data", "n_classes")?,
        outliers: outliers(&eigenvalues, &residuals).map(|o| (o.count, o.ratio)),
        train_loss: inputs.fact("train", "train_loss")?,
        train_accuracy: inputs.fact("train", "train_accuracy")?,
        test_loss: inputs.fact("train", "test_loss")?,
        test_accuracy: inputs.fact("train", "test_accuracy")?,
        gradient_norm: inputs.fact("train", "gradient_norm")?,
        polish: inputs.manifest("train").facts.get("polish").cloned(),
        eigenvalues,
        overlap: (!cosines.is_empty()).then(|| overlap(&cosines.clone().into())),
        cosines,
        setting: setting.name.clone(),
        dim: setting.dim,
        sigma: setting.sigma,
        draws: setting.draws,
        step,
        layers: inputs.fact("train", "layers")?,
        activation: inputs.fact("train", "activation")?,
        n_params: inputs.fact("train", "n_params")?,
        source: inputs.fact("fetch-data", "source")?,
        confidence: theory.confidence,
        variance: setting.variance,
        variance_standard_error: setting.variance_standard_error,
        theory_variances: setting
            .theories
            .iter()
            .filter_map(|t| t.order_average_variance.map(|v| (t.name.clone(), v)))
            .collect(),
        delta_seen: setting.variance * order_factor(n_samples, step),
        delta_fresh,
        sufficient: sufficient.rows.into_iter().filter(of_setting).collect(),
    })
}

/// Between the dominant directions of this member and of the largest.
fn cosines(inputs: &Inputs, largest: &Inputs) -> Result<Vec<f64>> {
    let mlp = experiment::network(inputs)?;
    if experiment::network(largest)? != mlp {
        return Ok(vec![]);
    }
    let basis = |inputs: &Inputs| -> Result<Array2<f64>> {
        experiment::basis(inputs, BasisName::Hessian.file(), &mlp)
    };
    Ok(principal_cosines(basis(inputs)?.view(), basis(largest)?.view()).to_vec())
}

/// `E_θ E (L_{k+s} − L_k)²` at this member's w* and basis, over the samples of the largest member that it has not seen.
fn fresh(
    params: &Family,
    inputs: &Inputs,
    largest: &Inputs,
    setting: &Setting,
    k: usize,
    step: usize,
) -> Result<f64> {
    let (own, all) = (inputs.params::<FetchData>("fetch-data")?, largest.params::<FetchData>("fetch-data")?);
    if (own.seed, &own.order, own.dataset, own.classes) != (all.seed, &all.order, all.dataset, all.classes) {
        return Err(Failure::config(
            "family: members of one replica do not share the order of the samples",
            "fetch-data may differ in n_samples only within a replica; check family.variants",
        )
        .into());
    }
    let samples = experiment::train_samples(largest)?;
    let mlp = experiment::network(inputs)?;
    let w = experiment::w_star::<f32>(inputs, &mlp)?;
    let basis = experiment::basis::<f32>(inputs, setting.basis.file(), &mlp)?;
    let basis = basis.slice(s![..setting.dim, ..]);
    let montecarlo: MonteCarlo = inputs.params("montecarlo")?;
    let theta = gaussian_rows(montecarlo.seed, params.draws, setting.dim) * setting.sigma;
    let draws = Draws {
        mlp: &mlp,
        w: w.view(),
        basis,
        samples: &samples,
        weights_bytes: montecarlo.weights_mib << 20,
    };
    let mut sinks = (0..params.draws).map(|_| SeenAndFresh::new(k)).collect::<Vec<_>>();
    draws.evaluate(theta.view(), &mut sinks, &mut |_, _| ());
    let n_fresh = samples.len() - k;
    Ok(sinks.iter().map(|s| s.expected_square(step.min(n_fresh), n_fresh)).sum::<f64>() / params.draws as f64)
}
