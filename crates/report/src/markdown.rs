//! `summary.md`: the answer as a pull request or a notebook can show it.

use std::fmt::Write;

use crate::chart::short;
use crate::sentences::{self, grouped};
use crate::summary::Summary;

/// The page in a few lines of Markdown.
pub fn summary(s: &Summary) -> String {
    let layers = s.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let accuracy =
        s.test_accuracy.map_or_else(String::new, |a| format!(", test accuracy {:.2} %", 100.0 * a));
    let mut text = format!(
        "## {}\n\n**{}**\n\n{} samples, network {layers} ({}), loss {} nats{accuracy}. V = {} nats²{}.\n\n",
        s.title,
        s.headline,
        grouped(s.n_samples),
        s.activation,
        short(s.train_loss),
        short(s.variance),
        s.exponent.map_or_else(String::new, |e| format!(", Δ_k decays as k^{e:.3}").replace('-', "−")),
    );
    text += "| tolerance | method | K (samples) | interval | status |\n|---|---|---|---|---|\n";
    for row in &s.sufficient {
        let k = row.k.map_or_else(|| "–".to_owned(), grouped);
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!("[{}, {}]", grouped(low), grouped(high)),
            _ => "–".to_owned(),
        };
        writeln!(
            text,
            "| {} | {} | {k} | {interval} | {} |",
            sentences::tolerance(row),
            row.method,
            row.status
        )
        .expect("writing to a string");
    }
    text += "\n";
    text += &sentences::setting_note(&s.setting);
    text + "\n\n![K: the measured curve, the law of its average over orders, and the tolerances](figures/sufficient.png)\n"
}
