//! The figures: figures 1 to 9 of the paper as measured here, and those of our own.

use std::fmt::Write;

use anyhow::Result;
use ndarray::{Array1, ArrayView2, Axis};

use crate::chart::{self, Line, Panel, Style};
use crate::confidence;
use crate::gather::{Basis, Experiment, Grid, Setting, SufficientRow};
use crate::sentences::{self, PAPER_EIGENVALUES, PAPER_HESSIAN_CONSTANT, PAPER_RANDOM_CONSTANT, Plane};
use crate::surface::{self, Surface, extremes};

/// Points of a curve that are drawn; the tables hold all.
const DRAWN_POINTS: usize = 300;

/// One figure with all its forms.
pub struct Figure {
    /// file name without ending
    pub name: String,
    pub caption: String,
    /// what is measured, in one or more sentences
    pub sentence: String,
    /// for readers who cannot see it
    pub alt: String,
    pub svg: String,
    pub csv: String,
    /// section of the page
    pub section: Section,
    /// the landscape it is a still of
    pub grid: Option<String>,
}

impl Figure {
    /// Whether it is a still of the landscape `grid`.
    pub fn of_grid(&self, grid: &str) -> bool {
        self.grid.as_deref() == Some(grid)
    }
}

/// Sections of the page that hold figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Answer,
    Model,
    Spectrum,
    Landscape,
    Delta,
    Theory,
    Arriving,
}

/// All figures that the artifacts allow.
pub fn draw(e: &Experiment, answer: &Setting, compare: bool) -> Result<Vec<Figure>> {
    let mut figures = vec![sufficient(e, answer)?];
    figures.extend(confidence::pilot(&e.pilots, &answer.name, e.data.n_samples)?);
    if e.model.history.nrows() > 1 {
        figures.push(history(e)?);
    }
    figures.push(spectrum(e, compare)?);
    if !e.spectrum.prefix_sizes.is_empty() {
        figures.push(prefix_spectrum(e)?);
    }
    for grid in &e.grids {
        figures.extend(landscapes(e, grid, compare)?);
    }
    let random = |s: &&Setting| s.basis == Basis::Random;
    let random = e.settings.iter().filter(random).collect::<Vec<_>>();
    // Figure 4 varies σ at the dimension that has most, figure 5 varies d at the σ that has most.
    let mut by_sigma = largest_group(&random, |s| s.dim as f64);
    by_sigma.sort_by(|a, b| a.sigma.total_cmp(&b.sigma));
    if by_sigma.len() > 1 {
        figures.push(deltas(
            e,
            "figure-4",
            "Figure 4: Δ_k in random directions, varying σ",
            &by_sigma,
            compare,
        )?);
    }
    let mut by_dim = largest_group(&random, |s| s.sigma);
    by_dim.sort_by_key(|s| s.dim);
    if by_dim.len() > 1 {
        figures.push(deltas(
            e,
            "figure-5",
            "Figure 5: Δ_k in random directions, varying d",
            &by_dim,
            compare,
        )?);
    }
    let of_spectrum = e.settings.iter().filter(|s| s.basis == e.spectrum.basis).collect::<Vec<_>>();
    if !of_spectrum.is_empty() {
        let of_the_paper = e.spectrum.basis.is_of_the_paper();
        let (name, number) = if of_the_paper { ("figure-8", "Figure 8: ") } else { ("delta-directions", "") };
        let directions = format!("{} directions", sentences::basis(e.spectrum.basis));
        let title = format!("{number}Δ_k in the {}", sentences::placed(e.spectrum.basis, &directions));
        figures.push(deltas(e, name, &title, &of_spectrum, compare)?);
    }
    if !answer.theories.is_empty() {
        figures.push(theory(e, answer, compare)?);
    }
    if let Some(sweep) = &e.sweep {
        figures.extend(confidence::sweep(sweep)?);
    }
    figures.extend(crate::beyond::draw(e)?);
    Ok(figures)
}

/// The largest group of settings with one value of `key`.
fn largest_group<'a>(settings: &[&'a Setting], key: fn(&Setting) -> f64) -> Vec<&'a Setting> {
    let group = |of: &Setting| {
        settings.iter().filter(|s| key(s).to_bits() == key(of).to_bits()).copied().collect::<Vec<_>>()
    };
    settings.iter().map(|s| group(s)).max_by_key(Vec::len).unwrap_or_default()
}

