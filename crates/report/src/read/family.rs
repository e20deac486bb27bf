//! What `family` reports: the members, and the ladders of sizes that they make.

use ndarray::{Array3, Ix3};
use pipeline::Result;
use pipeline::log::count;
use records::family::{
    Curves, Flattening, Forecasts, GainStatus, Ladder, LadderForecast, LittleGain, MemberResult, Members,
    Rung,
};
use store::artifact::Inputs;

use crate::read::bound::law;
use crate::read::unit::Unit;

/// All that a family found.
pub struct Family {
    pub ladders: Vec<Ladder>,
    pub members: Vec<MemberResult>,
    /// what more data buy each variant
    pub forecasts: Vec<LadderForecast>,
    /// coverage of the bands of the forecasts
    pub confidence: f64,
    pub unit: Unit,
    /// what may make the numbers wrong: first those of the family, then those of members, where one that several have
    /// is written once, with the first of them
    pub warnings: Vec<String>,
    /// (members, sizes, 2): k, and the mean |L_{k+s} − L_k| at w* over orders, loss; NaN where there is none
    pub changes: Array3<f64>,
}

impl Family {
    /// Reads both documents of the stage.
    pub fn read(inputs: &Inputs) -> Result<Self> {
        let Curves { curves: ladders } = inputs.document()?;
        let Members { members } = inputs.document()?;
        let unit = Unit::of(members.first().map(|m| m.loss));
        let Forecasts { forecasts, confidence, .. } = inputs.document()?;
        let own = inputs.manifest("family").warnings.clone();
        let warnings = own.into_iter().chain(warnings(&members)).collect();
        let changes = inputs.read::<f64, Ix3>("family", "change_at_minimiser.npy")?;
        Ok(Self { ladders, members, forecasts, confidence, unit, warnings, changes })
    }

    /// Each ladder, with where its learning curve is flat.
    pub fn flat(&self) -> impl Iterator<Item = (&Ladder, Option<Flat>)> {
        self.ladders.iter().zip(&self.forecasts).map(|(l, f)| (l, Flat::of(l, f)))
    }
}

/// From where on twice the samples buy little: by the forecast of the test loss, and by its power law only where there is no
/// forecast, so that a page has one law of it.
pub struct Flat {
    /// whether there is such a size
    pub status: GainStatus,
    /// samples, and V (1/n − 1/(n+s)) there, loss²
    pub at: Option<(f64, f64)>,
    /// what the forecast says; none by the power law
    pub forecast: Option<LittleGain>,
}

impl Flat {
    /// `None` where there is neither.
    pub fn of(ladder: &Ladder, forecast: &LadderForecast) -> Option<Self> {
        if let Some(found) = &forecast.tolerance_of_gain {
            let at = found.gain.n.map(|n| n as f64).zip(found.tolerance);
            return Some(Self { status: found.gain.status, at, forecast: Some(found.gain) });
        }
        let fit = ladder.fit.as_ref()?;
        // A law that is flat from below the smallest size on is flat at every size that was measured.
        let at = fit.flat_k.filter(|&k| k > ladder.rungs[0].k as f64).zip(fit.delta_at_flat);
        let status = match (fit.flattening, at) {
            (Flattening::Never, _) => GainStatus::Never,
            (_, Some(_)) => GainStatus::At,
            (_, None) => GainStatus::Everywhere,
        };
        Some(Self { status, at, forecast: None })
    }
}

fn warnings(members: &[MemberResult]) -> Vec<String> {
    let mut found = Vec::<(&str, &str, usize)>::new();
    for (member, warning) in members.iter().flat_map(|m| m.warnings.iter().map(move |w| (m, w))) {
        match found.iter_mut().find(|(text, ..)| *text == warning) {
            Some((_, _, n)) => *n += 1,
            None => found.push((warning, &member.member.name, 1)),
        }
    }
    let told = |(text, first, n): (&str, &str, usize)| match n {
        1 => format!("{first}: {text}"),
        _ => format!("{first} and {}: {text}", count(n - 1, "other")),
    };
    found.into_iter().map(told).collect()
}

/// What the page reads off a ladder.
pub trait ReadLadder {
    /// The largest size.
    fn last(&self) -> &Rung;
    /// `text` with the variant before it.
    fn label(&self, text: &str) -> String;
    /// V (1/k − 1/(k+s)), V at the largest size, loss²
    fn law(&self, k: usize) -> f64;
    /// (k, value) of the sizes that have one.
    fn line(&self, of: impl Fn(&Rung) -> Option<f64>) -> Vec<(f64, f64)>;
}

impl ReadLadder for Ladder {
    fn last(&self) -> &Rung {
        &self.rungs[self.rungs.len() - 1]
    }

    fn label(&self, text: &str) -> String {
        self.variant.as_ref().map_or(text.to_owned(), |v| format!("{v}: {text}"))
    }

    fn law(&self, k: usize) -> f64 {
        law(self.last().variance.mean, self.step, k as f64)
    }

    fn line(&self, of: impl Fn(&Rung) -> Option<f64>) -> Vec<(f64, f64)> {
        self.rungs.iter().filter_map(|r| Some((r.k as f64, of(r)?))).collect()
    }
}

/// Whether there is a spread over replicas.
pub fn replicated(ladders: &[Ladder]) -> bool {
    ladders.iter().flat_map(|l| &l.rungs).any(|r| r.replicas > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::member;

    #[test]
    fn a_warning_of_several_members_stands_once() {
        let with = |name: &str, warnings: &[&str]| MemberResult {
            warnings: warnings.iter().map(ToString::to_string).collect(),
            ..member(name, None)
        };
        let members = [with("a", &["train: x"]), with("b", &[]), with("c", &["eigen: y", "train: x"])];
        assert_eq!(warnings(&members), ["a and 1 other: train: x", "c: eigen: y"]);
        assert!(warnings(&members[1..2]).is_empty());
    }
}
