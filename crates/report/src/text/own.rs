//! The one number of a page: how many samples are enough for what the experiment names as its own.

use records::bound::{Status, SufficientRow};
use records::family::{LadderForecast, TargetStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::read::experiment::Experiment;
use crate::read::unit::Unit;
use crate::text::forecast::{number, of_target, reason, target_name};
use crate::text::numbers::{given, given_percent, grouped};

/// A tolerance in the words it was given in.
pub fn tolerance(row: &SufficientRow, unit: &Unit) -> String {
    match row.relative {
        Some(r) => format!("{} of the mean perturbed loss", given_percent(r)),
        None => format!("{} {}", given(row.tolerance), unit.squared),
    }
}

/// How many samples are enough for the tolerance, or the target, that an experiment names as its own.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Own {
    /// what they are enough for, such as `a change below 1e-4 nats²` or `a test accuracy of 98 %`
    pub purpose: String,
    /// samples: K averaged over orders, or those that the target takes on average; null where there is no such number
    pub k: Option<usize>,
    /// whether fewer may be enough: the smallest size of a family reaches its target
    #[serde(default)]
    pub or_fewer: bool,
    /// lower end of its interval; null where fewer may be enough
    pub low: Option<usize>,
    /// upper end
    pub high: Option<usize>,
    /// N, samples at hand; of a family those of its largest size
    pub n_samples: usize,
    /// whether they are enough
    pub status: Status,
    /// why there is no number, or why it should not be trusted
    pub why: Option<String>,
}

impl Own {
    /// Of a row of the average over orders.
    pub fn of_row(row: &SufficientRow, e: &Experiment) -> Self {
        let SufficientRow { k, low, high, status, .. } = *row;
        let why = (status == Status::NotReached).then(|| "the law gives no number".to_owned());
        let purpose = format!("a change below {}", tolerance(row, &e.unit));
        Self { purpose, k, or_fewer: false, low, high, n_samples: e.n_samples, status, why }
    }

    /// Of the target of a family, on average over seeds; `None` without a target or a forecast of it.
    pub fn of_target(found: &LadderForecast, n_samples: usize, unit: &Unit) -> Option<Self> {
        let (forecast, target) = of_target(found)?;
        let row = forecast.targets.iter().find(|t| t.assurance.is_none())?;
        let status = match row.status {
            TargetStatus::ReachedBySmallest | TargetStatus::Reached => Status::Reached,
            TargetStatus::Extrapolated => Status::Extrapolated,
            TargetStatus::UnreachableFloor | TargetStatus::UnreachableLimit => Status::NotReached,
        };
        let distrusted = !forecast.faults.is_empty();
        let why = if status == Status::NotReached {
            Some(reason(row.status).to_owned())
        } else {
            distrusted.then(|| "the forecast is not to be trusted".to_owned())
        };
        let purpose = found.label(&format!("a {}", target_name(target, unit)));
        let or_fewer = row.status == TargetStatus::ReachedBySmallest;
        Some(Self { purpose, k: row.n, or_fewer, low: row.low, high: row.high, n_samples, status, why })
    }

    /// The number: `4,321`, or `30 or fewer`.
    pub fn number(&self) -> Option<String> {
        Some(number(self.k?, self.or_fewer))
    }

    /// Its interval: `[900, 1,300]`; one that the forecast does not reach has no upper end.
    pub fn interval(&self) -> Option<String> {
        if self.or_fewer && self.high != self.k {
            return Some(format!("[no lower end, {}]", upper(self.high)));
        }
        ends(self.low, self.high)
    }

    /// Whether the samples at hand are enough, in a few words.
    pub fn status(&self) -> String {
        let at_hand = format!("{} at hand", grouped(self.n_samples));
        let verdict = match self.status {
            Status::Reached => format!("enough: {at_hand}"),
            Status::Extrapolated => format!("not enough: {at_hand}"),
            Status::NotReached => "no number".to_owned(),
        };
        self.why.as_ref().map_or(verdict.clone(), |why| format!("{verdict}; {why}"))
    }

