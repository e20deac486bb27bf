//! Which array is which layer. A wrong order can fit by its shapes, and nothing would show it: so it is certain, given, or refused.

use std::collections::{BTreeMap, BTreeSet};

use landscape::{Kind, Network};
use pipeline::{Failure, Result};
use records::Architecture;

use super::advice::{advice, other_bias, other_depth, other_widths};
use super::archive::{Archive, vector};
use super::pair::Pair;
use super::unsupported;

/// The arrays of each layer, from input to output.
///
/// By the names `given`; else W1, b1, W2, …; else the arrays `<layer>.weight` and `<layer>.bias` of a `state_dict`, each layer
/// at the place that its shape fits. Among layers of one shape the numbers in their names decide, then the order of an `.npz`.
///
/// # Errors
/// If arrays are missing, do not fit, or fit in more than one order.
pub fn layers(
    network: &Network,
    archive: &Archive,
    given: Option<&[String]>,
) -> Result<(Vec<Pair>, Vec<String>)> {
    let (pairs, guesses) = match given {
        Some(given) => (of_names(network, archive, given)?, vec![]),
        None if own_numbers(archive).next().is_some() => (own(network, archive)?, vec![]),
        None => {
            unsupported::refuse(archive)?;
            refuse_convolutions(network, archive)?;
            by_shape(network, archive)?
        }
    };
    check_shapes(network, archive, &pairs)?;
    Ok((pairs, guesses))
}

/// An error if the file has convolutions and the network has none.
fn refuse_convolutions(network: &Network, archive: &Archive) -> Result<()> {
    let found = archive.entries.iter().filter(|e| e.shape.len() == 4 && e.name.ends_with("weight"));
    let found = found.collect::<Vec<_>>();
    let has = network.layers().iter().any(|layer| matches!(layer.kind, Kind::Conv { .. }));
    if has || found.is_empty() {
        return Ok(());
    }
    let list = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let keys = found.iter().map(|e| format!("{{conv: {}, kernel: {}}}", e.shape[0], e.shape[3]));
    let message = format!("{}: {list}, but train.layers has no convolution", archive.name);
    let hint = format!(
        "describe the network from input to output, with the padding, the pools and the activations of yours: train.layers: [{}, ...]",
        keys.collect::<Vec<_>>().join(", ")
    );
    Err(Failure::input(message, hint).into())
}

/// The layers whose weights have names as `W3`: layers without weights, such as pools, count too.
fn own_numbers(archive: &Archive) -> impl Iterator<Item = usize> {
    archive.entries.iter().filter_map(|e| e.name.strip_prefix('W')?.parse().ok())
}

fn own(network: &Network, archive: &Archive) -> Result<Vec<Pair>> {
    let found = own_numbers(archive).map(Pair::own).collect::<Vec<_>>();
    let pairs = network.affine_layers().map(Pair::own).collect::<Vec<_>>();
    if found.len() != pairs.len() || pairs.iter().any(|p| archive.find(&p.weights).is_none()) {
        let names = pairs.iter().map(|p| p.weights.as_str()).collect::<Vec<_>>().join(", ");
        return Err(other_depth(network, archive, &found, &format!("{names}, from the input on")));
    }
    Ok(pairs)
}

fn of_names(network: &Network, archive: &Archive, given: &[String]) -> Result<Vec<Pair>> {
    let known =
        candidates(archive).into_iter().chain(own_numbers(archive).map(Pair::own)).collect::<Vec<_>>();
    let pair = |name: &String| {
        known.iter().find(|p| p.label() == *name).cloned().ok_or_else(|| {
            let message = format!("train.weights_layers: {} has no layer {name:?}", archive.name);
            let labels = known.iter().map(Pair::label).collect::<Vec<_>>().join(", ");
            let hint = if known.is_empty() {
                format!(
                    "no array of it is named as the weights of a layer, <layer>.weight or W1; it has {}",
                    archive.list()
                )
            } else {
                format!("it has the layers: {labels}")
            };
            Failure::config(message, hint)
        })
    };
    let pairs = given.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let once = given.iter().collect::<BTreeSet<_>>().len();
    if once != network.affine_layers().count() || pairs.len() != once {
        let message = format!(
            "train.weights_layers: {} names, {once} of them unlike, but {} needs {}",
            pairs.len(),
            Architecture::of(network),
            network.affine_layers().count()
        );
        let hint = "name each layer once, from input to output; train.hidden sets the widths between them";
        return Err(Failure::config(message, hint).into());
    }
    Ok(pairs)
}

/// The layers of a `state_dict`, in the order of the archive.
fn candidates(archive: &Archive) -> Vec<Pair> {
    let weights = archive.entries.iter().filter(|e| matches!(e.shape.len(), 2 | 4));
    weights.filter_map(|e| e.name.strip_suffix("weight")).map(Pair::of_prefix).collect()
}