/// Means over at most [`DRAWN_POINTS`] bins of k that grow geometrically.
pub fn thin(sizes: &[usize], curve: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
    let ratio = (sizes[sizes.len() - 1] as f64 / sizes[0] as f64).powf(1.0 / DRAWN_POINTS as f64);
    let (mut points, mut begin) = (vec![], 0);
    while begin < sizes.len() {
        let limit = sizes[begin] as f64 * ratio;
        let end = begin + sizes[begin..].iter().take_while(|&&k| (k as f64) < limit).count().max(1);
        let n = (end - begin) as f64;
        let mean_k = sizes[begin..end].iter().sum::<usize>() as f64 / n;
        points.push((mean_k, (begin..end).map(&curve).sum::<f64>() / n));
        begin = end;
    }
    points
}

fn csv_of(panels: &[Panel]) -> String {
    let mut text = "panel,line,x,y\n".to_owned();
    for panel in panels {
        for line in &panel.lines {
            for (x, y) in &line.points {
                let clean = |s: &str| s.replace(',', ";");
                writeln!(text, "{},{},{x},{y}", clean(&panel.title), clean(&line.label))
                    .expect("writing to a string");
            }
        }
        for (edge, at) in [("lower edge of the band", 0), ("upper edge of the band", 1)] {
            for &(x, low, high) in &panel.band {
                let title = panel.title.replace(',', ";");
                writeln!(text, "{title},{edge},{x},{}", [low, high][at]).expect("writing to a string");
            }
        }
    }
    text
}

/// A figure of panels.
pub fn figure(
    name: &str,
    section: Section,
    caption: String,
    sentence: String,
    panels: &[Panel],
) -> Result<Figure> {
    let titles = panels.iter().map(|p| p.title.as_str()).collect::<Vec<_>>().join("; ");
    Ok(Figure {
        name: name.to_owned(),
        alt: format!("{caption} ({titles})"),
        caption,
        sentence,
        svg: chart::svg(panels)?,
        csv: csv_of(panels),
        section,
        grid: None,
    })
}

fn sufficient(e: &Experiment, answer: &Setting) -> Result<Figure> {
    let rows = e.rows_of(&answer.name, "order-average").collect::<Vec<_>>();
    let reach = rows.iter().filter_map(|r| r.k).max().unwrap_or(0).max(e.data.n_samples) as f64 * 1.5;
    let first = e.sizes[0] as f64;
    let law = (0..=60).map(|i| first * (reach / first).powf(f64::from(i) / 60.0));
    let step = e.step as f64;
    let law = law.map(|k| (k, answer.variance * step / (k * (k + step)))).collect();
    let marks = rows.iter().filter_map(|r| r.k.map(|k| (k as f64, r.tolerance))).collect();
    let interval = |r: &&SufficientRow| {
        let ends = [r.low?, r.high?].map(|k| (k as f64, r.tolerance));
        Some(line("", ends.to_vec(), Style::Solid, 2))
    };
    let mut panel = Panel {
        title: "How many samples are enough".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "Δ_k (nats²)".into(),
        log_x: true,
        log_y: true,
        lines: vec![
            line("measured, one order", thin(&e.sizes, |i| answer.delta[i]), Style::Solid, 0),
            line("average over orders, V(1/k − 1/(k+s))", law, Style::Dashed, 1),
            line("K", marks, Style::Points, 2),
        ],
        levels: rows
            .iter()
            .map(|r| (r.tolerance, format!("tolerance {}", sentences::tolerance(r))))
            .collect(),
        ..Panel::default()
    };
    panel.lines.extend(rows.iter().filter_map(interval));
    let caption = format!(
        "K: Δ_k of {}, the law of its average over orders, and where that meets each tolerance, with its {} interval over samples and draws.",
        describe(answer),
        chart::percent(e.confidence)
    );
    figure(
        "sufficient",
        Section::Answer,
        caption,
        sentences::exponent(answer.exponent.as_ref(), "", e.confidence, false),
        &[panel],
    )
}

/// One line of a panel.
pub fn line(label: &str, points: Vec<(f64, f64)>, style: Style, colour: usize) -> Line {
    Line { label: label.to_owned(), points, style, colour }
}

fn describe(s: &Setting) -> String {
    format!("{} ({})", described_directions(s), sentences::count(s.draws, "draw"))
}

