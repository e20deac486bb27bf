//! The verdicts: how many samples are enough, how Δ_k decays, where a theory is a bound, where a learning curve is flat.

use std::cmp::Ordering;

use records::bound::{Exponent, Status, SufficientRow, Theory};
use records::family::{GainStatus, Ladder};
use records::name_of;
use records::train::PolishEnd;

use crate::read::bound::{Setting, law};
use crate::read::experiment::Experiment;
use crate::read::family::{Flat, ReadLadder};
use crate::read::unit::Unit;
use crate::text::numbers::{count, given_percent, grouped, short, whole};
use crate::text::own::{Own, ends};

/// Share of the measured prefixes below which K of one order is said to rest on few: of a hundred prefixes, the last.
const THIN_TAIL: f64 = 0.01;

/// K with its interval where it has one: `1,050 [900, 1,300]`.
pub fn size(row: &SufficientRow) -> Option<String> {
    let interval = match (row.low, row.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
        _ => String::new(),
    };
    Some(format!("{}{interval}", grouped(row.k?)))
}

/// The answer at the own tolerance, or target, in one sentence.
pub fn headline(own: &Own) -> String {
    let k = own.number().unwrap_or_else(|| "no number".to_owned());
    let interval = own.interval().map_or_else(String::new, |i| format!(" {i}"));
    let beyond = match own.status {
        Status::Reached => String::new(),
        Status::Extrapolated => format!(", more than the {} at hand", grouped(own.n_samples)),
        Status::NotReached => format!(", {}", name_of(own.status)),
    };
    format!("Samples that are enough: {k}{interval} for {}{beyond}.", own.purpose)
}

/// Half the width of the interval of K, as a fraction of K, from which on it is said to be wide.
const WIDE: f64 = 0.1;

/// What the answer means and what to do next, a sentence or two each.
pub fn answers(e: &Experiment, answer: &Setting, row: &SufficientRow) -> Vec<String> {
    let first = match e.warnings.len() {
        0 => None,
        1 => Some("Look at the warning first: it may make this number wrong.".to_owned()),
        _ => Some("Look at the warnings first: they may make this number wrong.".to_owned()),
    };
    let wide = row.k.zip(row.low.zip(row.high)).and_then(|(k, (low, high))| {
        let half = (high - low) as f64 / 2.0 / k as f64;
        let v = &answer.found.v;
        let how = if v.draws_standard_error > v.samples_standard_error {
            "more draws make it surer (montecarlo.draws)"
        } else {
            "only more samples make it surer"
        };
        (half > WIDE).then(|| format!("The number is known to ± {:.0} % only: {how}.", 100.0 * half))
    });
    let sentences = [first, Some(enough(row, answer, e)), wide, Some(limits(e))];
    sentences.into_iter().flatten().collect()
}

/// Whether the samples at hand are enough, and what to do if they are not.
fn enough(row: &SufficientRow, answer: &Setting, e: &Experiment) -> String {
    let n = grouped(e.n_samples);
    let more = if e.step == 1 {
        "one more sample moves".to_owned()
    } else {
        format!("{} more samples move", grouped(e.step))
    };
    match (row.status, row.k) {
        (Status::Reached, Some(k)) => {
            let least = match row.relative {
                Some(r) => format!("{} of the mean perturbed loss", given_percent(r)),
                None => format!("{} {}", short(row.tolerance.sqrt()), e.unit.loss),
            };
            format!(
                "The {n} samples at hand are enough: from {} on, {more} the loss surface by less than {least}.",
                grouped(k)
            )
        }
        (Status::Extrapolated, Some(k)) => {
            let change = law(answer.found.v.variance, e.step, e.n_samples as f64).sqrt();
            let change = format!("{} {}", short(change), e.unit.loss);
            let missing = k.saturating_sub(e.n_samples);
            let collect = if missing == 0 {
                String::new()
            } else {
                format!(" Collect {} more of the same kind, or accept that change.", grouped(missing))
            };
            format!(
                "The {n} samples at hand are not enough: with all of them, {more} the loss surface by {change}.{collect}"
            )
        }
        _ => "The law gives no number at this tolerance.".to_owned(),
    }
}

/// What K does not say, and who says it.
fn limits(e: &Experiment) -> String {
    let ladder = if e.trained.is_some() { ", such as a family" } else { "" };
    format!(
        "The number says when the loss surface settles, not when more data stop helping: for that, compare networks trained on several sizes{ladder}."
    )
}

