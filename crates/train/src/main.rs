//! `train`: from samples to w*, the parameters where training stopped, or the user's own weights.

mod cost;
mod evaluate;
mod fit;
mod judge;
mod labels;
mod minimiser;
mod resolution;
mod saved;
mod watch;

use std::path::Path;
use std::process::ExitCode;

use landscape::passes::gradient::full_gradient;
use landscape::{Network, Real, Samples};
use ndarray::{Array1, Array2, Axis};
use pipeline::shell::cost::{Cost, PlanContext};
use pipeline::shell::{Stage, StageContext, TeamContext};
use pipeline::{Failure, Result};
use records::train::Facts;
use records::{Architecture, Precision, Train, Unfit, name_of};
use store::npy::Element;
use store::safetensors;
use train::{brought, weights};

use crate::evaluate::evaluate_aloud;
use crate::fit::{Fitted, HISTORY_COLUMNS};
use crate::watch::{WATCHED_COLUMNS, Watched};

struct TrainStage;

impl Stage for TrainStage {
    type Params = Train;
    const ABOUT: &'static str = "Trains the network, or takes weights trained elsewhere: w_star.npy";
    const CODE: &'static str = env!("CODE");

    fn numeric_library() -> Option<String> {
        Some(landscape::numeric::blas::use_one_thread())
    }

    fn cost(params: &Train, ctx: &PlanContext) -> Result<Cost> {
        match params.precision {
            Precision::F32 => cost::of::<f32>(params, ctx),
            Precision::F64 => cost::of::<f64>(params, ctx),
        }
    }

    fn run(params: &Train, ctx: &mut StageContext) -> Result<String> {
        match params.precision {
            Precision::F32 => run::<f32>(params, ctx),
            Precision::F64 => run::<f64>(params, ctx),
        }
    }

    // The mini-batches of an epoch follow each other: the first process steps through them alone.
    fn assist(params: &Train, ctx: &TeamContext) -> Result<()> {
        let samples = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
        landscape::serve::serve(&network(params, &ctx.inputs.facts()?)?, &samples);
        Ok(())
    }
}

fn main() -> ExitCode {
    pipeline::shell::main::<TrainStage>()
}

fn network(params: &Train, data: &records::fetch_data::Facts) -> Result<Network> {
    let unfit = |u: Unfit| Failure::config(format!("train.{}: {}", u.key, u.reason), "change the layers");
    Ok(params.network(data.image(), data.n_outputs()).map_err(unfit)?)
}

fn check_held_out(params: &Train, n_samples: usize) -> Result<()> {
    let asks = params.stop.is_some_and(|stop| stop.validation.is_some());
    if !asks || n_samples > 1 {
        return Ok(());
    }
    let found = format!("train.stop.validation takes a sample out, but there is {n_samples} to train on");
    Err(Failure::config(found, "bring more samples, or leave train.stop out").into())
}

fn run<R: Real + Element>(params: &Train, ctx: &mut StageContext) -> Result<String> {
    let train = experiment::train_samples(&ctx.inputs)?.shared_by(&ctx.team);
    let test = experiment::split(&ctx.inputs, "test")?;
    let data = ctx.inputs.facts::<records::fetch_data::Facts>()?;
    let is_brought = params.weights.is_some();
    let of_labels = labels::check(params.loss, is_brought, data.n_outputs(), train.targets())?;
    check_held_out(params, train.len())?;
    let network = network(params, &data)?;
    for warning in resolution::warnings::<R>(&train).into_iter().chain(of_labels) {
        ctx.warn(format!("train: {warning}"));
    }
    if let Some(why) = weights::no_sequential(&network) {
        ctx.warn(format!("train: {why}"));
    }
    let (fitted, brought_layers) = match &params.weights {
        Some(path) => bring(path, params, ctx, (&network, &train))?,
        None => (fit::fit::<R>(params, ctx, &network, &train, test.as_ref())?, vec![]),
    };
    write_history(ctx, &fitted)?;
    let stop = fitted.watched.as_ref().map(|watched| watched.stopped);
    for warning in stop.iter().flat_map(|stopped| watch::warnings(params, stopped)) {
        ctx.warn(format!("train: {warning}"));
    }
    let splits = (&train, test.as_ref());
    let (at_w, polish) = match &params.polish {
        None => {
            write_weights(ctx, &network, &fitted.w)?;
            (facts(params, ctx, &network, &fitted.w, splits)?, None)
        }
        Some(polish) => {
            let (w, polished) =
                minimiser::polish_and_write(polish, params, ctx, &network, &fitted.w, &train)?;
            write_weights(ctx, &network, &w)?;
            (facts(params, ctx, &network, &w, splits)?, Some(polished))
        }
    };
    let quality = (at_w.train_loss, at_w.train_accuracy);
    if params.weights.is_none()
        && let Some(why) = judge::chance(("w*", judge::OF_TRAINED), &network, quality, &train)
    {
        ctx.warn(format!("train: {why}"));
    }
    let checkpoint_epochs = fitted.checkpoints.iter().map(|c| c.0).collect();
    let watched = stop.iter().flat_map(|_| WATCHED_COLUMNS).map(str::to_owned);
    let history_columns = at_w.history_columns.iter().cloned().chain(watched).collect();
    let facts = Facts { checkpoint_epochs, stop, polish, brought_layers, history_columns, ..at_w };
    ctx.outputs.facts(&facts)?;
    Ok(line(&facts))
}

