//! `summary.md`: the answer as a pull request or a notebook can show it.

use records::bound::SufficientRow;
use records::name_of;

use crate::export::settings;
use crate::export::summary::Summary;
use crate::read::unit::Unit;
use crate::text::numbers::{grouped, unknown};
use crate::text::own::tolerance;
use crate::text::table::Table;
use crate::text::verdicts::size;

/// The page in a few lines of Markdown.
pub fn summary(s: &Summary) -> String {
    let unit = Unit::of(s.loss);
    let network = s.network.as_ref().zip(s.activation.as_ref());
    let network = network.map_or("losses of another program".to_owned(), |(network, activation)| {
        format!("network {network} ({activation})")
    });
    let facts = ["sufficient", "training"].iter().filter_map(|name| s.facts.get(*name)).flatten();
    let facts = facts.map(|f| vec![f.label.clone(), f.line()]);
    let cells = |r: &SufficientRow| {
        vec![tolerance(r, &unit), r.method.clone(), size(r).unwrap_or_else(unknown), name_of(r.status)]
    };
    let of_answer = s.sufficient.iter().filter(|r| r.setting == s.setting).map(cells);
    let parts = [
        format!(
            "## {}\n\n**{}**\n\n{} samples, {network}.\n",
            text(&s.title),
            s.headline,
            grouped(s.n_samples)
        ),
        s.warnings.iter().map(|warning| format!("\n> Warning: {}\n", text(warning))).collect(),
        Table::of(["measured", ""], facts).markdown(),
        Table::of(["tolerance", "method", "K (samples)", "status"], of_answer).markdown(),
        format!(
            "\nThese rows are of the setting `{}`; order-average is the closed form of the average over all orders of the samples.\n",
            s.setting
        ),
        if s.settings.len() > 1 { settings::table(&[s], &unit).markdown() } else { String::new() },
        "\n![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n".to_owned(),
    ];
    parts.concat()
}

/// Text of the user, in which viewers find no tags.
fn text(of_user: &str) -> String {
    of_user.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures::assert_has;
    use crate::text::fact::fact;

    #[test]
    fn the_answer_stands_in_a_table_a_row_for_each_k() {
        let row = |method: &str, status: &str, k: Option<usize>, ends: Option<(usize, usize)>| {
            serde_json::json!({"setting": "h", "method": method, "tolerance": 1e-4, "status": status, "k": k,
                "low": ends.map(|e| e.0), "high": ends.map(|e| e.1)})
        };
        let own = |name: &str, variance: f64| {
            serde_json::json!({"name": name, "basis": "hessian", "dim": 1, "sigma": 1.0, "draws": 8, "variance": variance,
                "variance_interval": [100.0, 120.0], "exponent": null})
        };
        let summary = serde_json::json!({
            "format": 3, "experiment": "e", "title": "Digits", "headline": "Samples that are enough: 1,050.", "answer": [], "warnings": [],
            "n_samples": 1437, "n_features": 64, "n_classes": 10, "source": "s", "network": {"image": [64, 1, 1], "layers": [{"linear": 32, "activation": "identity", "bias": true}, {"linear": 10, "activation": "identity", "bias": true}]}, "activation": "relu", "loss": "softmax-cross-entropy",
            "n_params": 2410, "train_loss": 0.25, "train_accuracy": 1.0, "test_accuracy": null, "gradient_norm": 0.5,
            "eigenvalues": [1.0], "setting": "h", "settings": [own("h", 110.0)], "step": 1, "confidence": 0.95, "sufficient": [
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
             These rows are of the setting `h`; order-average is the closed form of the average over all orders of the samples.\n\n\
             ![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n"
        );
        s.warnings.push("train: worse than chance".into());
        s.settings.push(serde_json::from_value(own("other", 7.0)).unwrap());
        let both = super::summary(&s);
        let parts = [
            "\n> Warning: train: worse than chance\n",
            "| setting | directions | σ | V (nats²) | decay exponent of Δ_k | K at 1e-4 nats² |\n|---|---|---|---|---|---|\n",
            "| h (the answer) | 1 hessian | 1 | 110 [100, 120] | – | 1,050 [900, 1,300] (reached) |\n",
            "| other | 1 hessian | 1 | 7 [100, 120] | – | – |\n",
        ];
        assert_has(&both, &parts);
    }
}
