//! What to do about layers that do not fit the network.

use std::iter::once;

use landscape::{Kind, Loss, Network};
use pipeline::Failure;
use records::Architecture;

use super::archive::Archive;
use super::pair::Pair;

/// As many layers as there are not.
pub fn other_depth(network: &Network, archive: &Archive, found: &[Pair], names: &str) -> pipeline::Error {
    let needed = network.affine_layers().count();
    let message = format!(
        "{}: {} layers among {}; {} needs {needed}",
        archive.name,
        found.len(),
        archive.list(),
        Architecture::of(network)
    );
    let chain = if found.len() == needed { None } else { chain(network, archive, found) };
    let hint = chain.unwrap_or_else(|| {
        format!("a pair of arrays for each layer with weights and the output, named {names}; train.weights_layers names some of more")
    });
    Failure::input(message, hint).into()
}

/// Layers whose shapes do not fit.
pub fn other_widths(network: &Network, archive: &Archive, found: &[Pair]) -> pipeline::Error {
    let list = found.iter().filter_map(|p| archive.find(&p.weights)).map(ToString::to_string);
    let needed = network
        .affine_layers()
        .map(|l| format!("{:?}", network.weight_axes(l)))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!(
        "{}: {}, but {} needs {needed}",
        archive.name,
        list.collect::<Vec<_>>().join(", "),
        Architecture::of(network)
    );
    Failure::input(message, advice(network, archive, found)).into()
}

/// Shapes of the weights of linear layers; none where there are others.
fn shapes(archive: &Archive, pairs: &[Pair]) -> Vec<[usize; 2]> {
    let shape = |p: &Pair| archive.find(&p.weights).and_then(|e| e.shape.as_slice().try_into().ok());
    pairs.iter().map(shape).collect::<Option<_>>().unwrap_or_default()
}

/// What to do about shapes that do not fit: other widths, or arrays with their axes in another order.
pub fn advice(network: &Network, archive: &Archive, pairs: &[Pair]) -> String {
    let found = pairs.iter().filter_map(|p| archive.find(&p.weights)).map(|e| &e.shape[..]);
    let turned = found.map(|shape| match *shape {
        [below, n] => vec![n, below],
        [height, width, below, n] => vec![n, below, height, width],
        _ => shape.to_vec(),
    });
    let mut turned = turned.collect::<Vec<_>>();
    let mut wanted = network.affine_layers().map(|l| network.weight_axes(l)).collect::<Vec<_>>();
    let has_conv = wanted.iter().any(|axes| axes.len() == 4);
    turned.sort_unstable();
    wanted.sort_unstable();
    if turned == wanted && has_conv {
        return "the axes are those of Keras and JAX; save W.transpose(3, 2, 0, 1) of a convolution, W.T of a linear layer, and of the \
                linear layer over an image W.reshape(H, W, C, n).transpose(3, 2, 0, 1).reshape(n, -1): its inputs are in the order (C, H, W)"
            .into();
    }
    if turned == wanted {
        return "the weights are (in, out), as Keras and JAX keep them; save their transposes, array.T: (out, in) is needed".into();
    }
    if let Some((outputs, last)) = other_outputs(network, archive, pairs) {
        return of_outputs(network, outputs, last);
    }
    let unlike = "weights are (out, in) and (out, in, kh, kw), as torch.nn.Linear and Conv2d keep them; train.hidden or train.layers \
                  sets the layers between input and output";
    chain(network, archive, pairs).unwrap_or_else(|| unlike.into())
}

/// Another number of outputs, and the layer that has them, where all else fits.
fn other_outputs<'a>(network: &Network, archive: &Archive, pairs: &'a [Pair]) -> Option<(usize, &'a Pair)> {
    let shape = |pair: &Pair| archive.find(&pair.weights).map(|e| e.shape.clone()).unwrap_or_default();
    let mut wanted = network.affine_layers().map(|l| network.weight_axes(l)).collect::<Vec<_>>();
    let last = wanted.last()?.clone();
    wanted.sort_unstable();
    pairs.iter().find_map(|pair| {
        let outputs = *shape(pair).first()?;
        let as_needed = |p: &Pair| if p == pair { vec![last[0], last[1]] } else { shape(p) };
        let mut found = pairs.iter().map(as_needed).collect::<Vec<_>>();
        found.sort_unstable();
        (outputs != last[0] && shape(pair)[1..] == last[1..] && found == wanted).then_some((outputs, pair))
    })
}

/// What to do about another number of outputs than the data asks for.
fn of_outputs(network: &Network, found: usize, Pair { weights, bias }: &Pair) -> String {
    match (network.loss, network.n_outputs()) {
        (Loss::SoftmaxCrossEntropy, 2) if found == 1 => format!(
            "one output for two classes, as of binary cross-entropy, is the score of class 1 where that of class 0 is 0: save W = {weights} \
             as numpy.concatenate([0 * W, W]), and b = {bias} as numpy.concatenate([0 * b, b]): the loss is the same"
        ),
        (_, needed) => of_other_classes(network, found, needed),
    }
}

