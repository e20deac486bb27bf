//! Figures beyond the top of the spectrum: the minimiser, the whole spectrum, the gradient's share, data that arrive.

use std::fmt::Write;

use anyhow::{Context, Result};
use ndarray::{Array1, Array2, Ix1, Ix2};
use pipeline::shell::StageContext;
use serde::Deserialize;

use crate::chart::{self, Panel, Style, percent, short};
use crate::figures::{Figure, Section, figure, line};
use crate::gather::{Basis, Experiment};
use crate::sentences::{self, count, grouped, grouped_f, placed};

/// What `train`, `spectrum` and `stream` say of it; each part is there where it was computed.
pub struct Beyond {
    /// samples behind the Hessian of `spectrum`
    n_samples: usize,
    n_params: usize,
    polish: Option<(Polish, Array2<f64>)>,
    density: Option<Density>,
    trace: Option<Trace>,
    smallest: Option<Array1<f64>>,
    outliers: Option<Outliers>,
    /// (d,)
    gradient_share: Array1<f64>,
    /// (batches, d)
    batch_share: Array2<f64>,
    batch_size: usize,
    stream: Option<Arriving>,
}

/// How a polish ended.
#[derive(Clone, Copy, Deserialize)]
pub enum End {
    #[serde(rename = "reached")]
    Reached,
    #[serde(rename = "products spent")]
    Spent,
    #[serde(rename = "stalled")]
    Stalled,
}

/// Facts of a polish.
#[derive(Deserialize)]
pub struct Polish {
    pub status: End,
    pub n_steps: usize,
    pub n_products: usize,
    pub n_escapes: usize,
    pub negative_curvature_steps: usize,
    pub distance: f64,
    pub loss_before: f64,
    pub loss_after: f64,
    pub gradient_norm_before: f64,
    pub gradient_norm_after: f64,
    pub smallest_eigenvalue_before: f64,
    pub smallest_eigenvalue_after: f64,
}

struct Density {
    fact: DensityFact,
    grid: Array1<f64>,
    values: Array1<f64>,
}

#[derive(Deserialize)]
struct DensityFact {
    probes: usize,
    steps: usize,
    kernel_deviation: f64,
    fraction_below_minus_kernel: f64,
}

#[derive(Deserialize)]
struct Trace {
    value: f64,
    standard_error: f64,
    n_products: usize,
}

#[derive(Deserialize)]
struct Outliers {
    dim: usize,
    by_prefix: Vec<Count>,
    by_class: Vec<Count>,
}

#[derive(Deserialize)]
struct Count {
    n_samples: usize,
    n_classes: usize,
    outliers: Option<usize>,
    gap_ratio: Option<f64>,
    largest: f64,
    overlap: Option<f64>,
}

struct Arriving {
    stops: Stops,
    columns: Vec<String>,
    trajectory: Array2<f64>,
    sizes: Array2<f64>,
    truths: Array2<f64>,
}

#[derive(Deserialize)]
struct Stops {
    seeds: usize,
    tolerance: f64,
    confidence: f64,
    batch: usize,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "rule")]
    name: String,
    stopped: usize,
    false_stops: usize,
    false_stop_rate: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    median_k: Option<f64>,
    median_truth: Option<f64>,
}

