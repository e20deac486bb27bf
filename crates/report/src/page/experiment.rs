//! The page of one experiment.

use askama::Template;
use pipeline::Result;
use records::bound::{PredictedSize, SufficientRow, SweepFindings, TheoryAtSigma, Uncertain};
use records::{Report, name_of};
use serde_json::Value;
use store::manifest::Manifest;

use crate::export::settings::{self, size_and_status};
use crate::export::summary::Summary;
use crate::figures::figure::{Figure, Section};
use crate::figures::training;
use crate::page::hero::{self, Hero};
use crate::page::interactive::{self, embedded};
use crate::page::{arriving, shell};
use crate::read::bound::Setting;
use crate::read::eigen::Basis;
use crate::read::experiment::Experiment;
use crate::read::unit::{Unit, meaning};
use crate::text::directions;
use crate::text::numbers::{self, given, grouped, interval, share, short};
use crate::text::own::{Own, tolerance};
use crate::text::table::Table;
use crate::text::verdicts::orders;

/// A section of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Part {
    anchor: &'static str,
    heading: &'static str,
    /// closed until a reader opens it
    folded: bool,
}

const fn part(anchor: &'static str, heading: &'static str, folded: bool) -> Part {
    Part { anchor, heading, folded }
}

const OTHERS: Part = part("others", "Every tolerance", false);
const MODEL: Part = part("model", "Data and model", false);
const SPECTRUM: Part = part("spectrum", "Spectrum", true);
const LANDSCAPE: Part = part("landscape", "Landscape", false);
const DELTA: Part = part("delta", "Other settings", true);
const THEORY: Part = part("theory", "Theory against measurement", true);
const ARRIVING: Part = part("arriving", "Data that arrive", false);
const METHOD: Part = part("method", "Method and provenance", true);
const GLOSSARY: Part = part("glossary", "The terms and the formula", true);

/// Methods of K that are no theory.
const MEASURED: [&str; 2] = ["order-average", "monte-carlo"];

/// Keys of `train` that nothing reads where the weights are brought.
const TRAINING: [&str; 8] =
    ["epochs", "steps", "stop", "batch_size", "optimizer", "initialisation", "seed", "checkpoint_epochs"];

/// Heads of the table of tolerances.
const AVERAGE: &str = "K, average over orders [interval]";
const ONE: &str = "K, one measured order (Definition 4)";

/// Buttons that turn and zoom a surface: class, label and text.
const VIEW: [(&str, &str, &str); 5] = [
    ("left", "turn left", "↺"),
    ("right", "turn right", "↻"),
    ("in", "zoom in", "+"),
    ("out", "zoom out", "−"),
    ("reset", "reset the view", "reset"),
];

#[derive(Template)]
#[template(path = "experiment.html")]
struct Page<'a> {
    title: &'a str,
    s: &'a Summary,
    hero: Hero,
    /// path to the pages over all experiments; none where the page is kept apart
    up: Option<String>,
    e: &'a Experiment,
    own: &'a SufficientRow,
    answer: &'a Setting,
    figures: &'a [Figure],
    /// (id, JSON)
    data: Vec<(String, String)>,
}

/// The page of one experiment.
pub fn html(
    params: &Report,
    s: &Summary,
    e: &Experiment,
    answer: &Setting,
    own: &SufficientRow,
    figures: &[Figure],
) -> Result<String> {
    let surface =
        |(i, grid)| (format!("surface-data-{i}"), embedded(&interactive::surface(grid, e.step, &e.unit)));
    let delta = ("delta-data".to_owned(), embedded(&interactive::delta(e, answer)));
    let charts = figures.iter().filter(|f| f.name != "sufficient").filter_map(interactive::chart);
    let page = Page {
        title: &shell::title(&s.experiment, &s.title),
        s,
        hero: hero::experiment(e, answer, &Own::of_row(own, e), &s.answer),
        // The member of a family lies a folder deeper.
        up: (!params.alone).then(|| "../".repeat(2 + e.name.matches('/').count())),
        e,
        own,
        answer,
        figures,
        data: std::iter::once(delta).chain(charts).chain(e.grids.iter().enumerate().map(surface)).collect(),
    };
    shell::text(&page)
}

