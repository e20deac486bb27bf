//! What more data buy, in sentences.

use records::family::{
    Doubling, Fault, FaultName, Forecast, Goal, LadderForecast, Row, Target, TargetRow, TargetStatus,
};

use crate::read::unit::Unit;
use crate::text::fact::Ends;
use crate::text::numbers::{grouped, interval, percent, short};

/// Whether to trust the forecast, what doubling the data buys, and the samples that the target needs; none where nothing is
/// forecast.
pub fn verdict(found: &LadderForecast, unit: &Unit) -> Option<String> {
    let sentences = [distrust(found), Some(doubled(found, unit)?), target(found, unit)];
    Some(found.label(&sentences.into_iter().flatten().collect::<Vec<_>>().join(" ")))
}

/// What not to trust, and why: the first fault of each quantity.
fn distrust(found: &LadderForecast) -> Option<String> {
    let mut faults = found.faults().collect::<Vec<_>>();
    faults.dedup_by_key(|(what, _)| *what);
    let alone = faults.len() == 1;
    let why = |(what, fault): &(&str, Fault)| {
        let it = if alone { "it".to_owned() } else { format!("the {what}") };
        let sizes = format!("from {} to {} samples", grouped(fault.from), grouped(fault.to));
        match fault.name {
            FaultName::Rises => format!("{it} rises {sizes}"),
            FaultName::Concave => format!("{it} falls faster and faster {sizes}"),
            FaultName::Misfit => format!("no fitted curve follows {it} within noise"),
        }
    };
    let whys = faults.iter().map(why).collect::<Vec<_>>().join("; ");
    let whats = faults.iter().map(|(what, _)| *what).collect::<Vec<_>>().join(" and the ");
    (!faults.is_empty()).then(|| format!("Do not trust the forecast of the {whats}: {whys}."))
}

fn doubled(found: &LadderForecast, unit: &Unit) -> Option<String> {
    let any = found.loss.as_ref().or(found.error.as_ref())?;
    let samples = format!("Twice the {} samples", grouped(any.doubling.from));
    let loss = found.loss.as_ref().map(|f| format!("the test loss {}", bought(f, unit)));
    let accuracy = found.error.as_ref().map(|f| {
        let now = now(f, |error| percent(1.0 - error));
        let [mean, low, high] = complement(of_mean(f.rows[1])).map(percent);
        format!("the test accuracy from {now} to {mean} [{low}, {high}]")
    });
    let both = loss.into_iter().chain(accuracy).collect::<Vec<_>>().join(" and ");
    Some(format!("{samples} would bring {both}."))
}

/// What twice the samples do to a mean test loss: `from 0.1 to 0.08 nats [0.072, 0.088]`.
pub fn bought(loss: &Forecast, unit: &Unit) -> String {
    let then = &loss.rows[1];
    let ends = interval(then.mean_low, then.mean_high);
    format!("from {} to {} {} {ends}", now(loss, short), short(then.mean), unit.loss)
}

/// The fitted mean at the largest size, from which a change is told, with the measured one where that reads otherwise:
/// `0.145 (measured: 0.151)`.
fn now(forecast: &Forecast, text: impl Fn(f64) -> String) -> String {
    let fitted = text(forecast.rows[0].mean);
    let measured = forecast.points.last().map(|point| text(point.mean)).filter(|m| *m != fitted);
    measured.map_or(fitted.clone(), |m| format!("{fitted} (measured: {m})"))
}

/// The mean over seeds with its band.
pub fn of_mean(row: Row) -> Ends {
    [row.mean, row.mean_low, row.mean_high]
}

/// Of an error the accuracy.
pub fn complement([error, low, high]: Ends) -> Ends {
    [error, high, low].map(|error| 1.0 - error)
}

/// What a doubling takes off the mean, as a fraction of it.
pub fn relative(doubling: Doubling) -> Ends {
    [doubling.relative, doubling.relative_low, doubling.relative_high]
}

/// By how much a doubling of the samples raises the accuracy.
pub fn rise(doubling: Doubling) -> Ends {
    [-doubling.change, -doubling.change_high, -doubling.change_low]
}

/// How a target is called.
pub fn target_name(target: Goal, unit: &Unit) -> String {
    match target {
        Goal::Accuracy(accuracy) => format!("test accuracy of {}", percent(accuracy)),
        Goal::TestLoss(loss) => format!("test loss of {} {}", short(loss), unit.loss),
    }
}

/// The forecast that answers the target.
pub fn of_target(found: &LadderForecast) -> Option<(&Forecast, Goal)> {
    let target = found.target.and_then(Target::goal)?;
    let forecast = match target {
        Goal::Accuracy(_) => found.error.as_ref()?,
        Goal::TestLoss(_) => found.loss.as_ref()?,
    };
    Some((forecast, target))
}

fn target(found: &LadderForecast, unit: &Unit) -> Option<String> {
    let (forecast, target) = of_target(found)?;
    let name = target_name(target, unit);
    if let [first, rest @ ..] = forecast.targets.as_slice()
        && first.n.is_none()
        && rest.iter().all(|r| r.n.is_none())
    {
        let reason = reason(first.status);
        let Some(low) = first.low.map(grouped) else {
            return Some(format!("A {name} is out of reach: {reason}."));
        };
        return Some(format!(
            "A {name} is not reached on average: {reason}. At the favourable end of the band, {low} samples would do."
        ));
    }
    let rows = forecast.targets.iter().map(needed).collect::<Vec<_>>();
    Some(format!("A {name} takes {}.", rows.join(", ")))
}