impl Beyond {
    /// Reads what is there.
    pub fn read(ctx: &StageContext) -> Result<Self> {
        let inputs = &ctx.inputs;
        let told = |stage: &str, key: &str| inputs.manifest(stage).facts.contains_key(key);
        let polish = told("train", "polish").then(|| -> Result<_> {
            Ok((inputs.fact("train", "polish")?, inputs.read::<f64, Ix2>("train", "polish_path.npy")?))
        });
        let density = told("spectrum", "density").then(|| -> Result<_> {
            Ok(Density {
                fact: inputs.fact("spectrum", "density")?,
                grid: inputs.read::<f64, Ix1>("spectrum", "grid.npy")?,
                values: inputs.read::<f64, Ix1>("spectrum", "density.npy")?,
            })
        });
        let has = |file: &str| inputs.has("spectrum", file);
        let smallest = has("smallest.npy").then(|| inputs.read::<f64, Ix1>("spectrum", "smallest.npy"));
        let outliers = has("outliers.json").then(|| inputs.read_json("spectrum", "outliers.json"));
        let stream = inputs.has("stream", "stops.json").then(|| -> Result<_> {
            Ok(Arriving {
                stops: inputs.read_json("stream", "stops.json")?,
                columns: inputs.fact("stream", "trajectory_columns")?,
                trajectory: inputs.read::<f64, Ix2>("stream", "trajectory.npy")?,
                sizes: inputs.read::<f64, Ix2>("stream", "stop_sizes.npy")?,
                truths: inputs.read::<f64, Ix2>("stream", "stop_truths.npy")?,
            })
        });
        Ok(Self {
            n_samples: inputs.fact("spectrum", "n_samples")?,
            n_params: inputs.fact("spectrum", "n_params")?,
            polish: polish.transpose()?,
            density: density.transpose()?,
            trace: told("spectrum", "trace").then(|| inputs.fact("spectrum", "trace")).transpose()?,
            smallest: smallest.transpose()?,
            outliers: outliers.transpose()?,
            gradient_share: inputs.read::<f64, Ix1>("spectrum", "gradient_share.npy")?,
            batch_share: inputs.read::<f64, Ix2>("spectrum", "batch_gradient_share.npy")?,
            batch_size: inputs.fact("spectrum", "gradient_batch_size")?,
            stream: stream.transpose()?,
        })
    }
}

/// All of these figures that the artifacts allow.
pub fn draw(e: &Experiment) -> Result<Vec<Figure>> {
    let b = &e.beyond;
    let mut figures = vec![];
    if let Some((facts, path)) = &b.polish {
        figures.push(polish(facts, path)?);
    }
    if let Some(found) = &b.density {
        figures.push(density(b, found)?);
    }
    if let Some(found) = &b.outliers {
        figures.push(outliers(found)?);
    }
    figures.push(gradient_share(b, e.spectrum.basis)?);
    if let Some(found) = &b.stream {
        figures.push(trajectory(found)?);
        figures.push(stops(found)?);
    }
    Ok(figures)
}

/// What a polish did, in a sentence.
pub fn polish_sentence(p: &Polish) -> String {
    let end = match p.status {
        End::Reached => "The polish reached the gradient norm that was asked for",
        End::Spent => {
            "The polish spent its Hessian-vector products before it reached the gradient norm that was asked for"
        }
        End::Stalled => "The polish stalled before it reached the gradient norm that was asked for",
    };
    format!(
        "{end}: {} and {} took the gradient norm from {} to {} and the loss from {} to {} nats; \
         the smallest eigenvalue went from {} to {}. It met negative curvature on {}, left {}, and moved w* by {} parameter units.",
        count(p.n_steps, "step"),
        count(p.n_products, "Hessian-vector product"),
        short(p.gradient_norm_before),
        short(p.gradient_norm_after),
        short(p.loss_before),
        short(p.loss_after),
        short(p.smallest_eigenvalue_before),
        short(p.smallest_eigenvalue_after),
        count(p.negative_curvature_steps, "step"),
        count(p.n_escapes, "saddle"),
        short(p.distance),
    )
}

fn polish(facts: &Polish, path: &Array2<f64>) -> Result<Figure> {
    let column = |c: usize| path.outer_iter().map(|row| (row[0], row[c])).collect::<Vec<_>>();
    let panel = |title: &str, y: &str, c: usize| Panel {
        title: title.into(),
        x_label: "Hessian-vector products".into(),
        y_label: y.into(),
        log_y: true,
        lines: vec![line("", column(c), Style::Solid, 0)],
        ..Panel::default()
    };
    let panels =
        [panel("Gradient norm", "‖∇L‖ (nats per parameter unit)", 2), panel("Loss", "loss (nats)", 1)];
    let caption =
        "From where training stopped towards a minimiser (trust-region Newton-CG over all samples).".into();
    figure("polish", Section::Model, caption, polish_sentence(facts), &panels)
}

