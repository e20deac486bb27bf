//! The answer in sentences.

use crate::read::bound::{Setting, SufficientRow};
use crate::read::experiment::Experiment;
use crate::text::numbers::{count, grouped, percent, short};

/// A tolerance in the words it was given in.
pub fn tolerance(row: &SufficientRow) -> String {
    match row.relative {
        Some(r) => format!("{} of the mean perturbed loss", percent(r)),
        None => format!("{} nats²", short(row.tolerance)),
    }
}

/// The answer at one tolerance: by the closed form with its interval, and by the single stored order.
pub fn at_one_tolerance(average: &SufficientRow, single: &SufficientRow, n_samples: usize) -> String {
    let tolerance = tolerance(average);
    let k = average.k.unwrap_or_default();
    let interval = match (average.low, average.high) {
        (Some(low), Some(high)) => format!(" (interval {} to {})", grouped(low), grouped(high)),
        _ => String::new(),
    };
    let law = match average.status.as_str() {
        "reached" => {
            format!("{} {} enough{interval}", count(k, "sample"), if k == 1 { "is" } else { "are" })
        }
        "extrapolated" => format!(
            "the {} samples at hand are not enough; about {} would be{interval}, extrapolated by the 1/k² law",
            grouped(n_samples),
            grouped(k)
        ),
        status => format!("the law gives no number ({status})"),
    };
    let order = match single.k {
        Some(k) => format!("in the one order that was measured, from {} on", grouped(k)),
        None => "in the one order that was measured, not reached".to_owned(),
    };
    format!("For a change below {tolerance}, {law}; {order}.")
}

