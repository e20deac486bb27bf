//! The verdicts: how many samples are enough, how Δ_k decays, where a theory is a bound, where a learning curve is flat.

use records::bound::{Exponent, Status, SufficientRow, Theory};
use records::family::{Flattening, Ladder};
use records::name_of;
use records::train::PolishEnd;

use crate::read::bound::Setting;
use crate::read::experiment::Experiment;
use crate::read::family::ReadLadder;
use crate::text::numbers::{count, grouped, percent, short, whole};
use crate::text::unit::Unit;

/// Share of the measured prefixes below which K of one order is said to rest on few: of a hundred prefixes, the last.
const THIN_TAIL: f64 = 0.01;

/// A tolerance in the words it was given in.
pub fn tolerance(row: &SufficientRow, unit: &Unit) -> String {
    match row.relative {
        Some(r) => format!("{} of the mean perturbed loss", percent(r)),
        None => format!("{} {}", short(row.tolerance), unit.squared),
    }
}

/// K with its interval where it has one: `1,050 [900, 1,300]`.
pub fn size(row: &SufficientRow) -> Option<String> {
    let interval = match (row.low, row.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
        _ => String::new(),
    };
    Some(format!("{}{interval}", grouped(row.k?)))
}

/// The answer at all tolerances, in one sentence: K by the closed form of the average over orders.
pub fn headline(e: &Experiment, answer: &Setting) -> String {
    let rows = e.rows_of(&answer.found.name, "order-average");
    let all = rows.map(|row| at_tolerance(row, e)).collect::<Vec<_>>();
    format!("Samples that are enough: {}.", all.join("; "))
}

fn at_tolerance(row: &SufficientRow, e: &Experiment) -> String {
    let k = size(row).unwrap_or_else(|| "no number".to_owned());
    let beyond = match row.status {
        Status::Reached => String::new(),
        Status::Extrapolated => format!(", more than the {} at hand", grouped(e.n_samples)),
        Status::NotReached => format!(", {}", name_of(row.status)),
    };
    format!("{k} for a change below {}{beyond}", tolerance(row, &e.unit))
}

/// The sentences of the answer, one per tolerance.
pub fn answers(e: &Experiment, answer: &Setting) -> Vec<String> {
    let (average, single) =
        (e.rows_of(&answer.found.name, "order-average"), e.rows_of(&answer.found.name, "monte-carlo"));
    let sentence = |(a, s): (&SufficientRow, &SufficientRow)| {
        enough(a, s, e) + &thin_tail(s, &e.sizes).unwrap_or_default()
    };
    average.zip(single).map(sentence).collect()
}

/// The answer at one tolerance: by the closed form with its interval, and by the single stored order.
fn enough(average: &SufficientRow, single: &SufficientRow, e: &Experiment) -> String {
    let k = average.k.unwrap_or_default();
    let interval = match (average.low, average.high) {
        (Some(low), Some(high)) => format!(" (interval {} to {})", grouped(low), grouped(high)),
        _ => String::new(),
    };
    let law = match average.status {
        Status::Reached => {
            format!("{} {} enough{interval}", count(k, "sample"), if k == 1 { "is" } else { "are" })
        }
        Status::Extrapolated => format!(
            "the {} samples at hand are not enough; about {} would be{interval}, extrapolated by the 1/k² law",
            grouped(e.n_samples),
            grouped(k)
        ),
        Status::NotReached => format!("the law gives no number ({})", name_of(average.status)),
    };
    let order = single.k.map_or_else(|| "not reached".to_owned(), |k| format!("from {} on", grouped(k)));
    format!(
        "For a change below {}, {law}; in the one order that was measured, {order}.",
        tolerance(average, &e.unit)
    )
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
pub fn polish(end: PolishEnd) -> &'static str {
    match end {
        PolishEnd::Reached => "The polish reached the gradient norm that was asked for.",
        PolishEnd::Spent => {
            "The polish spent its Hessian-vector products before it reached the gradient norm that was asked for."
        }
        PolishEnd::Stalled => "The polish stalled before it reached the gradient norm that was asked for.",
    }
}

