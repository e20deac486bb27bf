//! `stream`: training while samples arrive, and the rules that say when enough have come.

mod cost;
mod rules;
mod run;
mod saved;

use std::process::ExitCode;

use experiment::recorded::solved;
use landscape::Real;
use landscape::change::prefix::Moments;
use ndarray::{Array1, Array2, Array3};
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext};
use pipeline::{Failure, Result};
use rayon::prelude::*;
use records::stream::{Facts, Lost, RuleStops, Stops};
use records::{Precision, Stream, Train};
use store::npy::Element;

use crate::rules::{COLUMNS, RULES, TRAIN_LOSS};
use crate::run::{Found, Run, Setup, Stop};

struct StreamStage;

impl Stage for StreamStage {
    type Params = Stream;
    const ABOUT: &'static str = "Trains while samples arrive and compares rules for when to stop";
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
        let Stream { first, batch, .. } = *params;
        let n = samples.len();
        let message = format!(
            "stream.first: {first} samples at the start and {batch} an arrival, but there are {n} in all"
        );
        return Err(Failure::config(message, "lower stream.first or stream.batch").into());
    }
    let network = experiment::network(&ctx.inputs)?;
    if params.dim > network.n_params() {
        let (dim, p) = (params.dim, network.n_params());
        let message = format!("stream.dim: {dim} directions, but the network has {p} parameters");
        return Err(Failure::config(message, "lower stream.dim; eigen.dim is a usual choice").into());
    }
    params.never_full(samples.len()).into_iter().for_each(|why| ctx.warn(why));
    let train: Train = ctx.inputs.params("train")?;
    let test = experiment::split(&ctx.inputs, "test")?.filter(|test| !test.is_empty());
    let test = test.map(|test| experiment::gather::<R>(&test, &(0..test.len()).collect::<Vec<_>>()));
    let setup = Setup { params, train: &train, network: &network, samples: &samples, test: test.as_ref() };
    let runs = solved(Some("stream.precision"), || all_runs::<R>(&setup, ctx))??;
    if let Some(i) = runs.iter().position(|run| !is_finite(run)) {
        let hint = "lower train.optimizer.learning_rate or stream.sigma";
        return Err(Failure::not_converged(format!("stream: run {i}: losses are not finite"), hint).into());
    }
    write(params, ctx, &runs)
}

/// A run for each seed, so many at a time as there are threads: the stage may stop between.
fn all_runs<R: Real>(setup: &Setup, ctx: &StageContext) -> Result<Vec<Found<R>>> {
    const SEEDS: &str = "seeds";
    let params = setup.params;
    let progress = ctx.progress(params.seeds, "stream: seeds");
    let mut runs = ctx.resume(SEEDS, |saved| saved::read(saved, setup)).unwrap_or_default();
    progress.add(runs.len());
    while runs.len() < params.seeds {
        let turn = runs.len()..(runs.len() + rayon::current_num_threads()).min(params.seeds);
        let one = |i: usize| {
            let run = Run::<R>::new(setup, params.seed.wrapping_add(i as u64)).finish();
            progress.add(1);
            run
        };
        runs.extend(turn.into_par_iter().map(one).collect::<Vec<_>>());
        ctx.may_stop(SEEDS, format_args!("seed {} of {}", runs.len(), params.seeds), || saved::of(&runs))?;
    }
    Ok(runs)
}

fn is_finite<R: Real>(run: &Found<R>) -> bool {
    run.trajectory.iter().all(|row| row[TRAIN_LOSS].is_finite())
        && run.stops.iter().flatten().all(|stop| stop.truth.is_finite())
}

