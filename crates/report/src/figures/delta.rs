//! Δ_k over the prefix size.

use std::fmt::Write;

use ndarray::Array1;

use crate::figures::figure::{Figure, Section};
use crate::figures::sufficient::{exponent, variance};
use crate::plot::panel::{DRAWN_POINTS, Style, delta_axes, line, thin};
use crate::read::bound::Setting;
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::read::unit::Unit;
use crate::text::directions::{describe, described_directions, named, placed, spread};
use crate::text::fact::{Fact, fact};
use crate::text::numbers::short;
use crate::text::paper;
use crate::text::verdicts::decay;

/// Δ_k of the random directions, as σ and as d vary, and of those of the spectrum.
pub fn draw(e: &Experiment, compare: bool) -> Vec<Figure> {
    let mut figures = vec![];
    let random = e.settings.iter().filter(|s| s.basis == Basis::Random).collect::<Vec<_>>();
    // Figure 4 varies σ at the dimension that has most, figure 5 varies d at the σ that has most.
    let (sigma, dim): (Key, Key) = (|s| s.found.sigma, |s| s.found.dim as f64);
    for (number, name, key, other) in [("4", "σ", sigma, dim), ("5", "d", dim, sigma)] {
        let mut group = largest_group(&random, other);
        group.sort_by(|a, b| key(a).total_cmp(&key(b)));
        if let [first, .., last] = group.as_slice() {
            let title = format!("Δ_k in random directions, varying {name}{}", paper::figure(number, compare));
            let figure = deltas(e, &format!("figure-{number}"), &title, &group, compare);
            let label = format!("V at {name} = {} over V at {}", short(key(last)), short(key(first)));
            let figure = figure.with([fact(label, last.found.v.variance / first.found.v.variance, "")]);
            figures.push(if compare { figure.saying(paper::NO_DIFFERENCE) } else { figure });
        }
    }
    let basis = e.trained.as_ref().map_or(Basis::Given, |trained| trained.eigenpairs.basis);
    let of_spectrum = e.settings.iter().filter(|s| s.basis == basis).collect::<Vec<_>>();
    if !of_spectrum.is_empty() {
        let of_paper = basis.is_of_the_paper();
        let name = if of_paper { "figure-8" } else { "delta-directions" };
        let directions = placed(basis, &format!("{} directions", named(basis)));
        let title = format!("Δ_k in the {directions}{}", paper::figure("8", of_paper && compare));
        figures.push(deltas(e, name, &title, &of_spectrum, compare));
    }
    figures
}

/// What settings differ in.
type Key = fn(&Setting) -> f64;

/// The largest group of settings with one value of `key`.
fn largest_group<'a>(settings: &[&'a Setting], key: Key) -> Vec<&'a Setting> {
    let group = |of: &Setting| {
        settings.iter().filter(|s| key(s).to_bits() == key(of).to_bits()).copied().collect::<Vec<_>>()
    };
    settings.iter().map(|s| group(s)).max_by_key(Vec::len).unwrap_or_default()
}

/// Δ_k and Δ_k k² of several settings, with the law of each.
fn deltas(e: &Experiment, name: &str, title: &str, settings: &[&Setting], compare: bool) -> Figure {
    let mut panels = [
        delta_axes("Δ_k", &format!("Δ_k ({})", e.unit.squared)),
        delta_axes("Δ_k · k²", &format!("Δ_k k² ({} samples²)", e.unit.squared)),
    ];
    for (colour, s) in settings.iter().enumerate() {
        let label = format!("d = {}, {}", s.found.dim, spread(s));
        for (panel, power) in panels.iter_mut().zip([0, 2]) {
            let at = |curve: &Array1<f64>| thin(&e.sizes, |i| curve[i] * (e.sizes[i] as f64).powi(power));
            panel.lines.push(line(&label, at(&s.delta), Style::Solid, colour));
            panel.lines.push(line("average over orders", at(&s.order_average), Style::Dashed, colour));
        }
    }
    let caption = format!(
        "{title}. Left Δ_k, right Δ_k·k²: flat where Δ_k decays as 1/k². Dashed: V(1/k − 1/(k+s)), the average over orders. Curves are means over {DRAWN_POINTS} geometric bins of k."
    );
    let first = settings[0].found.exponent.as_ref();
    let figure = Figure::of(name, Section::Delta, caption, &panels)
        .saying(decay(first))
        .with(facts(settings, &e.unit));
    if !compare {
        return figure;
    }
    figure.saying(paper::DELTA).with(settings.iter().filter_map(|s| plateau(e, s)).flatten())
}

