//! Weights by layer: how they leave, and how those trained elsewhere come in.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use landscape::{Mlp, Real};
use ndarray::{Array1, ArrayD, Ix1, IxDyn};
use pipeline::Failure;
use records::train::Placed;
use store::npy::AnyArray;
use store::{npy, npz, safetensors};

/// `W1`, `b1`, `W2`, … with shape and offset.
pub fn layout(mlp: &Mlp) -> Vec<Placed> {
    let layer = |l: usize| {
        let (weights, bias) = mlp.offsets(l);
        let (n, below) = (mlp.layers()[l], mlp.layers()[l - 1]);
        [
            Placed { name: format!("W{l}"), shape: vec![n, below], offset: weights.start },
            Placed { name: format!("b{l}"), shape: vec![n], offset: bias.start },
        ]
    };
    (1..=mlp.depth()).flat_map(layer).collect()
}

/// The flat vector `w` (p,) as named arrays.
pub fn by_layer<R: Real>(mlp: &Mlp, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let named = |p: Placed| {
        let n = p.shape.iter().product::<usize>();
        let values = w.slice(ndarray::s![p.offset..p.offset + n]).to_vec();
        (p.name, ArrayD::from_shape_vec(IxDyn(&p.shape), values).expect("n values"))
    };
    layout(mlp).into_iter().map(named).collect()
}

/// Weights from a flat `.npy` (p,); from a `.safetensors` or `.npz` archive, by the names of [`named_layers`]; or from a
/// directory with W1.npy, b1.npy, …
pub fn read<R: Real>(path: &Path, mlp: &Mlp) -> Result<Array1<R>> {
    let name = path.display().to_string();
    let w = if path.is_dir() {
        flatten(mlp, &name, |array| Ok(npy::read_any(&path.join(format!("{array}.npy")))?))?
    } else if path.extension().is_some_and(|e| e == "npz") {
        let names = npz::names(path)?;
        let shapes = names.iter().map(|n| Ok((n.clone(), npz::read(path, n)?.shape().to_vec())));
        let names = named_layers(mlp, &name, &shapes.collect::<Result<Vec<_>>>()?)?;
        flatten(mlp, &name, |array| Ok(npz::read(path, &names[array])?))?
    } else if path.extension().is_some_and(|e| e == "safetensors") {
        let arrays = safetensors::read(path)?;
        let shapes = arrays.iter().map(|(n, a)| (n.clone(), a.shape().to_vec())).collect::<Vec<_>>();
        let names = named_layers(mlp, &name, &shapes)?;
        flatten(mlp, &name, |array| Ok(arrays[&names[array]].clone()))?
    } else {
        let flat = experiment::to_real::<R, Ix1>(npy::read_any(path)?, &name)?;
        experiment::check_params(&name, flat.len(), mlp)?;
        flat
    };
    match w.iter().position(|v| !v.is_finite()) {
        None => Ok(w),
        Some(i) => {
            Err(Failure::input(format!("{name}: parameter {i} is {}", w[i]), "finite weights are needed")
                .into())
        }
    }
}

/// Which array of an archive is `W1`, `b1`, …: those very names, or those of a PyTorch `state_dict`, `<layer>.weight` and
/// `<layer>.bias`, whose layers follow one another by the numbers in their names (`net.2` before `net.10`).
fn named_layers(mlp: &Mlp, name: &str, found: &[(String, Vec<usize>)]) -> Result<BTreeMap<String, String>> {
    let has = |n: &str| found.iter().any(|f| f.0 == n);
    let own = layout(mlp).into_iter().map(|p| p.name).collect::<Vec<_>>();
    if has("W1") {
        return own
            .into_iter()
            .map(|n| if has(&n) { Ok((n.clone(), n)) } else { Err(lacks(name, &n, found)) })
            .collect();
    }
    let mut layers = found.iter().filter_map(|f| f.0.strip_suffix("weight")).collect::<Vec<_>>();
    layers.sort_by_key(|l| natural(l));
    if layers.len() != mlp.depth() {
        return Err(lacks(name, "W1", found));
    }
    let pair = |(l, layer): (usize, &&str)| {
        [(format!("W{}", l + 1), format!("{layer}weight")), (format!("b{}", l + 1), format!("{layer}bias"))]
    };
    let names = layers.iter().enumerate().flat_map(pair).collect::<BTreeMap<_, _>>();
    match names.values().find(|n| !has(n)) {
        Some(missing) => Err(lacks(name, missing, found)),
        None => Ok(names),
    }
}

/// The words and numbers of a name, so that 10 follows 2.
fn natural(name: &str) -> Vec<(String, u64)> {
    name.split('.')
        .map(|part| {
            let word = part.trim_end_matches(|c: char| c.is_ascii_digit());
            (word.to_owned(), part[word.len()..].parse().unwrap_or(0))
        })
        .collect()
}

