//! All experiments side by side.

use std::fmt::Write;

use anyhow::Result;
use serde_json::json;

use crate::export::curve::Curve;
use crate::export::summary::Summary;
use crate::page::interactive;
use crate::page::shell::{self, Shell, escape, size, still, table};
use crate::plot::chart;
use crate::plot::panel::{Line, Panel, Style, delta_panel};
use crate::read::bound::SufficientRow;
use crate::text::answer;
use crate::text::numbers::{decimals, grouped, share, short};

/// One experiment as the others see it.
pub struct Entry {
    pub summary: Summary,
    /// none of a family, which has many
    pub curve: Option<Curve>,
}

impl Entry {
    /// K by the closed form, at the tolerances in nats².
    fn absolute(&self) -> impl Iterator<Item = &SufficientRow> {
        self.summary.sufficient.iter().filter(|r| r.method == "order-average" && r.relative.is_none())
    }
}

pub fn index(entries: &[Entry]) -> String {
    let mut body = "<h1>How many samples are enough?</h1>\n".to_owned();
    for Entry { summary, .. } in entries {
        // A family has no headline of its own; the headline of an experiment has all its tolerances.
        let answer = summary.answer.iter().filter(|_| summary.sufficient.is_empty());
        let answer = answer.map(|a| format!("<p>{}</p>", escape(a))).collect::<String>();
        let (name, title) = (escape(&summary.experiment), escape(&summary.title));
        write!(
            body,
            "<h2><a href=\"{name}/report/index.html\">{title}</a></h2>\n<div class=\"answer\"><p class=\"headline\">{}</p>{answer}</div>\n",
            escape(&summary.headline)
        )
        .expect("writing to a string");
    }
    shell::document(&Shell {
        title: "How many samples are enough?",
        nav: "<a href=\"compare.html\">side by side</a>",
        body: &body,
        data: "",
    })
}

pub fn comparison(entries: &[Entry]) -> Result<String> {
    let document = |body: &str, data: &str| {
        shell::document(&Shell {
            title: "Experiments side by side",
            nav: "<a href=\"index.html\">all experiments</a>",
            body,
            data,
        })
    };
    let mut body = "<h1>Experiments side by side</h1>\n".to_owned();
    if entries.is_empty() {
        return Ok(document(&format!("{body}<p>{}</p>\n", answer::comparison(&[])), ""));
    }
    let curves = entries.iter().filter_map(|e| Some(Curve { theories: vec![], ..e.curve.clone()? }));
    let curves = curves.collect::<Vec<_>>();
    // A relative tolerance is another number of nats² in each experiment: no line for all.
    let mut tolerances =
        entries.iter().flat_map(Entry::absolute).map(|row| row.tolerance).collect::<Vec<_>>();
    tolerances.sort_by(|a, b| b.total_cmp(a));
    tolerances.dedup();
    let data = json!({
        "label": "Δ_k of several experiments over the prefix size k on logarithmic axes, with tolerance lines",
        "many": true,
        "curves": curves,
        "visible": (0..curves.len()).collect::<Vec<_>>(),
        "tolerances": tolerances,
    });
    let choice = curves.iter().enumerate().map(|(i, c)| {
        format!(
            "<label class=\"choose\" style=\"color:var(--c{})\"><input type=\"checkbox\" value=\"{i}\" checked>{}</label>",
            i % 8,
            escape(&c.title)
        )
    });
    let alt = "Δ_k of each experiment over the prefix size, with the law of its average over orders (dashed); and the eigenvalues";
    writeln!(body, "<p>{}</p>", escape(&sentence(entries, &tolerances)))?;
    body += "<h2>Δ_k</h2>\n<figure id=\"compare\">";
    body += &interactive::delta_figure(
        "compare-data",
        &choice.collect::<String>(),
        "Each curve is of the setting that its report answers with; solid: measured in one order, dashed: average over orders.",
    );
    let picture = still(&picture(entries)?, alt);
    writeln!(body, "<div class=\"replaced\">{picture}</div><figcaption>{alt}.</figcaption></figure>")?;
    body += "<h2>Numbers</h2>\n";
    body += &numbers(entries);
    Ok(document(&body, &interactive::data_element("compare-data", &data)))
}

/// K of each experiment at the tolerance that most of them have, of such the largest.
fn sentence(entries: &[Entry], tolerances: &[f64]) -> String {
    let at = |tolerance: f64| {
        let rows = entries.iter().filter_map(|e| {
            let row = e.absolute().find(|r| r.tolerance.to_bits() == tolerance.to_bits())?;
            Some((e.summary.experiment.as_str(), row))
        });
        rows.collect::<Vec<_>>()
    };
    let rows = tolerances.iter().rev().map(|&t| at(t)).max_by_key(Vec::len).unwrap_or_default();
    let steps = entries.iter().map(|e| (e.summary.experiment.as_str(), e.summary.step)).collect::<Vec<_>>();
    answer::comparison(&rows) + &answer::steps(&steps)
}

