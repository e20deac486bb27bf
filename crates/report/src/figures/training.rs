//! Loss and accuracy while training, and the polish after it.

use ndarray::Array2;
use records::train::{Facts, Polished, StopEnd, Stopped};

use crate::figures::figure::{Figure, Section};
use crate::plot::panel::{Panel, Style, axes, line};
use crate::read::train::Model;
use crate::read::unit::Unit;
use crate::text::fact::{Fact, fact, number};
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
    let mut loss = panel("Loss", &format!("loss ({})", unit.loss), [1, 3]);
    if let Some(c) = model.facts.history_columns.iter().position(|name| name == "validation_loss") {
        let held_out = column(&model.history, c);
        if !held_out.is_empty() {
            loss.lines.push(line("held out, after the epoch", held_out, Style::Solid, 2));
        }
    }
    let mut panels = vec![Panel { log_y: true, ..loss }];
    let mut caption = "Loss while training.";
    if model.facts.train_accuracy.is_some() {
        panels.push(panel("Accuracy", "fraction classified right", [2, 4]));
        caption = "Loss and accuracy while training.";
    }
    Figure::of("training", Section::Model, caption, &panels)
        .with(fit(&model.facts, unit))
        .with(model.facts.stop.iter().flat_map(|stop| ended(stop, unit)))
}

/// How a training with a stop ended.
fn ended(stop: &Stopped, unit: &Unit) -> Vec<Fact> {
    let by = match stop.by {
        StopEnd::GradientNorm => "the gradient norm",
        StopEnd::Validation => "the held-out loss",
        StopEnd::Limit => "the limit of epochs, before its stop",
    };
    let best =
        (stop.best_epoch != stop.epochs).then(|| number("epoch whose weights w* has", stop.best_epoch));
    let held_out = stop.validation_loss.map(|loss| {
        [number("samples held out", stop.n_held_out), fact("loss of the samples held out", loss, &unit.loss)]
    });
    let norm = stop
        .gradient_norm
        .map(|norm| fact("gradient norm over the samples trained on", norm, &unit.gradient));
    let ended = number(format!("epochs, ended by {by}"), stop.epochs);
    std::iter::once(ended).chain(best).chain(held_out.into_iter().flatten()).chain(norm).collect()
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
    fn a_stop_is_named_with_its_epochs() {
        let stopped = Stopped {
            by: StopEnd::Validation,
            epochs: 7,
            best_epoch: 5,
            n_trained: 90,
            n_held_out: 10,
            gradient_norm: None,
            validation_loss: Some(0.25),
        };
        let said = |stopped: Stopped| {
            let mut model = experiment().trained.unwrap().model;
            model.history = Array2::from_shape_fn((3, 6), |(i, j)| if j == 0 { i as f64 } else { 0.5 });
            let columns = ["epoch", "a", "b", "c", "d", "validation_loss"];
            (model.facts.history_columns, model.facts.stop) =
                (columns.map(str::to_owned).into(), Some(stopped));
            let figure = history(&model, &fixtures::nats());
            fixtures::assert_has(&figure.svg, &["held out, after the epoch"]);
            figure.facts.iter().map(|f| format!("{}: {}\n", f.label, f.text())).collect::<String>()
        };
        let parts = [
            "epochs, ended by the held-out loss: 7\n",
            "epoch whose weights w* has: 5\n",
            "samples held out: 10\n",
        ];
        fixtures::assert_has(&said(stopped), &parts);
        let limit = said(Stopped { by: StopEnd::Limit, best_epoch: 7, validation_loss: None, ..stopped });
        fixtures::assert_has(&limit, &["epochs, ended by the limit of epochs, before its stop: 7\n"]);
        assert!(!limit.contains("epoch whose") && !limit.contains("samples held"), "{limit}");
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
