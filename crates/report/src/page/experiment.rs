//! The page of one experiment. Self-contained: no request leaves it.

use records::Report;
use store::manifest::Manifest;

use crate::figures::figure::{Figure, Section};
use crate::page::interactive;
use crate::page::shell::{Shell, captioned, document, escape, size, still, table};
use crate::read::bound::{PilotDocument, Setting, Sweep};
use crate::read::experiment::Experiment;
use crate::text::answer::{answers, headline, tolerance};
use crate::text::directions::origin;
use crate::text::findings;
use crate::text::numbers::{count, grouped, share, short};

/// Sections of the page: anchor and heading.
const SECTIONS: [(&str, &str); 8] = [
    ("answer", "How many samples are enough"),
    ("model", "Data and model"),
    ("spectrum", "Spectrum"),
    ("landscape", "Landscape"),
    ("delta", "Δ_k"),
    ("theory", "Theory against Monte Carlo"),
    ("arriving", "Data that arrive"),
    ("method", "Method and provenance"),
];

fn heading(anchor: &str) -> String {
    let title = SECTIONS.iter().find(|s| s.0 == anchor).expect("a known section").1;
    format!("<h2 id=\"{anchor}\">{title}</h2>\n")
}

/// The page of one experiment.
pub fn html(params: &Report, e: &Experiment, answer: &Setting, figures: &[Figure]) -> String {
    let figures_of =
        |of: Section| figures.iter().filter(|f| f.section == of).map(|f| figure(f, e)).collect::<String>();
    let section = |anchor: &str, text: &str, of: Section| heading(anchor) + text + &figures_of(of);
    let answers = answers(e, answer).iter().map(|a| format!("<p>{}</p>\n", escape(a))).collect::<String>();
    let (title, headline) = (escape(&params.title), escape(&headline(e, answer)));
    let mut body =
        format!("<h1>{title}</h1>\n<div class=\"answer\"><p class=\"headline\">{headline}</p></div>\n");
    // The picture first, then the numbers.
    body += &section("answer", "", Section::Answer);
    body += &answers;
    body += &sufficient_table(e, answer);
    body += &pilot_table(&e.pilots, &answer.name);
    body += &section("model", &model(e), Section::Model);
    body += &section("spectrum", "", Section::Spectrum);
    body += &heading("landscape");
    let mut data = interactive::data_element("delta-data", &interactive::delta(e, answer));
    for (i, grid) in e.grids.iter().enumerate() {
        let source = format!("surface-data-{i}");
        data += &interactive::data_element(&source, &interactive::surface(grid, e.step));
        let stills = figures.iter().filter(|f| f.section == Section::Landscape && f.of_grid(&grid.name));
        let stills = stills.map(|f| figure(f, e)).collect::<String>();
        let live = interactive::surface_figure(&source, grid);
        body += "<div class=\"landscape\">";
        body += &live;
        body += "<div class=\"replaced\">";
        body += &stills;
        body += "</div></div>\n";
    }
    let others = figures.iter().filter(|f| f.section == Section::Landscape);
    body += &others.filter(|f| f.grid.is_none()).map(|f| figure(f, e)).collect::<String>();
    body += &section("delta", "", Section::Delta);
    let theory_tables = theory_table(e) + &e.sweep.as_ref().map_or_else(String::new, sweep_table);
    body += &section("theory", &theory_tables, Section::Theory);
    let arriving = figures.iter().any(|f| f.section == Section::Arriving);
    let none = "<p>No run was trained on arriving samples (<code>stream.seeds</code> is 0).</p>\n";
    body += &section("arriving", if arriving { "" } else { none }, Section::Arriving);
    body += &method(e);
    // The member of a family lies a folder deeper.
    let up = "../".repeat(2 + e.name.matches('/').count());
    let links = SECTIONS.iter().map(|(anchor, title)| format!(" <a href=\"#{anchor}\">{title}</a>"));
    let nav = format!(
        "<a href=\"{up}index.html\">all experiments</a> <a href=\"{up}compare.html\">side by side</a>{}",
        links.collect::<String>()
    );
    document(&Shell { title: &params.title, nav: &nav, body: &body, data: &data })
}

/// The chart in which K is read off stands in the place of its picture; all others are pictures.
fn figure(f: &Figure, e: &Experiment) -> String {
    let Figure { name, alt, svg, section, .. } = f;
    let picture = still(svg, alt);
    let picture = if name == "sufficient" {
        let live = interactive::delta_figure("delta-data", interactive::setting_choice(), "");
        format!("{live}<div class=\"replaced\">{picture}</div>")
    } else {
        picture
    };
    captioned(f, &picture, &behind(*section, e))
}

