//! All experiments side by side.

use askama::Template;
use pipeline::Result;
use records::name_of;
use serde_json::json;

use crate::export::curve::Curve;
use crate::export::settings::{self, of_law};
use crate::export::summary::Summary;
use crate::page::interactive::embedded;
use crate::page::shell;
use crate::plot::chart;
use crate::plot::panel::{Style, axes, delta_axes, line, ranked};
use crate::read::bound::law;
use crate::read::unit::Unit;
use crate::text::numbers::{grouped, share, short, unknown};
use crate::text::table::Table;

/// One experiment as the others see it.
pub struct Entry {
    pub summary: Summary,
    /// none of a family, which has many
    pub curve: Option<Curve>,
}

/// Curves that can be told apart by their colour.
const COLOURS: usize = 8;

const ALT: &str = "Δ_k of each experiment over the prefix size, with the law of its average over orders (dashed); and the eigenvalues";

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    title: &'a str,
    data: Vec<(&'a str, String)>,
    curves: &'a [Curve],
    /// how many of them are drawn at first
    shown: usize,
    picture: String,
    settings: Table,
    networks: Table,
}

/// The page of those that have a curve.
pub fn html(entries: &[Entry]) -> Result<String> {
    let curves = entries.iter().filter_map(|e| Some(Curve { theories: vec![], ..e.curve.clone()? }));
    let curves = curves.collect::<Vec<_>>();
    // A relative tolerance is another number in each experiment: no line for all.
    let absolute = entries.iter().flat_map(|e| of_law(&e.summary)).filter(|r| r.relative.is_none());
    let mut tolerances = absolute.map(|r| r.tolerance).collect::<Vec<_>>();
    tolerances.sort_by(|a, b| b.total_cmp(a));
    tolerances.dedup();
    let (unit, shown) = (unit(entries), curves.len().min(COLOURS));
    let all = entries.iter().map(|e| &e.summary).collect::<Vec<_>>();
    let data = json!({
        "label": "Δ_k of several experiments over the prefix size k on logarithmic axes, with tolerance lines",
        "many": true,
        "curves": curves,
        "unit": unit.squared,
        "visible": (0..shown).collect::<Vec<_>>(),
        "tolerances": tolerances,
    });
    let page = Page {
        title: "Experiments side by side",
        data: if curves.is_empty() { vec![] } else { vec![("compare-data", embedded(&data))] },
        picture: picture(entries),
        settings: settings::table(&all, &unit),
        networks: networks(&all),
        shown,
        curves: &curves,
    };
    shell::text(&page)
}

/// The unit that all share, or the loss itself.
fn unit(entries: &[Entry]) -> Unit {
    let first = entries.first().and_then(|e| e.summary.loss);
    Unit::of(first.filter(|_| entries.iter().all(|e| e.summary.loss == first)))
}

/// The picture for readers without JavaScript, and for paper.
fn picture(entries: &[Entry]) -> String {
    let unit = unit(entries);
    let mut deltas = delta_axes("Δ_k", &format!("Δ_k ({})", unit.squared));
    let mut spectra = axes("Eigenvalues of H(w*)", "rank", &format!("eigenvalue ({})", unit.eigenvalue));
    let pairs = entries.iter().filter_map(|e| Some((&e.summary, e.curve.as_ref()?)));
    for (colour, (summary, curve)) in pairs.enumerate() {
        let name = &summary.experiment;
        let measured = curve.k.iter().copied().zip(curve.delta.iter().copied()).collect();
        deltas.lines.push(line(name, measured, Style::Solid, colour));
        let law = curve.k.iter().map(|&k| (k, law(curve.variance, curve.step, k))).collect();
        deltas.lines.push(line(name, law, Style::Dashed, colour));
        spectra.lines.push(line(name, ranked(summary.eigenvalues.clone()), Style::Solid, colour));
    }
    chart::svg(&[deltas, spectra])
}