/// The picture for readers without JavaScript, and for paper.
fn picture(entries: &[Entry]) -> Result<String> {
    let mut deltas = delta_panel("Δ_k", "Δ_k (nats²)");
    let mut spectra = Panel {
        title: "Eigenvalues of H(w*)".into(),
        x_label: "rank".into(),
        y_label: "eigenvalue (nats per squared parameter unit)".into(),
        ..Panel::default()
    };
    let pairs = entries.iter().filter_map(|e| Some((&e.summary, e.curve.as_ref()?)));
    for (colour, (summary, curve)) in pairs.enumerate() {
        let line = |points, label: &str, style| Line { label: label.to_owned(), points, style, colour };
        let measured = curve.k.iter().copied().zip(curve.delta.iter().copied()).collect();
        deltas.lines.push(line(measured, &summary.experiment, Style::Solid));
        let s = curve.step as f64;
        let law = curve.k.iter().map(|&k| (k, curve.variance * s / (k * (k + s)))).collect();
        deltas.lines.push(line(law, "", Style::Dashed));
        let ranked = summary.eigenvalues.iter().enumerate().map(|(i, &v)| (i as f64 + 1.0, v)).collect();
        spectra.lines.push(line(ranked, &summary.experiment, Style::Solid));
    }
    chart::svg(&[deltas, spectra])
}

