//! `answer`: V and K as precise as asked for, from as few losses as that takes: some of the samples, at some draws.

mod cost;

use std::ops::Range;
use std::process::ExitCode;

use landscape::change::delta::{MonteCarlo, MonteCarloRun};
use landscape::change::precision::{self, End, LossSource, Request};
use landscape::change::sampling::Proposal;
use landscape::passes::draws::Draws;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2, s};
use pipeline::log::{number, percent};
use pipeline::progress::Progress;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext};
use pipeline::{Failure, Result};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use records::answer::Found;
use records::bound::{SufficientRow, Tolerance, Uncertain};
use records::{Answer, Precision, name_of};
use store::npy::Element;

struct AnswerStage;

impl Stage for AnswerStage {
    type Params = Answer;
    const ABOUT: &'static str =
        "Measures V and K as precisely as asked for, from as few losses as that takes";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Answer, ctx: &PlanContext) -> Result<Cost> {
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &Answer, ctx: &mut StageContext) -> Result<String> {
        let Some(half_width) = params.half_width else {
            return Ok("nothing asked: answer.half_width is null".to_owned());
        };
        match params.precision {
            Precision::F32 => run::<f32>(params, half_width, ctx),
            Precision::F64 => run::<f64>(params, half_width, ctx),
        }
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<AnswerStage>()
}

/// A trained network at random samples of all.
struct Source<'a, R> {
    network: &'a Network,
    w: Array1<R>,
    basis: Array2<R>,
    all: &'a Samples,
    /// those of the longest run so far, in a random order
    taken: Samples,
    params: &'a Answer,
    progress: Progress,
}

impl<R: Real> Source<'_, R> {
    /// The first `n` samples of a random order, in memory: a file is often sorted by class.
    fn first(&mut self, n: usize) -> Samples {
        if n > self.taken.len() {
            let mut rng = ChaCha20Rng::seed_from_u64(self.params.seed);
            rng.set_stream(u64::MAX);
            let rows = rand::seq::index::sample(&mut rng, self.all.len(), n).into_vec();
            self.taken = experiment::gather::<R>(self.all, &rows);
        }
        self.taken.first(n)
    }
}

impl<R: Real> LossSource for Source<'_, R> {
    fn n_samples(&self) -> usize {
        self.all.len()
    }

    fn add(&mut self, run: &mut MonteCarloRun, proposal: Proposal, range: Range<usize>) -> Array2<f64> {
        let samples = self.first(run.n_samples());
        let draws = Draws {
            network: self.network,
            w: self.w.view(),
            basis: self.basis.view(),
            samples: &samples,
            weights_bytes: self.params.weights_mib << 20,
        };
        let normal = run.sampling().standard_normal(self.params.seed, range, self.basis.nrows());
        let theta = &normal * (self.params.sigma * proposal.scale);
        let weights = proposal.weights(normal.view());
        run.add_weighted(&draws, theta.view(), &weights, &mut |n| self.progress.add(n));
        normal
    }
}

