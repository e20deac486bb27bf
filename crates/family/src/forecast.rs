//! What more data buy, per variant: what members measured, as `landscape` takes it, K beside it, and what is said of it.

use landscape::change::forecast::{
    self, Ask, AtSize, DRAWS, Forecast, LEAST_SIZES, LEAST_WITHOUT_REPLICAS, LIMIT, LittleGain, Measured,
    Quantity,
};
use landscape::change::prefix::order_factor;
use ndarray::Array2;
use pipeline::log::count;
use records::Family;
use records::family::{Forecasts, Goal, KBeside, LadderForecast, Spread, Target, ToleranceOfGain};
use records::train::StopEnd;

use crate::curves::sufficient;
use crate::members::{Found, Tested, Variant};

/// What the bands contain, and how they were checked.
const METHOD: &str = "Four forms, each weighted by exp(-(chi^2 + 2p)/2), are fitted to the logarithms of the means over replicas. \
    Bands are those of a parametric bootstrap: spread over seeds, error of the shared test samples, the fitted numbers, and the form. \
    `audit` fits sizes of at most N/2, N/4 and N/8 and predicts the larger ones; `widening`, by which all bands of logarithms are \
    multiplied, is the root mean square of its standardised residuals and of four of size 1, never below 1. Where no size is worse than a smaller one \
    beyond noise, no mean beyond N is above `ceiling`, the upper end of the measured mean at N.";

/// The forecast of every variant.
pub fn of(params: &Family, variants: &[Variant]) -> Forecasts {
    Forecasts {
        confidence: variants[0].members[0].result.confidence,
        limit: LIMIT,
        draws: DRAWS,
        method: METHOD.to_owned(),
        forecasts: variants.iter().map(|v| ladder(params, v)).collect(),
    }
}

/// A quantity of a member: its mean over the test samples, and that of each.
type Values = (f64, Vec<f64>);

/// The forecast of one variant.
fn ladder(params: &Family, Variant { name, members, rungs }: &Variant) -> LadderForecast {
    let (largest, target) = (&rungs[rungs.len() - 1], params.target);
    let sufficient = sufficient(largest);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a number of samples
    let sizes = sufficient.iter().map(|(_, k)| k.mean.round() as usize).collect::<Vec<_>>();
    let tested = members.iter().map(|m| m.tested.as_ref()).collect::<Option<Vec<_>>>();
    let samples = |t: &[&Tested]| t.iter().all(|other| other.samples == t[0].samples);
    let same = tested.as_deref().is_some_and(samples);
    let asked = |quantity| match (target.and_then(Target::goal), quantity) {
        (Some(Goal::Accuracy(accuracy)), Quantity::Error) => Some(1.0 - accuracy),
        (Some(Goal::TestLoss(loss)), Quantity::Loss) => Some(loss),
        _ => None,
    };
    let of = |quantity, values: &dyn Fn(&Found) -> Option<Values>| {
        let measured = measured(rungs, same, values)?;
        let gain = (quantity == Quantity::Loss).then_some(params.flat_gain);
        let ask = Ask { target: asked(quantity), sizes: &sizes, gain, ..ask(quantity, rungs, values)? };
        forecast::forecast(&measured, &ask)
    };
    let loss = of(Quantity::Loss, &|m| Some((m.result.test_loss?, m.tested.as_ref()?.losses.clone())));
    let error =
        of(Quantity::Error, &|m| Some((1.0 - m.result.test_accuracy?, m.tested.as_ref()?.wrong.clone()?)));
    let mut found = LadderForecast {
        beside: beside(&sufficient, loss.as_ref(), error.as_ref()),
        tolerance_of_gain: loss.as_ref().and_then(|f| f.little_gain).map(|gain| tolerance_of(gain, largest)),
        variant: name.clone(),
        n_test: tested.and_then(|t| Some(t.first()?.losses.len())),
        same_test_samples: same,
        target,
        loss,
        error,
        warnings: vec![],
    };
    found.warnings = warnings(&found, rungs);
    found
}

