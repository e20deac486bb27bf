//! Loss and accuracy while training, and the polish after it.

use anyhow::Result;
use ndarray::Array2;

use crate::figures::figure::{Figure, Section, figure};
use crate::plot::panel::{Panel, Style, line};
use crate::read::experiment::Experiment;
use crate::read::train::Polish;
use crate::text::findings;

pub fn history(e: &Experiment) -> Result<Figure> {
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
    figure("training", Section::Model, caption.into(), findings::model(&e.model), &panels)
}

pub fn polish(facts: &Polish, path: &Array2<f64>) -> Result<Figure> {
    let column = |c: usize| path.outer_iter().map(|row| (row[0], row[c])).collect::<Vec<_>>();
    let panel = |title: &str, y: &str, c: usize| Panel {
        title: title.into(),
        x_label: "Hessian-vector products".into(),
        y_label: y.into(),
        log_y: true,
        lines: vec![line("", column(c), Style::Solid, 0)],
        ..Panel::default()
    };
    let panels =
        [panel("Gradient norm", "‖∇L‖ (nats per parameter unit)", 2), panel("Loss", "loss (nats)", 1)];
    let caption =
        "From where training stopped towards a minimiser (trust-region Newton-CG over all samples).".into();
    figure("polish", Section::Model, caption, findings::polish(facts), &panels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::fixtures;

    #[test]
    fn training_has_an_accuracy_where_there_are_classes() {
        let mut e = fixtures::experiment();
        e.model.history =
            ndarray::Array2::from_shape_fn((3, 5), |(i, j)| if j < 2 { i as f64 } else { f64::NAN });
        let told = |e: &Experiment| history(e).unwrap().alt;
        assert_eq!(told(&e), "Loss and accuracy while training. (Loss; Accuracy)");
        e.model.train_accuracy = None;
        assert_eq!(told(&e), "Loss while training. (Loss)");
    }
}