/// The same where no output can be added.
fn of_other_classes(network: &Network, found: usize, needed: usize) -> String {
    let targets = match network.loss {
        Loss::SoftmaxCrossEntropy => String::new(),
        Loss::SquaredError => {
            format!("; of float targets, save those that the network gives, y (N, {found})")
        }
    };
    let from_one = if network.loss == Loss::SoftmaxCrossEntropy && needed == found + 1 {
        "where no sample is of class 0, as of labels that begin at 1, save y - 1; else "
    } else {
        ""
    };
    format!(
        "the network of the file has {found} outputs, the data {needed}: {from_one}set fetch-data.classes: {}{targets}",
        found.max(2)
    )
}

/// The same for a flat array of so many parameters, if another number of outputs explains them; those of the last layer come last.
pub fn of_flat(network: &Network, found: usize) -> Option<String> {
    let (needed, last) = (network.n_outputs(), network.affine_layers().last()?);
    let (below, has_bias) = (network.weight_axes(last)[1], network.layer(last).bias);
    let of_one = below + usize::from(has_bias);
    let of_last = (found + needed * of_one).checked_sub(network.n_params())?;
    let outputs = of_last / of_one;
    if of_last % of_one != 0 || outputs == 0 {
        return None;
    }
    if (network.loss, needed, outputs) != (Loss::SoftmaxCrossEntropy, 2, 1) {
        return Some(format!("it may be that {}", of_other_classes(network, outputs, needed)));
    }
    let (end, bias) = if has_bias { ("-1", ", 0 * w[-1:], w[-1:]") } else { ("", "") };
    Some(format!(
        "one output for two classes, as of binary cross-entropy, becomes two with the same loss: \
         numpy.concatenate([w[:-{of_one}], 0 * w[-{of_one}:{end}], w[-{of_one}:{end}]{bias}])"
    ))
}

/// How the layers of the file follow one another from the samples on, and what makes a network of them.
fn chain(network: &Network, archive: &Archive, pairs: &[Pair]) -> Option<String> {
    let (first, last) = (network.widths()[0], network.n_outputs());
    let shapes = shapes(archive, pairs);
    // More layers than these are no chain that a message would show.
    if shapes.is_empty() || shapes.len() > 12 {
        return None;
    }
    let ends = |end: Option<usize>| {
        let mut order = vec![];
        follow(&shapes, &mut order, first, end).then_some(order)
    };
    let order = ends(Some(last)).or_else(|| ends(None))?;
    let widths = once(first).chain(order.iter().map(|&i| shapes[i][0])).collect::<Vec<_>>();
    let (outputs, hidden) = (widths[widths.len() - 1], &widths[1..widths.len() - 1]);
    let mut cures = vec![];
    if *hidden != network.widths()[1..network.depth()] {
        let only_linear = network.affine_layers().count() == network.layers().len();
        let alone = if only_linear { "" } else { ", without train.layers" };
        cures.push(format!("set train.hidden: {hidden:?}{alone}"));
    }
    if outputs != last {
        cures.push(of_outputs(network, outputs, &pairs[*order.last()?]));
    }
    if cures.is_empty() {
        let labels = order.iter().map(|&i| pairs[i].label()).collect::<Vec<_>>();
        cures.push(format!("name them in that order: train.weights_layers: {labels:?}"));
    }
    Some(format!("the layers of {} follow one another as {widths:?}: {}", archive.name, cures.join("; ")))
}

/// Whether all layers can follow `order`, each once, from a width to the `last`; they are then joined to it.
fn follow(shapes: &[[usize; 2]], order: &mut Vec<usize>, from: usize, last: Option<usize>) -> bool {
    if order.len() == shapes.len() {
        return last.is_none_or(|last| from == last);
    }
    let mut tried = vec![];
    for (i, &[to, below]) in shapes.iter().enumerate() {
        if below != from || order.contains(&i) || tried.contains(&to) {
            continue;
        }
        tried.push(to);
        order.push(i);
        if follow(shapes, order, to, last) {
            return true;
        }
        order.pop();
    }
    false
}

/// A bias that the network has not, or one that it has and the file does not.
pub fn other_bias(network: &Network, archive: &Archive, l: usize, pair: &Pair) -> pipeline::Error {
    let Pair { weights, bias } = pair;
    let has = archive.find(bias).is_some();
    let message = if has {
        format!("{}: {bias} beside {weights}, but layer {l} has no bias", archive.name)
    } else {
        format!("{}: no array {bias:?} beside {weights:?}, but layer {l} has a bias", archive.name)
    };
    let hint = if l == network.depth() {
        format!("set train.output_bias: {has}")
    } else {
        let keys = |l: usize| format!("{{linear: {}, bias: {has}}}", network.widths()[l]);
        let hidden = (1..network.depth()).map(keys).collect::<Vec<_>>().join(", ");
        let all_linear = network.layers().iter().all(|layer| matches!(layer.kind, Kind::Linear { .. }));
        let such = if all_linear { format!(", such as train.layers: [{hidden}]") } else { String::new() };
        format!(
            "give that layer `bias: {has}` in train.layers{such}; train.output_bias is that of the last layer"
        )
    };
    Failure::input(message, hint).into()
}
