//! Layers as `pipeline.yaml` and the documents write them.

use std::fmt;

use landscape::{Activation, Image, Kind, Layer, Loss, Network};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::Unfit;

/// One layer: exactly one of `linear`, `conv`, `max_pool` and `average_pool`. Semantics are those of PyTorch.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LayerKeys {
    /// A fully connected layer: its outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub linear: Option<usize>,
    /// A convolution with square filters: its output channels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub conv: Option<usize>,
    /// Of a convolution: side of a filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub kernel: Option<usize>,
    /// Of a convolution: rows and columns of zeros on each side; 0 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<usize>,
    /// Of a convolution: from one position to the next; 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub stride: Option<usize>,
    /// The maximum of squares without overlap: their side.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub max_pool: Option<usize>,
    /// The mean of squares without overlap: their side.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub average_pool: Option<usize>,
    /// After the layer; by default `train.activation`, and `none` after a pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// Of a linear layer or a convolution: whether it has a bias; true by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<bool>,
}

impl LayerKeys {
    /// As documents write a layer: all that it has.
    fn of(layer: &Layer) -> Self {
        let mut keys = Self { activation: Some(layer.activation), ..Self::default() };
        match layer.kind {
            Kind::Linear { units } => keys.linear = Some(units),
            Kind::Conv { filters, kernel, padding, stride } => {
                keys.conv = Some(filters);
                (keys.kernel, keys.padding, keys.stride) = (Some(kernel), Some(padding), Some(stride));
            }
            Kind::MaxPool { size } => keys.max_pool = Some(size),
            Kind::AveragePool { size } => keys.average_pool = Some(size),
        }
        if layer.is_affine() {
            keys.bias = Some(layer.bias);
        }
        keys
    }

    /// The layer, with `activation` after it where it names none.
    ///
    /// # Errors
    /// If it is not exactly one kind of layer, or has keys of another kind. `key` is where it stands.
    pub fn layer(&self, key: &str, activation: Activation) -> Result<Layer, Unfit> {
        let of_conv = [self.kernel, self.padding, self.stride];
        let kinds = [
            self.linear.map(|units| Kind::Linear { units }),
            self.conv.map(|filters| Kind::Conv {
                filters,
                kernel: self.kernel.unwrap_or(0),
                padding: self.padding.unwrap_or(0),
                stride: self.stride.unwrap_or(1),
            }),
            self.max_pool.map(|size| Kind::MaxPool { size }),
            self.average_pool.map(|size| Kind::AveragePool { size }),
        ];
        let named = kinds.into_iter().flatten().collect::<Vec<_>>();
        let [kind] = named[..] else {
            let names = if named.is_empty() { "none" } else { "more than one" };
            let needed = "one of `linear`, `conv`, `max_pool` and `average_pool` is needed in each layer";
            return Err(Unfit::new(key, format!("has {names}; {needed}")));
        };
        let is_conv = self.conv.is_some();
        let is_pool = !Layer { kind, activation, bias: false }.is_affine();
        Unfit::unless(!is_conv || self.kernel.is_some(), key, || {
            "a convolution needs a `kernel`, such as 3".into()
        })?;
        Unfit::unless(is_conv || of_conv.iter().all(Option::is_none), key, || {
            "`kernel`, `padding` and `stride` are of a convolution; a pool of size s takes squares of s x s"
                .into()
        })?;
        Unfit::unless(!is_pool || self.bias.is_none(), key, || "a pool has no bias".into())?;
        let activation = self.activation.unwrap_or(if is_pool { Activation::Identity } else { activation });
        Ok(Layer { kind, activation, bias: !is_pool && self.bias.unwrap_or(true) })
    }
}

/// Layers over inputs of a shape, the output layer included, as the documents write them.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Architecture {
    /// shape [C, H, W] of a sample; [D, 1, 1] for features without one
    pub image: [usize; 3],
    /// from input to output
    pub layers: Vec<LayerKeys>,
}

impl Architecture {
    /// That of a network.
    pub fn of(network: &Network) -> Self {
        let Image { channels, height, width } = network.image(0);
        let layers = network.layers().iter().map(LayerKeys::of).collect();
        Self { image: [channels, height, width], layers }
    }

    /// Fully connected layers with biases: [D, hidden…, outputs].
    ///
    /// # Panics
    /// With fewer than two widths, or a width of 0.
    pub fn of_widths(widths: &[usize], activation: Activation) -> Self {
        Self::of(&Network::new(widths, activation, Loss::SoftmaxCrossEntropy))
    }

