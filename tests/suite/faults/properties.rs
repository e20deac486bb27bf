//! What must be true of any input, on random ones: formats, sections, prefixes, sums, intervals, plans.

use std::collections::BTreeMap;
use std::path::Path;

use landscape::change::interval::Estimate;
use landscape::change::prefix::{Moments, PrefixMean, order_factor, prefix_sizes};
use landscape::numeric::sums;
use ndarray::{ArrayD, IxDyn};
use pipeline::config::{Pipeline, to_yaml};
use pipeline_tests::{Place, binary, ran, root};
use proptest::collection::vec;
use proptest::prelude::*;
use records::{Eigen, MonteCarlo, Section, Train};
use serde_yaml::{Mapping, Value};
use store::npy::{AnyArray, Element};
use store::{arrays, npz, rows, safetensors};

/// So many random cases of each property; a failing one is made small and printed.
fn cases(n: u32) -> ProptestConfig {
    ProptestConfig { cases: n, failure_persistence: None, ..ProptestConfig::default() }
}

/// An array of up to four axes of up to four, of any bits.
fn array<T: Element + std::fmt::Debug>(
    bits: impl Strategy<Value = T> + Clone,
) -> impl Strategy<Value = ArrayD<T>> {
    vec(0_usize..5, 0..5).prop_flat_map(move |shape| {
        let count = shape.iter().product::<usize>();
        vec(bits.clone(), count)
            .prop_map(move |values| ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap())
    })
}

fn f32_bits() -> impl Strategy<Value = f32> + Clone {
    any::<u32>().prop_map(f32::from_bits)
}

fn f64_bits() -> impl Strategy<Value = f64> + Clone {
    any::<u64>().prop_map(f64::from_bits)
}

/// Shape and bytes: NaN is equal to itself.
fn raw<T: Element>(array: &ArrayD<T>) -> (Vec<usize>, Vec<u8>) {
    let flat = array.as_standard_layout().iter().copied().collect::<Vec<_>>();
    (array.shape().to_vec(), bytemuck::cast_slice(&flat).to_vec())
}

fn raw_any(array: &AnyArray) -> (Vec<usize>, Vec<u8>) {
    match array {
        AnyArray::U8(a) => raw(a),
        AnyArray::I64(a) => raw(a),
        AnyArray::F32(a) => raw(a),
        AnyArray::F64(a) => raw(a),
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, bytes).unwrap();
    gz.finish().unwrap()
}