/// K of the one stored order beside that of the average, in one sentence, and whether it rests on few prefixes.
pub fn orders(average: &SufficientRow, single: &SufficientRow, e: &Experiment) -> String {
    let definition = "Definition 4 of the paper takes the one stored order";
    let sentence = match (single.k, average.k) {
        (Some(one), Some(all)) => {
            let why = match one.cmp(&all) {
                Ordering::Greater => "larger, because the last exceedance of one noisy curve decides it",
                Ordering::Less => "smaller, because this order settled sooner than orders do on average",
                Ordering::Equal => "the same",
            };
            format!(
                "{definition} and gives {} where the average over orders gives {}: {why}.",
                grouped(one),
                grouped(all)
            )
        }
        (Some(one), None) => format!("{definition} and gives {}.", grouped(one)),
        (None, _) => {
            format!("{definition} and gives no number: its change is not below the tolerance at the end.")
        }
    };
    sentence + &thin_tail(single, &e.sizes).unwrap_or_default()
}

/// Where K of the one order rests on few of its prefixes, below [`THIN_TAIL`]; `sizes` are all that were measured.
fn thin_tail(single: &SufficientRow, sizes: &[usize]) -> Option<String> {
    let k = single.k?;
    let below = sizes.iter().filter(|size| **size >= k).count();
    ((below as f64) < THIN_TAIL * sizes.len() as f64).then(|| {
        let last = if below == 1 { String::new() } else { format!(" {}", grouped(below)) };
        format!(
            " That rests on the last{last} of {} measured prefixes only: one more exceedance would move it, so the average over orders is the better guide.",
            grouped(sizes.len())
        )
    })
}

/// Whether the measured Δ_k decays as its average over orders does.
pub fn decay(exponent: Option<&Exponent>) -> &'static str {
    match exponent {
        None => "There are too few prefix sizes with a change to fit an exponent.",
        Some(e) if (e.low..=e.high).contains(&-2.0) && (e.low..=e.high).contains(&-1.0) => {
            "The interval of the exponent contains −2 and −1: it does not tell 1/k² from 1/k."
        }
        Some(e) if (e.low..=e.high).contains(&-2.0) => {
            "Δ_k decays as 1/k²: the interval of its exponent contains −2."
        }
        Some(_) => {
            "The interval of the exponent does not contain −2, the exponent of the average over orders."
        }
    }
}

/// Whether a theory was an upper bound here.
pub fn bound(theory: &Theory) -> String {
    let above = theory.comparison.fraction_above;
    let place = if above >= 1.0 {
        "is above Monte Carlo at every prefix size compared: an upper bound here"
    } else if above <= 0.0 {
        "is below Monte Carlo at every prefix size compared: no upper bound"
    } else {
        "is not above Monte Carlo at every prefix size compared: no upper bound"
    };
    format!("{} {place}.", theory.name)
}

/// How a polish ended.
pub fn polish(end: PolishEnd) -> String {
    format!("The polish {}.", did(end))
}

fn did(end: PolishEnd) -> &'static str {
    match end {
        PolishEnd::Reached => "reached the gradient norm that was asked for",
        PolishEnd::Spent => {
            "spent its Hessian-vector products before it reached the gradient norm that was asked for"
        }
        PolishEnd::Stalled => "stalled before it reached the gradient norm that was asked for",
    }
}

/// How the polish of each network ended, counted: a family has dozens. `None` where none was polished.
pub fn polishes(ends: &[PolishEnd]) -> Option<String> {
    let of = |end: PolishEnd| {
        let n = ends.iter().filter(|other| **other == end).count();
        let which = if n == ends.len() {
            count(n, "network")
        } else {
            format!("{n} of {}", count(ends.len(), "network"))
        };
        (n > 0).then(|| format!("The polish of {which} {}.", did(end)))
    };
    let all = [PolishEnd::Reached, PolishEnd::Spent, PolishEnd::Stalled]
        .into_iter()
        .filter_map(of)
        .collect::<Vec<_>>();
    (!all.is_empty()).then(|| all.join(" "))
}