fn density(b: &Beyond, found: &Density) -> Result<Figure> {
    // Below a millionth of one eigenvalue per kernel the curve is the tail of the kernel.
    let peak = found.values.iter().fold(0.0_f64, |m, &v| m.max(v));
    let floor = peak * 1e-10;
    let points = found.grid.iter().copied().zip(found.values.iter().map(|v| v.max(floor))).collect();
    let panel = Panel {
        title: format!("Density of the eigenvalues of H over {} samples", grouped(b.n_samples)),
        x_label: "eigenvalue (nats per squared parameter unit)".into(),
        y_label: "density".into(),
        log_y: true,
        lines: vec![line("", points, Style::Solid, 0)],
        ..Panel::default()
    };
    let ends = b.smallest.as_ref().zip(b.outliers.as_ref().and_then(|o| o.by_prefix.last()));
    let ends = ends.map(|(smallest, top)| (smallest[0], top.largest));
    let sentence = density_sentence(&found.fact, b.trace.as_ref(), b.n_params, ends);
    let caption = format!(
        "The whole spectrum at w*, of the Hessian over {}, by stochastic Lanczos quadrature.",
        count(b.n_samples, "sample")
    );
    figure("spectral-density", Section::Spectrum, caption, sentence, &[panel])
}

/// How the density was estimated, with the trace and the smallest and largest eigenvalue where they were asked for.
fn density_sentence(
    f: &DensityFact,
    trace: Option<&Trace>,
    n_params: usize,
    ends: Option<(f64, f64)>,
) -> String {
    let mut sentence = format!(
        "{} of {} each; Gaussian kernel of standard deviation {}. {} of the eigenvalues lie below −{}.",
        count(f.probes, "random probe"),
        count(f.steps, "Lanczos step"),
        short(f.kernel_deviation),
        percent(f.fraction_below_minus_kernel),
        short(f.kernel_deviation)
    );
    if let Some(t) = trace {
        write!(
            sentence,
            " The trace is {} (Hutch++, {}), a mean eigenvalue of {}.",
            chart::with_error(t.value, t.standard_error),
            count(t.n_products, "product"),
            short(t.value / n_params as f64)
        )
        .expect("writing to a string");
    }
    if let Some((smallest, largest)) = ends {
        write!(sentence, " Its ends are {} and {}.", short(smallest), short(largest))
            .expect("writing to a string");
    }
    sentence
}