/// Through `.npy`, plain and packed, and through an array of an `.npz`.
fn comes_back<T: Element>(dir: &Path, array: &ArrayD<T>) {
    let (plain, packed, archive) = (dir.join("x.npy"), dir.join("x.npy.gz"), dir.join("x.npz"));
    rows::write(&plain, array).unwrap();
    std::fs::write(&packed, gzip(&std::fs::read(&plain).unwrap())).unwrap();
    npz::write(&archive, &[("other".to_owned(), array.clone()), ("x".to_owned(), array.clone())]).unwrap();
    for path in [plain, packed, archive] {
        assert_eq!(arrays::peek(&path, "x").unwrap(), (array.shape().to_vec(), T::DTYPE.to_owned()));
        assert_eq!(raw_any(&arrays::read(&path, "x").unwrap()), raw(array), "{}", path.display());
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_array_comes_back_from_each_format(
        a in array(f32_bits()), b in array(f64_bits()), c in array(any::<i64>()), d in array(any::<u8>())
    ) {
        let dir = tempfile::tempdir().unwrap();
        comes_back(dir.path(), &a);
        comes_back(dir.path(), &b);
        comes_back(dir.path(), &c);
        comes_back(dir.path(), &d);
        let path = dir.path().join("w.safetensors");
        safetensors::write(&path, &[("a".to_owned(), a.clone()), ("z".to_owned(), a.clone())]).unwrap();
        let found = safetensors::read(&path).unwrap();
        prop_assert_eq!(raw_any(found["z"].values.as_ref().unwrap()), raw(&a));
        safetensors::write(&path, &[("b".to_owned(), b.clone())]).unwrap();
        let found = safetensors::read(&path).unwrap();
        prop_assert_eq!(raw_any(found["b"].values.as_ref().unwrap()), raw(&b));
    }

    /// Bytes as the descriptions of the formats have them, since no stage writes these.
    #[test]
    fn idx_files_and_records_are_what_their_bytes_say(
        shape in vec(1_u32..5, 1..4), seed in any::<u8>(), n in 1_usize..5, labels in vec(any::<u8>(), 8)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let count = shape.iter().product::<u32>();
        let values = (0..count).map(|i| i.to_le_bytes()[0].wrapping_mul(31).wrapping_add(seed)).collect::<Vec<_>>();
        let lengths = shape.iter().flat_map(|n| n.to_be_bytes());
        let header = [0, 0, 8, u8::try_from(shape.len()).unwrap()].into_iter().chain(lengths);
        std::fs::write(&path, header.chain(values.iter().copied()).collect::<Vec<_>>()).unwrap();
        let expected = shape.iter().map(|&n| n as usize).collect::<Vec<_>>();
        prop_assert_eq!(raw_any(&arrays::read(&path, "x").unwrap()), (expected, values));

        // Images of 2 × 1 × 2 after one label: five bytes; at least two records.
        let image = |i: usize| [i, i + 1, i + 2, i + 3].map(|v| u8::try_from(v).unwrap());
        let records = (0..=n).flat_map(|i| std::iter::once(labels[i]).chain(image(i))).collect::<Vec<_>>();
        if !records.len().is_multiple_of(6) {
            std::fs::write(&path, &records).unwrap();
            let files = records::OwnFiles { train_x: "x".into(), train_y: "x".into(), test_x: None, test_y: None };
            let read = fetch_data::format::arrays::read(&files, dir.path(), (Some([2, 1, 2]), None)).unwrap();
            prop_assert_eq!(read.train.shape(), (n + 1, 4));
            let all = (0..=n).collect::<Vec<_>>();
            let classes = read.train.classes_of(&all).collect::<Vec<_>>();
            prop_assert_eq!(classes, labels[..=n].iter().map(|&y| usize::from(y)).collect::<Vec<_>>());
        }
    }

    /// L_k and its changes are what their definitions say, and the changes add up to what the whole run changed.
    #[test]
    fn prefix_means_are_their_definitions(losses in vec(-1e6..1e6_f64, 2..200), step in 1_usize..7) {
        let mut running = PrefixMean::new(step);
        let found = losses.iter().filter_map(|&loss| running.push(loss)).collect::<Vec<_>>();
        let sizes = found.iter().map(|i| i.k).collect::<Vec<_>>();
        prop_assert_eq!(&sizes, &prefix_sizes(losses.len(), step));
        let mean = |k: usize| losses[..k].iter().sum::<f64>() / k as f64;
        // Rounding of at most 200 sums of numbers up to 1e6.
        let rounding = 200.0 * 1e6 * f64::EPSILON;
        for i in &found {
            prop_assert!((i.mean - mean(i.k)).abs() <= rounding);
            prop_assert!((i.change - (mean(i.k + step) - mean(i.k))).abs() <= 2.0 * rounding);
        }
        if let (Some(first), Some(last)) = (found.first(), found.last()) {
            let telescoped = first.mean + found.iter().map(|i| i.change).sum::<f64>();
            prop_assert!((telescoped - mean(last.k + step)).abs() <= 2.0 * rounding);
            let factors = sizes.iter().map(|&k| order_factor(k, step)).sum::<f64>();
            let ends = 1.0 / step as f64 - 1.0 / (last.k + step) as f64;
            prop_assert!((factors - ends).abs() <= 200.0 * f64::EPSILON);
        }
    }

    /// One pass gives mean and variance as two passes do, and what it adds is the squared deviation.
    #[test]
    fn moments_of_one_pass_are_those_of_two(values in vec(-1e3..1e3_f64, 2..100)) {
        let mut moments = Moments::default();
        let added = values.iter().map(|&v| moments.push(v)).sum::<f64>();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
        // 100 squares of numbers up to 2e3.
        let rounding = 100.0 * 100.0 * 4e6 * f64::EPSILON;
        prop_assert!((moments.mean() - mean).abs() <= 100.0 * 1e3 * f64::EPSILON);
        prop_assert!((moments.variance() * (n - 1.0) - squares).abs() <= rounding);
        prop_assert!((added - squares).abs() <= rounding);
    }

    /// Blocks tile a range wherever it is cut at a block, and their sum has the same bits on any number of threads.
    #[test]
    fn sums_of_random_splits_are_one_sum(
        values in vec(-1e9..1e9_f64, 1..400), rows in 1_usize..40, cut in any::<prop::sample::Index>(), threads in 1_usize..5
    ) {
        let n = values.len();
        let blocks = sums::blocks_of(0..n, rows);
        let flat = blocks.iter().cloned().flatten().collect::<Vec<_>>();
        prop_assert_eq!(flat, (0..n).collect::<Vec<_>>());
        let cut = (cut.index(n + 1) / rows * rows).min(n);
        prop_assert_eq!([sums::blocks_of(0..cut, rows), sums::blocks_of(cut..n, rows)].concat(), blocks.clone());
        let total = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let term = |block: &std::ops::Range<usize>| values[block.clone()].iter().sum::<f64>();
            pool.install(|| sums::sum(&blocks, &term, &|a: &mut f64, b: f64| *a += b)).unwrap()
        };
        prop_assert_eq!(total(threads).to_bits(), total(1).to_bits());
        let size = values.iter().map(|v| v.abs()).sum::<f64>();
        prop_assert!((total(1) - values.iter().sum::<f64>()).abs() <= 400.0 * f64::EPSILON * size);
    }

    /// More confidence, a wider interval, whatever the estimate; never below 0.
    #[test]
    fn intervals_grow_with_confidence(
        value in 1e-9..1e9_f64, draws in 0.0..10.0_f64, samples in 0.0..10.0_f64, freedom in 1.0..1e4_f64,
        skewness in -3.0..3.0_f64, low in 0.01..0.99_f64, more in 0.001..1.0_f64
    ) {
        let estimate = Estimate {
            value, draws_error: draws * value, samples_error: samples * value, freedom, skewness,
        };
        let high = low + (0.999 - low) * more;
        let (inner, outer) = (estimate.interval(low), estimate.interval(high));
        prop_assert!(0.0 <= outer.0 && outer.0 <= inner.0, "{inner:?} {outer:?}");
        prop_assert!(inner.0 <= inner.1 && inner.1 <= outer.1, "{inner:?} {outer:?}");
    }
}

