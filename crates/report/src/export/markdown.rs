//! `summary.md`: the answer as a pull request or a notebook can show it.

use std::fmt::Write;

use records::name_of;

use crate::export::summary::Summary;
use crate::text::numbers::grouped;
use crate::text::unit::Unit;
use crate::text::verdicts::{size, tolerance};

/// The page in a few lines of Markdown.
pub fn summary(s: &Summary) -> String {
    let unit = Unit::of(s.loss);
    let network = s.network.as_ref().zip(s.activation.as_ref());
    let network = network.map_or("losses of another program".to_owned(), |(network, activation)| {
        format!("network {network} ({activation})")
    });
    let mut text = format!(
        "## {}\n\n**{}**\n\n{} samples, {network}.\n\n| measured | |\n|---|---|\n",
        s.title,
        s.headline,
        grouped(s.n_samples),
    );
    let mut row = |cells: &[&str]| writeln!(text, "| {} |", cells.join(" | ")).expect("writing to a string");
    for fact in ["sufficient", "training"].iter().filter_map(|name| s.facts.get(*name)).flatten() {
        let value = format!("{} {}", fact.text(), fact.shown_unit());
        row(&[&fact.label, value.trim()]);
    }
    text += "\n| tolerance | method | K (samples) | status |\n|---|---|---|---|\n";
    let mut row = |cells: &[&str]| writeln!(text, "| {} |", cells.join(" | ")).expect("writing to a string");
    for r in &s.sufficient {
        row(&[
            &tolerance(r, &unit),
            &r.method,
            &size(r).unwrap_or_else(|| "–".to_owned()),
            &name_of(r.status),
        ]);
    }
    text + &format!(
        "\nAll rows are of the setting `{}`; order-average is the closed form of the average over all orders of the samples.\n\n\
         ![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n",
        s.setting
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::fact::fact;

    #[test]
    fn the_answer_stands_in_a_table_a_row_for_each_k() {
        let row = |method: &str, status: &str, k: Option<usize>, ends: Option<(usize, usize)>| {
            serde_json::json!({"setting": "h", "method": method, "tolerance": 1e-4, "status": status, "k": k,
                "low": ends.map(|e| e.0), "high": ends.map(|e| e.1)})
        };
        let summary = serde_json::json!({
            "format": 2, "experiment": "e", "title": "Digits", "headline": "Samples that are enough: 1,050.", "answer": [],
            "n_samples": 1437, "n_features": 64, "n_classes": 10, "source": "s", "network": {"image": [64, 1, 1], "layers": [{"linear": 32, "activation": "identity", "bias": true}, {"linear": 10, "activation": "identity", "bias": true}]}, "activation": "relu", "loss": "softmax-cross-entropy",
            "n_params": 2410, "train_loss": 0.25, "train_accuracy": 1.0, "test_accuracy": null, "gradient_norm": 0.5,
            "eigenvalues": [1.0], "setting": "h", "dim": 1, "sigma": 1.0, "draws": 8, "step": 1, "confidence": 0.95,
            "variance": 110.0, "exponent": null, "sufficient": [
                row("order-average", "reached", Some(1050), Some((900, 1300))), row("monte-carlo", "not reached", None, None)],
        });
        let mut s: Summary = serde_json::from_value(summary).unwrap();
        s.facts.insert("sufficient".into(), vec![fact("V", 110.0, "nats²").with_error(10.0)]);
        s.facts.insert("training".into(), vec![fact("test accuracy", 0.9725, "fraction")]);
        assert_eq!(
            super::summary(&s),
            "## Digits\n\n**Samples that are enough: 1,050.**\n\n1,437 samples, network 64-32-10 (relu).\n\n\
             | measured | |\n|---|---|\n| V | 110 ± 10 nats² |\n| test accuracy | 97.25 % |\n\n\
             | tolerance | method | K (samples) | status |\n|---|---|---|---|\n\
             | 1e-4 nats² | order-average | 1,050 [900, 1,300] | reached |\n\
             | 1e-4 nats² | monte-carlo | – | not reached |\n\n\
             All rows are of the setting `h`; order-average is the closed form of the average over all orders of the samples.\n\n\
             ![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n"
        );
    }
}