fn outliers(found: &Outliers) -> Result<Figure> {
    let points = |counts: &[Count], x: &dyn Fn(&Count) -> usize, y: &dyn Fn(&Count) -> Option<f64>| {
        counts.iter().filter_map(|c| Some((x(c) as f64, y(c)?))).collect::<Vec<_>>()
    };
    let n_outliers = |c: &Count| c.outliers.map(|n| n as f64);
    let mut panels = vec![Panel {
        title: "Outliers against k".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "eigenvalues above the largest gap".into(),
        log_x: true,
        rises: true,
        lines: vec![
            line("outliers", points(&found.by_prefix, &|c| c.n_samples, &n_outliers), Style::Solid, 0),
            line(
                "classes",
                points(&found.by_prefix, &|c| c.n_samples, &|c| Some(c.n_classes as f64)),
                Style::Dashed,
                1,
            ),
        ],
        ..Panel::default()
    }];
    if !found.by_class.is_empty() {
        panels.push(Panel {
            title: "Outliers against the number of classes".into(),
            x_label: "classes among the samples".into(),
            y_label: "eigenvalues above the largest gap".into(),
            rises: true,
            lines: vec![
                line("outliers", points(&found.by_class, &|c| c.n_classes, &n_outliers), Style::Solid, 0),
                line(
                    "classes",
                    points(&found.by_class, &|c| c.n_classes, &|c| Some(c.n_classes as f64)),
                    Style::Dashed,
                    1,
                ),
            ],
            ..Panel::default()
        });
    }
    let last = found.by_prefix.last();
    let whole = last.and_then(|c| Some(gap_sentence(c.n_samples, c.outliers?, c.gap_ratio?, c.n_classes)));
    let mut sentence = whole.unwrap_or_else(|| "There is no gap among the positive eigenvalues.".to_owned());
    let first = found.by_prefix.first().filter(|c| c.overlap.is_some_and(|o| o < 1.0));
    if let Some((first, last)) = first.zip(last) {
        let (top, those) = if found.dim == 1 {
            ("the top direction of".to_owned(), "overlaps with that")
        } else {
            (format!("the top {} directions of", found.dim), "overlap with those")
        };
        write!(
            sentence,
            " At this w* {top} k = {} {those} of k = {} by {} (mean squared cosine).",
            grouped(first.n_samples),
            grouped(last.n_samples),
            short(first.overlap.unwrap_or(f64::NAN))
        )
        .expect("writing to a string");
    }
    let caption =
        "Outliers of the Hessian at one w*: eigenvalues above the largest ratio of neighbours.".into();
    figure("outliers", Section::Spectrum, caption, sentence, &panels)
}

/// How many eigenvalues stand out, and how far.
fn gap_sentence(k: usize, n: usize, ratio: f64, n_classes: usize) -> String {
    let classes = if n_classes == 0 { "no classes".to_owned() } else { n_classes.to_string() + " classes" };
    if ratio <= 1.0 {
        return format!(
            "At k = {}, no gap between neighbours is larger than the residuals of the solve; there are {classes}.",
            grouped(k)
        );
    }
    let verdict = if ratio >= 2.0 { "a clear gap" } else { "a weak gap: the count says little" };
    let lie = if n == 1 { "lies" } else { "lie" };
    format!(
        "At k = {}, {} {lie} above the largest gap, where neighbours differ by a factor of at least {} ({verdict}); there are {classes}.",
        grouped(k),
        count(n, "eigenvalue"),
        short(ratio),
    )
}

fn gradient_share(b: &Beyond, basis: Basis) -> Result<Figure> {
    let d = b.gradient_share.len();
    let ranked = |values: Array1<f64>| {
        values.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect::<Vec<_>>()
    };
    let mut lines = vec![line("full gradient", ranked(b.gradient_share.clone()), Style::Solid, 0)];
    let batch = b.batch_share.mean_axis(ndarray::Axis(0));
    if let Some(mean) = &batch {
        lines.push(line(
            &format!("mini-batches of {}, mean", b.batch_size),
            ranked(mean.clone()),
            Style::Dashed,
            1,
        ));
    }
    let random = Array1::from_shape_fn(d, |i| (i + 1) as f64 / b.n_params as f64);
    lines.push(line("a random direction, expected", ranked(random), Style::Dashed, 2));
    let panel = Panel {
        title: "Share of the gradient in these directions".into(),
        x_label: "directions".into(),
        y_label: "share of ‖∇L‖²".into(),
        rises: true,
        lines,
        ..Panel::default()
    };
    let sentence = share_sentence(basis, d, b.gradient_share[d - 1], batch.map(|m| m[d - 1]), b.n_params);
    let caption = format!(
        "How much of the gradient lies in the {}.",
        placed(basis, &format!("{} directions", sentences::basis(basis)))
    );
    figure("gradient-share", Section::Spectrum, caption, sentence, &[panel])
}

