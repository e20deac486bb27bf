//! Loss and accuracy while training, and the polish after it.

use ndarray::Array2;
use records::train::{Facts, Polished};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::train::Model;
use crate::text::fact::{Fact, fact, number};
use crate::text::unit::Unit;
use crate::text::verdicts;

/// Column `c` of a table over its first.
fn column(table: &Array2<f64>, c: usize) -> Vec<(f64, f64)> {
    table.outer_iter().map(|row| (row[0], row[c])).filter(|p| p.1.is_finite()).collect()
}

/// Loss, and accuracy where there are classes, by epoch.
pub fn history(model: &Model, unit: &Unit) -> Figure {
    let panel = |title: &str, y: &str, columns: [usize; 2]| Panel {
        lines: vec![
            line("training, mean over the epoch", column(&model.history, columns[0]), Style::Solid, 0),
            line("test, after the epoch", column(&model.history, columns[1]), Style::Dashed, 1),
        ],
        ..axes(title, "epoch", y)
    };
    let mut panels = vec![Panel { log_y: true, ..panel("Loss", &format!("loss ({})", unit.loss), [1, 3]) }];
    let mut caption = "Loss while training.";
    if model.facts.train_accuracy.is_some() {
        panels.push(Panel { ..panel("Accuracy", "fraction classified right", [2, 4]) });
        caption = "Loss and accuracy while training.";
    }
    Figure::of("training", Section::Model, caption, &panels).with(fit(&model.facts, unit))
}

/// How well the network fits.
pub fn fit(model: &Facts, unit: &Unit) -> Vec<Fact> {
    let maybe = |label: &str, value: Option<f64>, unit: &str| value.map(|v| fact(label, v, unit));
    let facts = [
        maybe("training loss", Some(model.train_loss), &unit.loss),
        maybe("test loss", model.test_loss, &unit.loss),
        maybe("training accuracy", model.train_accuracy, "fraction"),
        maybe("test accuracy", model.test_accuracy, "fraction"),
        maybe("gradient norm at w* (0 at a minimiser)", Some(model.gradient_norm), &unit.gradient),
    ];
    facts.into_iter().flatten().collect()
}

/// The way from where training stopped towards a minimiser.
pub fn polish(facts: &Polished, path: &Array2<f64>, unit: &Unit) -> Figure {
    let panel = |title: &str, y: &str, c: usize| Panel {
        log_y: true,
        lines: vec![line("", column(path, c), Style::Solid, 0)],
        ..axes(title, "Hessian-vector products", y)
    };
    let panels = [
        panel("Gradient norm", &format!("‖∇L‖ ({})", unit.gradient), 2),
        panel("Loss", &format!("loss ({})", unit.loss), 1),
    ];
    let caption =
        "From where training stopped towards a minimiser (trust-region Newton-CG over all samples).";
    let figure = Figure::of("polish", Section::Model, caption, &panels);
    figure.saying(verdicts::polish(facts.status)).with(polished(facts, unit))
}

/// What a polish did.
pub fn polished(p: &Polished, unit: &Unit) -> [Fact; 11] {
    let eigenvalue = &unit.eigenvalue;
    [
        number("steps", p.n_steps),
        number("Hessian-vector products", p.n_products),
        fact("gradient norm before", p.gradient_norm_before, &unit.gradient),
        fact("gradient norm after", p.gradient_norm_after, &unit.gradient),
        fact("loss before", p.loss_before, &unit.loss),
        fact("loss after", p.loss_after, &unit.loss),
        fact("smallest eigenvalue before", p.smallest_eigenvalue_before, eigenvalue),
        fact("smallest eigenvalue after", p.smallest_eigenvalue_after, eigenvalue),
        number("steps that met negative curvature", p.negative_curvature_steps),
        number("saddles left", p.n_escapes),
        fact("distance that w* moved", p.distance, "parameter units"),
    ]
}

#[cfg(test)]
mod tests {
    use records::train::PolishEnd;

    use super::*;
    use crate::read::fixtures::{self, experiment};

    #[test]
    fn training_has_an_accuracy_where_there_are_classes() {
        let mut model = experiment().trained.unwrap().model;
        model.history = Array2::from_shape_fn((3, 5), |(i, j)| if j < 2 { i as f64 } else { f64::NAN });
        let alt = |model: &Model| history(model, &fixtures::nats()).alt;
        assert_eq!(alt(&model), "Loss and accuracy while training. (Loss; Accuracy)");
        model.facts.train_accuracy = None;
        assert_eq!(alt(&model), "Loss while training. (Loss)");
    }

    #[test]
    fn a_polish_reports_how_it_ended() {
        let path = Array2::from_shape_fn((2, 3), |(i, j)| (i + j) as f64);
        let figure = |status| polish(&fixtures::polished(status), &path, &fixtures::nats());
        assert!(figure(PolishEnd::Reached).verdict.starts_with("The polish reached the gradient norm"));
        assert!(figure(PolishEnd::Stalled).verdict.starts_with("The polish stalled"));
        assert!(figure(PolishEnd::Spent).facts.iter().any(|f| f.text() == "−6.6e-8"));
    }
}