/// A column of the table of networks: heading, and what an experiment has there.
type Column = (&'static str, fn(&Summary) -> Option<String>);

const NETWORK: [Column; 11] = [
    ("experiment", |s| Some(s.experiment.clone())),
    ("features", |s| s.n_features.map(grouped)),
    ("network", |s| s.network.as_ref().map(ToString::to_string)),
    ("activation", |s| s.activation.clone()),
    ("parameters", |s| s.n_params.map(grouped)),
    ("loss", |s| s.loss.map(name_of)),
    ("training loss", |s| s.train_loss.map(short)),
    ("gradient norm", |s| s.gradient_norm.map(short)),
    ("first eigenvalue", |s| s.eigenvalues.first().map(|&v| short(v))),
    ("test accuracy", |s| Some(share(s.test_accuracy?, 2))),
    ("warnings", |s| (!s.warnings.is_empty()).then(|| s.warnings.len().to_string())),
];

/// A row per experiment.
fn networks(all: &[&Summary]) -> Table {
    let row = |s: &&Summary| NETWORK.map(|(_, cell)| cell(s).unwrap_or_else(unknown)).to_vec();
    Table::of(NETWORK.map(|(head, _)| head), all.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::index;
    use crate::read::fixtures::assert_has;

    fn entry(name: &str, k: usize) -> Entry {
        let summary = json!({
            "format": crate::export::summary::FORMAT, "experiment": name, "title": format!("<{name}>"), "headline": "h", "own": {"purpose": "a change below 1e-4 nats²", "k": k, "low": 90, "high": 400, "n_samples": 100, "status": "reached", "why": null}, "answer": ["a"], "warnings": [],
            "n_samples": 100, "n_features": 4, "n_classes": 2, "source": "s", "network": {"image": [4, 1, 1], "layers": [{"linear": 2, "activation": "identity", "bias": true}]}, "activation": "relu", "loss": "softmax-cross-entropy",
            "n_params": 10, "train_loss": 0.5, "train_accuracy": null, "test_accuracy": null, "gradient_norm": 0.1,
            "eigenvalues": [2.0, 1.0], "setting": "x", "settings": [{"name": "x", "basis": "hessian", "dim": 2, "sigma": 1.0, "draws": 8,
            "variance": 3.0, "variance_interval": [2.0, 4.0], "exponent": null}], "step": 1, "confidence": 0.95, "sufficient": [{"setting": "x", "method": "order-average", "tolerance": 1e-4,
            "status": "reached", "k": k, "low": null, "high": null},
            {"setting": "x", "method": "order-average", "tolerance": 1e-6 * k as f64, "relative": 1e-3,
            "status": "reached", "k": 10 * k, "low": null, "high": null}],
        });
        let curve = json!({
            "title": name, "family": "", "sigma": 1.0, "n_samples": 100, "step": 1, "first": 1, "last": 99,
            "variance": 3.0, "variance_low": 0.0, "variance_high": 0.0, "k": [1.0, 10.0, 99.0],
            "delta": [1.0, 0.03, 3e-4], "low": [], "high": [], "stairs": {"k": [], "delta": []},
        });
        Entry {
            summary: serde_json::from_value(summary).unwrap(),
            curve: Some(serde_json::from_value(curve).unwrap()),
        }
    }

    #[test]
    fn every_experiment_is_on_both_pages() {
        let entries = [entry("a", 173), entry("b", 346)];
        let (index, compare) = (index::html(&entries).unwrap(), html(&entries).unwrap());
        for name in ["a", "b"] {
            let link = format!("href=\"{name}/report/index.html\">{name}</a><small>&#60;{name}&#62;</small>");
            assert_has(&index, &[&link]);
        }
        // One column for a relative tolerance, which is another number in each; no line in the chart.
        let parts = [
            "<th scope=\"col\">K at 1e-4 nats²</th><th scope=\"col\">K at 0.1 % of the mean perturbed loss</th>",
            "<td>a</td><td>x</td><td>2 hessian</td><td>1</td><td>100</td><td>1</td><td>3 [2, 4]</td><td>–</td><td>173 (reached)</td><td>1,730 (reached)</td>",
            "<td>346 (reached)</td><td>3,460 (reached)</td>",
            "<td>b</td><td>4</td><td>4-2</td><td>relu</td>",
            "<svg",
            "\"unit\":\"nats²\"",
            "\"tolerances\":[0.0001]",
        ];
        assert_has(&compare, &parts);
        let parts = [
            "<td>100</td><td><strong>173</strong><small>[90, 400]</small></td><td class=\"text\">a change below 1e-4 nats²</td>",
            "<span class=\"chip enough\">enough: 100 at hand</span></td><td>–</td><td><svg class=\"spark\"",
        ];
        assert_has(&index, &parts);
    }

    #[test]
    fn without_an_experiment_there_is_no_chart() {
        let page = html(&[]).unwrap();
        assert_has(&page, &["<p>No experiment has a report yet;"]);
        assert!(!page.contains("data-live=\"delta\"") && !page.contains("<table"), "{page}");
    }

    #[test]
    fn a_family_without_a_target_says_what_it_found_on_the_index() {
        let mut family = entry("ladder", 173);
        (family.summary.own, family.curve) = (None, None);
        assert_has(&index::html(&[entry("ladder", 173)]).unwrap(), &["Δ_k of ladder"]);
        family.summary.learning_curve = vec![(100.0, 0.5), (200.0, 0.25)];
        let chip = "<strong>–</strong></td><td class=\"text\">a</td><td class=\"text\"><span class=\"chip none\">h</span>";
        assert_has(&index::html(&[family]).unwrap(), &[chip, "test loss of ladder"]);
    }

    #[test]
    fn experiments_with_other_tolerances_stand_beside_each_other() {
        let mut entries = [entry("a", 173), entry("b", 346), entry("c", 692)];
        entries[0].summary.sufficient[0].tolerance = 1e-2; // of a alone
        entries[2].summary.sufficient[1].relative = Some(1e-5);
        let compare = html(&entries).unwrap();
        let parts = [
            "\"tolerances\":[0.01,0.0001]",
            "<td>173 (reached)</td><td>–</td><td>1,730 (reached)</td><td>–</td>",
            "<td>–</td><td>346 (reached)</td><td>3,460 (reached)</td><td>–</td>",
            "<td>–</td><td>692 (reached)</td><td>–</td><td>6,920 (reached)</td>",
        ];
        assert_has(&compare, &parts);
        entries[1].summary.test_accuracy = Some(0.9876);
        entries[1].summary.settings[0].exponent = Some(-2.0);
        entries[1].summary.warnings = vec!["train: at chance".into()];
        assert_has(&html(&entries).unwrap(), &["<td>98.76 %</td><td>1</td></tr>", "<td>−2.000</td>"]);
        assert_has(&index::html(&entries).unwrap(), &["<small class=\"warned\">1 warning</small>"]);
    }

    #[test]
    fn more_experiments_than_colours_are_there_to_choose() {
        let entries = (0..9).map(|i| entry(&format!("e{i}"), 173)).collect::<Vec<_>>();
        let compare = html(&entries).unwrap();
        assert_eq!(compare.matches(" checked>").count(), 8);
        assert_has(&compare, &["\"visible\":[0,1,2,3,4,5,6,7]", "<td>e8</td>"]);
    }
}