/// Parameters that are shown under the figures of a section: stage and keys.
fn keys(section: Section) -> &'static [(&'static str, &'static str)] {
    match section {
        Section::Model => {
            &[("train", "weights epochs steps stop batch_size optimizer initialisation seed precision")]
        }
        Section::Spectrum => &[
            ("eigen", "dim basis which solver residual_tolerance seed precision"),
            ("spectrum", "n_samples probes steps largest seed precision"),
        ],
        Section::MoreData => &[], // of families
        Section::Landscape => &[("montecarlo", "step precision")],
        Section::Answer | Section::Delta => &[("montecarlo", "step draws seed precision")],
        Section::Arriving => &[("stream", "seeds seed first batch epochs dim sigma draws truth_draws")],
        Section::Theory => &[("eigen", "dim prefix_count"), ("montecarlo", "step draws seed")],
    }
}

impl Page<'_> {
    /// The sections that there is something for, in their order.
    fn parts(&self) -> Vec<Part> {
        let some = |section| !self.of(section).is_empty();
        let all = [
            (GLOSSARY, true),
            (OTHERS, true),
            (MODEL, true),
            (LANDSCAPE, !self.e.grids.is_empty()),
            (SPECTRUM, some(Section::Spectrum)),
            (DELTA, some(Section::Delta) || self.s.settings.len() > 1),
            (THEORY, self.e.settings.iter().any(|s| !s.found.theories.is_empty()) || some(Section::Theory)),
            (ARRIVING, some(Section::Arriving)),
            (METHOD, true),
        ];
        all.into_iter().filter(|(_, shown)| *shown).map(|(part, _)| part).collect()
    }

    fn has(&self, part: Part) -> bool {
        self.parts().contains(&part)
    }

    /// K of the one stored order beside that of the average.
    fn orders(&self) -> Option<String> {
        let same = |r: &&SufficientRow| r.tolerance.to_bits() == self.own.tolerance.to_bits();
        let single = self.e.rows_of(&self.answer.found.name, "monte-carlo").find(same)?;
        Some(orders(self.own, single, self.e))
    }

    /// K at every tolerance: by the average over orders, and of the one stored order.
    fn tolerances(&self) -> Table {
        let name = &self.answer.found.name;
        let rows = interactive::readings(self.e, name).into_iter();
        let head = [format!("tolerance ({})", self.e.unit.squared), AVERAGE.to_owned(), ONE.to_owned()];
        Table::of(head, rows.map(|r| vec![r.tolerance, r.average, r.one]))
    }

    /// Figures of a section.
    fn of(&self, section: Section) -> Vec<&Figure> {
        self.figures.iter().filter(|f| f.section == section).collect()
    }

    /// The parameters behind the figures of a section, as they stand in the manifests.
    fn behind(&self, section: Section) -> String {
        let value = |v: &Value| v.to_string().replace(['"', '{', '}'], "").replace(',', ", ");
        let of = |(stage, keys): &(&str, &str)| {
            let params =
                self.e.manifests.iter().find(|m| m.stage == *stage).map(|m| used(&m.stage, &m.params));
            // null means what the stage found by itself, such as all samples.
            let given = |k: &str| {
                params.as_ref()?.get(k).filter(|v| !v.is_null()).map(|v| format!("{k} {}", value(v)))
            };
            format!("{stage}: {}", keys.split(' ').filter_map(given).collect::<Vec<_>>().join(", "))
        };
        let all = keys(section).iter().map(of).collect::<Vec<_>>().join(" · ");
        format!("{all} · N = {}", grouped(self.e.n_samples))
    }

    /// K by every theory, a column per tolerance; none where there is no theory.
    fn by_theory(&self) -> Option<Table> {
        let rows = self.e.rows.iter().filter(|r| r.setting == self.answer.found.name);
        let rows = rows.filter(|r| !MEASURED.contains(&r.method.as_str())).collect::<Vec<_>>();
        let first = &rows.first()?.method;
        let tolerances = rows.iter().filter(|r| r.method == *first).collect::<Vec<_>>();
        let head = tolerances.iter().map(|r| format!("K at {}", tolerance(r, &self.e.unit)));
        let head = std::iter::once("theory".to_owned()).chain(head);
        let mut methods = vec![];
        for row in &rows {
            if !methods.contains(&row.method.as_str()) {
                methods.push(&row.method);
            }
        }
        let cell = |method: &str, of: &SufficientRow| {
            let same =
                |r: &&&SufficientRow| r.method == method && r.tolerance.to_bits() == of.tolerance.to_bits();
            rows.iter().find(same).map_or_else(String::new, |r| size_and_status(r))
        };
        let row = |method: &str| {
            std::iter::once(method.to_owned()).chain(tolerances.iter().map(|t| cell(method, t))).collect()
        };
        Some(Table::of(head, methods.into_iter().map(row)))
    }

    /// V and K of every setting, if there are several.
    fn settings(&self) -> Option<Table> {
        (self.s.settings.len() > 1).then(|| settings::table(&[self.s], &self.e.unit))
    }

    /// V and K that each pilot predicts at full size, if there are pilots.
    fn pilots(&self) -> Option<Table> {
        let pilots = self.e.pilots.pilots.iter().filter(|p| p.setting == self.answer.found.name);
        let pilots = pilots.collect::<Vec<_>>();
        let first = pilots.first()?;
        let unit = &self.e.unit.squared;
        let head = ["first samples".to_owned(), "w* and basis of".to_owned(), format!("V ({unit})")];
        let sizes = first.sizes.iter().map(|s| format!("K at {} {unit}", given(s.tolerance)));
        let head = head.into_iter().chain(sizes);
        let size = |s: &PredictedSize| {
            format!("{} [{}, {}]", grouped(s.k), grouped(s.interval.low), grouped(s.interval.high))
        };
        let rows = pilots.iter().map(|p| {
            let cells = [grouped(p.n_samples), whose(&p.minimiser), with_interval(&p.v)];
            cells.into_iter().chain(p.sizes.iter().map(size)).collect()
        });
        let all = ["all".to_owned(), whose("all-samples"), short(first.full_variance)].into_iter();
        let all = all.chain(first.sizes.iter().map(|s| grouped(s.full_k))).collect();
        Some(Table::of(head, rows.chain([all])))
    }

    /// V and K as the stage `answer` found them from some samples and draws, if it was asked.
    fn quick(&self) -> Option<Table> {
        let found = self.e.quick.as_ref()?;
        let last = found.rounds.last()?.plan;
        let head = ["few draws", "all draws", "losses in all"].map(str::to_owned).into_iter();
        let head = head.chain([format!("V ({})", self.e.unit.squared)]);
        let head = head.chain(found.rows.iter().map(|r| format!("K at {}", tolerance(r, &self.e.unit))));
        let met =
            |draws: usize, samples: usize| format!("{} at {} samples", grouped(draws), grouped(samples));
        let (few, all) = (met(last.few_draws, last.many_samples), met(last.draws, last.samples));
        let row = [few, all, grouped(found.losses), with_interval(&found.v)];
        let row = row.into_iter().chain(found.rows.iter().map(size_and_status)).collect();
        Some(Table::of(head, [row]))
    }

    /// Every theory of every setting beside Monte Carlo.
    fn theories(&self) -> Table {
        let all = self.e.settings.iter().flat_map(|s| s.found.theories.iter().map(move |t| (&s.found, t)));
        let rows = all.map(|(s, t)| {
            let c = &t.comparison;
            vec![
                s.name.clone(),
                t.name.clone(),
                grouped(c.n_compared),
                share(c.fraction_above, 1),
                short(c.smallest_ratio),
                short(c.geometric_mean_ratio),
                share(c.within_three_standard_errors, 1),
            ]
        });
        let head = [
            "setting",
            "theory",
            "prefix sizes",
            "above measured",
            "smallest ratio",
            "geometric mean",
            "within 3 standard errors",
        ];
        Table::of(head, rows)
    }

    fn provenance(&self) -> Table {
        let row = |m: &Manifest| {
            let blas = m.run.blas.clone().unwrap_or_else(|| "none".to_owned());
            vec![m.stage.clone(), blas, m.code.version.clone(), m.fingerprint[..12].to_owned()]
        };
        Table::of(["stage", "BLAS", "version", "fingerprint"], self.e.manifests.iter().map(row))
    }
}

