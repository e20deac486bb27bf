//! What each stopping rule did, in one table.

use records::stream::{Lost, RuleStops, Stops};

use crate::read::unit::Unit;
use crate::text::numbers::{given, grouped, percent, short, unknown, whole, with_error};
use crate::text::table::Table;

/// A row per rule: stops, false stops, samples used, Δ there, and the test loss that stopping costs.
pub fn rules(stops: &Stops, unit: &Unit) -> Table {
    let head = [
        "rule".to_owned(),
        format!("stopped, of {}", grouped(stops.seeds)),
        "falsely".to_owned(),
        "rate of false stops".to_owned(),
        "median stop (samples)".to_owned(),
        format!("median Δ there ({})", unit.squared),
        format!("test loss lost ({})", unit.loss),
    ];
    Table::of(head, stops.rules.iter().map(row))
}

/// What the columns mean.
pub fn meaning(stops: &Stops, unit: &Unit) -> String {
    format!(
        "A stop is false if Δ is not below {} {} where it happens; rates have 95 % intervals. Test loss lost: at the stop, less that of the same run once all samples have come.",
        given(stops.tolerance),
        unit.squared
    )
}

fn row(r: &RuleStops) -> Vec<String> {
    let rate = match (r.false_stop_rate, r.low, r.high) {
        (Some(rate), Some(low), Some(high)) => {
            format!("{} [{}, {}]", percent(rate), percent(low), percent(high))
        }
        _ => unknown(),
    };
    let lost =
        |lost: Lost| lost.standard_error.map_or_else(|| short(lost.mean), |e| with_error(lost.mean, e));
    vec![
        r.rule.clone(),
        grouped(r.stopped),
        grouped(r.false_stops),
        rate,
        r.median_k.map_or_else(unknown, whole),
        r.median_truth.map_or_else(unknown, short),
        r.loss_lost.map_or_else(unknown, lost),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_never_stopped_has_no_rate() {
        let mut found = RuleStops {
            rule: "once".into(),
            stopped: 3,
            false_stops: 1,
            false_stop_rate: Some(0.25),
            low: Some(0.125),
            high: Some(0.5),
            median_k: Some(12_345.0),
            median_truth: Some(3e-4),
            largest_truth: Some(5e-4),
            loss_lost: Some(Lost { mean: 0.0312, standard_error: Some(0.0024) }),
        };
        let text = ["once", "3", "1", "25 % [12.5 %, 50 %]", "12,345", "3e-4", "0.0312 ± 0.0024"];
        assert_eq!(row(&found), text);
        (found.stopped, found.false_stops) = (0, 0);
        (found.false_stop_rate, found.low, found.high, found.loss_lost) = (None, None, None, None);
        (found.median_k, found.median_truth, found.largest_truth) = (None, None, None);
        assert_eq!(row(&found), ["once", "0", "0", "–", "–", "–", "–"]);
    }
}