/// Where the learning curve becomes flat, and whether a K marks that point.
pub fn flat(ladder: &Ladder, unit: &Unit) -> String {
    let Some(fit) = &ladder.fit else {
        return "There is no power law of the test loss: it needs three prefix sizes.".to_owned();
    };
    let gain = short(100.0 * ladder.flat_gain);
    match (ladder.flat_from(), fit.delta_at_flat) {
        (Some(k), Some(delta)) => format!(
            "A doubling of the samples takes less than {gain} % off the test loss from about {} samples on{}: K marks that point only for a tolerance near {} {}.",
            whole(k),
            if k > ladder.last().k as f64 { ", beyond those measured" } else { "" },
            short(delta),
            unit.squared
        ),
        _ if fit.flattening == Flattening::Never => format!(
            "The fitted floor is 0: by this law a doubling of the samples always takes more than {gain} % off the test loss, so no K marks where it becomes flat."
        ),
        _ => format!(
            "A doubling of the samples takes less than {gain} % off the test loss at every size measured, so no K marks where it becomes flat."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{curve, experiment, nats, row, theory, unfitted};

    #[test]
    fn the_answer_follows_its_status() {
        let single = row(Status::Reached, Some(1200), None);
        let e = experiment();
        let said = |average: &SufficientRow| enough(average, &single, &e);
        assert_eq!(
            said(&row(Status::Reached, Some(1050), Some((900, 1300)))),
            "For a change below 1e-4 nats², 1,050 samples are enough (interval 900 to 1,300); in the one order that was measured, from 1,200 on."
        );
        assert!(said(&row(Status::Reached, Some(1), None)).contains(", 1 sample is enough;"));
        assert!(
            said(&row(Status::Extrapolated, Some(9000), None))
                .contains("the 100 samples at hand are not enough; about 9,000 would be, extrapolated")
        );
        assert!(said(&row(Status::NotReached, None, None)).contains("the law gives no number (not reached)"));
        let relative = SufficientRow { relative: Some(1e-3), ..row(Status::Reached, Some(1050), None) };
        assert!(said(&relative).starts_with("For a change below 0.1 % of the mean perturbed loss, 1,050"));
    }

    #[test]
    fn the_headline_has_every_tolerance_with_its_status() {
        let mut e = experiment();
        let setting = crate::read::fixtures::setting();
        let of =
            |status, k, ends| SufficientRow { setting: setting.found.name.clone(), ..row(status, k, ends) };
        e.rows = vec![
            of(Status::Reached, Some(1050), Some((900, 1300))),
            of(Status::Extrapolated, Some(9000), None),
            of(Status::NotReached, None, None),
        ];
        assert_eq!(
            headline(&e, &setting),
            "Samples that are enough: 1,050 [900, 1,300] for a change below 1e-4 nats²; \
             9,000 for a change below 1e-4 nats², more than the 100 at hand; no number for a change below 1e-4 nats², not reached."
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
    }

    #[test]
    fn a_theory_is_a_bound_only_where_it_was_above_everywhere() {
        let of = |fraction_above| bound(&theory("quadratic", fraction_above));
        assert!(of(1.0).ends_with("an upper bound here.") && of(0.0).contains("is below"));
        assert!(of(1.0 - 1.0 / 60_000.0).ends_with("no upper bound."));
    }

    #[test]
    fn a_learning_curve_is_flat_where_its_law_says_so() {
        assert!(flat(&unfitted(), &nats()).contains("no power law"));
        assert!(flat(&curve(Flattening::Never, None), &nats()).starts_with("The fitted floor is 0"));
        // A law that is flat from below the smallest size on is flat at every size that was measured.
        for everywhere in [curve(Flattening::Everywhere, None), curve(Flattening::At, Some(0.3))] {
            assert!(flat(&everywhere, &nats()).contains("at every size measured"));
        }
        assert_eq!(
            flat(&curve(Flattening::At, Some(22_725.0)), &nats()),
            "A doubling of the samples takes less than 5 % off the test loss from about 22,725 samples on, beyond those measured: K marks that point only for a tolerance near 1.9e-7 nats²."
        );
        assert!(flat(&curve(Flattening::At, Some(700.0)), &nats()).contains("from about 700 samples on: K"));
    }
}