/// V over σ, with the ratio of each theory and the fraction of prefix sizes where it is above.
fn over_sigma(sweep: &SweepFindings, unit: &Unit) -> Table {
    let head = sweep.theories.iter().map(|t| format!("{} / measured (above)", t.name));
    let head = ["σ".to_owned(), format!("V ({})", unit.squared)].into_iter().chain(head);
    let rows = sweep.sigmas.iter().map(|s| {
        let cell =
            |t: &TheoryAtSigma| format!("{} ({})", short(t.ratio), share(t.comparison.fraction_above, 0));
        [short(s.sigma), short(s.variance)].into_iter().chain(s.theories.iter().map(cell)).collect()
    });
    Table::of(head, rows)
}

/// The parameters of a stage that had a say: those of training have none where the weights were brought.
fn used(stage: &str, params: &Value) -> Value {
    let mut params = params.clone();
    let brought = stage == "train" && params.get("weights").is_some_and(|w| !w.is_null());
    if let Some(map) = params.as_object_mut().filter(|_| brought) {
        map.retain(|key, _| !TRAINING.contains(&key.as_str()));
    }
    params
}

/// V with its interval.
fn with_interval(v: &Uncertain) -> String {
    format!("{} {}", short(v.variance), interval(v.low, v.high))
}