/// The share of the first `d` directions in the full gradient, and in that of mini-batches where they were measured.
fn share_sentence(basis: Basis, d: usize, full: f64, batch: Option<f64>, n_params: usize) -> String {
    let batches =
        batch.map_or(String::new(), |m| format!(" and {} of a mini-batch's on average", percent(m)));
    let name = sentences::basis(basis);
    let (directions, hold, them) = match d {
        1 => (format!("{name} direction"), "holds", "it"),
        d => (format!("{d} {name} directions"), "hold", "they"),
    };
    format!(
        "The {} {hold} {} of the squared gradient norm at w*{batches}; of a random vector {them} would hold {}.",
        placed(basis, &directions),
        percent(full),
        percent(d as f64 / n_params as f64)
    )
}

fn trajectory(found: &Arriving) -> Result<Figure> {
    let points = |name: &str| {
        let column = found.columns.iter().position(|c| c == name);
        let column =
            column.with_context(|| format!("stream: trajectory_columns in manifest.json has no {name:?}"))?;
        anyhow::Ok(found.trajectory.outer_iter().map(|r| (r[0], r[column])).collect::<Vec<_>>())
    };
    let panel = Panel {
        title: "One run, as its samples arrive".into(),
        x_label: "samples that have come".into(),
        y_label: "Δ (nats²)".into(),
        log_y: true,
        lines: vec![
            line("one noisy value", points("delta_once")?, Style::Points, 0),
            line("upper limit, samples at hand", points("delta_upper")?, Style::Solid, 1),
            line("the same for all looks", points("anytime_delta_upper")?, Style::Dashed, 2),
            line("upper limit, fresh samples", points("fresh_delta_upper")?, Style::Dashed, 3),
        ],
        levels: vec![(found.stops.tolerance, format!("tolerance {}", short(found.stops.tolerance)))],
        ..Panel::default()
    };
    let caption = format!(
        "What the rules see as the samples arrive, {} at a time; limits at {}.",
        found.stops.batch,
        percent(found.stops.confidence)
    );
    figure("stream", Section::Arriving, caption, stop_sentence(&found.stops), &[panel])
}

fn stop_sentence(stops: &Stops) -> String {
    let rule = |r: &Rule| match (r.false_stop_rate, r.low, r.high) {
        (Some(rate), Some(low), Some(high)) => format!(
            "{} stopped {} of {}, falsely {}: {} (95 % interval {} to {}), at {} samples in the median",
            r.name,
            grouped(r.stopped),
            count(stops.seeds, "run"),
            count(r.false_stops, "time"),
            percent(rate),
            percent(low),
            percent(high),
            grouped_f(r.median_k.unwrap_or(f64::NAN)),
        ),
        _ => format!("{} never stopped", r.name),
    };
    let rules = stops.rules.iter().map(rule).collect::<Vec<_>>().join("; ");
    format!("A stop is false if Δ is not below {} nats² where it happens. {rules}.", short(stops.tolerance))
}

fn stops(found: &Arriving) -> Result<Figure> {
    let of = |rule: usize| {
        let (k, truth) = (found.sizes.column(rule), found.truths.column(rule));
        k.iter().copied().zip(truth.iter().copied()).filter(|p| p.0.is_finite()).collect::<Vec<_>>()
    };
    let lines = found.stops.rules.iter().enumerate().map(|(i, r)| line(&r.name, of(i), Style::Points, i));
    let panel = Panel {
        title: format!("Where {} stopped, and Δ there", count(found.stops.seeds, "run")),
        x_label: "samples that had come".into(),
        y_label: "Δ at the stop (nats²)".into(),
        log_y: true,
        lines: lines.collect(),
        levels: vec![(found.stops.tolerance, format!("tolerance {}", short(found.stops.tolerance)))],
        ..Panel::default()
    };
    let sentence = ratio_sentence(&found.stops);
    let caption =
        "Each point is one run; Δ is measured over the samples that had not come, with draws of its own."
            .into();
    figure("stream-stops", Section::Arriving, caption, sentence, &[panel])
}

