//! What more data buy: the fitted curve beyond the largest size, with its bands.

use records::family::{Forecast, Goal, LadderForecast, Row, Target, TargetRow, TargetStatus};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::family::Family;
use crate::read::unit::Unit;
use crate::text::fact::{Ends, Fact, between, fact};
use crate::text::forecast::{complement, of_mean, of_target, relative, rise, target_name, whom};
use crate::text::numbers::{count, grouped};

/// One figure per variant that has a forecast.
pub fn all(family: &Family) -> Vec<Figure> {
    let some = family.forecasts.iter().filter(|f| f.loss.is_some() || f.error.is_some());
    some.map(|found| figure(found, &family.unit)).collect()
}

fn figure(found: &LadderForecast, unit: &Unit) -> Figure {
    let name = found.variant.as_ref().map_or("more-data".to_owned(), |v| format!("more-data-{v}"));
    let (loss_goal, error_goal) = match found.target.and_then(Target::goal) {
        Some(Goal::TestLoss(loss)) => (Some(loss), None),
        Some(Goal::Accuracy(accuracy)) => (None, Some(1.0 - accuracy)),
        None => (None, None),
    };
    let (mut panels, mut facts) = (vec![], vec![]);
    if let Some(loss) = &found.loss {
        panels.push(panel("Test loss", &format!("loss ({})", unit.loss), loss, loss_goal));
        facts.extend(of_quantity("test loss", &unit.loss, loss, |loss| loss, relative(loss.doubling)));
        facts.extend(checked("test loss", loss));
    }
    if let Some(error) = &found.error {
        panels.push(panel("Test error", "fraction classified wrong", error, error_goal));
        facts.extend(of_quantity("test accuracy", "fraction", error, complement, rise(error.doubling)));
        facts.extend(checked("test error", error));
    }
    facts.extend(of_targets(found, unit));
    let caption = found.label(
        "What more data buy: each run, the mean over seeds that is fitted to them with its band, and the band of one run.",
    );
    Figure::of(&name, Section::MoreData, caption, &panels).with(facts)
}

/// One quantity from the smallest size to ten times the largest, with its target.
fn panel(title: &str, y_label: &str, forecast: &Forecast, target: Option<f64>) -> Panel {
    let of =
        |value: fn(&Row) -> f64| forecast.curve.iter().map(|r| (r.n as f64, value(r))).collect::<Vec<_>>();
    let runs = forecast.points.iter().flat_map(|p| p.values.iter().map(|v| (p.n as f64, *v))).collect();
    Panel {
        log_x: true,
        log_y: true,
        band: forecast.curve.iter().map(|r| (r.n as f64, r.mean_low, r.mean_high)).collect(),
        lines: vec![
            line("mean over seeds", of(|r| r.mean), Style::Solid, 0),
            line("each run", runs, Style::Points, 1),
            line("band of one run", of(|r| r.run_high), Style::Dashed, 2),
            line("band of one run", of(|r| r.run_low), Style::Dashed, 2),
        ],
        levels: target.map(|value| (value, "target".into())).into_iter().collect(),
        ..axes(title, "training samples n", y_label)
    }
}

/// What is read off a forecast, `read` as it is or as its complement: means, one run, and what twice the samples change.
fn of_quantity(
    what: &str,
    unit: &str,
    forecast: &Forecast,
    read: fn(Ends) -> Ends,
    change: Ends,
) -> Vec<Fact> {
    let row = |r: &Row| {
        let at = grouped(r.n);
        [
            between(format!("{what} at {at} samples"), read(of_mean(*r)), unit),
            between(format!("{what} of one run at {at}"), read([r.mean, r.run_low, r.run_high]), unit),
        ]
    };
    let change = between(format!("change of the {what} by twice the samples"), change, "fraction");
    forecast.rows.iter().flat_map(row).chain([change]).collect()
}

