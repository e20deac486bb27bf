//! K beside the learning curve: the test loss and accuracy at so many samples, and what twice as many buy.

use records::family::{AtSize, GainStatus, KBeside, LadderForecast, Place, Row, ToleranceOfGain};

use crate::read::unit::Unit;
use crate::text::fact::{Ends, Fact, between, spread};
use crate::text::forecast::{complement, of_mean, relative, rise};
use crate::text::numbers::{given, grouped, percent};
use crate::text::table::Table;

/// The forecasts at K, and the tolerance where twice the samples buy little.
pub fn facts(forecasts: &[LadderForecast], unit: &Unit) -> Vec<Fact> {
    forecasts.iter().flat_map(|found| of(found, unit)).collect()
}

fn of(found: &LadderForecast, unit: &Unit) -> Vec<Fact> {
    let at_k = found.beside.iter().flat_map(|beside| at_k(beside, unit));
    let gain = found.tolerance_of_gain.iter().flat_map(|found| [samples(found), tolerance(found, unit)]);
    let own = |f: Fact| Fact { label: found.label(&f.label), ..f };
    at_k.chain(gain).map(own).collect()
}

/// Why there is no forecast at a size.
fn reason(place: Place) -> &'static str {
    match place {
        Place::Below => " (fewer than the smallest size)",
        Place::TooFar => " (beyond the forecast)",
        Place::Within | Place::Beyond => "",
    }
}

fn at_k(beside: &KBeside, unit: &Unit) -> Vec<Fact> {
    let of = |at: &AtSize, what: &str| {
        let k = format!(
            "K = {} ({} {}){}",
            grouped(at.n),
            given(beside.tolerance),
            unit.squared,
            reason(at.place)
        );
        [format!("{what} at {k}"), format!("change of the {what} by twice {k}")]
    };
    let loss = beside.loss.as_ref().map(|at| {
        let [now, twice] = of(at, "test loss");
        [value(&now, at.row.map(of_mean), &unit.loss), value(&twice, at.doubling.map(relative), "fraction")]
    });
    let error = beside.error.as_ref().map(|at| {
        let [now, twice] = of(at, "test accuracy");
        [value(&now, at.row.map(accuracy), "fraction"), value(&twice, at.doubling.map(rise), "fraction")]
    });
    loss.into_iter().chain(error).flatten().collect()
}

fn accuracy(row: Row) -> Ends {
    complement(of_mean(row))
}

/// It with its interval; none where nothing is known.
fn value(label: &str, ends: Option<Ends>, unit: &str) -> Fact {
    between(label, ends.unwrap_or([f64::NAN; 3]), unit)
}

fn less_than(found: &ToleranceOfGain) -> String {
    let why = match found.gain.status {
        GainStatus::At => "",
        GainStatus::Everywhere => " (so it is at every size of the ladder)",
        GainStatus::Never => " (nowhere within the forecast)",
    };
    format!("twice as many take less than {} off the test loss{why}", percent(found.gain.fraction))
}

fn samples(found: &ToleranceOfGain) -> Fact {
    let end = |n: Option<usize>| n.map_or(f64::NAN, |n| n as f64);
    let gain = &found.gain;
    let label = format!("samples from which on {}", less_than(found));
    between(label, [gain.n, gain.low, gain.high].map(end), "samples")
}

fn tolerance(found: &ToleranceOfGain, unit: &Unit) -> Fact {
    let label = format!("tolerance whose K is where {}", less_than(found));
    let ends = [found.tolerance, found.low, found.high].map(|end| end.unwrap_or(f64::NAN));
    between(label, ends, &unit.squared)
}

