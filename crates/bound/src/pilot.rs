//! V and K as a pilot predicts them: from the first n samples, with w* and basis of all samples or of the pilot's own.

use landscape::change::interval::Estimate;
use landscape::change::sufficient::order_average_size;
use pipeline::shell::StageContext;
use pipeline::{Failure, Result};
use records::bound::{Pilot, PredictedSize, SizeInterval, Uncertain};
use records::montecarlo::{Facts, SettingFact};

use crate::measured::Measured;

/// Where the predictions of one setting go.
pub struct Question<'a> {
    pub tolerances: &'a [f64],
    pub confidence: f64,
    pub step: usize,
}

impl Question<'_> {
    fn pilot(&self, setting: &str, n: usize, minimiser: &str, v: &Estimate, full: f64) -> Pilot {
        let v = Uncertain::of(v, self.confidence);
        let sizes = self.tolerances.iter().filter_map(|&tolerance| {
            let size = |v: f64| order_average_size(v, self.step, tolerance);
            Some(PredictedSize {
                tolerance,
                k: size(v.variance)?,
                interval: SizeInterval { low: size(v.low)?, high: size(v.high)? },
                full_k: size(full)?,
            })
        });
        let sizes = sizes.collect();
        Pilot {
            setting: setting.to_owned(),
            n_samples: n,
            minimiser: minimiser.to_owned(),
            full_variance: full,
            holds: (v.low..=v.high).contains(&full),
            sizes,
            v,
        }
    }

    /// The pilots with w* and basis of all samples.
    pub fn within(&self, measured: &Measured, pilot_sizes: &[usize]) -> Vec<Pilot> {
        let full = measured.variance().value;
        let one =
            |(row, &n)| self.pilot(&measured.setting.name, n, "all-samples", &measured.pilot(row, n), full);
        pilot_sizes.iter().enumerate().map(one).collect()
    }

    /// What another experiment, on the first samples alone, says of the same setting.
    pub fn retrained(&self, ctx: &StageContext, experiment: &str, measured: &Measured) -> Result<Pilot> {
        let inputs = ctx.other(experiment, "montecarlo")?;
        let name = &measured.setting.name;
        let facts: Facts = inputs.facts()?;
        let refuse = |what: String| {
            let hint = format!("give it the settings of {}", ctx.experiment);
            Err(Failure::config(format!("bound.pilots: {what}"), hint).into())
        };
        let Some(setting) = facts.settings.into_iter().find(|s| s.name == *name) else {
            return refuse(format!("montecarlo of {experiment} has no setting {name:?}"));
        };
        let of = |s: &SettingFact| (s.basis, s.dim, s.sigma.to_bits(), s.deviations.is_empty());
        if of(&setting) != of(&measured.setting) {
            return refuse(format!("{name} of {experiment} has other directions or another sigma"));
        }
        let pilot = Measured::read(&inputs, setting)?;
        Ok(self.pilot(name, facts.n_samples, experiment, &pilot.variance(), measured.variance().value))
    }
}