fn described_directions(s: &Setting) -> String {
    let direction = format!("{} direction", sentences::basis(s.basis));
    format!("{} at σ = {}", sentences::count(s.dim, &direction), chart::short(s.sigma))
}

fn history(e: &Experiment) -> Result<Figure> {
    let column = |c: usize| {
        e.model
            .history
            .outer_iter()
            .map(|row| (row[0], row[c]))
            .filter(|p| p.1.is_finite())
            .collect::<Vec<_>>()
    };
    let panel = |title: &str, y: &str, log_y: bool, columns: [usize; 2]| Panel {
        title: title.into(),
        rises: !log_y,
        x_label: "epoch".into(),
        y_label: y.into(),
        log_y,
        lines: vec![
            line("training, mean over the epoch", column(columns[0]), Style::Solid, 0),
            line("test, after the epoch", column(columns[1]), Style::Dashed, 1),
        ],
        ..Panel::default()
    };
    let mut panels = vec![panel("Loss", "loss (nats)", true, [1, 3])];
    let mut caption = "Loss while training.";
    if e.model.train_accuracy.is_some() {
        panels.push(panel("Accuracy", "fraction classified right", false, [2, 4]));
        caption = "Loss and accuracy while training.";
    }
    figure("training", Section::Model, caption.into(), sentences::model(&e.model), &panels)
}

fn spectrum(e: &Experiment, compare: bool) -> Result<Figure> {
    let values = &e.spectrum.eigenvalues;
    let ranked =
        |values: &[f64]| values.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect::<Vec<_>>();
    let (name, title, one, values_of) = match e.spectrum.basis {
        Basis::Given => (
            "rayleigh-quotients",
            "Rayleigh quotients of H(w*)",
            "uᵀHu",
            "Rayleigh quotients uᵀHu of the given directions with",
        ),
        basis if basis.is_of_the_paper() => {
            ("figure-1", "Eigenvalues of H(w*)", "eigenvalue", "Figure 1: signed Ritz values of")
        }
        _ => ("eigenvalues", "Eigenvalues of H(w*)", "eigenvalue", "Signed Ritz values of"),
    };
    let compare = compare && e.spectrum.basis.is_of_the_paper();
    let mut lines = vec![line("this network", ranked(&values.to_vec()), Style::Solid, 0)];
    if compare {
        lines.push(line("the paper, mean of 50 networks", ranked(&PAPER_EIGENVALUES), Style::Dashed, 1));
    }
    let panel = Panel {
        title: title.into(),
        x_label: "rank".into(),
        y_label: format!("{one} (nats per squared parameter unit)"),
        lines,
        ..Panel::default()
    };
    let sentence = sentences::spectrum(&e.spectrum, compare.then_some(&e.model));
    let caption =
        format!("{values_of} the Hessian over all {}.", sentences::count(e.data.n_samples, "sample"));
    figure(name, Section::Spectrum, caption, sentence, &[panel])
}

fn prefix_spectrum(e: &Experiment) -> Result<Figure> {
    let lines = e.spectrum.prefix_eigenvalues.axis_iter(Axis(1)).enumerate().map(|(i, values)| {
        let points = e.spectrum.prefix_sizes.iter().map(|&k| k as f64).zip(values.iter().copied());
        line(&format!("λ{}", i + 1), points.collect(), Style::Solid, i)
    });
    let panel = Panel {
        title: "Eigenvalues of each H_k".into(),
        x_label: "prefix size k (samples)".into(),
        y_label: "eigenvalue".into(),
        log_x: true,
        lines: lines.collect(),
        ..Panel::default()
    };
    let sentence = sentences::prefix_spectrum(&e.spectrum);
    figure(
        "prefix-eigenvalues",
        Section::Spectrum,
        "Eigenvalues solved for at each prefix size.".into(),
        sentence,
        &[panel],
    )
}