/// Weights of the user with the names of their layers, after a look at whether they fit the samples.
fn bring<R: Real>(
    path: &Path,
    params: &Train,
    ctx: &StageContext,
    (network, train): (&Network, &Samples),
) -> Result<(Fitted<R>, Vec<String>)> {
    let (file, given) = (ctx.resolve(path), params.weights_layers.as_deref());
    let brought = brought::read::<R>(&file, network, given)?;
    let name = path.display().to_string();
    let loss = usable_loss(&name, ctx, network, &brought.w, train)?;
    let exact = brought::read::<f64>(&file, network, given)?.w;
    let is_rounded = exact != brought.w.mapv(R::wide);
    let in_f64 = is_rounded.then(|| evaluate_aloud(ctx, network, &exact, train).0);
    let looks_wrong = [
        judge::unused(&name, &brought.unused),
        in_f64.and_then(|in_f64| resolution::of_weights(&name, loss.0, in_f64)),
        judge::chance((&name, judge::OF_BROUGHT), network, loss, train),
    ];
    say(&name, network, &brought.layers);
    for warning in brought.guesses.into_iter().chain(looks_wrong.into_iter().flatten()) {
        ctx.warn(format!("train: {warning}"));
    }
    Ok((Fitted::brought(brought.w), brought.layers))
}

/// Which array of the file is which layer.
fn say(name: &str, network: &Network, layers: &[String]) {
    let place = |(l, layer): (usize, &String)| {
        let axes = network.weight_axes(l).iter().map(ToString::to_string).collect::<Vec<_>>();
        format!("{layer} -> layer {l} ({})", axes.join(" x "))
    };
    if !layers.is_empty() {
        tracing::info!(
            "train: {name}: {}",
            network.affine_layers().zip(layers).map(place).collect::<Vec<_>>().join(", ")
        );
    }
}

/// Loss and accuracy of weights trained elsewhere; an error if they are finite and their loss is not.
fn usable_loss<R: Real>(
    name: &str,
    ctx: &StageContext,
    network: &Network,
    w: &Array1<R>,
    train: &Samples,
) -> Result<(f64, Option<f64>)> {
    let (loss, accuracy) = evaluate_aloud(ctx, network, w, train);
    if loss.is_finite() {
        return Ok((loss, accuracy));
    }
    Err(Failure::input(
        format!("{name}: the loss of these weights is {loss}"),
        "compare fetch-data.normalisation, the layers and their activations with those it was trained with, or set train.precision: f64",
    )
    .into())
}

fn write_weights<R: Real + Element>(ctx: &mut StageContext, network: &Network, w: &Array1<R>) -> Result<()> {
    ctx.outputs.write("w_star.npy", w, "parameter units", "parameters where training stopped, (p,)")?;
    let named = weights::by_layer(network, w);
    ctx.outputs.write_npz("weights.npz", &named, "parameter units", "the same by layer: W1, b1, W2, ...")?;
    let state = weights::state_dict(network, w);
    let meaning = "the same as the state_dict of a torch.nn.Sequential: 0.weight, 0.bias, 2.weight, ...";
    Ok(ctx.outputs.write_by("weights.safetensors", "parameter units", meaning, |path| {
        safetensors::write(path, &state)
    })?)
}

