//! How sure the answer is: pilots, sampling methods, and where theory holds. Figures and tables of `pilot.json` and `sweep.json`.

use anyhow::Result;
use pipeline::shell::StageContext;
use serde::Deserialize;

use crate::chart::{self, Line, Panel, Style, short};
use crate::figures::{Figure, Section, figure, line};
use crate::page::table;
use crate::sentences::{self, count, grouped, have};

/// `pilot.json`
#[derive(Deserialize)]
pub struct PilotDocument {
    pub confidence: f64,
    pub pilots: Vec<Pilot>,
}

#[derive(Deserialize)]
pub struct Pilot {
    pub setting: String,
    pub n_samples: usize,
    /// `all-samples`, or the experiment that trained on the first n alone
    pub minimiser: String,
    pub variance: f64,
    pub low: f64,
    pub high: f64,
    pub full_variance: f64,
    pub holds: bool,
    pub sizes: Vec<PredictedSize>,
}

#[derive(Deserialize)]
pub struct PredictedSize {
    pub tolerance: f64,
    pub k: usize,
    pub low: usize,
    pub high: usize,
    pub full_k: usize,
}

/// `sweep.json`
#[derive(Deserialize)]
pub struct Sweep {
    pub n_samples: usize,
    pub dim: usize,
    pub draws: usize,
    pub sigmas: Vec<AtSigma>,
    pub theories: Vec<Holds>,
}

#[derive(Deserialize)]
pub struct AtSigma {
    pub sigma: f64,
    pub variance: f64,
    pub methods: Vec<Method>,
    pub theories: Vec<Theory>,
}

#[derive(Deserialize)]
pub struct Method {
    #[serde(rename = "method")]
    pub name: String,
    pub efficiency: f64,
    pub draws_for_k: f64,
}

#[derive(Deserialize)]
pub struct Theory {
    pub ratio: f64,
    pub fraction_above: f64,
}

#[derive(Deserialize)]
pub struct Holds {
    pub name: String,
    pub within: Vec<[f64; 2]>,
    pub above: Vec<[f64; 2]>,
    pub above_everywhere: Vec<f64>,
}

/// The sweep, if there was one.
pub fn read_sweep(ctx: &StageContext) -> Result<Option<Sweep>> {
    Ok(ctx
        .inputs
        .has("bound", "sweep.json")
        .then(|| ctx.inputs.read_json("bound", "sweep.json"))
        .transpose()?)
}

const RETRAINED: &str = "w* and basis of the pilot alone";

fn own_minimiser(pilot: &Pilot) -> bool {
    pilot.minimiser != "all-samples"
}

/// V predicted by the pilots of `setting`, beside V of all `n_samples`; `None` if there are no pilots.
pub fn pilot(document: &PilotDocument, setting: &str, n_samples: usize) -> Result<Option<Figure>> {
    let pilots = document.pilots.iter().filter(|p| p.setting == setting).collect::<Vec<_>>();
    let Some(first) = pilots.first() else { return Ok(None) };
    let points = |own: bool, of: fn(&Pilot) -> f64| {
        let chosen = pilots.iter().filter(|p| own_minimiser(p) == own);
        chosen.map(|p| (p.n_samples as f64, of(p))).collect::<Vec<_>>()
    };
    let interval = |p: &Pilot, colour| {
        let n = p.n_samples as f64;
        line("", vec![(n, p.low), (n, p.high)], Style::Solid, colour)
    };
    let full = first.full_variance;
    let smallest = pilots.iter().map(|p| p.n_samples).min().unwrap_or(1) as f64;
    let mut lines = vec![
        line("w* and basis of all samples", points(false, |p| p.variance), Style::Points, 0),
        line(RETRAINED, points(true, |p| p.variance), Style::Points, 1),
        line("V of all samples", vec![(smallest, full), (n_samples as f64, full)], Style::Dashed, 2),
    ];
    lines.retain(|l| !l.points.is_empty());
    lines.extend(pilots.iter().map(|p| interval(p, usize::from(own_minimiser(p)))));
    let panel = Panel {
        title: "What a pilot predicts".into(),
        x_label: "samples n of the pilot".into(),
        y_label: "V (nats²)".into(),
        log_x: true,
        lines,
        ..Panel::default()
    };
    let held = |own: bool| {
        let of = pilots.iter().filter(|p| own_minimiser(p) == own).collect::<Vec<_>>();
        (of.iter().filter(|p| p.holds).count(), of.len())
    };
    let sentence = pilot_sentence(held(false), held(true), document.confidence);
    let caption = format!(
        "Pilot: V of {setting} from the first n samples, with {} intervals over samples and draws, beside V of all {}.",
        chart::percent(document.confidence),
        grouped(n_samples)
    );
    figure("pilot", Section::Answer, caption, sentence, &[panel]).map(Some)
}