/// A figure per prefix size that was asked for by number, and one for the last: the first and the last carry the
/// paper's numbers. The sizes between them are for the slider.
fn landscapes(e: &Experiment, grid: &Grid, compare: bool) -> Result<Vec<Figure>> {
    let numbers = match (grid.name.as_str(), grid.basis) {
        ("random", Basis::Random) => Some(["2", "3"]),
        ("hessian", basis) if basis.is_of_the_paper() => Some(["6", "7"]),
        _ => None,
    };
    let last = grid.sizes.len() - 1;
    let first = grid.asked.iter().min();
    let one = |(m, &k): (usize, &usize)| {
        let number = numbers.and_then(|n| {
            if m == last {
                Some(n[1])
            } else if first == Some(&k) {
                Some(n[0])
            } else {
                None
            }
        });
        let name = number.map_or_else(|| format!("landscape-{}-{k}", grid.name), |n| format!("figure-{n}"));
        let title = number.map_or_else(String::new, |n| format!("Figure {n}: "));
        let mut figure = landscape(e, grid, m, name, &title)?;
        if let (true, Some(number)) = (compare, number) {
            figure.sentence += " ";
            figure.sentence += &paper_landscape(e, grid, m, number);
        }
        Ok(figure)
    };
    let pictured = |(m, k): &(usize, &usize)| *m == last || grid.asked.contains(k);
    grid.sizes.iter().enumerate().filter(pictured).map(one).collect()
}

/// What the paper says of its figure 2, 3, 6 or 7, beside the same quantities here.
fn paper_landscape(e: &Experiment, grid: &Grid, m: usize, number: &str) -> String {
    let largest_change = |grid: &Grid, m: usize| extremes(grid.change.index_axis(Axis(0), m)).1;
    let loss = |m: usize| grid.loss.index_axis(Axis(0), m);
    let other = e.grids.iter().find(|g| g.basis == Basis::Random && g.name == "random");
    let of_random = other.and_then(|g| {
        let same = g.sizes.iter().position(|k| *k == grid.sizes[m])?;
        Some(largest_change(g, same))
    });
    let mean = |m: usize| loss(m).mean().unwrap_or(f64::NAN);
    let plane = Plane {
        inner_extrema: surface::inner_extrema(loss(m)),
        inner_extrema_of_first: surface::inner_extrema(loss(0)),
        mean_loss: mean(m),
        mean_loss_of_first: mean(0),
        largest_change: largest_change(grid, m),
        largest_change_of_first: largest_change(grid, 0),
        largest_change_of_random: of_random,
    };
    sentences::paper_landscape(number, &plane)
}

fn landscape(e: &Experiment, grid: &Grid, m: usize, name: String, title: &str) -> Result<Figure> {
    let k = grid.sizes[m];
    let (loss, change) = (grid.loss.index_axis(Axis(0), m), grid.change.index_axis(Axis(0), m));
    let surface = |title: String, heights| Surface { title, axis: &grid.axis, heights };
    let svg = surface::svg(&[
        surface(format!("L_k (nats), k = {}", sentences::grouped(k)), loss),
        surface("(L_{k+s} − L_k)² (nats²)".to_owned(), change),
    ])?;
    let directions = sentences::plane(grid.basis);
    let the = if title.is_empty() { "The" } else { "the" };
    let caption = format!(
        "{title}{the} loss surface over {directions} at k = {} and its squared change with {}.",
        sentences::grouped(k),
        sentences::count(e.step, "more sample")
    );
    Ok(Figure {
        name,
        alt: caption.clone(),
        sentence: sentences::landscape(k, e.step, extremes(loss), extremes(change)),
        caption,
        svg,
        csv: surface_csv(grid, loss, change),
        section: Section::Landscape,
        grid: Some(grid.name.clone()),
    })
}

fn surface_csv(grid: &Grid, loss: ArrayView2<f64>, change: ArrayView2<f64>) -> String {
    let mut text = "theta_1,theta_2,loss,squared_change\n".to_owned();
    for ((a, b), l) in loss.indexed_iter() {
        writeln!(text, "{},{},{l},{}", grid.axis[a], grid.axis[b], change[[a, b]])
            .expect("writing to a string");
    }
    text
}

