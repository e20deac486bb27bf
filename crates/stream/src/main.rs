//! `stream`: training while samples arrive, and the rules that say when enough have come.

mod cost;
mod run;

use std::process::ExitCode;

use anyhow::Result;
use landscape::Real;
use ndarray::{Array2, Axis};
use pipeline::Failure;
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext};
use rayon::prelude::*;
use records::stream::{Facts, RuleStops, Stops};
use records::{Precision, Stream, Train};
use store::npy::Element;

use crate::run::{COLUMNS, RULES, Run, Subject};

struct StreamStage;

impl Stage for StreamStage {
    type Params = Stream;
    const ABOUT: &'static str =
        "Trains while samples arrive and stops when V's upper limit says that Delta is small enough";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Stream, ctx: &PlanContext) -> Result<Cost> {
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &Stream, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<StreamStage>()
}

fn run<R: Real + Element>(params: &Stream, ctx: &mut StageContext) -> Result<String> {
    if params.seeds == 0 {
        ctx.outputs.facts(&Facts { seeds: 0, trajectory_columns: None })?;
        return Ok("no seeds, so nothing was run".to_owned());
    }
    let samples = experiment::train_samples(&ctx.inputs)?;
    if params.first + params.batch > samples.len() {
        return Err(Failure::config(
            format!(
                "stream.first: {} samples at the start and {} an arrival, but there are {} in all",
                params.first,
                params.batch,
                samples.len()
            ),
            "lower stream.first or stream.batch",
        )
        .into());
    }
    let network = experiment::network(&ctx.inputs)?;
    if params.dim > network.n_params() {
        return Err(Failure::config(
            format!(
                "stream.dim: {} directions, but the network has {} parameters",
                params.dim,
                network.n_params()
            ),
            "lower stream.dim; eigen.dim is a usual choice",
        )
        .into());
    }
    let train: Train = ctx.inputs.params("train")?;
    let subject = Subject { params, train: &train, network: &network, samples: &samples };
    let progress = ctx.progress(params.seeds, "stream: seeds");
    let one = |i: u64| {
        let run = Run::<R>::new(&subject, params.seed.wrapping_add(i)).finish();
        progress.add(1);
        run
    };
    let runs = (0..params.seeds as u64).into_par_iter().map(one).collect::<Vec<_>>();
    drop(progress);
    if let Some(i) = runs.iter().position(|r| r.stops.iter().flatten().any(|s| !s.truth.is_finite())) {
        return Err(Failure::not_converged(
            format!("stream: run {i}: losses are not finite"),
            "lower train.optimizer.learning_rate or stream.sigma",
        )
        .into());
    }
    write(params, ctx, &runs)
}

fn write<R: Real + Element>(params: &Stream, ctx: &mut StageContext, runs: &[Run<R>]) -> Result<String> {
    let out = &mut ctx.outputs;
    let first = &runs[0];
    let flat = first.trajectory.iter().flatten().copied().collect();
    let trajectory = Array2::from_shape_vec((first.trajectory.len(), COLUMNS.len()), flat)?;
    out.write("trajectory.npy", &trajectory, "see trajectory_columns", "the first run, a row an arrival")?;
    let columns = COLUMNS.map(str::to_owned).to_vec();
    out.facts(&Facts { seeds: params.seeds, trajectory_columns: Some(columns) })?;
    out.write(
        "w_stop.npy",
        &first.w_stop,
        "parameter units",
        "the first run's parameters where `limit-anytime` stopped it, (p,)",
    )?;
    let column = |f: &dyn Fn(&run::Stop) -> f64| {
        let value = |(i, rule): (usize, usize)| runs[i].stops[rule].as_ref().map_or(f64::NAN, f);
        Array2::from_shape_fn((runs.len(), RULES.len()), value)
    };
    let (sizes, truths) = (column(&|s| s.k as f64), column(&|s| s.truth));
    out.write(
        "stop_sizes.npy",
        &sizes,
        "samples",
        "where each rule stopped each run, NaN: never, (seeds, rules)",
    )?;
    out.write(
        "stop_truths.npy",
        &truths,
        "loss^2",
        "Delta there, from samples that had not come, (seeds, rules)",
    )?;
    let rules = RULES.iter().enumerate().map(|(rule, name)| rule_row(params, name, &sizes, &truths, rule));
    let rules = rules.collect::<Vec<_>>();
    let line = rules.iter().map(|r| format!("{} {} false stops of {}", r.rule, r.false_stops, r.stopped));
    let line = line.collect::<Vec<_>>().join(", ");
    let Stream { seeds, tolerance, confidence, batch, .. } = *params;
    out.document(&Stops { seeds, tolerance, confidence, batch, rules })?;
    Ok(format!("{} seeds: {line}", runs.len()))
}

/// What a rule did over all runs.
fn rule_row(
    params: &Stream,
    name: &str,
    sizes: &Array2<f64>,
    truths: &Array2<f64>,
    rule: usize,
) -> RuleStops {
    let sorted = |of: &Array2<f64>| {
        let mut values =
            of.index_axis(Axis(1), rule).iter().copied().filter(|x| x.is_finite()).collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        values
    };
    let (sizes, truths) = (sorted(sizes), sorted(truths));
    let stopped = sizes.len();
    let wrong = truths.iter().filter(|&&t| t >= params.tolerance).count();
    let median = |v: &[f64]| v.get(v.len() / 2).copied();
    // Wilson 1927: an interval for a fraction that behaves at 0 and at 1.
    let (n, z) = (stopped as f64, 1.959_964);
    let rate = wrong as f64 / n;
    let centre = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    let of_stops = |value: f64| (stopped > 0).then_some(value);
    RuleStops {
        rule: name.to_owned(),
        stopped,
        false_stops: wrong,
        false_stop_rate: of_stops(rate),
        low: of_stops((centre - half).max(0.0)),
        high: of_stops((centre + half).min(1.0)),
        median_k: median(&sizes),
        median_truth: median(&truths),
        largest_truth: truths.last().copied(),
    }
}