/// Where the learning curve becomes flat, and whether a K marks that point.
pub fn flat(ladder: &Ladder, found: Option<&Flat>, unit: &Unit) -> String {
    let Some(found) = found else {
        return "There is no power law of the test loss: it needs three prefix sizes.".to_owned();
    };
    let gain = format!("{} % off the test loss", short(100.0 * ladder.flat_gain));
    let none = "so no K marks where it becomes flat.";
    match (found.status, found.at) {
        (GainStatus::At, Some((k, delta))) => format!(
            "A doubling of the samples takes less than {gain} from about {} samples on{}{}: K marks that point only for a tolerance near {} {}.",
            whole(k),
            found
                .forecast
                .and_then(|gain| ends(gain.low, gain.high))
                .map_or(String::new(), |e| format!(" {e}")),
            if k > ladder.last().k as f64 { ", beyond those measured" } else { "" },
            short(delta),
            unit.squared
        ),
        (GainStatus::Never, _) if found.forecast.is_some() => format!(
            "Up to 50 times the largest size, beyond which no doubling is forecast, there is no number of samples from which on a doubling takes less than {gain}, {none}"
        ),
        (GainStatus::Never, _) => format!(
            "The fitted floor is 0: by this law a doubling of the samples always takes more than {gain}, {none}"
        ),
        _ => format!("A doubling of the samples takes less than {gain} at every size measured, {none}"),
    }
}

#[cfg(test)]
mod tests {
    use records::family::{Flattening, LadderForecast, LittleGain, ToleranceOfGain};

    use super::*;
    use crate::read::fixtures::{curve, experiment, nats, row, setting, theory, unfitted, unforecast};

    #[test]
    fn the_answer_follows_its_status() {
        let mut e = experiment();
        let said = |e: &Experiment, row: &SufficientRow| answers(e, &setting(), row);
        let reached = said(&e, &row(Status::Reached, Some(50), Some((48, 52))));
        assert_eq!(
            reached[0],
            "The 100 samples at hand are enough: from 50 on, one more sample moves the loss surface by less than 0.01 nats."
        );
        assert!(
            reached.len() == 2 && reached[1].ends_with("several sizes, such as a family."),
            "{reached:?}"
        );
        let relative = SufficientRow { relative: Some(1e-3), ..row(Status::Reached, Some(50), None) };
        assert!(said(&e, &relative)[0].ends_with("by less than 0.1 % of the mean perturbed loss."));
        assert_eq!(
            said(&e, &row(Status::NotReached, None, None))[0],
            "The law gives no number at this tolerance."
        );
        // V = 1: √(1 / (100 · 101)) = 0.00995.
        (e.warnings, e.trained) = (vec!["w".into()], None);
        let more = said(&e, &row(Status::Extrapolated, Some(9000), Some((1, 17_999))));
        assert_eq!(
            more[..2],
            [
                "Look at the warning first: it may make this number wrong.",
                "The 100 samples at hand are not enough: with all of them, one more sample moves the loss surface by 0.01 nats. \
                 Collect 8,900 more of the same kind, or accept that change."
            ]
        );
        assert!(more[2].starts_with("The number is known to ± 100 % only:"), "{more:?}");
        assert!(more[3].ends_with("several sizes."), "{more:?}");
        e.step = 64;
        assert!(said(&e, &row(Status::Reached, Some(64), None))[1].contains("64 more samples move the loss"));
    }

    #[test]
    fn what_makes_a_wide_interval_narrower_is_named() {
        let (e, mut wide) = (experiment(), setting());
        let said = |s: &Setting| answers(&e, s, &row(Status::Reached, Some(50), Some((40, 60))))[1].clone();
        (wide.found.v.draws_standard_error, wide.found.v.samples_standard_error) = (2.0, 1.0);
        assert_eq!(
            said(&wide),
            "The number is known to ± 20 % only: more draws make it surer (montecarlo.draws)."
        );
        wide.found.v.samples_standard_error = 3.0;
        assert!(said(&wide).ends_with("only more samples make it surer."));
    }

    #[test]
    fn both_sizes_are_reconciled() {
        let e = experiment();
        let of = |one, all| orders(&row(Status::Reached, all, None), &row(Status::Reached, one, None), &e);
        assert!(of(Some(70), Some(50)).starts_with("Definition 4 of the paper takes the one stored order and gives 70 where the average over orders gives 50: larger,"));
        assert!(
            of(Some(30), Some(50)).contains(": smaller,") && of(Some(50), Some(50)).ends_with(": the same.")
        );
        assert!(of(None, Some(50)).contains("gives no number") && of(Some(50), None).ends_with("gives 50."));
    }

    #[test]
    fn the_polish_of_a_family_is_counted() {
        use PolishEnd::{Reached, Stalled};
        assert_eq!(polishes(&[]), None);
        assert_eq!(
            polishes(&[Reached; 15]).unwrap(),
            "The polish of 15 networks reached the gradient norm that was asked for."
        );
        assert_eq!(
            polishes(&[Reached, Stalled, Reached]).unwrap(),
            "The polish of 2 of 3 networks reached the gradient norm that was asked for. \
             The polish of 1 of 3 networks stalled before it reached the gradient norm that was asked for."
        );
    }

