//! Arrays that only other layers have than linear ones and convolutions.

use pipeline::{Failure, Result};

use super::archive::{Archive, Entry};

/// The kind of layer that an array belongs to, where it is neither linear nor a convolution of images.
fn kind(entry: &Entry) -> Option<&'static str> {
    let last = entry.name.rsplit(['.', '/']).next().unwrap_or_default();
    let reparametrised = entry.name.contains("parametrizations.") || matches!(last, "weight_g" | "weight_v");
    let normalises = matches!(last, "running_mean" | "running_var" | "num_batches_tracked");
    match entry.shape.len() {
        _ if reparametrised => Some("a reparametrised layer (weight_norm, spectral_norm)"),
        _ if normalises => Some("a normalisation layer (BatchNorm, LayerNorm, ...)"),
        1 if last == "weight" => Some("a normalisation layer (BatchNorm, LayerNorm, ...)"),
        _ if last.starts_with("weight_ih") || last.starts_with("weight_hh") => Some("a recurrent layer"),
        _ if last.starts_with("in_proj_") => Some("an attention layer"),
        3 | 5.. if last == "weight" => Some("a convolution of other data than images"),
        _ => None,
    }
}

/// An error that names what cannot come in, if there is such.
pub fn refuse(archive: &Archive) -> Result<()> {
    let found = archive.entries.iter().filter_map(|e| Some((e, kind(e)?))).collect::<Vec<_>>();
    let Some((_, first)) = found.first() else { return Ok(()) };
    let of_kind =
        found.iter().filter(|(_, kind)| kind == first).map(|(e, _)| e.to_string()).collect::<Vec<_>>();
    let hint = if first.contains("reparametrised") {
        "make the weights plain before saving: torch.nn.utils.parametrize.remove_parametrizations(layer, \"weight\"), or remove_weight_norm(layer)"
    } else {
        "networks are linear layers, convolutions of images and pools (torch.nn.Linear, Conv2d, MaxPool2d, AvgPool2d) with activations \
         between them; bring such a network. Where its inputs are what other layers give, save these as samples, and name its layers in train.weights_layers"
    };
    let message = format!("{}: {first} is not supported: {}", archive.name, of_kind.join(", "));
    Err(Failure::input(message, hint).into())
}