    /// The network with a loss.
    ///
    /// # Errors
    /// If its layers do not fit on one another, which those of a network do.
    pub fn network(&self, loss: Loss) -> Result<Network, Unfit> {
        let layers = self.layers.iter().enumerate();
        let layers = layers.map(|(i, keys)| keys.layer(&format!("layers[{i}]"), Activation::Identity));
        network(self.image, layers.collect::<Result<_, _>>()?, loss)
    }

    /// D, numbers of a sample
    pub fn n_features(&self) -> usize {
        self.image.iter().product()
    }
}

/// The network of some layers over images of a shape.
///
/// # Errors
/// If the layers do not fit on one another, have more than [`MOST_PARAMETERS`], or a convolution or pool is over samples that have no image: one of an order that is not
/// known would be another network.
pub(crate) fn network(image: [usize; 3], layers: Vec<Layer>, loss: Loss) -> Result<Network, Unfit> {
    let [channels, height, width] = image;
    let over_samples = layers.iter().take_while(|layer| !matches!(layer.kind, Kind::Linear { .. })).count();
    Unfit::unless(over_samples == 0 || height * width > 1, "layers", || {
        "convolutions and pools are over images, and of these samples it is not known which: set fetch-data.image: [channels, height, \
         width], as X has them; of (N, height, width, channels) save X.transpose(0, 3, 1, 2) first"
            .to_owned()
    })?;
    let input = Image { channels, height, width };
    let n_params = n_params(input, &layers);
    Unfit::unless(n_params <= MOST_PARAMETERS, "layers", || {
        format!("a network of {n_params} parameters; at most {MOST_PARAMETERS} are possible")
    })?;
    Network::of_layers(input, layers, loss).map_err(|unfit| {
        // As many columns as a picture has colours, and fewer than rows: the axes are in another order.
        let is_last = width <= 4 && width < height.min(channels);
        let cure = if is_last {
            "; of images (N, height, width, channels) save X.transpose(0, 3, 1, 2)"
        } else {
            ""
        };
        Unfit::new("layers", format!("{unfit}{cure}"))
    })
}

/// p: 256 GiB of a direction in f32.
const MOST_PARAMETERS: u128 = 1 << 36;

/// p of layers over images of a shape, up to the first that does not fit: counted before any memory is taken for them.
fn n_params(input: Image, layers: &[Layer]) -> u128 {
    let of_layer = |below: &mut Image, (i, layer): (usize, &Layer)| {
        let (filters, values) = layer.weight_shape(*below);
        *below = layer.image(i + 1, *below).ok()?;
        Some(filters as u128 * (values as u128 + 1))
    };
    layers.iter().enumerate().scan(input, of_layer).sum()
}

