//! `summary.md`: the answer as a pull request or a notebook can show it.

use std::fmt::Write;

use crate::export::summary::Summary;
use crate::text::answer::{setting_note, tolerance};
use crate::text::numbers::{decimals, grouped, share, short};

/// The page in a few lines of Markdown.
pub fn summary(s: &Summary) -> String {
    let layers = s.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let accuracy = s.test_accuracy.map_or_else(String::new, |a| format!(", test accuracy {}", share(a, 2)));
    let mut text = format!(
        "## {}\n\n**{}**\n\n{} samples, network {layers} ({}), loss {} nats{accuracy}. V = {} nats²{}.\n\n",
        s.title,
        s.headline,
        grouped(s.n_samples),
        s.activation,
        short(s.train_loss),
        short(s.variance),
        s.exponent.map_or_else(String::new, |e| format!(", Δ_k decays as k^{}", decimals(e, 3))),
    );
    text += "| tolerance | method | K (samples) | interval | status |\n|---|---|---|---|---|\n";
    for row in &s.sufficient {
        let k = row.k.map_or_else(|| "–".to_owned(), grouped);
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!("[{}, {}]", grouped(low), grouped(high)),
            _ => "–".to_owned(),
        };
        writeln!(text, "| {} | {} | {k} | {interval} | {} |", tolerance(row), row.method, row.status)
            .expect("writing to a string");
    }
    text += "\n";
    text += &setting_note(&s.setting);
    text + "\n\n![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_stands_in_a_table_a_row_for_each_k() {
        let row = |method: &str, status: &str, k: Option<usize>, ends: Option<(usize, usize)>| {
            serde_json::json!({"setting": "h", "method": method, "tolerance": 1e-4, "status": status, "k": k,
                "low": ends.map(|e| e.0), "high": ends.map(|e| e.1)})
        };
        let summary = serde_json::json!({
            "format": 2, "experiment": "e", "title": "Digits", "headline": "Samples that are enough: 1,050.", "answer": [],
            "n_samples": 1437, "n_features": 64, "n_classes": 10, "source": "s", "layers": [64, 32, 10], "activation": "relu",
            "n_params": 2410, "train_loss": 0.25, "train_accuracy": 1.0, "test_accuracy": null, "gradient_norm": 0.5,
            "eigenvalues": [1.0], "setting": "h", "dim": 1, "sigma": 1.0, "draws": 8, "step": 1, "confidence": 0.95,
            "variance": 110.0, "exponent": null, "sufficient": [
                row("order-average", "reached", Some(1050), Some((900, 1300))), row("monte-carlo", "not reached", None, None)],
        });
        let mut s: Summary = serde_json::from_value(summary).unwrap();
        assert_eq!(
            super::summary(&s),
            "## Digits\n\n**Samples that are enough: 1,050.**\n\n\
             1,437 samples, network 64-32-10 (relu), loss 0.25 nats. V = 110 nats².\n\n\
             | tolerance | method | K (samples) | interval | status |\n|---|---|---|---|---|\n\
             | 1e-4 nats² | order-average | 1,050 | [900, 1,300] | reached |\n\
             | 1e-4 nats² | monte-carlo | – | – | not reached |\n\n\
             All rows are of the setting `h`; order-average is the closed form of the average over all orders of the samples.\n\n\
             ![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n"
        );
        (s.test_accuracy, s.exponent) = (Some(0.9725), Some(-1.98));
        assert!(
            super::summary(&s)
                .contains("loss 0.25 nats, test accuracy 97.25 %. V = 110 nats², Δ_k decays as k^−1.980.\n")
        );
    }
}
