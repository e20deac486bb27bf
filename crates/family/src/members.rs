//! What each member found, and how its directions and its surface stand to those of the largest member of its replica.

use landscape::change::absolute::{mean_absolute_change, random_orders};
use landscape::change::fresh::SeenAndFresh;
use landscape::change::prefix::{geometric_sizes, order_factor};
use landscape::change::sampling::spread;
use landscape::numeric::gaussian::gaussian_rows;
use landscape::numeric::vectors::largest_magnitude;
use landscape::passes::draws::Draws;
use landscape::spectrum::angles::{outliers, overlap, principal_cosines};
use ndarray::{Array2, Ix1, s};
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::bound::{SettingTheory, Sufficient, SufficientRow, TheoryDocument};
use records::family::{MemberResult, MemberSize};
use records::{BasisName, Family, FetchData, Member, MonteCarlo, fetch_data, train};
use store::artifact::Inputs;

/// A member, with what goes into the arrays of the stage.
pub struct Found {
    pub result: MemberResult,
    pub eigenvalues: Vec<f64>,
    /// of the angles to the largest member of the same replica and variant; empty for that one
    pub cosines: Vec<f64>,
    /// mean |L_{k+s} − L_k| at w* over [`ORDERS`] random orders, at its own [`geometric_sizes`], loss
    pub changes: Vec<(usize, f64)>,
    /// its test samples; none without a test split
    pub tested: Option<Tested>,
}

/// What a member makes of each of its M test samples.
pub struct Tested {
    /// (M,) loss
    pub losses: Vec<f64>,
    /// (M,) 1 where it is classified wrong, else 0; none for regression
    pub wrong: Option<Vec<f64>>,
    /// hashes of the samples and of their targets
    pub samples: [String; 2],
}

/// The members of one variant.
pub struct Variant<'a> {
    pub name: Option<String>,
    /// in the order of the family
    pub members: Vec<&'a Found>,
    /// the same by size, ascending
    pub rungs: Vec<Vec<&'a Found>>,
}

impl<'a> Variant<'a> {
    /// Every variant of `all`.
    pub fn each(all: &'a [Found]) -> Vec<Self> {
        let mut names = all.iter().map(|m| m.result.member.variant.clone()).collect::<Vec<_>>();
        names.dedup();
        let one = |name: Option<String>| {
            let members = all.iter().filter(|m| m.result.member.variant == name).collect::<Vec<_>>();
            let mut sizes = members.iter().map(|m| m.result.n_samples).collect::<Vec<_>>();
            sizes.sort_unstable();
            sizes.dedup();
            let of = |k: usize| members.iter().filter(|m| m.result.n_samples == k).copied().collect();
            let rungs = sizes.into_iter().map(of).collect();
            Self { name, members, rungs }
        };
        names.into_iter().map(one).collect()
    }
}

/// Orders of the samples over which the change at w* is averaged: its error is 0.76 / √ORDERS of it for normal losses, 5 %,
/// and more where few losses are large.
const ORDERS: usize = 256;
/// Prefix sizes at which it is kept.
const SIZES: usize = 40;