/// Δ where each rule stopped, over the tolerance.
fn ratio_sentence(stops: &Stops) -> String {
    let ratio = |r: &Rule| r.median_truth.map(|t| format!("{}: {}", r.name, short(t / stops.tolerance)));
    let ratios = stops.rules.iter().filter_map(ratio).collect::<Vec<_>>();
    if ratios.is_empty() {
        return "No rule stopped in any run.".to_owned();
    }
    format!(
        "Δ at the stop over the tolerance, median: {}. Above the line a stop is false.",
        ratios.join(", ")
    )
}

#[cfg(test)]
pub mod tests {
    use records::Which;

    use super::*;

    /// Of a network with ten parameters, of which nothing but the share of the gradient was computed.
    pub fn nothing_else() -> Beyond {
        Beyond {
            n_samples: 100,
            n_params: 10,
            polish: None,
            density: None,
            trace: None,
            smallest: None,
            outliers: None,
            gradient_share: Array1::from_elem(1, 0.5),
            batch_share: Array2::zeros((0, 1)),
            batch_size: 8,
            stream: None,
        }
    }

    /// As `train` writes them.
    pub fn polished_facts(status: &str) -> Polish {
        serde_json::from_value(serde_json::json!({
            "status": status, "n_steps": 36, "n_products": 448, "n_escapes": 1, "negative_curvature_steps": 0,
            "distance": 23.7, "loss_before": 0.087, "loss_after": 1.2e-7, "gradient_norm_before": 0.052,
            "gradient_norm_after": 6.4e-7, "smallest_eigenvalue_before": -0.017, "smallest_eigenvalue_after": -6.6e-8,
        }))
        .unwrap()
    }

    fn polished(status: &str, n_steps: usize) -> String {
        polish_sentence(&Polish { n_steps, ..polished_facts(status) })
    }

    #[test]
    fn a_polish_says_how_it_ended() {
        let reached = polished("reached", 36);
        assert!(
            reached.starts_with("The polish reached the gradient norm that was asked for: 36 steps and 448 Hessian-vector products took"),
            "{reached}"
        );
        assert!(
            reached.contains(
                "went from −0.017 to −6.6e-8. It met negative curvature on 0 steps, left 1 saddle, and"
            ),
            "{reached}"
        );
        assert!(
            polished("products spent", 1).starts_with("The polish spent its Hessian-vector products before")
        );
        assert!(polished("stalled", 1).starts_with(
            "The polish stalled before it reached the gradient norm that was asked for: 1 step and"
        ));
        let unknown = serde_json::from_value::<End>("lost".into()).err().unwrap().to_string();
        assert!(unknown.contains("unknown variant `lost`, expected one of `reached`,"), "{unknown}");
    }

    #[test]
    fn the_density_tells_trace_and_ends_where_they_are_known() {
        let fact =
            DensityFact { probes: 1, steps: 30, kernel_deviation: 0.25, fraction_below_minus_kernel: 0.5 };
        let bare = density_sentence(&fact, None, 10, None);
        assert_eq!(
            bare,
            "1 random probe of 30 Lanczos steps each; Gaussian kernel of standard deviation 0.25. 50 % of the eigenvalues lie below −0.25."
        );
        let trace = Trace { value: 20.0, standard_error: 1.0, n_products: 44 };
        let full = density_sentence(&fact, Some(&trace), 10, Some((-0.5, 4.0)));
        assert_eq!(
            full,
            bare + " The trace is 20.0 ± 1.0 (Hutch++, 44 products), a mean eigenvalue of 2. Its ends are −0.5 and 4."
        );
    }