fn by_shape(network: &Network, archive: &Archive) -> Result<(Vec<Pair>, Vec<String>)> {
    let found = candidates(archive);
    if found.len() != network.affine_layers().count() {
        let names = "0.weight, 0.bias, 2.weight, ... as the state_dict of nn.Linear layers has";
        return Err(other_depth(network, archive, &found, names));
    }
    let shape = |p: &Pair| archive.find(&p.weights).map(|e| e.shape.clone()).unwrap_or_default();
    // Layers of one shape, and the places that need it.
    let mut places = BTreeMap::<Vec<usize>, Vec<usize>>::new();
    for (at, l) in network.affine_layers().enumerate() {
        places.entry(network.weight_axes(l)).or_default().push(at);
    }
    let (mut pairs, mut guesses) = (vec![None; network.affine_layers().count()], vec![]);
    for (needed, places) in places {
        let fitting = found.iter().filter(|p| shape(p) == needed).cloned().collect::<Vec<_>>();
        if fitting.len() != places.len() {
            return Err(other_widths(network, archive, &found));
        }
        let (ordered, guess) = in_order(archive, fitting, &places)?;
        guesses.extend(guess);
        for (place, pair) in places.iter().zip(ordered) {
            pairs[*place] = Some(pair);
        }
    }
    Ok((pairs.into_iter().flatten().collect(), guesses))
}

/// Layers of one shape in their order: by the numbers in their names, else as in the file.
fn in_order(archive: &Archive, layers: Vec<Pair>, places: &[usize]) -> Result<(Vec<Pair>, Option<String>)> {
    if layers.len() < 2 {
        return Ok((layers, None));
    }
    let labels = layers.iter().map(Pair::label).collect::<Vec<_>>();
    // The archive lists a sorted file by its names: 10 before 2.
    let sorted = labels.is_sorted();
    let Some(numbered) = by_number(&layers) else {
        if archive.has_order && !sorted {
            return Ok((layers, None));
        }
        if archive.has_order {
            let guess = format!(
                "{}: {} have one shape and are taken in the order of the file, which is that of the alphabet; \
                 if the network has another, give it: train.weights_layers",
                archive.name,
                labels.join(", ")
            );
            return Ok((layers, Some(guess)));
        }
        let why = "the file does not keep the order in which they were saved";
        return Err(ambiguous(archive, &labels, places, why));
    };
    if archive.has_order && !sorted && numbered != layers {
        let by_number = numbered.iter().map(Pair::label).collect::<Vec<_>>().join(", ");
        let why = format!("their numbers say {by_number}, the file {}", labels.join(", "));
        return Err(ambiguous(archive, &labels, places, &why));
    }
    Ok((numbered, None))
}

/// The layers by the numbers in their names, so that 10 follows 2; `None` where they differ in more than those.
fn by_number(layers: &[Pair]) -> Option<Vec<Pair>> {
    let mut keyed = layers.iter().map(|p| (numbers(&p.label()), p.clone())).collect::<Vec<_>>();
    let words = keyed[0].0.0.clone();
    if keyed.iter().any(|((w, _), _)| *w != words) {
        return None;
    }
    keyed.sort_by(|a, b| a.0.1.cmp(&b.0.1));
    let unlike = keyed.windows(2).all(|w| w[0].0.1 != w[1].0.1);
    unlike.then(|| keyed.into_iter().map(|(_, p)| p).collect())
}

/// What is no number in a name, and its numbers.
fn numbers(name: &str) -> (Vec<String>, Vec<u64>) {
    let digit = |c: char| c.is_ascii_digit();
    let words = name.split(digit).filter(|w| !w.is_empty()).map(str::to_owned).collect();
    (words, name.split(|c| !digit(c)).filter_map(|n| n.parse().ok()).collect())
}

fn ambiguous(archive: &Archive, labels: &[String], places: &[usize], why: &str) -> pipeline::Error {
    let n = labels.len();
    let orders = if n == 2 {
        format!("{}, {} and {}, {}", labels[0], labels[1], labels[1], labels[0])
    } else {
        format!("{} orders of {}", (1..=n).map(|i| i as f64).product::<f64>(), labels.join(", "))
    };
    let places = places.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>().join(", ");
    let message = format!("{}: layers {places} have one shape, and {orders} fit; {why}", archive.name);
    let all = candidates(archive).iter().map(Pair::label).collect::<Vec<_>>();
    let hint = format!(
        "name the layers from input to output, as your forward() calls them, such as train.weights_layers: {all:?}"
    );
    Failure::input(message, hint).into()
}

/// An error unless each layer has weights of its shape, and a bias of its shape or none.
fn check_shapes(network: &Network, archive: &Archive, pairs: &[Pair]) -> Result<()> {
    for (l, pair) in network.affine_layers().zip(pairs) {
        let filters = network.weight_shape(l).0;
        let bias = archive.find(&pair.bias);
        if bias.is_some() != network.layer(l).bias {
            return Err(other_bias(network, archive, l, pair));
        }
        let weights = archive.find(&pair.weights).map(|e| e.shape.clone()).unwrap_or_default();
        let refuse = |array: &str, shape: &[usize], needed: &[usize], hint: String| {
            let architecture = Architecture::of(network);
            let message = format!(
                "{}: {array} is {shape:?}, but layer {l} of {architecture} needs {needed:?}",
                archive.name
            );
            Err(Failure::input(message, hint).into())
        };
        if weights != network.weight_axes(l) {
            let hint = advice(network, archive, pairs);
            return refuse(&pair.weights, &weights, &network.weight_axes(l), hint);
        }
        if let Some(bias) = bias.filter(|bias| vector(&bias.shape) != Some(filters)) {
            let hint = format!("a bias has a number for each of the {filters} outputs of its layer");
            return refuse(&bias.name, &bias.shape, &[filters], hint);
        }
    }
    Ok(())
}