/// Δ_k and Δ_k k² of several settings, with the law of each.
fn deltas(e: &Experiment, name: &str, title: &str, settings: &[&Setting], compare: bool) -> Result<Figure> {
    let mut panels = [delta_panel("Δ_k", "Δ_k (nats²)"), delta_panel("Δ_k · k²", "Δ_k k² (nats² samples²)")];
    for (colour, s) in settings.iter().enumerate() {
        let label = format!("d = {}, σ = {}", s.dim, chart::short(s.sigma));
        // One entry of the legend stands for the laws of all settings; the right panel has the colours of the left.
        let law_label = if colour + 1 == settings.len() { "average over orders" } else { "" };
        for (panel, power, label, law_label) in [(0, 0, label.as_str(), law_label), (1, 2, "", "")] {
            let at = |curve: &Array1<f64>| thin(&e.sizes, |i| curve[i] * (e.sizes[i] as f64).powi(power));
            panels[panel].lines.push(line(label, at(&s.delta), Style::Solid, colour));
            panels[panel].lines.push(line(law_label, at(&s.order_average), Style::Dashed, colour));
        }
    }
    let caption = format!(
        "{title}. Left Δ_k, right Δ_k·k²: flat where Δ_k decays as 1/k². Dashed: V(1/k − 1/(k+s)), the average over orders. Curves are means over {DRAWN_POINTS} geometric bins of k."
    );
    let mut sentence = delta_sentence(e, settings, compare);
    if compare && let Some(varied) = ["figure-4", "figure-5"].iter().position(|n| *n == name) {
        let key = |s: &Setting| if varied == 0 { s.sigma } else { s.dim as f64 };
        let mut known = settings.iter().map(|s| (key(s), s.variance)).collect::<Vec<_>>();
        known.sort_by(|a, b| a.0.total_cmp(&b.0));
        sentence += " ";
        sentence += &sentences::no_difference(["σ", "d"][varied], known[0], known[known.len() - 1]);
    }
    figure(name, Section::Delta, caption, sentence, &panels)
}

/// Logarithmic axes of Δ_k over k.
pub fn delta_panel(title: &str, y_label: &str) -> Panel {
    Panel {
        title: title.into(),
        x_label: "prefix size k (samples)".into(),
        y_label: y_label.into(),
        log_x: true,
        log_y: true,
        ..Panel::default()
    }
}

fn delta_sentence(e: &Experiment, settings: &[&Setting], compare: bool) -> String {
    let v = |s: &&Setting| {
        let v = chart::with_error(s.variance, s.variance_standard_error);
        format!("{v} for {}", describe(s))
    };
    let mut text = format!(
        "V = mean variance of the loss over samples (nats²): {}. ",
        settings.iter().map(v).collect::<Vec<_>>().join("; ")
    );
    let of = match settings {
        [_] => String::new(),
        _ => format!(" of {}", described_directions(settings[0])),
    };
    text += &sentences::exponent(settings[0].exponent.as_ref(), &of, e.confidence, compare);
    if compare {
        for s in settings {
            let paper = match s.basis {
                basis if basis.is_of_the_paper() && s.dim == 1 && s.sigma.to_bits() == 1.0_f64.to_bits() => {
                    PAPER_HESSIAN_CONSTANT
                }
                Basis::Random if s.sigma <= 1.0 => PAPER_RANDOM_CONSTANT,
                _ => continue,
            };
            text += " ";
            text += &sentences::constant(&described_directions(s), plateau(e, s), paper);
        }
        text += " The authors' Monte Carlo perturbs one direction only, whatever d is, and draws the samples in a new order at each evaluation.";
    }
    text
}

/// Mean of Δ_k (k/64)² over the second half of the prefix sizes.
fn plateau(e: &Experiment, s: &Setting) -> f64 {
    let half = e.sizes.len() / 2;
    let values = (half..e.sizes.len()).map(|i| s.delta[i] * (e.sizes[i] as f64 / 64.0).powi(2));
    values.sum::<f64>() / (e.sizes.len() - half) as f64
}