    #[test]
    fn outliers_are_told_with_their_gap() {
        let one = gap_sentence(2048, 1, 1.377, 10);
        assert!(one.starts_with("At k = 2,048, 1 eigenvalue lies above the largest gap, where neighbours differ by a factor of at least 1.377 (a weak gap"), "{one}");
        let nine = gap_sentence(2048, 9, 3.0, 0);
        assert!(
            nine.contains("9 eigenvalues lie above")
                && nine.ends_with("(a clear gap); there are no classes."),
            "{nine}"
        );
        let unresolved = gap_sentence(2048, 2, 0.9, 10);
        assert!(
            unresolved.starts_with("At k = 2,048, no gap between neighbours is larger than the residuals"),
            "{unresolved}"
        );
    }

    #[test]
    fn rules_that_stopped_and_rules_that_did_not_are_told_apart() {
        let rule = |name: &str, stopped, median: Option<(f64, f64)>| Rule {
            name: name.into(),
            stopped,
            false_stops: stopped / 3,
            false_stop_rate: median.map(|_| 0.25),
            low: median.map(|_| 0.125),
            high: median.map(|_| 0.5),
            median_k: median.map(|m| m.0),
            median_truth: median.map(|m| m.1),
        };
        let stops = |rules| Stops { seeds: 20, tolerance: 1e-4, confidence: 0.95, batch: 8, rules };

        let mixed = stops(vec![rule("once", 3, Some((12_345.0, 3e-4))), rule("patient", 0, None)]);
        assert_eq!(
            stop_sentence(&mixed),
            "A stop is false if Δ is not below 1e-4 nats² where it happens. once stopped 3 of 20 runs, falsely 1 time: \
             25 % (95 % interval 12.5 % to 50 %), at 12,345 samples in the median; patient never stopped."
        );
        assert_eq!(
            ratio_sentence(&mixed),
            "Δ at the stop over the tolerance, median: once: 3. Above the line a stop is false."
        );

        let none = stops(vec![rule("patient", 0, None)]);
        assert!(stop_sentence(&none).ends_with("patient never stopped."), "{}", stop_sentence(&none));
        assert_eq!(ratio_sentence(&none), "No rule stopped in any run.");
    }

    #[test]
    fn the_share_of_the_gradient_names_mini_batches_where_there_are_some() {
        let both = share_sentence(Basis::Eigenvectors(Which::LargestAlgebraic), 10, 0.5, Some(0.25), 1000);
        assert!(
            both.starts_with("The top 10 Hessian directions hold 50 %")
                && both.contains("and 25 % of a mini-batch's"),
            "{both}"
        );
        let one = share_sentence(Basis::Given, 1, 0.5, None, 1000);
        assert!(
            one.starts_with("The first given direction holds 50 %") && !one.contains("mini-batch"),
            "{one}"
        );
        assert!(one.ends_with("it would hold 0.1 %."), "{one}");
    }

    #[test]
    fn outliers_without_a_gap_say_so() {
        let at = |n_samples, outliers: Option<usize>, overlap| Count {
            n_samples,
            n_classes: 10,
            outliers,
            gap_ratio: outliers.map(|_| 3.0),
            largest: 2.0,
            overlap,
        };
        let found = |dim, outliers, overlap| Outliers {
            dim,
            by_prefix: vec![at(100, Some(1), overlap), at(200, outliers, Some(1.0))],
            by_class: vec![],
        };
        let said = |gap, overlap| outliers(&found(3, gap, overlap)).unwrap().sentence;
        assert_eq!(said(None, None), "There is no gap among the positive eigenvalues.");
        assert!(said(Some(9), Some(1.0)).ends_with("there are 10 classes."), "{}", said(Some(9), Some(1.0)));
        assert!(
            said(Some(9), Some(0.75))
                .contains("At this w* the top 3 directions of k = 100 overlap with those of k = 200 by 0.75")
        );
        let one = outliers(&found(1, None, Some(0.5))).unwrap().sentence;
        assert!(one.contains("the top direction of k = 100 overlaps with that of k = 200 by 0.5"), "{one}");
    }
}