/// A row for each tolerance, and one for that where twice the samples buy little.
pub fn table(forecasts: &[LadderForecast], unit: &Unit) -> Table {
    let head = [
        format!("tolerance ({})", unit.squared),
        "K (samples)".to_owned(),
        format!("test loss ({})", unit.loss),
        "change by twice as many".to_owned(),
        "test accuracy".to_owned(),
        "change by twice as many".to_owned(),
    ];
    let text = |fact: Fact| fact.text();
    let rows = |found: &LadderForecast| {
        let row = |beside: &KBeside| {
            let (loss_at, error_at) = (beside.loss.as_ref(), beside.error.as_ref());
            let known = [
                (loss_at.and_then(|at| at.row).map(of_mean), unit.loss.as_str()),
                (loss_at.and_then(|at| at.doubling).map(relative), "fraction"),
                (error_at.and_then(|at| at.row).map(accuracy), "fraction"),
                (error_at.and_then(|at| at.doubling).map(rise), "fraction"),
            ];
            let place = loss_at.or(error_at).map_or("", |at| reason(at.place));
            let k = format!("{}{place}", text(spread("", beside.k, "samples")));
            let cells = known.map(|(ends, unit)| ends.map_or(String::new(), |_| text(value("", ends, unit))));
            [found.label(&given(beside.tolerance)), k].into_iter().chain(cells).collect::<Vec<_>>()
        };
        let gain = |of_gain: &ToleranceOfGain| {
            let what = format!("{}, where {}", text(tolerance(of_gain, unit)), less_than(of_gain));
            let mut cells = vec![String::new(); 6];
            (cells[0], cells[1]) = (found.label(&what), text(samples(of_gain)));
            cells
        };
        let of_gain = found.tolerance_of_gain.iter().map(gain);
        found.beside.iter().map(row).chain(of_gain).collect::<Vec<_>>()
    };
    Table::of(head, forecasts.iter().filter(|f| f.loss.is_some() || f.error.is_some()).flat_map(rows))
}

#[cfg(test)]
mod tests {
    use records::family::{LittleGain, Spread};

    use super::*;
    use crate::read::fixtures::{forecast, nats, unforecast};

    /// K at two tolerances, one of them below the ladder; the numbers at it are those of the fixture at 1,000 samples.
    fn found(status: GainStatus) -> LadderForecast {
        let quantity = forecast(vec![]);
        let at = AtSize {
            n: 1000,
            place: Place::Within,
            row: Some(quantity.rows[0]),
            doubling: Some(quantity.doubling),
        };
        let below = AtSize { n: 30, place: Place::Below, row: None, doubling: None };
        let beside = |tolerance: f64, mean: f64, at: AtSize| {
            let k = Spread { mean, deviation: Some(20.0) };
            KBeside { tolerance, k, loss: Some(at), error: Some(at) }
        };
        let n = (status == GainStatus::At).then_some(20_000);
        let gain = LittleGain { fraction: 0.05, status, n, low: Some(9000), high: None };
        LadderForecast {
            loss: Some(quantity.clone()),
            error: Some(quantity),
            beside: vec![beside(1e-4, 1000.3, at), beside(0.1, 30.0, below)],
            tolerance_of_gain: Some(ToleranceOfGain {
                gain,
                tolerance: n.map(|_| 1.9e-7),
                low: None,
                high: Some(2e-7),
            }),
            ..unforecast(None)
        }
    }

    #[test]
    fn k_has_the_loss_there_and_what_twice_as_many_buy() {
        let facts = facts(&[found(GainStatus::At)], &nats());
        let text = |label: &str| facts.iter().find(|f| f.label == label).map(Fact::text);
        assert_eq!(text("test loss at K = 1,000 (1e-4 nats²)").unwrap(), "0.1 [0.09, 0.11]");
        assert_eq!(
            text("change of the test loss by twice K = 1,000 (1e-4 nats²)").unwrap(),
            "−20 % [−30 %, −10 %]"
        );
        assert_eq!(text("test accuracy at K = 1,000 (1e-4 nats²)").unwrap(), "90 % [89 %, 91 %]");
        assert_eq!(
            text("change of the test accuracy by twice K = 1,000 (1e-4 nats²)").unwrap(),
            "2 % [1 %, 3 %]"
        );
        assert_eq!(text("test loss at K = 30 (0.1 nats²) (fewer than the smallest size)").unwrap(), "none");
        let end = "twice as many take less than 5 % off the test loss";
        assert_eq!(text(&format!("samples from which on {end}")).unwrap(), "20,000");
        assert_eq!(text(&format!("tolerance whose K is where {end}")).unwrap(), "1.9e-7");
    }

    #[test]
    fn the_table_has_a_row_for_each_tolerance_and_one_for_the_gain() {
        let table = table(&[found(GainStatus::Never), unforecast(None)], &nats());
        assert_eq!(
            table.rows[0],
            [
                "1e-4",
                "1,000 ± 20",
                "0.1 [0.09, 0.11]",
                "−20 % [−30 %, −10 %]",
                "90 % [89 %, 91 %]",
                "2 % [1 %, 3 %]"
            ]
        );
        assert_eq!(table.rows[1], ["0.1", "30 ± 20 (fewer than the smallest size)", "", "", "", ""]);
        let none =
            "none, where twice as many take less than 5 % off the test loss (nowhere within the forecast)";
        assert!(table.rows.len() == 3 && table.rows[2][..2] == [none, "none"], "{:?}", table.rows);
    }
}