/// The keys of a section, as they are resolved.
fn resolved<S: Section>(pipeline: &Pipeline, experiment: &str) -> Mapping {
    serde_yaml::from_str(&to_yaml(&pipeline.section::<S>(experiment).unwrap()).unwrap()).unwrap()
}

/// Every key that an experiment sets has its value, every other that of the defaults; and what was resolved, laid over the
/// defaults again, stays as it is.
fn lies_over<S: Section>(changes: &BTreeMap<&'static str, u32>) {
    let defaults = std::fs::read_to_string(root().join("pipeline.yaml")).unwrap();
    let defaults = serde_yaml::from_str::<Mapping>(&defaults).unwrap()["defaults"].clone();
    let file = |section: Mapping| {
        let experiment = Value::Mapping(Mapping::from_iter([(S::STAGE.into(), Value::Mapping(section))]));
        let experiments = Mapping::from_iter([("a".into(), experiment), ("b".into(), Value::Null)]);
        let whole = Mapping::from_iter([
            ("defaults".into(), defaults.clone()),
            ("experiments".into(), Value::Mapping(experiments)),
        ]);
        Pipeline::parse("p.yaml", &serde_yaml::to_string(&whole).unwrap()).unwrap()
    };
    let own = changes.iter().map(|(&key, &value)| (Value::from(key), Value::from(value)));
    let pipeline = file(own.clone().collect());
    let mut expected = resolved::<S>(&pipeline, "b");
    expected.extend(own);
    let found = resolved::<S>(&pipeline, "a");
    assert_eq!(found, expected);
    assert_eq!(resolved::<S>(&file(found.clone()), "a"), found);
}