/// How many pilots hold V of all samples, of how many: with w* of all samples, and with their own.
fn pilot_sentence(fixed: (usize, usize), own: (usize, usize), confidence: f64) -> String {
    let one = |(holds, of): (usize, usize), which: &str, why: &str| {
        let interval = chart::percent(confidence);
        (of > 0).then(|| {
            let why = if holds < of { why } else { "" };
            let (of, have) = (count(of, "pilot"), have(holds));
            format!("Of {of} {which}, {have} the V of all samples in the {interval} interval{why}.")
        })
    };
    let other_point = ": w* is another point there, with a V of its own";
    [
        one(fixed, "with w* and basis of all samples", ""),
        one(own, "trained on the first n samples alone", other_point),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

/// K that each pilot predicts at full size.
pub fn pilot_table(document: &PilotDocument, setting: &str) -> String {
    let pilots = document.pilots.iter().filter(|p| p.setting == setting).collect::<Vec<_>>();
    let Some(first) = pilots.first() else { return String::new() };
    let heads = first.sizes.iter().map(|s| format!("K at {} nats²", short(s.tolerance)));
    let heads = ["samples", "w* and basis of", "V (nats²)"]
        .map(str::to_owned)
        .into_iter()
        .chain(heads)
        .collect::<Vec<_>>();
    let size = |k, low, high| format!("{} [{}, {}]", grouped(k), grouped(low), grouped(high));
    let rows = pilots.iter().map(|p| {
        let v = format!("{} [{}, {}]", short(p.variance), short(p.low), short(p.high));
        let sizes = p.sizes.iter().map(|s| size(s.k, s.low, s.high));
        [grouped(p.n_samples), p.minimiser.clone(), v].into_iter().chain(sizes).collect()
    });
    let all = ["all".to_owned(), "all-samples".to_owned(), short(first.full_variance)];
    let all = all.into_iter().chain(first.sizes.iter().map(|s| grouped(s.full_k))).collect();
    let heads = heads.iter().map(String::as_str).collect::<Vec<_>>();
    table(&heads, rows.chain(std::iter::once(all)))
}

/// Where the theories leave Monte Carlo, and which method knows V soonest.
pub fn sweep(sweep: &Sweep) -> Result<Vec<Figure>> {
    Ok(vec![theories(sweep)?, methods(sweep)?])
}

fn log_panel(title: &str, y_label: &str, lines: Vec<Line>) -> Panel {
    Panel {
        title: title.into(),
        x_label: "σ (parameter units)".into(),
        y_label: y_label.into(),
        log_x: true,
        log_y: true,
        lines,
        ..Panel::default()
    }
}

fn theories(sweep: &Sweep) -> Result<Figure> {
    let lines = sweep.theories.iter().enumerate().map(|(i, theory)| {
        let points = sweep.sigmas.iter().map(|s| (s.sigma, s.theories[i].ratio));
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Solid };
        line(&theory.name, points.collect(), style, i + 1)
    });
    let mut panel = log_panel("Where theory holds", "theory over Monte Carlo", lines.collect());
    panel.levels = vec![(1.0, "Monte Carlo".into()), (0.9, String::new()), (1.1, String::new())];
    let sentence = sweep.theories.iter().map(holds).collect::<Vec<_>>().join(" ");
    let eigenvalue = if sweep.theories.iter().any(|t| t.name == "eigenvalue") {
        " eigenvalue: geometric mean over its prefix sizes."
    } else {
        ""
    };
    let caption = format!(
        "V of each theory over V by Monte Carlo, over σ ({}, the first {}); lines at ±10 %. Ends of ranges are interpolated.{eigenvalue}",
        count(sweep.dim, "direction"),
        count(sweep.n_samples, "sample")
    );
    figure("theory-over-sigma", Section::Theory, caption, sentence, &[panel])
}

fn ranges(ranges: &[[f64; 2]]) -> String {
    // Interpolated between few values of σ: two digits.
    let two = |v: f64| short(format!("{v:.1e}").parse().unwrap_or(v));
    let one = |r: &[f64; 2]| match r.map(two) {
        [low, high] if low == high => format!("about {low}"),
        [low, high] => format!("from {low} to {high}"),
    };
    ranges.iter().map(one).collect::<Vec<_>>().join(" and ")
}

/// In words: where one theory is within 10 %, and where above.
fn holds(theory: &Holds) -> String {
    let within = if theory.within.is_empty() {
        "is nowhere within 10 % of Monte Carlo".to_owned()
    } else {
        format!("is within 10 % of Monte Carlo at σ {}", ranges(&theory.within))
    };
    let above = if theory.above.is_empty() {
        "and nowhere above it".to_owned()
    } else {
        format!("and on average above it at σ {}", ranges(&theory.above))
    };
    let bound = match theory.above_everywhere.as_slice() {
        [] => "at no σ is it above at every prefix size".to_owned(),
        some => format!(
            "above at every prefix size compared at σ = {}",
            some.iter().map(|&s| short(s)).collect::<Vec<_>>().join(", ")
        ),
    };
    format!("{} {within} {above}; {bound}.", theory.name)
}

fn methods(sweep: &Sweep) -> Result<Figure> {
    let names = sweep.sigmas[0].methods.iter().map(|m| m.name.as_str()).collect::<Vec<_>>();
    let panel = |title: &str, label: &str, of: fn(&Method) -> f64| {
        let lines = names.iter().enumerate().map(|(i, name)| {
            let points = sweep.sigmas.iter().map(|s| (s.sigma, of(&s.methods[i])));
            let style = if name.ends_with("+control") { Style::Dashed } else { Style::Solid };
            line(name, points.collect(), style, i / 2)
        });
        log_panel(title, label, lines.collect())
    };
    let panels = [
        panel("Plain draws that one draw replaces", "variance of plain over that of the method", |m| {
            m.efficiency
        }),
        Panel { rises: true, ..panel("Draws until K is within 5 %", "draws", |m| m.draws_for_k) },
    ];
    let sentence = format!("Draws until K is within 5 %: {}.", told(&sweep.sigmas).join("; "));
    let caption = format!(
        "Sampling methods at equal work, from {} draws each on the first {} samples. The error of the draws alone; K grows as √V.",
        sweep.draws,
        grouped(sweep.n_samples)
    );
    figure("sampling-methods", Section::Delta, caption, sentence, &panels)
}

/// The fewest draws at each σ that is a power of ten, or at the smallest and the largest if none is.
fn told(sigmas: &[AtSigma]) -> Vec<String> {
    let round = |s: &AtSigma| (s.sigma.log10() - s.sigma.log10().round()).abs() < 1e-9;
    let mut chosen = sigmas.iter().filter(|s| round(s)).collect::<Vec<_>>();
    if chosen.is_empty() {
        chosen.extend(sigmas.first().into_iter().chain(sigmas.last()));
    }
    let fewest = chosen.into_iter().filter_map(|s| {
        let best = s.methods.iter().min_by(|a, b| a.draws_for_k.total_cmp(&b.draws_for_k))?;
        let plain = s.methods.iter().find(|m| m.name == "plain")?;
        Some(fewest_draws(s.sigma, &best.name, draws(best.draws_for_k), draws(plain.draws_for_k)))
    });
    fewest.collect()
}

/// The method that needs the fewest draws at one σ.
fn fewest_draws(sigma: f64, best: &str, fewest: usize, plain: usize) -> String {
    let at = format!("at σ = {}", short(sigma));
    if fewest == plain {
        format!("{at} plain sampling needs {}, and no method needs fewer", grouped(plain))
    } else {
        format!("{at} {best} needs fewest, {} where plain sampling needs {}", grouped(fewest), grouped(plain))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a positive number of draws
fn draws(needed: f64) -> usize {
    needed.ceil() as usize
}

/// V over σ, with the ratio of each theory and the fraction of prefix sizes where it is above.
pub fn sweep_table(sweep: &Sweep) -> String {
    let heads = sweep.theories.iter().map(|t| format!("{} / Monte Carlo (above)", t.name));
    let heads = ["σ", "V (nats²)"].map(str::to_owned).into_iter().chain(heads).collect::<Vec<_>>();
    let rows = sweep.sigmas.iter().map(|s| {
        let cells = s
            .theories
            .iter()
            .map(|t| format!("{} ({})", short(t.ratio), sentences::share(t.fraction_above, 0)));
        [short(s.sigma), short(s.variance)].into_iter().chain(cells).collect()
    });
    table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pilots_are_told_by_where_their_minimiser_is() {
        let fixed =
            "Of 3 pilots with w* and basis of all samples, 2 have the V of all samples in the 95 % interval.";
        let own = "Of 1 pilot trained on the first n samples alone, none has the V of all samples in the 95 % interval: w* is another point there, with a V of its own.";
        assert_eq!(pilot_sentence((2, 3), (0, 0), 0.95), fixed);
        assert_eq!(pilot_sentence((0, 0), (0, 1), 0.95), own);
        assert_eq!(pilot_sentence((2, 3), (0, 1), 0.95), format!("{fixed} {own}"));
        // No reason is given for what did not happen.
        assert_eq!(
            pilot_sentence((0, 0), (2, 2), 0.9),
            "Of 2 pilots trained on the first n samples alone, 2 have the V of all samples in the 90 % interval."
        );
    }

    #[test]
    fn a_theory_is_described_as_it_was_found() {
        let found = |within: &[[f64; 2]], above: &[[f64; 2]], everywhere: &[f64]| {
            holds(&Holds {
                name: "quadratic".into(),
                within: within.to_vec(),
                above: above.to_vec(),
                above_everywhere: everywhere.to_vec(),
            })
        };
        assert_eq!(
            found(&[[0.1, 0.2049]], &[[0.1534, 10.0]], &[5.0, 10.0]),
            "quadratic is within 10 % of Monte Carlo at σ from 0.1 to 0.2 and on average above it at σ from 0.15 to 10; above at every prefix size compared at σ = 5, 10."
        );
        let twice = found(&[[0.1, 0.2], [1.0, 2.0]], &[], &[]);
        assert!(twice.contains("at σ from 0.1 to 0.2 and from 1 to 2 and nowhere above it;"), "{twice}");
        let narrow = found(&[[0.0999, 0.1001]], &[], &[]);
        assert!(
            narrow.starts_with("quadratic is within 10 % of Monte Carlo at σ about 0.1 and nowhere"),
            "{narrow}"
        );
        let nowhere = found(&[], &[], &[]);
        assert!(nowhere.contains("nowhere within 10 %") && nowhere.contains("nowhere above"), "{nowhere}");
        assert!(nowhere.ends_with("at no σ is it above at every prefix size."), "{nowhere}");
    }

    #[test]
    fn the_method_with_fewest_draws_is_named_where_one_needs_fewer() {
        assert_eq!(
            fewest_draws(0.1, "sobol", 103, 1615),
            "at σ = 0.1 sobol needs fewest, 103 where plain sampling needs 1,615"
        );
        assert_eq!(
            fewest_draws(1e-3, "sobol", 1, 1),
            "at σ = 1e-3 plain sampling needs 1, and no method needs fewer"
        );
        let at = |sigma, sobol| AtSigma {
            sigma,
            variance: 1.0,
            methods: [("plain", 99.5), ("sobol", sobol)]
                .map(|(name, draws_for_k)| Method { name: name.into(), efficiency: 1.0, draws_for_k })
                .into(),
            theories: vec![],
        };
        assert_eq!(
            told(&[at(0.2, 9.0), at(1.0, 30.2), at(3.0, 8.0), at(10.0, 200.0)]),
            [
                "at σ = 1 sobol needs fewest, 31 where plain sampling needs 100",
                "at σ = 10 plain sampling needs 100, and no method needs fewer"
            ]
        );
        let ends = told(&[at(0.2, 9.0), at(0.3, 9.0), at(3.0, 8.0)]);
        assert!(
            ends.len() == 2
                && ends[0].starts_with("at σ = 0.2 sobol")
                && ends[1].starts_with("at σ = 3 sobol")
        );
    }

    #[test]
    fn the_eigenvalue_theory_is_explained_where_it_is_drawn() {
        let with = |names: &[&str]| {
            let holds = |name: &&str| Holds {
                name: (*name).to_owned(),
                within: vec![],
                above: vec![],
                above_everywhere: vec![],
            };
            let theories = names.iter().map(|_| Theory { ratio: 1.0, fraction_above: 0.002 }).collect();
            let sigmas = vec![AtSigma { sigma: 1.0, variance: 1.0, methods: vec![], theories }];
            let sweep = Sweep {
                n_samples: 1000,
                dim: 1,
                draws: 8,
                sigmas,
                theories: names.iter().map(holds).collect(),
            };
            (super::theories(&sweep).unwrap().caption, sweep_table(&sweep))
        };
        let (caption, table) = with(&["quadratic"]);
        assert!(
            caption.contains("(1 direction, the first 1,000 samples)") && !caption.contains("eigenvalue"),
            "{caption}"
        );
        assert!(table.contains("1 (less than 1 %)"), "{table}");
        assert!(with(&["quadratic", "eigenvalue"]).0.contains("eigenvalue: geometric mean"));
    }

    #[test]
    fn pilots_that_hold_are_counted_by_whose_minimiser_they_use() {
        let pilot = |n_samples, minimiser: &str, holds| Pilot {
            setting: "s".into(),
            n_samples,
            minimiser: minimiser.into(),
            variance: 90.0,
            low: 80.0,
            high: 110.0,
            full_variance: if holds { 100.0 } else { 120.0 },
            holds,
            sizes: vec![PredictedSize { tolerance: 1e-4, k: 950, low: 900, high: 1050, full_k: 1000 }],
        };
        let document = PilotDocument {
            confidence: 0.95,
            pilots: vec![
                pilot(500, "all-samples", true),
                pilot(1000, "all-samples", true),
                pilot(500, "m-pilot-500", false),
            ],
        };
        let figure = super::pilot(&document, "s", 5000).unwrap().unwrap();
        assert!(
            figure.sentence.contains("Of 2 pilots") && figure.sentence.contains("2 have"),
            "{}",
            figure.sentence
        );
        assert!(
            figure
                .sentence
                .contains("Of 1 pilot trained on the first n samples alone, none has the V of all samples"),
            "{}",
            figure.sentence
        );
        assert!(super::pilot(&document, "other", 5000).unwrap().is_none());
        let table = pilot_table(&document, "s");
        assert!(table.contains("950 [900, 1,050]") && table.contains("1,000</td>"), "{table}");
    }
}
