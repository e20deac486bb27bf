//! What more data buy, in sentences.

use records::family::{Forecast, Goal, LadderForecast, Target, TargetRow, TargetStatus};

use crate::text::numbers::{grouped, percent, short};
use crate::text::unit::Unit;

/// What doubling the data buys, and the samples that the target needs; none where nothing is forecast.
pub fn verdict(found: &LadderForecast, unit: &Unit) -> Option<String> {
    let label = found.variant.as_ref().map_or(String::new(), |v| format!("{v}: "));
    let doubled = doubled(found, unit)?;
    let target = target(found, unit).map_or(String::new(), |t| format!(" {t}"));
    Some(format!("{label}{doubled}{target}"))
}

fn doubled(found: &LadderForecast, unit: &Unit) -> Option<String> {
    let any = found.loss.as_ref().or(found.error.as_ref())?;
    let samples = format!("Twice the {} samples", grouped(any.doubling.from));
    let loss = found.loss.as_ref().map(|f| {
        let (now, then) = (&f.rows[0], &f.rows[1]);
        let unit = &unit.loss;
        format!(
            "the test loss from {} to {} {unit} [{}, {}]",
            short(now.mean),
            short(then.mean),
            short(then.mean_low),
            short(then.mean_high)
        )
    });
    let accuracy = found.error.as_ref().map(|f| {
        let (now, then) = (&f.rows[0], &f.rows[1]);
        let [now, mean, low, high] =
            [now.mean, then.mean, then.mean_high, then.mean_low].map(|e| percent(1.0 - e));
        format!("the test accuracy from {now} to {mean} [{low}, {high}]")
    });
    let both = loss.into_iter().chain(accuracy).collect::<Vec<_>>().join(" and ");
    Some(format!("{samples} would bring {both}."))
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
    let rows = forecast.targets.iter().map(needed).collect::<Vec<_>>();
    if let [first, rest @ ..] = forecast.targets.as_slice()
        && first.n.is_none()
        && rest.iter().all(|r| r.n.is_none())
    {
        return Some(format!("A {name} is out of reach: {}.", reason(first.status)));
    }
    Some(format!("A {name} takes {}.", rows.join(", ")))
}

fn needed(row: &TargetRow) -> String {
    let whom = whom(row);
    match row.n {
        Some(n) => format!("{} samples {whom}", grouped(n)),
        None => format!("{whom} more than can be forecast"),
    }
}

/// On average, or with a probability.
pub fn whom(row: &TargetRow) -> String {
    row.assurance.map_or("on average".to_owned(), |p| format!("with {} probability", percent(p)))
}

/// Why there is no number.
pub fn reason(status: TargetStatus) -> &'static str {
    match status {
        TargetStatus::UnreachableFloor => "the fitted curve does not come down to it",
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
        use TargetStatus::{Extrapolated, Reached, UnreachableFloor, UnreachableLimit};
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
                .ends_with("95 % is out of reach: the fitted curve does not come down to it.")
        );
        let limit = said([(UnreachableLimit, None); 3]);
        assert!(
            limit.ends_with("more than 100 times the largest size, beyond which nothing is forecast."),
            "{limit}"
        );
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