/// The parameters behind the figures of a section, as they stand in the manifests.
fn behind(section: Section, e: &Experiment) -> String {
    let keys: &[(&str, &[&str])] = match section {
        Section::Model => {
            &[("train", &["epochs", "batch_size", "optimizer", "initialisation", "seed", "precision"])]
        }
        Section::Spectrum => &[
            ("eigen", &["dim", "basis", "which", "solver", "residual_tolerance", "seed", "precision"]),
            ("spectrum", &["n_samples", "probes", "steps", "largest", "seed", "precision"]),
        ],
        Section::Landscape => &[("montecarlo", &["step", "precision"])],
        Section::Answer | Section::Delta => &[("montecarlo", &["step", "draws", "seed", "precision"])],
        Section::Arriving => &[(
            "stream",
            &["seeds", "seed", "first", "batch", "epochs", "dim", "sigma", "draws", "truth_draws"],
        )],
        Section::Theory => &[("eigen", &["dim", "prefix_count"]), ("montecarlo", &["step", "draws", "seed"])],
    };
    let value = |v: &serde_json::Value| v.to_string().replace(['"', '{', '}'], "").replace(',', ", ");
    let of = |(stage, keys): &(&str, &[&str])| {
        let params = e.manifests.iter().find(|m| m.stage == *stage).map(|m| &m.params);
        // null stands for what the stage found by itself, such as all samples.
        let given = |k: &&str| params?.get(*k).filter(|v| !v.is_null()).map(|v| format!("{k} {}", value(v)));
        let known = keys.iter().filter_map(given);
        format!("{stage}: {}", known.collect::<Vec<_>>().join(", "))
    };
    format!("{} · N = {}", keys.iter().map(of).collect::<Vec<_>>().join(" · "), grouped(e.data.n_samples))
}

fn sufficient_table(e: &Experiment, answer: &Setting) -> String {
    let of_answer = e.rows.iter().filter(|r| r.setting == answer.name).collect::<Vec<_>>();
    let mut tolerances = of_answer.iter().map(|r| r.tolerance).collect::<Vec<_>>();
    tolerances.dedup();
    let mut methods = of_answer.iter().map(|r| r.method.as_str()).collect::<Vec<_>>();
    methods.truncate(of_answer.len() / tolerances.len().max(1));
    let cell = |method: &str, tolerance: f64| {
        let row =
            of_answer.iter().find(|r| r.method == method && r.tolerance.to_bits() == tolerance.to_bits());
        row.map_or_else(String::new, |row| size(row))
    };
    let rows = methods.iter().map(|method| {
        let cells = tolerances.iter().map(|&t| cell(method, t));
        std::iter::once((*method).to_owned()).chain(cells).collect()
    });
    let heads = tolerances.iter().filter_map(|&t| {
        let row = of_answer.iter().find(|r| r.tolerance.to_bits() == t.to_bits())?;
        Some(format!("K at {}", tolerance(row)))
    });
    let heads = heads.collect::<Vec<_>>();
    let head = std::iter::once("method").chain(heads.iter().map(String::as_str)).collect::<Vec<_>>();
    let note = "<p>K in samples. <em>order-average</em>: closed form of the average over all orders, with an interval over samples and draws; <em>-average</em>: the same of a theory, over samples; the others: the last exceedance of one measured or computed curve (Definition 4).</p>\n";
    table(&head, rows) + note
}

fn model(e: &Experiment) -> String {
    let (data, model) = (&e.data, &e.model);
    let kind =
        if data.n_classes == 0 { "regression".to_owned() } else { format!("{} classes", data.n_classes) };
    let layers = model.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let own = if model.history.nrows() > 1 {
        String::new()
    } else {
        format!("<p>{}</p>\n", escape(&findings::model(model)))
    };
    let test = model.test_loss.map_or_else(String::new, |l| format!(" Test loss {} nats.", short(l)));
    format!(
        "<p>{} training and {} test samples of {}, {kind}: {} ({}). A network of {layers} ({}, {} parameters), weights {}.{test}</p>\n{own}",
        grouped(data.n_samples),
        grouped(data.n_test),
        count(data.n_features, "feature"),
        escape(&data.source),
        escape(&data.attribution),
        model.activation,
        grouped(model.n_params),
        weights_of(&model.origin),
    )
}

/// Where the weights come from: training, or a file.
fn weights_of(origin: &str) -> String {
    match origin {
        "trained" => "trained here".to_owned(),
        file => format!("from {}", escape(file)),
    }
}