/// All members, in the order of the family.
pub fn read_all(params: &Family, ctx: &StageContext) -> Result<Vec<Found>> {
    let progress = ctx.progress(ctx.members.len(), "family: members");
    let size = |(_, inputs): &(Member, Inputs)| Ok(inputs.facts::<fetch_data::Facts>()?.n_samples);
    let sizes = ctx.members.iter().map(size).collect::<Result<Vec<_>>>()?;
    let one = |(i, (member, inputs)): (usize, &(Member, Inputs))| {
        let largest = largest_of(ctx, &sizes, member);
        let found = read(params, member, inputs, (largest != i).then(|| &ctx.members[largest].1))?;
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

/// Above which `eigen` found every eigenvalue.
fn border(inputs: &Inputs, eigenvalues: &[f64]) -> Result<f64> {
    let smallest = eigenvalues.iter().copied().fold(f64::INFINITY, f64::min);
    let tolerance = inputs.params::<records::Eigen>("eigen")?.residual_tolerance;
    Ok(smallest + tolerance * largest_magnitude(eigenvalues))
}

fn read(params: &Family, member: &Member, inputs: &Inputs, largest: Option<&Inputs>) -> Result<Found> {
    let data: fetch_data::Facts = inputs.facts()?;
    let model: train::Facts = inputs.facts()?;
    let theory: TheoryDocument = inputs.document()?;
    let setting = &theory.settings[0]; // `montecarlo` has at least one
    let sufficient: Sufficient = inputs.document()?;
    let (n_samples, step) = (data.n_samples, sufficient.step);
    // A relative tolerance is another one for each member.
    let of_setting =
        |r: &SufficientRow| r.setting == setting.name && r.method == "order-average" && r.relative.is_none();
    let size = |r: SufficientRow| MemberSize { tolerance: r.tolerance, k: r.k, status: r.status };
    let (cosines, delta_fresh) = match largest {
        None => (vec![], None),
        Some(largest) => {
            (cosines(inputs, largest)?, Some(fresh(params, inputs, largest, setting, n_samples, step)?))
        }
    };
    let eigenvalues = inputs.read::<f64, Ix1>("eigen", "eigenvalues.npy")?.to_vec();
    let residuals = inputs.read::<f64, Ix1>("eigen", "residuals.npy")?.to_vec();
    let losses = inputs.read::<f64, Ix1>("eigen", "sample_loss.npy")?.to_vec();
    let result = MemberResult {
        member: member.clone(),
        n_samples,
        n_classes: data.n_classes,
        outliers: outliers(&eigenvalues, &residuals, border(inputs, &eigenvalues)?)
            .map(|o| (o.count, o.ratio)),
        train_loss: model.train_loss,
        train_accuracy: model.train_accuracy,
        test_loss: model.test_loss,
        test_accuracy: model.test_accuracy,
        gradient_norm: model.gradient_norm,
        stop: model.stop,
        polish: model.polish,
        overlap: (!cosines.is_empty()).then(|| overlap(&cosines.clone().into())),
        setting: setting.name.clone(),
        dim: setting.dim,
        sigma: setting.sigma,
        draws: setting.draws,
        step,
        network: model.network,
        loss: model.loss,
        activation: model.activation,
        n_params: model.n_params,
        source: data.source,
        confidence: theory.confidence,
        variance: setting.v.variance,
        variance_standard_error: setting.v.variance_standard_error,
        theory_variances: setting
            .theories
            .iter()
            .filter_map(|t| t.order_average_variance.map(|v| (t.name.clone(), v)))
            .collect(),
        delta_seen: setting.v.variance * order_factor(n_samples, step),
        warnings: inputs.manifests().flat_map(|m| m.warnings.clone()).collect(),
        delta_fresh,
        sufficient: sufficient.rows.into_iter().filter(of_setting).map(size).collect(),
    };
    let changes = changes(&losses, step, inputs.params::<MonteCarlo>("montecarlo")?.seed);
    Ok(Found { result, eigenvalues, cosines, changes, tested: tested(inputs)? })
}

/// Losses and errors of the test samples at w*, by products in f32 as in `fresh`.
fn tested(inputs: &Inputs) -> Result<Option<Tested>> {
    let Some(samples) = experiment::split(inputs, "test")? else { return Ok(None) };
    let network = experiment::network(inputs)?;
    let w = experiment::w_star::<f32>(inputs, &network)?;
    let found = landscape::passes::gradient::each_loss(&network, &w.view(), &samples);
    let outputs = &inputs.manifest("fetch-data").outputs;
    Ok(Some(Tested {
        losses: found.iter().map(|f| f.0).collect(),
        wrong: found.iter().map(|f| f.1.map(|right| f64::from(!right))).collect(),
        samples: ["test_images.npy", "test_labels.npy"].map(|file| outputs[file].sha256.clone()),
    }))
}

/// The change of the mean loss at w*, (k, loss).
fn changes(losses: &[f64], step: usize, seed: u64) -> Vec<(usize, f64)> {
    let largest = (losses.len() / step - 1) * step;
    let sizes = geometric_sizes(step, largest, SIZES);
    let orders = random_orders(losses.len(), ORDERS, seed);
    let changes = mean_absolute_change(losses, step, &sizes, orders);
    sizes.into_iter().zip(changes).collect()
}

/// Between the dominant directions of this member and of the largest.
fn cosines(inputs: &Inputs, largest: &Inputs) -> Result<Vec<f64>> {
    let network = experiment::network(inputs)?;
    if experiment::network(largest)? != network {
        return Ok(vec![]);
    }
    let basis = |inputs: &Inputs| -> Result<Array2<f64>> {
        experiment::basis(inputs, BasisName::Hessian.file(), &network)
    };
    Ok(principal_cosines(basis(inputs)?.view(), basis(largest)?.view()).to_vec())
}

/// `E_θ E (L_{k+s} − L_k)²` at this member's w* and basis, over the samples of the largest member that it has not seen.
fn fresh(
    params: &Family,
    inputs: &Inputs,
    largest: &Inputs,
    setting: &SettingTheory,
    k: usize,
    step: usize,
) -> Result<f64> {
    let (own, all) = (inputs.params::<FetchData>("fetch-data")?, largest.params::<FetchData>("fetch-data")?);
    if (own.seed, &own.order, own.dataset, own.classes) != (all.seed, &all.order, all.dataset, all.classes) {
        let message = "family: members of one replica do not share the order of the samples";
        let hint = "fetch-data may differ in n_samples only within a replica; check family.variants";
        return Err(Failure::config(message, hint).into());
    }
    let samples = experiment::train_samples(largest)?;
    let network = experiment::network(inputs)?;
    let w = experiment::w_star::<f32>(inputs, &network)?;
    let basis = experiment::basis::<f32>(inputs, setting.basis.file(), &network)?;
    let basis = basis.slice(s![..setting.dim, ..]);
    let montecarlo: MonteCarlo = inputs.params("montecarlo")?;
    let z = gaussian_rows(montecarlo.seed, params.draws, setting.dim);
    let theta = spread(z, setting.sigma, &setting.deviations);
    let draws = Draws {
        network: &network,
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