fn needed(row: &TargetRow) -> String {
    let whom = whom(row);
    match row.n {
        Some(n) => format!("{} samples {whom}", number(n, row.status == TargetStatus::ReachedBySmallest)),
        None => format!("{whom} more than can be forecast"),
    }
}

/// So many samples, or fewer: `4,321`, `30 or fewer`.
pub fn number(n: usize, or_fewer: bool) -> String {
    grouped(n) + if or_fewer { " or fewer" } else { "" }
}

/// On average, or with a probability.
pub fn whom(row: &TargetRow) -> String {
    row.assurance.map_or("on average".to_owned(), |p| format!("with {} probability", percent(p)))
}

/// Why there is no number.
pub fn reason(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::UnreachableFloor => "the fitted curve levels off before it",
        _ => "it takes more than 100 times the largest size, beyond which nothing is forecast",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{forecast, nats, targets, unforecast};

    fn of(target: Option<Target>, rows: [(TargetStatus, Option<usize>); 3]) -> LadderForecast {
        let error = Some(forecast(targets(rows)));
        LadderForecast { target, loss: Some(forecast(vec![])), error, ..unforecast(None) }
    }

    #[test]
    fn the_verdict_has_doubling_and_target() {
        use TargetStatus::{Extrapolated, Reached, ReachedBySmallest, UnreachableFloor, UnreachableLimit};
        let said = |rows| {
            verdict(&of(Some(Target { accuracy: Some(0.95), test_loss: None }), rows), &nats()).unwrap()
        };
        assert_eq!(
            said([(Reached, Some(900)), (Extrapolated, Some(4321)), (UnreachableLimit, None)]),
            "Twice the 1,000 samples would bring the test loss from 0.1 to 0.08 nats [0.072, 0.088] and the test accuracy from 90 % to 92 % \
             [91.2 %, 92.8 %]. A test accuracy of 95 % takes 900 samples on average, 4,321 samples with 80 % probability, with 95 % probability \
             more than can be forecast."
        );
        assert!(
            said([(UnreachableFloor, None); 3])
                .ends_with("95 % is out of reach: the fitted curve levels off before it.")
        );
        let easy = said([(ReachedBySmallest, Some(30)), (ReachedBySmallest, Some(30)), (Reached, Some(44))]);
        let end = "takes 30 or fewer samples on average, 30 or fewer samples with 80 % probability, 44 samples with 95 % probability.";
        assert!(easy.ends_with(end), "{easy}");
        let limit = said([(UnreachableLimit, None); 3]);
        assert!(
            limit.ends_with("more than 100 times the largest size, beyond which nothing is forecast."),
            "{limit}"
        );
    }

    /// "from 0.447" was the fit of a curve whose largest size has 0.548.
    #[test]
    fn a_fitted_mean_has_the_measured_one_beside_it() {
        let mut found = of(None, [(TargetStatus::Reached, Some(1)); 3]);
        found.loss.as_mut().unwrap().points[0].mean = 0.548;
        found.error.as_mut().unwrap().points[0].mean = 0.25;
        let said = verdict(&found, &nats()).unwrap();
        assert!(said.contains("the test loss from 0.1 (measured: 0.548) to 0.08 nats"), "{said}");
        assert!(said.contains("the test accuracy from 90 % (measured: 75 %) to 92 %"), "{said}");
    }

    #[test]
    fn an_interval_with_one_end_has_a_sentence_of_its_own() {
        let mut found = of(
            Some(Target { accuracy: Some(0.98), test_loss: None }),
            [(TargetStatus::UnreachableFloor, None); 3],
        );
        found.error.as_mut().unwrap().targets[0].low = Some(2406);
        assert!(verdict(&found, &nats()).unwrap().ends_with(
            "98 % is not reached on average: the fitted curve levels off before it. At the favourable end of the band, 2,406 samples would do."
        ));
    }

    #[test]
    fn a_fault_is_said_before_any_number() {
        let mut found = of(None, [(TargetStatus::Reached, Some(1)); 3]);
        let fault = |name| Fault { name, from: 90, to: 1437 };
        found.loss.as_mut().unwrap().faults = vec![fault(FaultName::Misfit)];
        let said = |found: &LadderForecast| verdict(found, &nats()).unwrap();
        let start = "Do not trust the forecast of the test loss: no fitted curve follows it within noise. Twice the 1,000";
        assert!(said(&found).starts_with(start), "{}", said(&found));
        found.error.as_mut().unwrap().faults = vec![fault(FaultName::Rises), fault(FaultName::Concave)];
        let start = "Do not trust the forecast of the test loss and the test error: no fitted curve follows the test loss within noise; \
                     the test error rises from 90 to 1,437 samples. Twice";
        assert!(said(&found).starts_with(start), "{}", said(&found));
    }

    #[test]
    fn without_a_target_or_a_forecast_nothing_is_said_of_it() {
        let rows = [(TargetStatus::Reached, Some(1)); 3];
        assert!(verdict(&of(None, rows), &nats()).unwrap().ends_with("92.8 %]."));
        assert_eq!(verdict(&unforecast(None), &nats()), None);
        let named = LadderForecast { variant: Some("wide".into()), ..of(None, rows) };
        assert!(verdict(&named, &nats()).unwrap().starts_with("wide: Twice"));
    }
}