fn write<R: Real + Element>(params: &Stream, ctx: &mut StageContext, runs: &[Found<R>]) -> Result<String> {
    let out = &mut ctx.outputs;
    let (looks, columns) = (runs[0].trajectory.len(), COLUMNS.len());
    let flat = runs.iter().flat_map(|run| run.trajectory.iter().flatten().copied()).collect();
    let trajectories =
        Array3::from_shape_vec((runs.len(), looks, columns), flat).expect("a row for each look");
    let shape = "every run, a row an arrival, (seeds, arrivals, columns)";
    out.write("trajectories.npy", &trajectories, "see trajectory_columns", shape)?;
    let columns = COLUMNS.map(str::to_owned).to_vec();
    out.facts(&Facts { seeds: params.seeds, trajectory_columns: Some(columns) })?;
    let meaning = "the first run's parameters where `betting` stopped it, (p,)";
    out.write("w_stop.npy", &runs[0].w_stop, "parameter units", meaning)?;
    let column = |f: &dyn Fn(&Stop) -> f64| {
        let value = |(i, rule): (usize, usize)| runs[i].stops[rule].as_ref().map_or(f64::NAN, f);
        Array2::from_shape_fn((runs.len(), RULES.len()), value)
    };
    let meaning = "where each rule stopped each run, NaN: never, (seeds, rules)";
    out.write("stop_sizes.npy", &column(&|s| s.k as f64), "samples", meaning)?;
    let meaning = "Delta there, from samples that had not come, (seeds, rules)";
    out.write("stop_truths.npy", &column(&|s| s.truth), "loss^2", meaning)?;
    let ends = runs.iter().map(|run| run.end_loss).collect::<Array1<f64>>();
    let meaning = "test loss once all samples have come, NaN: no test split, (seeds,)";
    out.write("end_losses.npy", &ends, "loss", meaning)?;
    let rules = (0..RULES.len()).map(|rule| rule_row(params, runs, rule)).collect::<Vec<_>>();
    let line = rules.iter().map(|r| format!("{} {} false stops of {}", r.rule, r.false_stops, r.stopped));
    let line = line.collect::<Vec<_>>().join(", ");
    let Stream { seeds, tolerance, confidence, batch, .. } = *params;
    out.document(&Stops { seeds, tolerance, confidence, batch, rules })?;
    Ok(format!("{} seeds: {line}", runs.len()))
}

/// What a rule did over all runs.
fn rule_row<R: Real>(params: &Stream, runs: &[Found<R>], rule: usize) -> RuleStops {
    let stops = runs.iter().filter_map(|run| Some((run.stops[rule].as_ref()?, run.end_loss)));
    let stops = stops.collect::<Vec<_>>();
    let sorted = |of: &dyn Fn(&Stop) -> f64| {
        let mut values = stops.iter().map(|(stop, _)| of(stop)).collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        values
    };
    let (sizes, truths) = (sorted(&|s| s.k as f64), sorted(&|s| s.truth));
    let wrong = truths.iter().filter(|&&t| t >= params.tolerance).count();
    let median = |v: &[f64]| v.get(v.len() / 2).copied();
    let known = (!stops.is_empty()).then(|| wilson(wrong, stops.len()));
    RuleStops {
        rule: RULES[rule].to_owned(),
        stopped: stops.len(),
        false_stops: wrong,
        false_stop_rate: known.map(|(rate, _, _)| rate),
        low: known.map(|(_, low, _)| low),
        high: known.map(|(_, _, high)| high),
        median_k: median(&sizes),
        median_truth: median(&truths),
        largest_truth: truths.last().copied(),
        loss_lost: lost(&stops.iter().map(|(stop, end)| stop.test_loss - end).collect::<Vec<_>>()),
    }
}

/// A fraction with its 95 % interval, which behaves at 0 and at 1 (Wilson 1927).
fn wilson(count: usize, of: usize) -> (f64, f64, f64) {
    let (n, z) = (of as f64, 1.959_964);
    let rate = count as f64 / n;
    let centre = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    (rate, (centre - half).max(0.0), (centre + half).min(1.0))
}

/// Mean with its error; `None` without values or without a test split.
fn lost(values: &[f64]) -> Option<Lost> {
    let moments = values.iter().copied().collect::<Moments>();
    let standard_error = (values.len() > 1).then(|| moments.standard_error());
    (!values.is_empty() && moments.mean().is_finite()).then(|| Lost { mean: moments.mean(), standard_error })
}