fn theory_table(e: &Experiment) -> String {
    let rows =
        e.settings.iter().flat_map(|s| s.theories.iter().map(move |t| (s, &t.comparison))).map(|(s, c)| {
            vec![
                s.name.clone(),
                c.name.clone(),
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
        "above Monte Carlo",
        "smallest ratio",
        "geometric mean",
        "within 3 standard errors",
    ];
    table(&head, rows)
        + "<p>A ratio is theory over Monte Carlo. No theory of this table is an upper bound by proof.</p>\n"
}

fn method(e: &Experiment) -> String {
    let row = |m: &Manifest| {
        vec![
            m.stage.clone(),
            m.run.blas.clone().unwrap_or_else(|| "none".to_owned()),
            m.code.version.clone(),
            m.fingerprint[..12].to_owned(),
        ]
    };
    let head = ["stage", "BLAS", "version", "fingerprint"];
    let params = e.manifests.iter().map(|m| {
        let text = serde_json::to_string_pretty(&m.params).unwrap_or_default();
        format!(
            "<details><summary>parameters of {}</summary><pre tabindex=\"0\">{}</pre></details>\n",
            m.stage,
            escape(&text)
        )
    });
    format!(
        "{}<p>Δ_k is the mean over θ ~ N(0, σ²I) of (L_{{k+s}} − L_k)² at w* + Pθ, for every k from one pass over the samples per draw (s = {}). \
         {} Times, memory and threads of each run are in the manifest.json of its stage: this page has the same bytes for the same parameters.</p>\n{}{}",
        heading("method"),
        e.step,
        origin(&e.eigenpairs),
        table(&head, e.manifests.iter().map(row)),
        params.collect::<String>()
    )
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

/// V over σ, with the ratio of each theory and the fraction of prefix sizes where it is above.
pub fn sweep_table(sweep: &Sweep) -> String {
    let heads = sweep.theories.iter().map(|t| format!("{} / Monte Carlo (above)", t.name));
    let heads = ["σ", "V (nats²)"].map(str::to_owned).into_iter().chain(heads).collect::<Vec<_>>();
    let rows = sweep.sigmas.iter().map(|s| {
        let cells = s.theories.iter().map(|t| format!("{} ({})", short(t.ratio), share(t.fraction_above, 0)));
        [short(s.sigma), short(s.variance)].into_iter().chain(cells).collect()
    });
    table(&heads.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::bound::{
        AtSigma, Comparison, Holds, Pilot, PilotDocument, PredictedSize, Sweep, TheoryAtSigma, TheoryCurve,
    };
    use crate::read::fixtures;

    #[test]
    fn data_and_model_are_told_as_they_are() {
        let mut e = fixtures::experiment();
        assert_eq!(
            model(&e),
            "<p>100 training and 20 test samples of 4 features, 2 classes: files (own). \
             A network of 4-2 (relu, 10 parameters), weights trained here.</p>\n\
             <p>The network stopped at a loss of 0.5 nats with gradient norm 0.01 (0 at a true minimiser); \
             it classifies 90.00 % of the training samples right.</p>\n"
        );
        (e.data.n_classes, e.model.train_accuracy, e.model.test_loss) = (0, None, Some(0.75));
        let regression = model(&e);
        assert!(regression.contains("of 4 features, regression: files"), "{regression}");
        assert!(regression.contains("weights trained here. Test loss 0.75 nats.</p>"), "{regression}");
        assert!(regression.contains("(0 at a true minimiser).</p>"), "{regression}");
        // With a history the sentence stands under its figure.
        e.model.history = ndarray::Array2::zeros((2, 5));
        assert!(!model(&e).contains("The network stopped"));
    }

    #[test]
    fn arriving_samples_are_said_to_be_missing_where_they_are() {
        let e = fixtures::experiment();
        let answer = "hessian-d1-s1".to_owned();
        let params = Report { title: "T".into(), answer, compare_with_paper: false, png_scale: 1.0 };
        let figures = crate::figures::all::draw(&e, &e.settings[0], false).unwrap();
        let html = html(&params, &e, &e.settings[0], &figures);
        assert!(html.contains(
            "<h2 id=\"arriving\">Data that arrive</h2>\n<p>No run was trained on arriving samples"
        ));
    }

    #[test]
    fn a_theory_below_at_one_size_is_not_above_at_all() {
        let mut e = fixtures::experiment();
        e.settings[0].theories = vec![TheoryCurve {
            name: "quadratic".into(),
            sizes: vec![],
            values: ndarray::Array1::zeros(0),
            comparison: Comparison {
                name: "quadratic".into(),
                n_compared: 59_999,
                fraction_above: 1.0 - 1.0 / 59_999.0,
                smallest_ratio: 0.5,
                geometric_mean_ratio: 2.0,
                within_three_standard_errors: 0.125,
            },
        }];
        let row = "<td>hessian-d1-s1</td><td>quadratic</td><td>59,999</td><td>more than 99.9 %</td><td>0.5</td><td>2</td><td>12.5 %</td>";
        assert!(theory_table(&e).contains(row), "{}", theory_table(&e));
    }

    #[test]
    fn weights_are_trained_here_or_come_from_a_file() {
        assert_eq!(weights_of("trained"), "trained here");
        assert_eq!(weights_of("a<b>.npz"), "from a&lt;b&gt;.npz");
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
            let theories =
                names.iter().map(|_| TheoryAtSigma { ratio: 1.0, fraction_above: 0.002 }).collect();
            let sigmas = vec![AtSigma { sigma: 1.0, variance: 1.0, methods: vec![], theories }];
            let sweep = Sweep {
                n_samples: 1000,
                dim: 1,
                draws: 8,
                sigmas,
                theories: names.iter().map(holds).collect(),
            };
            (crate::figures::sweep::theories(&sweep).unwrap().caption, sweep_table(&sweep))
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
        let figure = crate::figures::pilot::pilot(&document, "s", 5000).unwrap().unwrap();
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
        assert!(crate::figures::pilot::pilot(&document, "other", 5000).unwrap().is_none());
        let table = pilot_table(&document, "s");
        assert!(table.contains("950 [900, 1,050]") && table.contains("1,000</td>"), "{table}");
    }
}