fn run<R: Real + Element>(params: &Answer, half_width: f64, ctx: &mut StageContext) -> Result<String> {
    let samples = experiment::train_samples(&ctx.inputs)?;
    let network = experiment::network(&ctx.inputs)?;
    let basis = directions(params, ctx, &network)?;
    let dim = basis.nrows();
    let mut source = Source::<R> {
        network: &network,
        w: experiment::w_star(&ctx.inputs, &network)?,
        basis,
        all: &samples,
        taken: samples.first(0),
        params,
        progress: ctx.progress_at_most(whole(params.max_losses), "answer: losses"),
    };
    let request = Request {
        half_width,
        confidence: params.confidence,
        first: (params.first_samples, params.first_draws),
        sampling: params.sampling_of(dim),
        most_losses: params.max_losses,
    };
    let measured = precision::measure(&mut source, &request).map_err(|e| {
        let message = format!("answer: {e} at sigma {}", params.sigma);
        Failure::not_converged(message, "lower answer.sigma, or set answer.precision: f64")
    })?;
    drop(source);
    let found = describe(ctx, params, half_width, dim, samples.len(), &measured);
    warn(ctx, params, &found);
    write(ctx, measured.run.finish(), measured.many.finish())?;
    let line = line(&found);
    ctx.outputs.document(&found)?;
    ctx.outputs.write_bytes("answer.txt", format!("{line}\n").as_bytes(), "the answer in one line")?;
    Ok(line)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive; more than fits is as good as no limit
fn whole(losses: f64) -> usize {
    losses as usize
}

/// The first directions of the basis, as many as asked for.
fn directions<R: Real>(params: &Answer, ctx: &StageContext, network: &Network) -> Result<Array2<R>> {
    let all = experiment::basis::<R>(&ctx.inputs, params.basis.file(), network)?;
    let (dim, has) = (params.dim.unwrap_or(all.nrows()), all.nrows());
    if dim == 0 || dim > has {
        let message = format!("answer.dim: {dim} directions, but {} has {has}", params.basis.file());
        let hint = "lower it, or raise eigen.dim (Hessian) or eigen.random_dim (random, filter), or bring more rows in eigen.basis";
        return Err(Failure::config(message, hint).into());
    }
    Ok(all.slice(s![..dim, ..]).to_owned())
}

/// What is written of V and K.
fn describe(
    ctx: &StageContext,
    params: &Answer,
    asked: f64,
    dim: usize,
    n_samples: usize,
    measured: &precision::Found,
) -> Found {
    let (v, (ratio, mean_loss)) = (&measured.estimate, measured.ratio());
    let nominal = precision::nominal(params.confidence);
    let largest = (n_samples / params.step).saturating_sub(1) * params.step;
    let row = |tolerance: Tolerance| {
        let v = if tolerance.relative.is_none() { v } else { &ratio };
        let places = (params.step, largest);
        let row = SufficientRow::of_order_average("answer", "order-average", tolerance, v, places, nominal);
        row.uncounted(v).into_iter().for_each(|why| ctx.warn(why));
        row
    };
    if let Some(why) = SufficientRow::few_samples(n_samples) {
        ctx.warn(format!("answer: {why}"));
    }
    let tolerances = Tolerance::all(&params.tolerances, &params.relative_tolerances, mean_loss);
    Found {
        n_samples,
        basis: params.basis,
        dim,
        sigma: params.sigma,
        step: params.step,
        confidence: params.confidence,
        asked,
        half_width: precision::half_width(v, params.confidence),
        end: measured.end,
        losses: measured.rounds.iter().map(|r| r.losses).sum(),
        v: Uncertain::of(v, nominal),
        mean_loss,
        sampling: measured.run.sampling(),
        scale: measured.proposal.scale,
        components: measured.components,
        rounds: measured.rounds.clone(),
        rows: tolerances.map(row).collect(),
    }
}

/// Says where the interval is longer than was asked for.
fn warn(ctx: &StageContext, params: &Answer, found: &Found) {
    let why = match found.end {
        // The line says that all samples allow no better: nobody can do anything about it but collect more.
        End::Precise | End::AllSamples => return,
        End::Losses => {
            format!("the next round would pass answer.max_losses, {:.1e}; raise it", params.max_losses)
        }
        End::Draws => {
            format!("{} has no more draws; set answer.sampling to plain", name_of(found.sampling))
        }
    };
    ctx.warn(format!(
        "answer: V is known to {:.1} %, not to {}: {why}",
        100.0 * found.half_width,
        percent(found.asked)
    ));
}

/// What V and its interval come from.
fn write(ctx: &mut StageContext, found: MonteCarlo, many: MonteCarlo) -> Result<()> {
    let mut write = |file: &str, array: &Array1<f64>, unit: &str, meaning: &str| {
        ctx.outputs.write(&format!("{file}.npy"), array, unit, meaning)
    };
    let meaning = "weight of theta_t times S^2(theta_t) over the first n samples, (T,)";
    write("loss_variance", &found.loss_variance, "loss^2", meaning)?;
    write("mean_loss", &found.mean_loss, "loss", "the same of L_n(theta_t), (T,)")?;
    let meaning = "weighted mean over all draws of (i-1)/i (l_i - L_{i-1})^2 for samples 2 to n, (n - 1,)";
    write("deviation", &found.deviation, "loss^2", meaning)?;
    write("sample_loss", &found.sample_loss, "loss", "weighted mean of l_i over all draws, (n,)")?;
    let meaning = "the same over the few draws for samples 2 to n', (n' - 1,)";
    write("few_draws_deviation", &many.deviation, "loss^2", meaning)?;
    Ok(write("few_draws_sample_loss", &many.sample_loss, "loss", "the same of l_i, (n',)")?)
}

/// The answer in one line.
fn line(found: &Found) -> String {
    let size = |row: &SufficientRow| {
        let [k, low, high] =
            [row.k, row.low, row.high].map(|k| k.map_or("none".to_owned(), |k| k.to_string()));
        format!("{} = {k} [{low}, {high}] ({})", row.name(), name_of(row.status))
    };
    let sizes = found.rows.iter().map(size).collect::<Vec<_>>().join(", ");
    let plan = &found.rounds[found.rounds.len() - 1].plan;
    let all = if found.end == End::AllSamples { ", as precise as all samples allow," } else { "" };
    format!(
        "{sizes}; V {} +- {:.1} %{all} from {} of {} samples x {} draws and {} x {}, {:.1} million losses in all",
        number(found.v.variance, 4),
        100.0 * found.half_width,
        plan.many_samples,
        found.n_samples,
        plan.few_draws,
        plan.samples,
        plan.draws,
        found.losses as f64 / 1e6
    )
}