/// How bands were checked.
fn checked(what: &str, forecast: &Forecast) -> Vec<Fact> {
    let covered = forecast.audit.iter().filter(|a| a.covered).count();
    let of = forecast.audit.len();
    let audit = (of > 0).then(|| {
        let predictions = count(of, "prediction");
        let label = format!("larger sizes in the bands of smaller ones, of {predictions} of the {what}");
        fact(label, covered as f64, "")
    });
    let widening =
        fact(format!("factor on the bands of the {what}, by these predictions"), forecast.widening, "");
    audit.into_iter().chain([widening]).collect()
}

/// The samples that the target needs; a number that is beyond the forecast is none, but the lower end of its band may be one.
fn of_targets(found: &LadderForecast, unit: &Unit) -> Vec<Fact> {
    let Some((forecast, target)) = of_target(found) else { return vec![] };
    let name = target_name(target, unit);
    let row = |r: &TargetRow| {
        let why = match r.status {
            TargetStatus::UnreachableFloor => " (unreachable: the fitted curve levels off before it)",
            TargetStatus::UnreachableLimit => " (unreachable: beyond 100 times the largest size)",
            TargetStatus::ReachedBySmallest => " (or fewer: the smallest size reaches it)",
            TargetStatus::Reached | TargetStatus::Extrapolated => "",
        };
        let ends = [r.n, r.low, r.high].map(|n| n.map_or(f64::NAN, |n| n as f64));
        between(format!("samples for a {name}, {}{why}", whom(r)), ends, "samples")
    };
    let favourable = |r: &TargetRow| {
        let label = format!("samples for a {name}, at the favourable end of the band");
        r.low.filter(|_| r.high.is_none()).map(|low| fact(label, low as f64, "samples"))
    };
    forecast.targets.iter().flat_map(|r| std::iter::once(row(r)).chain(favourable(r))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{self, forecast, targets, unfitted, unforecast};

    #[test]
    fn a_forecast_has_panels_facts_and_a_target() {
        use TargetStatus::{Extrapolated, UnreachableFloor};
        let mut family = fixtures::family(vec![unfitted()], vec![fixtures::member("a", None)]);
        assert!(all(&family).is_empty());
        let rows = [(Extrapolated, Some(4321)), (Extrapolated, Some(6000)), (UnreachableFloor, None)];
        family.forecasts = vec![LadderForecast {
            target: Some(Target { accuracy: Some(0.95), test_loss: None }),
            loss: Some(forecast(vec![])),
            error: Some(forecast(targets(rows))),
            ..unforecast(None)
        }];
        let figures = all(&family);
        assert_eq!(figures.len(), 1);
        let figure = &figures[0];
        assert!(
            figure.alt.ends_with("(Test loss; Test error)") && figure.svg.contains("target"),
            "{}",
            figure.alt
        );
        let text = |label: &str| figure.facts.iter().find(|f| f.label == label).map(Fact::text);
        assert_eq!(text("test loss at 2,000 samples").unwrap(), "0.08 [0.072, 0.088]");
        assert_eq!(text("test accuracy of one run at 2,000").unwrap(), "92 % [90.4 %, 93.6 %]");
        assert_eq!(text("change of the test accuracy by twice the samples").unwrap(), "2 % [1 %, 3 %]");
        assert_eq!(text("samples for a test accuracy of 95 %, on average").unwrap(), "4,321");
        let none = "samples for a test accuracy of 95 %, with 95 % probability (unreachable: the fitted curve levels off before it)";
        assert_eq!(text(none).unwrap(), "none");
        let easy = forecast(targets([(TargetStatus::ReachedBySmallest, Some(30)); 3]));
        family.forecasts[0].error = Some(easy);
        let facts = all(&family).remove(0).facts;
        let label =
            "samples for a test accuracy of 95 %, on average (or fewer: the smallest size reaches it)";
        assert_eq!(facts.iter().find(|f| f.label == label).map(Fact::text).unwrap(), "30");
    }
}