/// V of each setting, and the fitted exponent of the first.
fn facts(settings: &[&Setting], unit: &Unit) -> Vec<Fact> {
    let mut facts =
        settings.iter().map(|s| variance(&format!("V of {}", describe(s)), s, unit)).collect::<Vec<_>>();
    facts.extend(settings[0].found.exponent.as_ref().map(|e| {
        let fact = exponent(e);
        match settings {
            [_] => fact,
            _ => Fact { label: format!("{} of {}", fact.label, described_directions(settings[0])), ..fact },
        }
    }));
    facts
}

/// Mean of Δ_k m², m = k/64, over the second half of the prefix sizes beside the paper's, where it has such directions.
fn plateau(e: &Experiment, s: &Setting) -> Option<[Fact; 3]> {
    let paper = match s.basis {
        _ if !s.found.deviations.is_empty() => return None,
        basis
            if basis.is_of_the_paper()
                && s.found.dim == 1
                && s.found.sigma.to_bits() == 1.0_f64.to_bits() =>
        {
            paper::HESSIAN_CONSTANT
        }
        Basis::Random if s.found.sigma <= 1.0 => paper::RANDOM_CONSTANT,
        _ => return None,
    };
    let half = e.sizes.len() / 2;
    let values = (half..e.sizes.len()).map(|i| s.delta[i] * (e.sizes[i] as f64 / 64.0).powi(2));
    let found = values.sum::<f64>() / (e.sizes.len() - half) as f64;
    let of = described_directions(s);
    Some([
        fact(format!("plateau of Δ_k m², m = k/64, of {of}"), found, &e.unit.squared),
        fact("the paper's plateau", paper, &e.unit.squared),
        fact("plateau here over the paper's", found / paper, ""),
    ])
}

/// Δ_k at every prefix size, with error and law.
pub fn full_curve(e: &Experiment, s: &Setting) -> String {
    let mut text = "k,delta,standard_error,order_average\n".to_owned();
    for (i, k) in e.sizes.iter().enumerate() {
        writeln!(text, "{k},{},{},{}", s.delta[i], s.standard_error[i], s.order_average[i])
            .expect("writing to a string");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::{experiment, random, setting};

    #[test]
    fn the_plateau_of_the_paper_stands_beside_the_settings_it_has() {
        let e = experiment();
        // Δ_k (k/64)² is 1/64² k/(k + 1), which is 2.4e-4.
        let found = plateau(&e, &setting()).unwrap().map(|f| f.text());
        assert_eq!(found, ["2.4e-4", "2.47", "9.8e-5"]);
        assert_eq!(plateau(&e, &random(2, 0.5)).unwrap()[1].text(), "1.1e-4");
        let (mut two, mut near) = (setting(), setting());
        (two.found.dim, near.found.sigma) = (2, 0.5);
        for without in [random(2, 2.0), two, near] {
            assert!(plateau(&e, &without).is_none());
        }
    }

    #[test]
    fn figures_4_and_5_vary_one_thing() {
        let mut e = experiment();
        e.settings = vec![random(2, 4.0), random(2, 1.0), random(5, 1.0)];
        for (setting, v) in e.settings.iter_mut().zip([8.0, 2.0, 3.0]) {
            setting.found.v.variance = v;
        }
        let figures = draw(&e, true);
        let last = |f: &Figure| f.facts.iter().find(|f| f.label.starts_with("V at")).unwrap().clone();
        assert_eq!(figures.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["figure-4", "figure-5"]);
        assert_eq!(
            (last(&figures[0]).label.as_str(), last(&figures[0]).value),
            ("V at σ = 4 over V at 1", Some(4.0))
        );
        assert_eq!(
            (last(&figures[1]).label.as_str(), last(&figures[1]).value),
            ("V at d = 5 over V at 2", Some(1.5))
        );
        assert!(figures[0].verdict.contains("no substantial difference"));
        assert!(!draw(&e, false)[0].verdict.contains("paper"));
    }
}