/// `64-32-10`, or `1x28x28, conv 6 (3x3), max pool 2, linear 10`: what is as usual is left out.
impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.image;
        if let Some(widths) = self.layers.iter().map(|l| l.linear).collect::<Option<Vec<_>>>() {
            write!(f, "{}", self.n_features())?;
            widths.iter().try_for_each(|n| write!(f, "-{n}"))?;
            let biases = self.layers.iter().filter(|l| l.bias == Some(true)).count();
            return match biases {
                0 => write!(f, " without biases"),
                n if n < widths.len() => write!(f, " with {n} biases"),
                _ => Ok(()),
            };
        }
        write!(f, "{channels}x{height}x{width}")?;
        for layer in &self.layers {
            let LayerKeys { linear, conv, max_pool, average_pool, .. } = layer;
            if let Some(n) = linear {
                write!(f, ", linear {n}")?;
            }
            if let Some(n) = conv {
                let kernel = layer.kernel.unwrap_or_default();
                write!(f, ", conv {n} ({kernel}x{kernel}")?;
                layer.padding.filter(|&p| p > 0).map_or(Ok(()), |p| write!(f, ", padding {p}"))?;
                layer.stride.filter(|&s| s > 1).map_or(Ok(()), |s| write!(f, ", stride {s}"))?;
                write!(f, ")")?;
            }
            max_pool.map_or(Ok(()), |n| write!(f, ", max pool {n}"))?;
            average_pool.map_or(Ok(()), |n| write!(f, ", average pool {n}"))?;
            if layer.bias == Some(false) {
                write!(f, " without bias")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layer(keys: serde_json::Value) -> Result<Layer, String> {
        let keys: LayerKeys = serde_json::from_value(keys).map_err(|e| e.to_string())?;
        keys.layer("layers[0]", Activation::Relu).map_err(|e| e.to_string())
    }

    #[test]
    fn keys_are_a_layer_or_say_what_is_wrong() {
        let conv = layer(json!({"conv": 6, "kernel": 3, "activation": "none", "bias": false})).unwrap();
        let kind = Kind::Conv { filters: 6, kernel: 3, padding: 0, stride: 1 };
        assert_eq!(conv, Layer { kind, activation: Activation::Identity, bias: false });
        assert_eq!(layer(json!({"linear": 5})).unwrap(), Layer::linear(5, Activation::Relu));
        assert_eq!(layer(json!({"max_pool": 2})).unwrap().activation, Activation::Identity);
        for (keys, said) in [
            (json!({}), "layers[0]: has none; one of `linear`, `conv`, `max_pool` and `average_pool`"),
            (json!({"conv": 6, "max_pool": 2, "kernel": 3}), "has more than one"),
            (json!({"conv": 6}), "needs a `kernel`"),
            (json!({"linear": 6, "kernel": 3}), "are of a convolution"),
            (json!({"max_pool": 2, "stride": 1}), "are of a convolution"),
            (json!({"average_pool": 2, "bias": true}), "a pool has no bias"),
            (json!({"conv2d": 6}), "unknown field `conv2d`"),
        ] {
            let found = layer(keys).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }

    /// (N, 8, 8, 3), and the same flat, became [192, 1, 1] for a kernel with padding, and K that of another network.
    #[test]
    fn convolutions_over_samples_without_an_image_are_refused() {
        let over = |image, keys: &[serde_json::Value]| {
            let layers = keys.iter().cloned().chain([json!({"linear": 2, "activation": "none"})]);
            let layers = layers.map(|keys| layer(keys).unwrap()).collect();
            network(image, layers, Loss::SquaredError).map(drop).map_err(|e| e.to_string())
        };
        for keys in [
            json!({"conv": 4, "kernel": 3, "padding": 1}),
            json!({"conv": 4, "kernel": 1}),
            json!({"max_pool": 1}),
        ] {
            let said = over([192, 1, 1], std::slice::from_ref(&keys)).unwrap_err();
            assert!(said.contains("set fetch-data.image: [channels, height, width]"), "{said}");
            assert_eq!(over([3, 8, 8], &[keys]), Ok(()));
        }
        assert_eq!(over([192, 1, 1], &[]), Ok(()));
        let said = over([8, 8, 3], &[json!({"conv": 4, "kernel": 3}), json!({"conv": 4, "kernel": 3})]);
        assert!(said.unwrap_err().ends_with("does not fit an image of 6 x 1 with 0 rows and columns of zeros on each side; of images (N, height, width, channels) save X.transpose(0, 3, 1, 2)"));
    }

    #[test]
    fn an_architecture_comes_back_and_reads_at_once() {
        let layers = [
            json!({"conv": 6, "kernel": 3, "padding": 1}),
            json!({"max_pool": 2}),
            json!({"linear": 10, "activation": "none", "bias": false}),
        ];
        let layers = layers.into_iter().map(|keys| layer(keys).unwrap()).collect();
        let network = network([1, 28, 28], layers, Loss::SquaredError).unwrap();
        let written = Architecture::of(&network);
        assert_eq!(
            written.to_string(),
            "1x28x28, conv 6 (3x3, padding 1), max pool 2, linear 10 without bias"
        );
        assert_eq!(written.network(Loss::SquaredError).unwrap(), network);
        assert_eq!(Architecture::of_widths(&[64, 32, 10], Activation::Relu).to_string(), "64-32-10");
    }

    /// Its order of parameters alone would be 12.8 GB for the second.
    #[test]
    fn a_network_is_checked_without_memory_for_its_parameters() {
        let perceptron = |hidden: &[usize]| {
            let layers = hidden.iter().map(|&units| Layer::linear(units, Activation::Relu));
            let layers = layers.chain([Layer::linear(10, Activation::Identity)]).collect();
            network([784, 1, 1], layers, Loss::SquaredError)
        };
        let refused = perceptron(&[1 << 30; 3]).unwrap_err().to_string();
        assert!(refused.contains("at most 68719476736 are possible"), "{refused}");
        assert_eq!(perceptron(&[40_000, 40_000]).unwrap().n_params(), 1_631_840_010);
    }
}