/// Some of these keys with a value from 2 to 9.
fn some_of(keys: &'static [&'static str]) -> impl Strategy<Value = BTreeMap<&'static str, u32>> {
    prop::collection::btree_map(prop::sample::select(keys), 2_u32..10, 0..keys.len())
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn a_section_lies_over_its_defaults_key_by_key(
        train in some_of(&["epochs", "batch_size", "seed"]),
        eigen in some_of(&["dim", "random_dim", "seed", "prefix_count"]),
        montecarlo in some_of(&["seed", "weights_mib"]),
    ) {
        lies_over::<Train>(&train);
        lies_over::<Eigen>(&eigen);
        lies_over::<MonteCarlo>(&montecarlo);
    }
}

/// What an experiment of a random file is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Alone,
    Losses,
    Family { sizes: usize, replicas: usize },
}

impl Kind {
    fn yaml(self) -> Value {
        let text = match self {
            Self::Plain => "{fetch-data: {dataset: digits}}".to_owned(),
            Self::Alone => "{fetch-data: {dataset: digits}, answer: {alone: true}}".to_owned(),
            Self::Losses => {
                "{montecarlo: {settings: [{name: l, losses: losses.npy, dim: 2, sigma: 0.1}]}}".to_owned()
            }
            Self::Family { sizes, replicas } => {
                let ladder = (0..sizes).map(|i| (200 << i).to_string()).collect::<Vec<_>>().join(", ");
                format!(
                    "{{fetch-data: {{dataset: digits}}, family: {{ladder: [{ladder}], replicas: {replicas}}}}}"
                )
            }
        };
        serde_yaml::from_str(&text).unwrap()
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Plain),
        Just(Kind::Alone),
        Just(Kind::Losses),
        (1_usize..3, 1_usize..3).prop_map(|(sizes, replicas)| Kind::Family { sizes, replicas }),
    ]
}

proptest! {
    #![proptest_config(cases(6))]

    /// Names of all allowed letters; those that are taken are refused elsewhere.
    #[test]
    fn any_valid_pipeline_file_makes_a_plan(
        experiments in prop::collection::btree_map("[a-zA-Z0-9ß][a-zA-Z0-9_.é-]{0,9}x", kind(), 1..5)
    ) {
        let place = Place::new(|_| ());
        std::fs::copy(root().join("pipeline.yaml"), place.path("shared.yaml")).unwrap();
        let listed = experiments.iter().map(|(name, kind)| (Value::from(name.as_str()), kind.yaml()));
        let whole = Mapping::from_iter([
            ("defaults_from".into(), "shared.yaml".into()),
            ("experiments".into(), Value::Mapping(listed.collect())),
        ]);
        std::fs::write(place.path("pipeline.yaml"), serde_yaml::to_string(&whole).unwrap()).unwrap();
        let mut params = std::process::Command::new(binary("params"));
        params.arg("--pipeline").arg(place.path("pipeline.yaml"));
        let accepted = ran(params.arg("--artifacts").arg(place.path("artifacts")).output());
        prop_assert_eq!(accepted.code, 0, "{}", accepted.said);
        let plan = place.make(&["-n", "all"]);
        prop_assert_eq!(plan.code, 0, "{}", plan.said);
        for name in experiments.keys() {
            prop_assert!(plan.said.contains(&format!("--experiment {name}")), "{name} is not in: {}", plan.said);
        }
    }
}