/// A column per experiment.
fn numbers(entries: &[Entry]) -> String {
    type Cell = fn(&Summary) -> String;
    let properties: [(&str, Cell); 13] = [
        ("samples N", |s| grouped(s.n_samples)),
        ("features", |s| grouped(s.n_features)),
        ("network", |s| s.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-")),
        ("activation", |s| s.activation.clone()),
        ("parameters", |s| grouped(s.n_params)),
        ("training loss (nats)", |s| short(s.train_loss)),
        ("gradient norm (nats per parameter unit)", |s| short(s.gradient_norm)),
        ("first eigenvalue", |s| s.eigenvalues.first().map_or_else(String::new, |&v| short(v))),
        ("directions d, σ", |s| format!("{}, {}", s.dim, short(s.sigma))),
        ("step s (samples)", |s| grouped(s.step)),
        ("V (nats²)", |s| short(s.variance)),
        ("decay exponent of Δ_k", |s| s.exponent.map_or_else(|| "–".to_owned(), |e| decimals(e, 3))),
        ("test accuracy", |s| s.test_accuracy.map_or_else(|| "–".to_owned(), |a| share(a, 2))),
    ];
    let row = |name: &str, cell: &dyn Fn(&Summary) -> String| {
        std::iter::once(name.to_owned()).chain(entries.iter().map(|e| cell(&e.summary))).collect::<Vec<_>>()
    };
    let mut rows = properties.iter().map(|(name, cell)| row(name, cell)).collect::<Vec<_>>();
    // Rows of one tolerance as it was asked for: relative ones differ in nats². Absolute ones first, each from large to small.
    let asked = |r: &SufficientRow| (r.relative.is_some(), r.relative.unwrap_or(r.tolerance));
    let of_law = |s: &Summary| {
        s.sufficient.iter().filter(|r| r.method == "order-average").cloned().collect::<Vec<_>>()
    };
    let mut tolerances = entries.iter().flat_map(|e| of_law(&e.summary)).collect::<Vec<_>>();
    tolerances.sort_by(|a, b| asked(a).0.cmp(&asked(b).0).then(asked(b).1.total_cmp(&asked(a).1)));
    tolerances.dedup_by(|a, b| asked(a) == asked(b));
    for tolerance in tolerances {
        let k = |s: &Summary| {
            let row = of_law(s).into_iter().find(|r| asked(r) == asked(&tolerance));
            row.as_ref().map_or_else(|| "–".to_owned(), size)
        };
        rows.push(row(&format!("K at {}", answer::tolerance(&tolerance)), &k));
    }
    let names = entries.iter().map(|e| e.summary.experiment.as_str());
    table(&std::iter::once("").chain(names).collect::<Vec<_>>(), rows.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::curve::Stairs;

    fn entry(name: &str, k: usize) -> Entry {
        let summary = json!({
            "format": crate::export::summary::FORMAT, "experiment": name, "title": format!("<{name}>"), "headline": "h", "answer": ["a"],
            "n_samples": 100, "n_features": 4, "n_classes": 2, "source": "s", "layers": [4, 2], "activation": "relu",
            "n_params": 10, "train_loss": 0.5, "train_accuracy": null, "test_accuracy": null, "gradient_norm": 0.1,
            "eigenvalues": [2.0, 1.0], "setting": "x", "dim": 2, "sigma": 1.0, "draws": 8, "step": 1, "confidence": 0.95,
            "variance": 3.0, "exponent": null, "sufficient": [{"setting": "x", "method": "order-average", "tolerance": 1e-4,
            "status": "reached", "k": k, "low": null, "high": null},
            {"setting": "x", "method": "order-average", "tolerance": 1e-6 * k as f64, "relative": 1e-3,
            "status": "reached", "k": 10 * k, "low": null, "high": null}],
        });
        let curve = Curve {
            title: name.to_owned(),
            family: String::new(),
            sigma: 1.0,
            n_samples: 100,
            step: 1,
            first: 1,
            last: 99,
            variance: 3.0,
            variance_low: 0.0,
            variance_high: 0.0,
            k: vec![1.0, 10.0, 99.0],
            delta: vec![1.0, 0.03, 3e-4],
            low: vec![],
            high: vec![],
            stairs: Stairs::default(),
            theories: vec![],
        };
        Entry { summary: serde_json::from_value(summary).unwrap(), curve: Some(curve) }
    }

    #[test]
    fn every_experiment_is_on_both_pages() {
        let entries = [entry("a", 173), entry("b", 346)];
        let (index, compare) = (index(&entries), comparison(&entries).unwrap());
        for name in ["a", "b"] {
            assert!(
                index.contains(&format!("href=\"{name}/report/index.html\">&lt;{name}&gt;</a>")),
                "{index}"
            );
            assert!(compare.contains(&format!("<th scope=\"col\">{name}</th>")), "{compare}");
        }
        assert!(compare.contains("a needs the fewest samples (173) and b the most (346): a factor of 2."));
        assert!(compare.contains("<td>173 (reached)</td>") && compare.contains("<svg"));
        // One row for a relative tolerance, which is another number of nats² in each; no line in the chart.
        let row =
            "<td>K at 0.1 % of the mean perturbed loss</td><td>1,730 (reached)</td><td>3,460 (reached)</td>";
        assert!(compare.contains(row), "{compare}");
        assert!(compare.contains("\"tolerances\":[0.0001]"), "{compare}");
        assert!(index.contains("<p class=\"headline\">h</p>") && !index.contains("<p>a</p>"), "{index}");
    }

    #[test]
    fn without_an_experiment_there_is_no_chart() {
        let page = comparison(&[]).unwrap();
        assert!(page.contains("<p>No experiment has a report yet;"), "{page}");
        assert!(!page.contains("data-live=\"delta\"") && !page.contains("<table"), "{page}");
    }

    #[test]
    fn a_family_has_its_answers_on_the_index() {
        let mut family = entry("ladder", 173);
        family.summary.sufficient.clear();
        let index = index(&[family]);
        assert!(index.contains("<p class=\"headline\">h</p><p>a</p></div>"), "{index}");
    }

    #[test]
    fn experiments_with_other_tolerances_stand_beside_each_other() {
        let mut entries = [entry("a", 173), entry("b", 346), entry("c", 692)];
        entries[0].summary.sufficient[0].tolerance = 1e-2; // of a alone
        entries[2].summary.sufficient[1].relative = Some(1e-5);
        let compare = comparison(&entries).unwrap();
        assert!(compare.contains("\"tolerances\":[0.01,0.0001]"), "{compare}");
        // Most have 1e-4, where a has no row.
        assert!(compare.contains("For a change below 1e-4 nats², b needs the fewest samples (346) and c the most (692): a factor of 2.<"));
        let rows = [
            "<td>K at 0.01 nats²</td><td>173 (reached)</td><td>–</td><td>–</td>",
            "<td>K at 1e-4 nats²</td><td>–</td><td>346 (reached)</td><td>692 (reached)</td>",
            "<td>K at 0.001 % of the mean perturbed loss</td><td>–</td><td>–</td><td>6,920 (reached)</td>",
            "<td>test accuracy</td><td>–</td><td>–</td><td>–</td>",
            "<td>decay exponent of Δ_k</td><td>–</td><td>–</td><td>–</td>",
        ];
        for row in rows {
            assert!(compare.contains(row), "{row} in {compare}");
        }
        entries[1].summary.test_accuracy = Some(0.9876);
        entries[1].summary.exponent = Some(-2.0);
        let compare = comparison(&entries).unwrap();
        assert!(
            compare.contains("<td>–</td><td>98.76 %</td><td>–</td>") && compare.contains("<td>−2.000</td>"),
            "{compare}"
        );
    }
}