fn write_history<R: Real + Element>(ctx: &mut StageContext, fitted: &Fitted<R>) -> Result<()> {
    let rows = fitted.history.len();
    let flat = fitted.history.iter().flatten().copied().collect();
    let own = Array2::from_shape_vec((rows, HISTORY_COLUMNS.len()), flat).expect("a row for each epoch");
    let history = match &fitted.watched {
        None => own,
        Some(Watched { columns, .. }) => ndarray::concatenate![Axis(1), own, *columns],
    };
    ctx.outputs.write(
        "loss_history.npy",
        &history,
        "see history_columns",
        "a row an epoch; row 0 before training",
    )?;
    if !fitted.checkpoints.is_empty() {
        let views = fitted.checkpoints.iter().map(|c| c.1.view()).collect::<Vec<_>>();
        let checkpoints = ndarray::stack(Axis(0), &views).expect("p values each");
        ctx.outputs.write(
            "checkpoints.npy",
            &checkpoints,
            "parameter units",
            "parameters after checkpoint_epochs",
        )?;
    }
    Ok(())
}

/// Loss, accuracy and gradient norm at w*, with what the network is; checkpoints and polish are none.
fn facts<R: Real>(
    params: &Train,
    ctx: &StageContext,
    network: &Network,
    w: &Array1<R>,
    (train, test): (&Samples, Option<&Samples>),
) -> Result<Facts> {
    let (train_loss, train_accuracy) = evaluate_aloud(ctx, network, w, train);
    let (test_loss, test_accuracy) = test.map(|t| evaluate_aloud(ctx, network, w, t)).unzip();
    let progress = ctx.progress(train.len(), "train: gradient");
    let gradient = full_gradient(network, &w.view(), train, &|n| progress.add(n));
    drop(progress);
    let gradient_norm = gradient.dot(&gradient).sqrt();
    if !train_loss.is_finite() || !gradient_norm.is_finite() {
        return Err(fit::diverged(params, params.epochs, train_loss));
    }
    Ok(Facts {
        history_columns: HISTORY_COLUMNS.map(str::to_owned).to_vec(),
        checkpoint_epochs: vec![],
        stop: None,
        polish: None,
        network: Architecture::of(network),
        activation: params.activation,
        loss: params.loss,
        n_params: network.n_params(),
        layout: weights::layout(network),
        train_loss,
        train_accuracy,
        test_loss,
        test_accuracy: test_accuracy.flatten(),
        gradient_norm,
        brought_layers: vec![],
        fit: judge::fit(network, (train_loss, train), test_loss.zip(test)),
        origin: params.weights.as_ref().map_or("trained".to_owned(), |path| path.display().to_string()),
    })
}

/// What the user sees when the stage ends.
fn line(facts: &Facts) -> String {
    let percent = |a: Option<f64>| a.map_or("-".to_owned(), |a| format!("{:.2} %", 100.0 * a));
    let number = |v: Option<f64>| v.map_or("-".to_owned(), |v| pipeline::log::number(v, 4));
    let quality = match &facts.fit {
        Some(fit) if facts.train_accuracy.is_none() => format!(
            "RMSE {} train, {} test, R^2 {} train, {} test (the loss is half the mean squared error, in squared units of the target)",
            number(Some(fit.train_rmse)),
            number(fit.test_rmse),
            number(fit.train_r_squared),
            number(fit.test_r_squared)
        ),
        _ => {
            format!("accuracy {} train, {} test", percent(facts.train_accuracy), percent(facts.test_accuracy))
        }
    };
    let ended = facts
        .stop
        .map_or(String::new(), |stop| format!(", ended by {} after epoch {}", name_of(stop.by), stop.epochs));
    format!(
        "loss {:.3e}, |grad| {:.2e}, {quality}, {} parameters{ended}{}",
        facts.train_loss,
        facts.gradient_norm,
        facts.n_params,
        facts.polish.as_ref().map_or(String::new(), minimiser::line)
    )
}