    /// `enough`, `more` or `none`: the class of its colour.
    pub fn class(&self) -> &'static str {
        match self.status {
            Status::Reached if self.why.is_none() => "enough",
            Status::NotReached => "none",
            _ => "more",
        }
    }
}

/// An interval of samples: `[900, 1,300]`, or `[900, no upper end]`; `None` without a lower end.
pub fn ends(low: Option<usize>, high: Option<usize>) -> Option<String> {
    Some(format!("[{}, {}]", grouped(low?), upper(high)))
}

fn upper(end: Option<usize>) -> String {
    end.map_or_else(|| "no upper end".to_owned(), grouped)
}

#[cfg(test)]
mod tests {
    use records::family::Target;

    use super::*;
    use crate::read::fixtures::{experiment, forecast, nats, row, targets, unforecast};

    #[test]
    fn a_number_has_its_status_in_words() {
        let e = experiment();
        let of = |status, k, ends| Own::of_row(&row(status, k, ends), &e);
        let reached = of(Status::Reached, Some(50), Some((40, 1300)));
        assert_eq!((reached.status().as_str(), reached.class()), ("enough: 100 at hand", "enough"));
        assert_eq!(reached.interval().unwrap(), "[40, 1,300]");
        assert_eq!(reached.purpose, "a change below 1e-4 nats²");
        let more = of(Status::Extrapolated, Some(5000), None);
        assert_eq!((more.status().as_str(), more.class()), ("not enough: 100 at hand", "more"));
        assert!(more.interval().is_none());
        let open = Own { low: Some(1290), ..more };
        assert_eq!(open.interval().unwrap(), "[1,290, no upper end]");
        let none = of(Status::NotReached, None, None);
        assert_eq!((none.status().as_str(), none.class()), ("no number; the law gives no number", "none"));
    }

    #[test]
    fn a_target_out_of_reach_says_why_and_a_faulty_forecast_is_not_trusted() {
        use TargetStatus::{Extrapolated, UnreachableFloor};
        let of = |rows, faulty: bool| {
            let mut error = forecast(targets(rows));
            if faulty {
                let name = records::family::FaultName::Rises;
                error.faults = vec![records::family::Fault { name, from: 90, to: 180 }];
            }
            let target = Some(Target { accuracy: Some(0.95), test_loss: None });
            let found = LadderForecast { target, error: Some(error), ..unforecast(Some("wide".into())) };
            Own::of_target(&found, 1000, &nats()).unwrap()
        };
        let found = of([(Extrapolated, Some(4321)); 3], false);
        assert_eq!((found.k, found.purpose.as_str()), (Some(4321), "wide: a test accuracy of 95 %"));
        assert_eq!(found.status(), "not enough: 1,000 at hand");
        let found = of([(UnreachableFloor, None); 3], false);
        assert_eq!(found.status(), "no number; the fitted curve levels off before it");
        let found = of([(TargetStatus::Reached, Some(900)); 3], true);
        assert_eq!((found.class(), found.status().ends_with("is not to be trusted")), ("more", true));
        assert!(Own::of_target(&unforecast(None), 10, &nats()).is_none());
    }

    #[test]
    fn a_target_that_the_smallest_size_reaches_takes_so_many_or_fewer() {
        let of = |high| {
            let mut rows = targets([(TargetStatus::ReachedBySmallest, Some(30)); 3]);
            rows[0].high = high;
            let target = Some(Target { accuracy: Some(0.5), test_loss: None });
            let found = LadderForecast { target, error: Some(forecast(rows)), ..unforecast(None) };
            Own::of_target(&found, 240, &nats()).unwrap()
        };
        let sure = of(Some(30));
        assert_eq!((sure.number().unwrap().as_str(), sure.interval()), ("30 or fewer", None));
        assert_eq!(
            (sure.or_fewer, sure.class(), sure.status().as_str()),
            (true, "enough", "enough: 240 at hand")
        );
        assert_eq!(of(Some(74)).interval().unwrap(), "[no lower end, 74]");
        assert_eq!(of(None).interval().unwrap(), "[no lower end, no upper end]");
    }
}