/// The answer at all tolerances, in one sentence: K by the closed form of the average over orders.
pub fn of_all(rows: &[&SufficientRow], n_samples: usize) -> String {
    let one = |row: &&SufficientRow| {
        let k = row.k.map_or_else(|| "no number".to_owned(), grouped);
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
            _ => String::new(),
        };
        let beyond = match row.status.as_str() {
            "reached" => String::new(),
            "extrapolated" => format!(", more than the {} at hand", grouped(n_samples)),
            status => format!(", {status}"),
        };
        format!("{k}{interval} for a change below {}{beyond}", tolerance(row))
    };
    format!("Samples that are enough: {}.", rows.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// Which curve the numbers are of.
pub fn setting_note(setting: &str) -> String {
    format!(
        "All rows are of the setting `{setting}`; order-average is the closed form of the average over all orders of the samples."
    )
}

/// Where the experiments of the comparison stand: smallest and largest K of `rows`, all at one tolerance.
pub fn comparison(rows: &[(&str, &SufficientRow)]) -> String {
    let Some((_, first)) = rows.first() else {
        return "No experiment has a report yet; each family has a page of its own.".to_owned();
    };
    let known = rows.iter().filter_map(|(name, row)| Some((*name, row.k?, row.status.as_str())));
    let mut known = known.collect::<Vec<_>>();
    known.sort_by_key(|(_, k, _)| *k);
    let number = |(_, k, status): &(&str, usize, &str)| match *status {
        "extrapolated" => format!("{}, extrapolated", grouped(*k)),
        _ => grouped(*k),
    };
    let told = match known.as_slice() {
        [] => "no experiment has a number".to_owned(),
        [only] => {
            format!("only {} has a number ({}), so there is none to compare it with", only.0, number(only))
        }
        [least, .., most] if least.1 < most.1 => format!(
            "{} needs the fewest samples ({}) and {} the most ({}): a factor of {}",
            least.0,
            number(least),
            most.0,
            number(most),
            short(most.1 as f64 / least.1 as f64)
        ),
        all => {
            let names = all.iter().map(|known| known.0).collect::<Vec<_>>().join(", ");
            format!("{names} need the same number of samples ({})", number(&all[0]))
        }
    };
    let without = rows.iter().filter(|(_, row)| row.k.is_none()).map(|(name, _)| *name).collect::<Vec<_>>();
    let none = if without.is_empty() || known.is_empty() {
        String::new()
    } else {
        format!("; no number for {}", without.join(", "))
    };
    format!("For a change below {}, {told}{none}.", tolerance(first))
}

/// A note where experiments differ in s, the samples of one step; empty where all have the same.
pub fn steps(experiments: &[(&str, usize)]) -> String {
    let mut sizes = experiments.iter().map(|e| e.1).collect::<Vec<_>>();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.len() < 2 {
        return String::new();
    }
    let of = |s: &usize| {
        let names = experiments.iter().filter(|e| e.1 == *s).map(|e| e.0).collect::<Vec<_>>();
        format!("{} in {}", count(*s, "sample"), names.join(", "))
    };
    let all = sizes.iter().map(of).collect::<Vec<_>>().join("; ");
    format!(" Their steps differ, and a larger step changes more: {all}.")
}

/// Where K of the one order rests on few of its prefixes, below [`THIN_TAIL`]; `sizes` are all that were measured.
pub fn thin_tail(single: &SufficientRow, sizes: &[usize]) -> Option<String> {
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

/// Share of the measured prefixes below which K of one order is said to rest on few: of a hundred prefixes, the last.
const THIN_TAIL: f64 = 0.01;

/// The sentences of the answer, one per tolerance.
pub fn answers(experiment: &Experiment, answer: &Setting) -> Vec<String> {
    let average = experiment.rows_of(&answer.name, "order-average");
    let single = experiment.rows_of(&answer.name, "monte-carlo");
    let sentence = |(a, s): (&SufficientRow, &SufficientRow)| {
        let thin = thin_tail(s, &experiment.sizes).unwrap_or_default();
        at_one_tolerance(a, s, experiment.data.n_samples) + &thin
    };
    average.zip(single).map(sentence).collect()
}

/// The answer in one sentence.
pub fn headline(experiment: &Experiment, answer: &Setting) -> String {
    let rows = experiment.rows_of(&answer.name, "order-average").collect::<Vec<_>>();
    of_all(&rows, experiment.data.n_samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(status: &str, k: Option<usize>, interval: Option<(usize, usize)>) -> SufficientRow {
        SufficientRow {
            setting: "s".into(),
            method: "order-average".into(),
            tolerance: 1e-4,
            relative: None,
            status: status.into(),
            k,
            low: interval.map(|i| i.0),
            high: interval.map(|i| i.1),
        }
    }

    #[test]
    fn the_answer_follows_its_status() {
        let single = row("reached", Some(1200), None);
        let text = at_one_tolerance(&row("reached", Some(1050), Some((900, 1300))), &single, 5000);
        assert_eq!(
            text,
            "For a change below 1e-4 nats², 1,050 samples are enough (interval 900 to 1,300); in the one order that was measured, from 1,200 on."
        );
        let text =
            at_one_tolerance(&row("extrapolated", Some(9000), None), &row("not reached", None, None), 5000);
        assert!(
            text.contains("the 5,000 samples at hand are not enough; about 9,000 would be, extrapolated"),
            "{text}"
        );
        assert!(text.ends_with("in the one order that was measured, not reached."), "{text}");
        let text = at_one_tolerance(&row("not reached", None, None), &single, 5000);
        assert!(text.contains("the law gives no number (not reached)"), "{text}");
        let text = at_one_tolerance(&row("reached", Some(1), None), &single, 5000);
        assert!(text.starts_with("For a change below 1e-4 nats², 1 sample is enough; in"), "{text}");
        let relative = SufficientRow { relative: Some(1e-3), ..row("reached", Some(1050), None) };
        let text = at_one_tolerance(&relative, &single, 5000);
        assert!(
            text.starts_with("For a change below 0.1 % of the mean perturbed loss, 1,050 samples"),
            "{text}"
        );
    }

    #[test]
    fn the_headline_holds_every_tolerance_with_its_status() {
        let reached = row("reached", Some(1050), Some((900, 1300)));
        let beyond = row("extrapolated", Some(9000), None);
        let none = row("not reached", None, None);
        assert_eq!(
            of_all(&[&reached], 5000),
            "Samples that are enough: 1,050 [900, 1,300] for a change below 1e-4 nats²."
        );
        let all = of_all(&[&reached, &beyond, &none], 5000);
        assert!(all.contains("; 9,000 for a change below 1e-4 nats², more than the 5,000 at hand;"), "{all}");
        assert!(all.ends_with("no number for a change below 1e-4 nats², not reached."), "{all}");
        let relative = SufficientRow { relative: Some(1e-5), ..row("reached", Some(7), None) };
        assert_eq!(
            of_all(&[&relative], 5000),
            "Samples that are enough: 7 for a change below 0.001 % of the mean perturbed loss."
        );
        assert!(setting_note("hessian-d10-s1").contains("`hessian-d10-s1`"));
    }

    #[test]
    fn experiments_are_compared_in_words_that_fit() {
        let at = |k| row("reached", Some(k), None);
        let (one, two, four) = (at(1000), at(2000), at(4000));
        assert_eq!(
            comparison(&[("a", &two), ("b", &four), ("c", &one)]),
            "For a change below 1e-4 nats², c needs the fewest samples (1,000) and b the most (4,000): a factor of 4."
        );
        let (beyond, none) = (row("extrapolated", Some(8000), None), row("not reached", None, None));
        assert_eq!(
            comparison(&[("a", &none), ("b", &beyond), ("c", &one)]),
            "For a change below 1e-4 nats², c needs the fewest samples (1,000) and b the most (8,000, extrapolated): a factor of 8; no number for a."
        );
        assert!(
            comparison(&[("a", &one), ("b", &one)])
                .ends_with(", a, b need the same number of samples (1,000).")
        );
        let only = "only a has a number (8,000, extrapolated), so there is none to compare it with; no number for b.";
        assert!(comparison(&[("a", &beyond), ("b", &none)]).ends_with(only));
        assert!(comparison(&[("a", &none), ("b", &none)]).ends_with(", no experiment has a number."));
        assert!(comparison(&[]).starts_with("No experiment has a report yet; each family"));
        assert_eq!(steps(&[("a", 1), ("b", 1)]), "");
        assert_eq!(
            steps(&[("a", 1), ("b", 64), ("c", 1)]),
            " Their steps differ, and a larger step changes more: 1 sample in a, c; 64 samples in b."
        );
    }

    #[test]
    fn a_size_that_rests_on_few_prefixes_says_so() {
        let sizes = (1..=1000).collect::<Vec<_>>();
        let tail = |k| thin_tail(&row("reached", k, None), &sizes);
        assert!(tail(Some(999)).unwrap().contains("the last 2 of 1,000 measured prefixes"));
        assert!(tail(Some(1000)).unwrap().contains("the last of 1,000 measured prefixes"));
        // 10 of 1,000 are the 1 % that is enough.
        assert!(tail(Some(991)).is_none() && tail(Some(992)).is_some() && tail(None).is_none());
    }
}