/// K beside the forecasts at the same sizes.
fn beside(sufficient: &[(f64, Spread)], loss: Option<&Forecast>, error: Option<&Forecast>) -> Vec<KBeside> {
    let at = |forecast: Option<&Forecast>, i: usize| -> Option<AtSize> { Some(forecast?.beside[i]) };
    let row = |(i, &(tolerance, k)): (usize, &(f64, Spread))| KBeside {
        tolerance,
        k,
        loss: at(loss, i),
        error: at(error, i),
    };
    sufficient.iter().enumerate().map(row).collect()
}

/// The tolerance whose K is where twice the samples buy little, by the mean V of the members of the largest size.
fn tolerance_of(gain: LittleGain, largest: &[&Found]) -> ToleranceOfGain {
    let v = largest.iter().map(|m| m.result.variance).sum::<f64>() / largest.len() as f64;
    let at = |n: Option<usize>| n.map(|n| v * order_factor(n, largest[0].result.step));
    ToleranceOfGain { gain, tolerance: at(gain.n), low: at(gain.high), high: at(gain.low) }
}

/// One quantity with the covariances of its means by the test samples; `None` where a member lacks it.
fn measured(
    rungs: &[Vec<&Found>],
    same: bool,
    values: &dyn Fn(&Found) -> Option<Values>,
) -> Option<Measured> {
    let of_rung = |rung: &Vec<&Found>| rung.iter().map(|m| values(m)).collect::<Option<Vec<_>>>();
    let all = rungs.iter().map(of_rung).collect::<Option<Vec<_>>>()?;
    let means = all.iter().map(|r| r.iter().map(|v| v.0).sum::<f64>() / r.len() as f64).collect::<Vec<_>>();
    let replicas = all.iter().map(Vec::len).min()?;
    let parts = if same {
        let over_replicas = all.iter().map(|rung| mean_of(rung)).collect::<Vec<_>>();
        vec![covariance(&over_replicas.iter().collect::<Vec<_>>())?]
    } else {
        let each = |r: usize| all.iter().map(|rung| &rung[r].1).collect::<Vec<_>>();
        (0..replicas).map(|r| covariance(&each(r))).collect::<Option<Vec<_>>>()?
    };
    let n = parts.len() as f64;
    let mut covariance = parts.iter().fold(Array2::zeros((all.len(), all.len())), |sum, part| sum + part) / n;
    covariance.indexed_iter_mut().for_each(|((j, k), c)| *c /= means[j] * means[k]);
    let within_spread = if same { vec![] } else { covariance.diag().to_vec() };
    if !same {
        covariance *= of_mean(replicas, all[0][0].1.len(), rungs[rungs.len() - 1][0].result.n_samples);
    }
    Some(Measured {
        sizes: rungs.iter().map(|r| r[0].result.n_samples).collect(),
        values: all.iter().map(|r| r.iter().map(|v| v.0).collect()).collect(),
        test_covariance: covariance,
        within_spread,
    })
}

/// Variance of a mean over R replicas with test samples of their own over that of one: `(1 + (R − 1) M/(N + M))/R`.
///
/// Each replica draws its M from the N + M samples that there are, so two share a fraction M/(N + M) of them, and their
/// errors have that correlation. N is the largest size: where the ladder leaves samples out, this is on the safe side.
fn of_mean(replicas: usize, n_test: usize, largest: usize) -> f64 {
    let (r, shared) = (replicas as f64, n_test as f64 / (largest + n_test) as f64);
    (1.0 + (r - 1.0) * shared) / r
}

/// What is asked, without a target: the test error of one run at the largest size.
fn ask(
    quantity: Quantity,
    rungs: &[Vec<&Found>],
    values: &dyn Fn(&Found) -> Option<Values>,
) -> Option<Ask<'static>> {
    let last = rungs.last()?.iter().map(|m| values(m)).collect::<Option<Vec<_>>>()?;
    let mean = last.iter().map(|v| v.0).sum::<f64>() / last.len() as f64;
    let variances = last.iter().map(|v| Some(covariance(&[&v.1])?[[0, 0]])).collect::<Option<Vec<_>>>()?;
    let run_test_variance = variances.iter().sum::<f64>() / variances.len() as f64 / (mean * mean);
    let confidence = rungs[0][0].result.confidence;
    let n_test = last[0].1.len();
    Some(Ask { quantity, confidence, n_test, run_test_variance, target: None, sizes: &[], gain: None })
}