/// Whose w* and basis a row of first samples has.
fn whose(minimiser: &str) -> String {
    if minimiser == "all-samples" { "all samples".to_owned() } else { format!("{minimiser}, a pilot") }
}

fn shown(m: &Manifest) -> String {
    format!("{:#}", used(&m.stage, &m.params))
}

#[cfg(test)]
mod tests {
    use records::Report;
    use records::bound::Status;

    use super::*;
    use crate::export::summary;
    use crate::read::fixtures::{self, assert_has, pilots, row};

    fn params(title: &str) -> Report {
        let answer = Some("hessian-d1-s1".to_owned());
        let (title, tolerance, png_scale) = (title.into(), None, 1.0);
        Report { title, answer, tolerance, alone: false, compare_with_paper: false, png_scale }
    }

    fn with(params: &Report, e: &Experiment) -> String {
        let own = SufficientRow { setting: "hessian-d1-s1".into(), ..row(Status::Reached, Some(50), None) };
        let figures = crate::figures::experiment::draw(e, &e.settings[0], false).unwrap();
        let s = summary::of(params, e, &e.settings[0], &own, &figures);
        html(params, &s, e, &e.settings[0], &own, &figures).unwrap()
    }

    fn page(e: &Experiment) -> String {
        with(&params("T"), e)
    }

    #[test]
    fn the_name_is_always_there_and_the_title_where_it_says_more() {
        let e = fixtures::experiment();
        let html = page(&e);
        assert_has(&html, &["<title>e: T</title>", "<strong>e</strong> T</p>"]);
        let html = with(&params(hero::QUESTION), &e);
        assert_has(&html, &["<title>e: How many samples", "<strong>e</strong></p>"]);
        assert_eq!(html.matches("How many samples are enough?").count(), 2, "browser and heading");
    }

    #[test]
    fn a_page_that_is_kept_apart_has_no_links_to_others() {
        let e = fixtures::experiment();
        let alone = with(&Report { alone: true, ..params("T") }, &e);
        assert!(page(&e).contains("../../compare.html") && !alone.contains("../"), "{alone}");
    }

    #[test]
    fn only_sections_with_something_in_them_are_named() {
        let mut e = fixtures::experiment();
        let html = page(&e);
        for anchor in ["others", "spectrum", "landscape", "theory", "arriving"] {
            let shown = ["others", "spectrum"].contains(&anchor);
            assert_eq!(html.contains(&format!("href=\"#{anchor}\"")), shown, "{anchor}");
            assert_eq!(html.contains(&format!("<details class=\"part\" id=\"{anchor}\"")), shown, "{anchor}");
        }
        e.settings = vec![fixtures::with_theory("quadratic", 1.0)];
        assert!(page(&e).contains("<a href=\"#theory\">"));
    }