fn theory(e: &Experiment, s: &Setting, compare: bool) -> Result<Figure> {
    let mut panel = delta_panel(
        &format!("Theory and Monte Carlo, d = {}, σ = {}", s.dim, chart::short(s.sigma)),
        "Δ_k (nats²)",
    );
    panel.lines.push(line("Monte Carlo", thin(&e.sizes, |i| s.delta[i]), Style::Solid, 0));
    let low = thin(&e.sizes, |i| s.delta[i] - 1.96 * s.standard_error[i]);
    let high = thin(&e.sizes, |i| s.delta[i] + 1.96 * s.standard_error[i]);
    panel.band = low.into_iter().zip(high).map(|(l, h)| (l.0, l.1, h.1)).collect();
    for (i, theory) in s.theories.iter().enumerate() {
        let style = if theory.name == "eigenvalue" { Style::Points } else { Style::Dashed };
        panel.lines.push(line(&theory.name, thin(&theory.sizes, |i| theory.values[i]), style, i + 1));
    }
    let mut sentence =
        s.theories.iter().map(|t| sentences::theory(&t.comparison)).collect::<Vec<_>>().join(" ");
    if compare && s.theories.iter().any(|t| t.name == "eigenvalue") {
        sentence += " The paper calls its criterion (eigenvalue) an upper bound at all k.";
    }
    let caption = format!(
        "Figure 9: theory and Monte Carlo for {}; the band is ±1.96 standard errors over the draws.",
        describe(s)
    );
    figure("figure-9", Section::Theory, caption, sentence, &[panel])
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
    use records::Which;

    use super::*;
    use crate::gather::tests;

    #[test]
    fn thinning_keeps_short_curves_and_means_of_long_ones() {
        let sizes = [10, 20, 30];
        assert_eq!(thin(&sizes, |i| i as f64), [(10.0, 0.0), (20.0, 1.0), (30.0, 2.0)]);
        let sizes = (1..=100_000).collect::<Vec<_>>();
        let thinned = thin(&sizes, |i| (i % 2) as f64);
        assert!((200..=DRAWN_POINTS).contains(&thinned.len()), "{} points", thinned.len());
        // Means of at least a hundred values each, half of them 1, but for the rest in the last bin.
        assert!(thinned[150..thinned.len() - 1].iter().all(|p| (p.1 - 0.5).abs() <= 0.005), "{thinned:?}");
    }

    #[test]
    fn the_table_has_the_band_too() {
        let panel = Panel {
            title: "a, b".into(),
            lines: vec![line("c", vec![(1.0, 2.0)], Style::Solid, 0)],
            band: vec![(1.0, 1.5, 2.5)],
            ..Panel::default()
        };
        let table = "panel,line,x,y\na; b,c,1,2\na; b,lower edge of the band,1,1.5\na; b,upper edge of the band,1,2.5\n";
        assert_eq!(csv_of(&[panel]), table);
    }

    #[test]
    fn training_has_an_accuracy_where_there_are_classes() {
        let mut e = tests::experiment();
        e.model.history =
            ndarray::Array2::from_shape_fn((3, 5), |(i, j)| if j < 2 { i as f64 } else { f64::NAN });
        let told = |e: &Experiment| history(e).unwrap().alt;
        assert_eq!(told(&e), "Loss and accuracy while training. (Loss; Accuracy)");
        e.model.train_accuracy = None;
        assert_eq!(told(&e), "Loss while training. (Loss)");
    }

    #[test]
    fn only_the_directions_of_the_paper_have_its_figures() {
        let named = |basis| {
            let mut e = tests::experiment();
            (e.spectrum.basis, e.settings[0].basis) = (basis, basis);
            let figures = draw(&e, &e.settings[0], true).unwrap();
            let of = |section| figures.iter().find(|f| f.section == section).unwrap();
            let (spectrum, delta) = (of(Section::Spectrum), of(Section::Delta));
            assert_eq!(spectrum.sentence.contains("The paper printed"), spectrum.name == "figure-1");
            assert_eq!(delta.caption.starts_with("Figure 8: "), delta.name == "figure-8");
            [spectrum.name.clone(), delta.name.clone()]
        };
        for which in [Which::LargestAlgebraic, Which::LargestMagnitude] {
            assert_eq!(named(Basis::Eigenvectors(which)), ["figure-1", "figure-8"]);
        }
        let smallest = named(Basis::Eigenvectors(Which::SmallestAlgebraic));
        assert_eq!(smallest, ["eigenvalues", "delta-directions"]);
        assert_eq!(named(Basis::Given), ["rayleigh-quotients", "delta-directions"]);
    }

    #[test]
    fn directions_are_named_by_their_basis() {
        let mut s = tests::setting();
        assert_eq!(described_directions(&s), "1 Hessian direction at σ = 1");
        (s.basis, s.dim, s.sigma) = (Basis::Random, 2, 0.5);
        assert_eq!(described_directions(&s), "2 random directions at σ = 0.5");
        s.basis = Basis::Filter;
        assert_eq!(describe(&s), "2 filter-normalised directions at σ = 0.5 (8 draws)");
    }

    #[test]
    fn the_paper_stands_beside_the_settings_it_has_alone() {
        let e = tests::experiment();
        let hessian = &e.settings[0];
        let own = delta_sentence(&e, &[hessian], false);
        assert!(own.starts_with("V = mean variance of the loss over samples (nats²): 1.00 ± 0.10 for 1 Hessian direction at σ = 1 (8 draws). There are too few"), "{own}");
        assert!(!own.contains("paper"), "{own}");
        let random = |dim, sigma| Setting { basis: Basis::Random, dim, sigma, ..tests::setting() };
        let said = |s: &Setting| delta_sentence(&e, &[s], true);
        // Δ_k (k/64)² is 1/64² k/(k + 1), which is 2.4e-4.
        assert!(
            said(hessian).contains("on the plateau of 1 Hessian direction at σ = 1, below the paper's 2.47"),
            "{}",
            said(hessian)
        );
        assert!(
            said(&random(2, 0.5))
                .contains("on the plateau of 2 random directions at σ = 0.5, above the paper's 1.1e-4")
        );
        for without in [
            random(2, 2.0),
            Setting { dim: 2, ..tests::setting() },
            Setting { sigma: 0.5, ..tests::setting() },
        ] {
            let said = said(&without);
            assert!(
                !said.contains("plateau")
                    && said.contains("The authors' Monte Carlo perturbs one direction only"),
                "{said}"
            );
        }
        let fitted = Setting {
            exponent: Some(crate::gather::Exponent { value: -2.0, low: -2.1, high: -1.9 }),
            ..random(2, 1.0)
        };
        let several = delta_sentence(&e, &[&fitted, hessian], false);
        assert!(several.contains("; 1.00 ± 0.10 for 1 Hessian direction at σ = 1 (8 draws). The measured Δ_k of 2 random directions at σ = 1 decays"), "{several}");
    }

    #[test]
    fn the_criterion_of_the_paper_is_recalled_where_it_was_computed() {
        let e = tests::experiment();
        let with = |name: &str, compare| {
            let comparison = crate::gather::Comparison {
                name: name.into(),
                n_compared: 10,
                fraction_above: 1.0,
                smallest_ratio: 2.0,
                geometric_mean_ratio: 3.0,
                within_three_standard_errors: 0.0,
            };
            let theory = crate::gather::Theory {
                name: name.into(),
                sizes: e.sizes.clone(),
                values: 2.0 * &e.settings[0].delta,
                comparison,
            };
            super::theory(&e, &Setting { theories: vec![theory], ..tests::setting() }, compare)
                .unwrap()
                .sentence
        };
        let recalled = "The paper calls its criterion (eigenvalue) an upper bound at all k.";
        assert!(with("eigenvalue", true).ends_with(recalled), "{}", with("eigenvalue", true));
        for without in [with("eigenvalue", false), with("quadratic", true)] {
            assert!(!without.contains("The paper") && without.contains("an upper bound here"), "{without}");
        }
    }

    #[test]
    fn the_first_and_the_last_landscape_have_the_numbers_of_the_paper() {
        let mut e = tests::experiment();
        e.grids = vec![
            tests::grid("random", Basis::Random),
            tests::grid("hessian", e.spectrum.basis),
            tests::grid("filter", Basis::Filter),
        ];
        e.grids[1].asked.push(50);
        let told = |i: usize, compare| {
            let figures = landscapes(&e, &e.grids[i], compare).unwrap();
            figures.into_iter().map(|f| (f.name, f.caption, f.sentence)).collect::<Vec<_>>()
        };
        let names = |i| told(i, true).into_iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(names(0), ["figure-2", "figure-3"]);
        assert_eq!(names(1), ["figure-6", "landscape-hessian-50", "figure-7"]);
        assert_eq!(names(2), ["landscape-filter-10", "landscape-filter-90"]);
        let (_, caption, sentence) = &told(1, true)[0];
        assert!(caption.starts_with("Figure 6: the loss surface over the top two Hessian directions at k = 10 and its squared change with 1 more sample."), "{caption}");
        assert!(sentence.contains("Over the plane L_k runs from 0 to 4 nats at k = 10; one more sample changes it by at most 0.5 nats (squared: 0.25 nats²). The paper shows a more structured surface"), "{sentence}");
        // The change is the same in all directions here.
        assert!(
            sentence.ends_with(
                "and its largest squared change is 1 times that in random directions at the same k."
            ),
            "{sentence}"
        );
        assert!(!told(1, true)[1].2.contains("The paper") && !told(1, false)[0].2.contains("The paper"));
        assert!(
            told(2, true)[0]
                .1
                .starts_with("The loss surface over two filter-normalised directions at k = 10")
        );
    }
}