fn lacks(name: &str, array: &str, found: &[(String, Vec<usize>)]) -> anyhow::Error {
    let found = found.iter().map(|(n, shape)| format!("{n} {shape:?}")).collect::<Vec<_>>().join(", ");
    Failure::input(
        format!("{name}: no array {array:?} among {found}"),
        "name the arrays W1, b1, W2, b2, ..., or as the state_dict of nn.Linear layers does: 0.weight, 0.bias, 2.weight, ...; one pair per layer of train.hidden and the output",
    )
    .into()
}

/// The flat vector `w` (p,) under the names of a `torch.nn.Sequential` of Linear layers with an activation after each but
/// the last: `0.weight`, `0.bias`, `2.weight`, …
pub fn state_dict<R: Real>(mlp: &Mlp, w: &Array1<R>) -> Vec<(String, ArrayD<R>)> {
    let rename = |(name, array): (String, ArrayD<R>)| {
        let layer = name[1..].parse::<usize>().expect("a letter and a number");
        let kind = if name.starts_with('W') { "weight" } else { "bias" };
        (format!("{}.{kind}", 2 * (layer - 1)), array)
    };
    by_layer(mlp, w).into_iter().map(rename).collect()
}

fn flatten<R: Real>(
    mlp: &Mlp,
    name: &str,
    mut array: impl FnMut(&str) -> Result<AnyArray>,
) -> Result<Array1<R>> {
    let mut w = Array1::zeros(mlp.n_params());
    for placed in layout(mlp) {
        let found =
            experiment::to_real::<R, IxDyn>(array(&placed.name)?, &format!("{name}: {}", placed.name));
        let found = found?;
        if found.shape() != placed.shape {
            return Err(Failure::input(
                format!("{name}: {} is {:?}, but layers {:?} need {:?}", placed.name, found.shape(), mlp.layers(), placed.shape),
                "weights are (out, in), as torch.nn.Linear keeps them; `train.hidden` sets the widths between input and output",
            )
            .into());
        }
        let n = found.len();
        w.slice_mut(ndarray::s![placed.offset..placed.offset + n]).assign(&found.flatten());
    }
    Ok(w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use landscape::{Activation, Loss};
    use store::rows;

    #[test]
    fn weights_come_back_from_each_kind_of_file() {
        let mlp = Mlp::new(&[3, 4, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let w = Array1::from_iter((0..mlp.n_params()).map(|i| i as f64 + 0.5));
        let dir = tempfile::tempdir().unwrap();
        let named = by_layer(&mlp, &w);
        npz::write(&dir.path().join("w.npz"), &named).unwrap();
        rows::write(&dir.path().join("w.npy"), &w).unwrap();
        let folder = dir.path().join("layers");
        std::fs::create_dir(&folder).unwrap();
        for (name, array) in &named {
            rows::write(&folder.join(format!("{name}.npy")), array).unwrap();
        }
        safetensors::write(&dir.path().join("w.safetensors"), &state_dict(&mlp, &w)).unwrap();
        npz::write(&dir.path().join("state.npz"), &state_dict(&mlp, &w)).unwrap();
        for path in ["w.npz", "w.npy", "layers", "w.safetensors", "state.npz"] {
            assert_eq!(read::<f64>(&dir.path().join(path), &mlp).unwrap(), w, "{path}");
        }
        let other = Mlp::new(&[3, 5, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let message = |path: &str| read::<f64>(&dir.path().join(path), &other).unwrap_err().to_string();
        assert!(message("w.npz").contains("W1 is [4, 3], but layers [3, 5, 2] need [5, 3]"));
        assert!(message("w.safetensors").contains("W1 is [4, 3], but layers [3, 5, 2] need [5, 3]"));
        let deeper = Mlp::new(&[3, 4, 4, 2], Activation::Relu, Loss::SoftmaxCrossEntropy);
        let message_of = |path: &str| read::<f64>(&dir.path().join(path), &deeper).unwrap_err().to_string();
        assert!(
            message_of("state.npz").contains("no array \"W1\" among 0.bias [4], 0.weight [4, 3], 2.bias [2]")
        );
        assert!(message_of("w.npz").contains("no array \"W3\""));
        assert!(message("w.npy").contains("26 parameters, but layers [3, 5, 2] need 32"));
    }

    #[test]
    fn layers_of_a_state_dict_follow_their_numbers() {
        let mlp = Mlp::new(&[1; 13], Activation::Relu, Loss::SquaredError);
        let found = (0..12).flat_map(|l| {
            [(format!("net.{}.weight", 2 * l), vec![1, 1]), (format!("net.{}.bias", 2 * l), vec![1])]
        });
        let mut found = found.collect::<Vec<_>>();
        found.sort(); // as safetensors and zip list them: net.10 before net.2
        let names = named_layers(&mlp, "f", &found).unwrap();
        assert_eq!(
            (names["W2"].as_str(), names["b6"].as_str(), names["W12"].as_str()),
            ("net.2.weight", "net.10.bias", "net.22.weight")
        );
        let words = natural("fc10.");
        assert!(natural("fc2.") < words);
    }
}