/// The mean over replicas at each test sample, (M,).
fn mean_of(rung: &[Values]) -> Vec<f64> {
    let n = rung.len() as f64;
    (0..rung[0].1.len())
        .map(|i| rung.iter().map(|v| v.1.get(i).unwrap_or(&f64::NAN)).sum::<f64>() / n)
        .collect()
}

/// Covariances of the means over M test samples, (K, K), from rows (M,); `None` with fewer than two samples.
fn covariance(rows: &[&Vec<f64>]) -> Option<Array2<f64>> {
    let n = rows.first()?.len();
    if n < 2 || rows.iter().any(|r| r.len() != n) {
        return None;
    }
    let means = rows.iter().map(|r| r.iter().sum::<f64>() / n as f64).collect::<Vec<_>>();
    let of = |(j, k): (usize, usize)| {
        let products = rows[j].iter().zip(rows[k]).map(|(a, b)| (a - means[j]) * (b - means[k]));
        products.sum::<f64>() / ((n - 1) * n) as f64
    };
    Some(Array2::from_shape_fn((rows.len(), rows.len()), of))
}

/// Test samples below which bands are not to be trusted: they take the error of a mean over the test samples for normal, and its
/// size from these samples alone.
const LEAST_TESTED: usize = 30;

/// What may make the forecast wrong.
fn warnings(found: &LadderForecast, rungs: &[Vec<&Found>]) -> Vec<String> {
    let any = found.loss.is_some() || found.error.is_some();
    let few = found.n_test.filter(|&m| any && m < LEAST_TESTED).map(few_tested);
    let faults = found.faults().map(|(what, fault)| fault.warning(what));
    let mut said = few.into_iter().chain(faults).collect::<Vec<_>>();
    if found.loss.is_some() {
        let values = rungs.iter().map(|r| r.iter().map(|m| m.result.train_loss).collect::<Vec<_>>());
        let sizes = rungs.iter().map(|r| r[0].result.n_samples).collect::<Vec<_>>();
        let stopped = rungs.iter().flatten().any(|m| m.result.stop.is_some());
        let falls = forecast::falls(&sizes, &values.collect::<Vec<_>>());
        said.extend(falls.map(|sizes| undertrained(sizes, stopped)));
    }
    said.extend(unstopped(rungs));
    let asked = match found.target.and_then(Target::goal) {
        Some(Goal::Accuracy(_)) => Some(("accuracy", &found.error)),
        Some(Goal::TestLoss(_)) => Some(("test_loss", &found.loss)),
        None => None,
    };
    let unanswered = asked.filter(|(_, f)| f.is_none()).map(|(key, _)| {
        let replicas = rungs.iter().map(Vec::len).min().unwrap_or(0);
        let missing = missing(key, rungs.len(), replicas, found.n_test);
        format!("no forecast for family.target.{key}: {missing}")
    });
    said.extend(unanswered);
    said.into_iter().map(|text| found.label(&text)).collect()
}

/// A training loss that falls; `stopped`: training has a stop.
fn undertrained((from, to): (usize, usize), stopped: bool) -> String {
    let (why, cure) = if stopped {
        (
            "its stop ends the training of the smaller networks too early",
            "train.stop.gradient_norm ends all alike",
        )
    } else {
        (
            "with a fixed number of epochs the smaller networks are trained too little",
            "train.steps gives all the same number of steps, and train.stop trains all to the same point",
        )
    };
    format!(
        "the training loss falls from {from} to {to} samples: {why}, so more training is part of what more data seem to buy; {cure}"
    )
}