    #[test]
    fn training_that_did_not_happen_has_no_parameters() {
        let of = |weights: &str| {
            let text = format!(r#"{{"epochs": 10, "weights": {weights}, "hidden": [4]}}"#);
            used("train", &serde_json::from_str(&text).unwrap()).to_string()
        };
        assert_eq!(of("null"), r#"{"epochs":10,"weights":null,"hidden":[4]}"#);
        assert_eq!(of("\"w.npz\""), r#"{"weights":"w.npz","hidden":[4]}"#);
    }

    #[test]
    fn both_sizes_stand_in_one_table() {
        let mut e = fixtures::experiment();
        let of = |method: &str, k, ends| SufficientRow {
            setting: "hessian-d1-s1".into(),
            method: method.into(),
            ..row(Status::Reached, k, ends)
        };
        e.rows = vec![
            of("order-average", Some(50), Some((40, 60))),
            of("monte-carlo", Some(70), None),
            of("quadratic", Some(55), None),
        ];
        let relative =
            |r: &SufficientRow| SufficientRow { relative: Some(1e-3), tolerance: 2e-4, ..r.clone() };
        e.rows.extend([relative(&e.rows[0]), relative(&e.rows[1])]);
        e.rows[3].status = Status::Extrapolated;
        let html = page(&e);
        let parts = [
            "<td>1e-4</td><td>50 [40, 60]</td><td>70</td>",
            "<td>0.1 % of the mean perturbed loss</td><td>50 [40, 60] (beyond the samples at hand)</td><td>70</td>",
            "gives 70 where the average over orders gives 50: larger",
            "<td>quadratic</td><td>55 (reached)</td>",
        ];
        assert_has(&html, &parts);
    }

    #[test]
    fn data_and_model_are_described_as_they_are() {
        let mut e = fixtures::experiment();
        let parts = [
            "<p>100 training and 20 test samples of 4 features, 2 classes: files (own). \
             The network is 4-2 (relu, 10 parameters), weights trained here. The loss of a sample is −log softmax(f)_y, in nats; V, Δ<sub>k</sub> and the absolute tolerances are in nats².</p>\n",
            "<th scope=\"row\">training loss</th><td>0.5</td><td></td><td>nats</td>",
        ];
        assert_has(&page(&e), &parts);
        let trained = e.trained.as_mut().unwrap();
        let facts = &mut trained.model.facts;
        (trained.data.n_classes, facts.train_accuracy, facts.test_loss) = (0, None, Some(0.75));
        facts.origin = "a<b>.npz".into();
        let regression = page(&e);
        assert_has(&regression, &["of 4 features, regression: files", "weights from a&#60;b&#62;.npz."]);
        assert_has(&regression, &["<th scope=\"row\">test loss</th><td>0.75</td>"]);
        assert!(!regression.contains("training accuracy"));
    }

    #[test]
    fn tables_have_what_is_known() {
        let mut e = fixtures::experiment();
        e.settings = vec![fixtures::with_theory("quadratic", 1.0 - 1.0 / 59_999.0)];
        e.pilots = pilots();
        e.pilots.pilots.iter_mut().for_each(|p| p.setting = "hessian-d1-s1".into());
        let html = page(&e);
        let parts = [
            "<td>hessian-d1-s1</td><td>quadratic</td><td>59,999</td><td>more than 99.9 %</td><td>0.5</td><td>2</td><td>12.5 %</td>",
            "<td>950 [900, 1,050]</td>",
            "<td>1,000</td></tr>",
        ];
        assert_has(&html, &parts);
        let said = |status, k, ends| size_and_status(&row(status, k, ends));
        assert_eq!(said(Status::Reached, Some(1050), Some((900, 1300))), "1,050 [900, 1,300] (reached)");
        assert_eq!(said(Status::Extrapolated, Some(1050), None), "1,050 (extrapolated)");
        assert_eq!(said(Status::NotReached, None, None), "not reached");
    }

    #[test]
    fn the_eigenvalue_theory_is_explained_where_it_is_drawn() {
        let with = |names: &[&str]| {
            let sweep = fixtures::sweep(names);
            (crate::figures::sweep::theories(&sweep).caption, over_sigma(&sweep, &fixtures::nats()).rows)
        };
        let (caption, rows) = with(&["quadratic"]);
        assert!(
            caption.contains("(1 direction, the first 1,000 samples)") && !caption.contains("eigenvalue")
        );
        assert_eq!(rows, [["1", "1", "1 (less than 1 %)"]]);
        assert!(with(&["quadratic", "eigenvalue"]).0.contains("eigenvalue: geometric mean"));
    }
}
