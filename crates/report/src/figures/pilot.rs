//! V from the first samples: of the same run, and of pilots, which were trained on them alone.

use records::bound::{Pilot, Pilots};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::unit::Unit;
use crate::text::fact::number;
use crate::text::numbers::{grouped, percent};

/// What has the minimiser and the basis of all samples is no pilot: only what was trained on its samples alone is one.
const KINDS: [&str; 2] = ["first n samples of the same run", "pilot, trained on its n samples alone"];

fn own_minimiser(pilot: &Pilot) -> bool {
    pilot.minimiser != "all-samples"
}

/// V predicted by the pilots of `setting`, beside V of all `n_samples`; `None` if there are no pilots.
pub fn pilot(document: &Pilots, setting: &str, n_samples: usize, unit: &Unit) -> Option<Figure> {
    let pilots = document.pilots.iter().filter(|p| p.setting == setting).collect::<Vec<_>>();
    let first = pilots.first()?;
    let of = |own: bool| pilots.iter().filter(move |p| own_minimiser(p) == own);
    let points = |own: bool| of(own).map(|p| (p.n_samples as f64, p.v.variance)).collect();
    let interval = |p: &&Pilot| {
        let n = p.n_samples as f64;
        let own = usize::from(own_minimiser(p));
        line(KINDS[own], vec![(n, p.v.low), (n, p.v.high)], Style::Solid, own)
    };
    let smallest = pilots.iter().map(|p| p.n_samples).min().unwrap_or(1) as f64;
    let full = [smallest, n_samples as f64].map(|n| (n, first.full_variance)).to_vec();
    let mut lines = vec![
        line(KINDS[0], points(false), Style::Points, 0),
        line(KINDS[1], points(true), Style::Points, 1),
        line("V of all samples", full, Style::Dashed, 2),
    ];
    lines.retain(|l| !l.points.is_empty());
    lines.extend(pilots.iter().map(interval));
    let panel = Panel {
        log_x: true,
        lines,
        ..axes("V from the first n samples", "samples n", &format!("V ({})", unit.squared))
    };
    let trained_alone =
        if of(true).next().is_some() { " A pilot has another w*, with a V of its own." } else { "" };
    let caption = format!(
        "V of {setting} from the first n samples, at w* and basis of all, with {} intervals over samples and draws, beside V of all {}.{trained_alone}",
        percent(document.confidence),
        grouped(n_samples)
    );
    let counts = [false, true].map(|own| {
        let holds = of(own).filter(|p| p.holds).count();
        let whose = KINDS[usize::from(own)];
        let some = of(own).next().is_some();
        some.then(|| {
            [
                number(format!("{whose}: how many"), of(own).count()),
                number("of them with V of all samples in the interval", holds),
            ]
        })
    });
    let figure = Figure::of("pilot", Section::Answer, caption, &[panel]);
    Some(figure.with(counts.into_iter().flatten().flatten()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{nats, pilots};

    #[test]
    fn pilots_are_counted_by_whose_minimiser_they_use() {
        let figure = pilot(&pilots(), "s", 5000, &nats()).unwrap();
        let facts = figure.facts.iter().map(|f| f.value.unwrap()).collect::<Vec<_>>();
        assert_eq!(facts, [2.0, 2.0, 1.0, 0.0]);
        assert!(figure.facts[2].label.starts_with("pilot, trained on"), "{}", figure.facts[2].label);
        let mut same = pilots();
        same.pilots.retain(|p| !own_minimiser(p));
        assert!(!pilot(&same, "s", 5000, &nats()).unwrap().caption.contains("pilot"));
        assert!(figure.caption.ends_with("A pilot has another w*, with a V of its own."));
        assert!(pilot(&pilots(), "other", 5000, &nats()).is_none());
    }
}