/// Members whose training ended before its stop.
fn unstopped(rungs: &[Vec<&Found>]) -> Option<String> {
    let limited = |m: &&&Found| m.result.stop.is_some_and(|stop| stop.by == StopEnd::Limit);
    let names =
        rungs.iter().flatten().filter(limited).map(|m| m.result.member.name.as_str()).collect::<Vec<_>>();
    let all = rungs.iter().map(Vec::len).sum::<usize>();
    (!names.is_empty()).then(|| {
        format!(
            "{} of {all} members were not trained to the stop, since all epochs passed before it: {}; the sizes are not trained alike. \
             Raise train.epochs",
            names.len(),
            names.join(", ")
        )
    })
}

/// Bands from a handful of test samples.
fn few_tested(n_test: usize) -> String {
    format!(
        "only {n_test} test samples: the forecast is of these alone, and its bands cannot be trusted; test on {LEAST_TESTED} or more, better on hundreds"
    )
}

/// What is missing of a forecast that a target needs, by the number of sizes, of replicas of each, and of test samples.
fn missing(key: &str, sizes: usize, replicas: usize, n_test: Option<usize>) -> String {
    let needed = if replicas > 1 { LEAST_SIZES } else { LEAST_WITHOUT_REPLICAS };
    match n_test {
        None => "there is no test split".to_owned(),
        Some(m) if m < 2 => {
            format!("{} in the test split; at least two are needed, and hundreds for a narrow band", count(m, "sample"))
        }
        _ if sizes < needed => format!(
            "{} in family.ladder; {LEAST_SIZES} are needed with replicas, or {LEAST_WITHOUT_REPLICAS} without",
            count(sizes, "size")
        ),
        _ if key == "accuracy" => {
            "a test error above 0 is needed at each size, but at one all test samples are classified right; take more test samples".to_owned()
        }
        _ => "a test loss above 0 is needed at each size".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_covariance_is_that_of_the_means() {
        let (a, b) = (vec![1.0, 2.0, 6.0], vec![0.0, 1.0, 2.0]);
        let found = covariance(&[&a, &b]).unwrap();
        // Deviations −2, −1, 3 and −1, 0, 1: sums 14, 5, 2 over (3 − 1) · 3.
        let expected = ndarray::array![[14.0, 5.0], [5.0, 2.0]] / 6.0;
        assert!((found - expected).iter().all(|d: &f64| d.abs() <= 1e-15));
        assert!(covariance(&[&a, &vec![1.0]]).is_none() && covariance(&[]).is_none());
    }

    #[test]
    fn overlapping_test_samples_average_out_in_part() {
        assert!((of_mean(5, 360, 1440) - 0.36).abs() <= 1e-15 && (of_mean(1, 360, 90) - 1.0).abs() <= 1e-15);
    }

    #[test]
    fn a_replica_means_each_test_sample() {
        assert_eq!(mean_of(&[(0.5, vec![0.0, 1.0]), (0.0, vec![0.0, 0.0])]), [0.0, 0.5]);
    }

    #[test]
    fn what_is_wrong_is_said_with_sizes() {
        let said = [false, true].map(|stopped| undertrained((90, 1437), stopped));
        assert!(said.iter().all(|s| s.starts_with("the training loss falls from 90 to 1437 samples: ")));
        assert!(
            said[0].contains("fixed number of epochs") && said[1].contains(": its stop ends"),
            "{said:?}"
        );
        assert!(few_tested(2).starts_with("only 2 test samples: "));
    }

    #[test]
    fn what_a_target_lacks_is_named() {
        let said = |sizes, replicas, n_test| missing("accuracy", sizes, replicas, n_test);
        assert_eq!(said(4, 2, None), "there is no test split");
        assert!(said(4, 2, Some(1)).starts_with("1 sample in the test split; at least two"));
        assert!(said(2, 2, Some(300)).starts_with("2 sizes in family.ladder; 3 are needed with replicas"));
        assert!(said(4, 1, Some(300)).starts_with("4 sizes in family.ladder;"));
        assert!(said(3, 2, Some(300)).starts_with("a test error above 0 is needed at each size"));
        assert_eq!(missing("test_loss", 5, 1, Some(2)), "a test loss above 0 is needed at each size");
    }
}