    #[test]
    fn the_headline_has_one_number_with_its_status() {
        let e = experiment();
        let of = |status, k, ends| headline(&Own::of_row(&row(status, k, ends), &e));
        assert_eq!(
            of(Status::Reached, Some(1050), Some((900, 1300))),
            "Samples that are enough: 1,050 [900, 1,300] for a change below 1e-4 nats²."
        );
        assert!(
            of(Status::Extrapolated, Some(9000), None)
                .ends_with("9,000 for a change below 1e-4 nats², more than the 100 at hand.")
        );
        assert!(
            of(Status::NotReached, None, None)
                .contains(": no number for a change below 1e-4 nats², not reached.")
        );
    }

    #[test]
    fn a_size_that_rests_on_few_prefixes_says_so() {
        let sizes = (1..=1000).collect::<Vec<_>>();
        let tail = |k| thin_tail(&row(Status::Reached, k, None), &sizes);
        assert!(tail(Some(999)).unwrap().contains("the last 2 of 1,000 measured prefixes"));
        assert!(tail(Some(1000)).unwrap().contains("the last of 1,000 measured prefixes"));
        // 10 of 1,000 are the 1 % that is enough.
        assert!(tail(Some(991)).is_none() && tail(Some(992)).is_some() && tail(None).is_none());
    }

    #[test]
    fn a_decay_as_1_over_k2_is_one_whose_interval_contains_minus_2() {
        let of =
            |low, high| decay(Some(&Exponent { value: f64::midpoint(low, high), low, high, n_bins: 20 }));
        assert!(of(-2.1, -1.9).contains("decays as 1/k²") && of(-1.9, -1.7).contains("does not contain −2"));
        assert!(decay(None).contains("too few"));
        assert!(of(-2.9, -0.9).contains("does not tell"));
    }

    #[test]
    fn a_theory_is_a_bound_only_where_it_was_above_everywhere() {
        let of = |fraction_above| bound(&theory("quadratic", fraction_above));
        assert!(of(1.0).ends_with("an upper bound here.") && of(0.0).contains("is below"));
        assert!(of(1.0 - 1.0 / 60_000.0).ends_with("no upper bound."));
    }

    #[test]
    fn a_learning_curve_is_flat_where_its_law_says_so() {
        let said = |ladder: &Ladder, forecast: &LadderForecast| {
            flat(ladder, Flat::of(ladder, forecast).as_ref(), &nats())
        };
        let fitted = |flattening, k| said(&curve(flattening, k), &unforecast(None));
        assert!(said(&unfitted(), &unforecast(None)).contains("no power law"));
        assert!(fitted(Flattening::Never, None).starts_with("The fitted floor is 0"));
        // A law that is flat from below the smallest size on is flat at every size that was measured.
        for everywhere in [fitted(Flattening::Everywhere, None), fitted(Flattening::At, Some(0.3))] {
            assert!(everywhere.contains("at every size measured"));
        }
        assert_eq!(
            fitted(Flattening::At, Some(22_725.0)),
            "A doubling of the samples takes less than 5 % off the test loss from about 22,725 samples on, beyond those measured: K marks that point only for a tolerance near 1.9e-7 nats²."
        );
        assert!(fitted(Flattening::At, Some(700.0)).contains("from about 700 samples on: K"));
    }

    /// "takes less than 5 % off from about 179 samples on" stood beside a doubling of 240 that takes 7 % off: two laws.
    #[test]
    fn where_the_loss_is_forecast_the_forecast_alone_says_where_it_is_flat() {
        let of = |status, n: Option<usize>, ladder: &Ladder| {
            let gain = LittleGain { fraction: 0.05, status, n, low: Some(60), high: None };
            let tolerance = n.map(|_| 2e-9);
            let found = ToleranceOfGain { gain, tolerance, low: None, high: None };
            let found = LadderForecast { tolerance_of_gain: Some(found), ..unforecast(None) };
            flat(ladder, Flat::of(ladder, &found).as_ref(), &nats())
        };
        let law = curve(Flattening::At, Some(700.0));
        assert_eq!(
            of(GainStatus::At, Some(9690), &law),
            "A doubling of the samples takes less than 5 % off the test loss from about 9,690 samples on [60, no upper end], beyond those measured: \
             K marks that point only for a tolerance near 2e-9 nats²."
        );
        assert!(of(GainStatus::At, Some(9690), &unfitted()).contains("9,690"));
        assert!(of(GainStatus::Never, None, &law).starts_with("Up to 50 times the largest size,"));
        let never = curve(Flattening::Never, None);
        assert!(of(GainStatus::Everywhere, None, &never).contains("at every size measured"));
    }
}
