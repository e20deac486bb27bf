//! Which samples are kept, and the order in which they arrive. It is drawn once: it gives a prefix its meaning.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;
use records::{FetchData, SampleOrder};
use store::arrays;
use store::npy::AnyArray;

use crate::error::FetchError;
use crate::split::{Labels, Split, Splits};

/// Up to so many empty classes are said and not refused, however few have samples.
const MANY_EMPTY: usize = 1000;
/// Gaps between the classes that a warning names.
const GAPS_SAID: usize = 3;

/// The samples of both splits that are kept.
pub struct Chosen<'a> {
    /// rows of the training split, in their order
    pub train: Vec<usize>,
    /// where the samples for testing are, and their rows
    pub test: Test<'a>,
    /// `classes` of the section, or the largest class of all samples, kept or not, + 1; 0 for regression
    pub n_classes: usize,
    /// what looks wrong with the classes
    pub warnings: Vec<String>,
}

impl Chosen<'_> {
    /// Samples for testing.
    pub fn n_test(&self) -> usize {
        self.test.as_ref().map_or(0, |(_, rows)| rows.len())
    }
}

/// The samples that the section asks for; the path of an order is relative to `base`.
pub fn choose<'a>(params: &FetchData, splits: &'a Splits, base: &Path) -> Result<Chosen<'a>, FetchError> {
    let n = splits.train.shape().0;
    let (candidates, test) = apart(params, splits)?;
    let given = params.order_file.as_ref().map(|path| base.join(path));
    let order = decide(&params.order, candidates, given.as_deref(), params.seed)?;
    let mut train = of_classes(&splits.train, order, params.classes)?;
    if let Some(classes) = params.classes
        && train.len() < 2
    {
        return Err(FetchError::NoneOfClasses { classes, found: train.len(), n });
    }
    let test = match test {
        Some((test, rows)) => Some((test, of_classes(test, rows, params.classes)?)),
        None => None,
    };
    let no_test = test.as_ref().is_some_and(|(_, rows)| rows.is_empty());
    let test = test.filter(|_| !no_test);
    // Of all samples, not of the prefix: a network has the same outputs at every n_samples.
    let present = classes_of(&splits.train, &train, test.as_ref());
    let n_classes = params.classes.unwrap_or(present.last().map_or(0, |last| last + 1));
    if params.classes.is_none() && is_sparse(&present, n_classes) {
        let file = params.files.as_ref().map_or("the labels".to_owned(), |f| f.train_y.display().to_string());
        return Err(FetchError::Sparse { file, largest: n_classes - 1, present: present.len() });
    }
    let no_test =
        no_test.then(|| "no sample of the test split is of these classes: there is none".to_owned());
    let strange = test.as_ref().and_then(|test| only_in_test(&splits.train, &train, test));
    let unlike = test.as_ref().and_then(|(test, _)| other_kind(&splits.train, test));
    let one = test.as_ref().and_then(|test| one_class(&splits.train, &train, test));
    let of_test = no_test.into_iter().chain(strange).chain(one).chain(unlike);
    let warnings = empty_classes(&present, n_classes).into_iter().chain(of_test).collect();
    let wanted = params.n_samples.unwrap_or(train.len());
    if wanted > train.len() {
        return Err(FetchError::TooManySamples { wanted, found: train.len() });
    }
    train.truncate(wanted);
    Ok(Chosen { train, test, n_classes, warnings })
}

/// Where the samples for testing are, and their rows.
type Test<'a> = Option<(&'a Split, Vec<usize>)>;

/// Rows for training, and those for testing: of the test split, or kept aside where a known data set has none.
fn apart<'a>(params: &FetchData, splits: &'a Splits) -> Result<(Vec<usize>, Test<'a>), FetchError> {
    let n = splits.train.shape().0;
    if let Some(test) = &splits.test {
        return Ok(((0..n).collect(), Some((test, (0..test.shape().0).collect()))));
    }
    if params.dataset.entry().is_none() {
        return Ok(((0..n).collect(), None));
    }
    let (train, test) = keep_aside(n, params.n_test, params.seed)?;
    Ok((train, (!test.is_empty()).then_some((&splits.train, test))))
}

/// The classes of the rows; none for regression.
fn classes_of(train: &Split, rows: &[usize], test: Option<&(&Split, Vec<usize>)>) -> BTreeSet<usize> {
    let of_test = test.into_iter().flat_map(|(test, rows)| test.classes_of(rows));
    train.classes_of(rows).chain(of_test).collect()
}

/// Bytes in one split and floats in the other, in words: bytes from 0 to 255 beside floats from 0 to 1 made 35 % of 95 % accuracy.
fn other_kind(train: &Split, test: &Split) -> Option<String> {
    let (own, other) = (train.images.kind(), test.images.kind());
    (own != other).then(|| {
        format!(
            "the samples for training are {own}, those for testing {other}, and both go through one normalisation: if their scales \
             differ, test loss and accuracy are wrong; store both alike, as X.astype('<f4'), divided by 255 in both or in none"
        )
    })
}

/// Classes that samples for testing have and none for training, in words.
fn only_in_test(train: &Split, rows: &[usize], (test, test_rows): &(&Split, Vec<usize>)) -> Option<String> {
    let trained = train.classes_of(rows).collect::<BTreeSet<_>>();
    let mut strange = BTreeMap::<usize, usize>::new();
    for class in test.classes_of(test_rows).filter(|class| !trained.contains(class)) {
        *strange.entry(class).or_default() += 1;
    }
    let named = strange.iter().take(GAPS_SAID);
    let named = named.map(|(class, n)| {
        format!("class {class} has 0 training samples and {}", pipeline::log::count(*n, "test sample"))
    });
    let named = named.collect::<Vec<_>>().join(", ");
    let more = if strange.len() > GAPS_SAID { ", ..." } else { "" };
    let asked = "labels of the test split may be numbered otherwise, and each class has an output";
    (!strange.is_empty()).then(|| format!("{named}{more}; {asked}"))
}

/// A test split of one class where training has several, in words.
fn one_class(train: &Split, rows: &[usize], (test, test_rows): &(&Split, Vec<usize>)) -> Option<String> {
    let trained = train.classes_of(rows).collect::<BTreeSet<_>>();
    let tested = test.classes_of(test_rows).collect::<BTreeSet<_>>();
    let class = tested.first().filter(|_| test_rows.len() > 1 && tested.len() == 1 && trained.len() > 1)?;
    let (all, classes) = (pipeline::log::count(test_rows.len(), "test sample"), trained.len());
    Some(format!(
        "class {class} has all {all}, of the {classes} classes in training: test loss and accuracy say nothing of the others"
    ))
}

/// Whether so many classes are empty that their numbers mean something else: years, identifiers, a mark for a missing label.
fn is_sparse(present: &BTreeSet<usize>, n_classes: usize) -> bool {
    n_classes - present.len() > MANY_EMPTY.max(10 * present.len())
}

/// Which of the classes have no sample, in words.
fn empty_classes(present: &BTreeSet<usize>, n_classes: usize) -> Option<String> {
    let n_empty = n_classes - present.len();
    let mut gaps = vec![];
    let mut begin = 0;
    for class in present.iter().copied().chain([n_classes]) {
        match class - begin {
            0 => {}
            1 => gaps.push(begin.to_string()),
            _ => gaps.push(format!("{begin} to {}", class - 1)),
        }
        begin = class + 1;
    }
    let more = if gaps.len() > GAPS_SAID { ", ..." } else { "" };
    gaps.truncate(GAPS_SAID);
    let has = if n_empty == 1 { "has" } else { "have" };
    let asked = if gaps == ["0"] { "Do the labels count from 1?" } else { "Do the labels have gaps?" };
    (n_empty > 0).then(|| {
        format!(
            "{n_empty} of {n_classes} classes {has} no sample: {}{more}. {asked} \
             numpy.unique(y, return_inverse=True)[1] numbers them from 0 without gaps",
            gaps.join(", ")
        )
    })
}

/// Row numbers for training and for testing: `n_test` rows are drawn by `seed`, both parts ascend.
fn keep_aside(n: usize, n_test: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>), FetchError> {
    if n_test + 2 > n {
        return Err(FetchError::TooManyForTest { n_test, n });
    }
    let mut rows = (0..n).collect::<Vec<_>>();
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    rng.set_stream(1); // stream 0 draws the order
    rows.shuffle(&mut rng);
    let mut train = rows.split_off(n_test);
    train.sort_unstable();
    rows.sort_unstable();
    Ok((train, rows))
}

/// Those of `rows` whose class is one of the first `classes`; all without such a number.
fn of_classes(split: &Split, rows: Vec<usize>, classes: Option<usize>) -> Result<Vec<usize>, FetchError> {
    let Some(classes) = classes else { return Ok(rows) };
    let Labels::Classes(y) = &split.labels else { return Err(FetchError::ClassesOfFloats) };
    Ok(rows.into_iter().filter(|&i| usize::try_from(y[i]).is_ok_and(|y| y < classes)).collect())
}

/// The rows `candidates` of the source in the order that `order` asks for.
fn decide(
    order: &SampleOrder,
    mut candidates: Vec<usize>,
    given: Option<&Path>,
    seed: u64,
) -> Result<Vec<usize>, FetchError> {
    match (order, given) {
        (SampleOrder::File, _) => {}
        (SampleOrder::Shuffled, _) => candidates.shuffle(&mut ChaCha20Rng::seed_from_u64(seed)),
        (SampleOrder::Given, path) => {
            candidates = read(path.expect("checked with the section"), &candidates)?;
        }
    }
    Ok(candidates)
}

/// Row numbers from a file: each a candidate, none twice.
fn read(path: &Path, candidates: &[usize]) -> Result<Vec<usize>, FetchError> {
    let refuse = |found: String| FetchError::Order { file: path.display().to_string(), found };
    let rows = match arrays::read(path, "order")? {
        AnyArray::I64(rows) => rows,
        AnyArray::U8(rows) => rows.mapv(i64::from),
        other => return Err(refuse(format!("contains {}; integers are needed", other.dtype()))),
    };
    if rows.len() < 2 {
        return Err(refuse(format!("{} entries; at least two samples are needed", rows.len())));
    }
    let known = candidates.iter().collect::<std::collections::HashSet<_>>();
    let mut seen = std::collections::HashSet::new();
    let check = |(position, &row): (usize, &i64)| {
        let found = usize::try_from(row).ok().filter(|row| known.contains(row));
        let found =
            found.ok_or_else(|| refuse(format!("entry {position} is {row}, which is no training row")))?;
        if !seen.insert(found) {
            return Err(refuse(format!("entry {position}, row {row}, appears twice")));
        }
        Ok(found)
    };
    rows.iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Images;
    use ndarray::array;
    use store::rows::Rows;

    #[test]
    fn a_shuffle_is_a_permutation_that_the_seed_decides() {
        let rows = (0..100).collect::<Vec<_>>();
        let shuffled = decide(&SampleOrder::Shuffled, rows.clone(), None, 5).unwrap();
        assert_ne!(shuffled, rows);
        assert_eq!(shuffled, decide(&SampleOrder::Shuffled, rows.clone(), None, 5).unwrap());
        assert_ne!(shuffled, decide(&SampleOrder::Shuffled, rows.clone(), None, 6).unwrap());
        let mut sorted = shuffled;
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
    }

    #[test]
    fn a_given_order_is_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("order.npy");
        let read = |rows: ndarray::Array1<i64>| {
            store::rows::write(&path, &rows).unwrap();
            decide(&SampleOrder::Given, vec![0, 1, 2, 4], Some(&path), 0).map_err(|e| e.to_string())
        };
        assert_eq!(read(array![4, 0, 2]).unwrap(), [4, 0, 2]);
        assert!(read(array![]).unwrap_err().contains("0 entries; at least two samples"));
        assert!(read(array![4]).unwrap_err().contains("1 entries; at least two samples"));
        assert!(read(array![4, 3]).unwrap_err().contains("entry 1 is 3, which is no training row"));
        assert!(read(array![4, -1]).unwrap_err().contains("entry 1 is -1"));
        assert!(read(array![4, 4]).unwrap_err().contains("entry 1, row 4, appears twice"));
    }

    /// cases.md E10: an order of at most 256 rows is often saved as bytes, and R saves floats.
    #[test]
    fn an_order_of_bytes_is_read_and_one_of_floats_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("order.npy");
        store::rows::write(&path, &array![2_u8, 0, 1]).unwrap();
        assert_eq!(super::read(&path, &[0, 1, 2]).unwrap(), [2, 0, 1]);
        store::rows::write(&path, &array![2.0, 0.0, 1.0]).unwrap();
        let message = super::read(&path, &[0, 1, 2]).unwrap_err().to_string();
        assert!(message.contains("contains <f8; integers are needed"), "{message}");
    }

    fn labelled(classes: ndarray::Array1<i64>) -> Splits {
        let x = ndarray::Array2::<u8>::zeros((classes.len(), 1));
        let images = Images::U8(Rows::Memory(x));
        Splits { train: Split { images, labels: Labels::Classes(classes) }, test: None }
    }

    fn own(classes: Option<usize>, n_samples: Option<usize>) -> FetchData {
        let section = serde_json::json!({
            "dataset": "files", "sources": [], "mirrors": [], "timeout_seconds": 1, "order": "file", "seed": 0, "n_test": 0,
            "classes": classes, "n_samples": n_samples,
        });
        serde_json::from_value(section).unwrap()
    }

    /// cases.md C4: SCL #26, ClassyVision #359.
    #[test]
    fn classes_without_a_sample_are_refused() {
        let splits = labelled(array![5, 6, 5, 1]);
        let choose =
            |classes| choose(&own(Some(classes), None), &splits, Path::new("")).map_err(|e| e.to_string());
        let message = choose(2).map(|_| ()).unwrap_err();
        assert_eq!(message, "fetch-data.classes: 2: 1 of 4 samples are of class 0 to 1");
        assert_eq!(choose(6).unwrap().train, [0, 2, 3]);
    }

    /// cases.md C1: scikit-learn #9913 and #22057, xgboost #4705: sorted by class, a prefix lacks the last ones.
    #[test]
    fn every_prefix_has_the_classes_of_the_whole() {
        let splits = labelled(array![0, 0, 1, 1, 2, 2]);
        for (classes, n_samples, expected) in [(None, Some(2), 3), (None, None, 3), (Some(2), Some(2), 2)] {
            let chosen = choose(&own(classes, n_samples), &splits, Path::new("")).unwrap();
            assert_eq!(chosen.n_classes, expected, "{classes:?}, {n_samples:?}");
        }
    }

    /// cases.md A5 and A6: pytorch/vision #2630, SPORF #2, smile #462, Mask3D #27, MUAD-Dataset #2; and years, and 999999.
    #[test]
    fn empty_classes_are_said_and_far_too_many_are_refused() {
        let choose = |y: Vec<i64>, classes| {
            let splits = labelled(ndarray::Array1::from(y));
            choose(&own(classes, None), &splits, Path::new(""))
                .map(|c| (c.n_classes, c.warnings.join("")))
                .map_err(|e| e.to_string())
        };
        let said = |y, classes, n, part| {
            let (found, warning) = choose(y, classes).unwrap();
            assert!(found == n && warning.contains(part), "{part:?} is not in {found}: {warning}");
        };
        said(
            vec![1, 2, 3, 1],
            None,
            4,
            "1 of 4 classes has no sample: 0. Do the labels count from 1? numpy.unique",
        );
        said(
            vec![0, 1, 255],
            None,
            256,
            "253 of 256 classes have no sample: 2 to 254. Do the labels have gaps?",
        );
        said(vec![9, 1, 3, 7, 5], None, 10, "5 of 10 classes have no sample: 0, 2, 4, .... Do");
        said(vec![0, 1, 2], None, 3, "");
        // Who says how many classes there are gets as many outputs, as weights trained on all of them need.
        said(vec![0, 1, 1], Some(10), 10, "8 of 10 classes have no sample: 2 to 9.");
        said((0..2000).map(|i| i % 100 * 10).collect(), None, 991, "891 of 991");

        let years = choose((1900..2020).collect(), None).unwrap_err();
        assert_eq!(
            years,
            "the labels: 120 different classes, but the largest is class 2019: the others have no sample"
        );
        assert!(
            choose(vec![0, 1, 999_999], None)
                .unwrap_err()
                .contains("3 different classes, but the largest is class 999999")
        );
        assert!(choose(vec![0, 1, i64::MAX], None).is_err());
        said(vec![0, 1, 999_999], Some(2), 2, "");
    }

    /// Labels from 0 for training and from 1 for testing made an output more, and wrong answers, without a word.
    #[test]
    fn classes_of_the_test_split_alone_are_said() {
        let mut splits = labelled(array![0, 1, 2, 0]);
        let mut warnings = |test: ndarray::Array1<i64>, classes| {
            splits.test = Some(labelled(test).train);
            let chosen = choose(&own(classes, None), &splits, Path::new("")).unwrap();
            (chosen.n_test(), chosen.test.is_some(), chosen.warnings.join(""))
        };
        let none = String::new();
        assert_eq!(warnings(array![0, 1, 1], None), (3, true, none.clone()));
        let said = "class 1 has all 2 test samples, of the 3 classes in training: test loss and accuracy say nothing of the others";
        assert_eq!(warnings(array![1, 1], None), (2, true, said.to_owned()));
        assert_eq!(warnings(array![1], None), (1, true, none.clone()), "one sample has one class");
        let (_, _, said) = warnings(array![1, 3, 2, 3], None);
        assert_eq!(
            said,
            "class 3 has 0 training samples and 2 test samples; labels of the test split may be numbered otherwise, and each class has an output"
        );
        assert!(
            warnings(array![3, 4, 5, 6], None)
                .2
                .contains("class 5 has 0 training samples and 1 test sample, ...;")
        );
        // Without those of other classes it is as before; and a split of which nothing is left is none.
        assert_eq!(warnings(array![1, 3, 2, 3], Some(3)), (2, true, none));
        let said = "no sample of the test split is of these classes: there is none".to_owned();
        assert_eq!(warnings(array![7, 8], Some(3)), (0, false, said));
    }

    #[test]
    fn bytes_beside_floats_are_said() {
        let bytes = || labelled(array![0, 1]).train;
        let floats = Split { images: Images::F32(Rows::Memory(array![[0.5_f32], [1.0]])), ..bytes() };
        assert!(other_kind(&bytes(), &floats).unwrap().contains("those for testing floats"));
        assert!(other_kind(&floats, &bytes()).is_some() && other_kind(&bytes(), &bytes()).is_none());
    }

    #[test]
    fn samples_kept_aside_are_not_trained_on() {
        let (train, test) = keep_aside(50, 12, 3).unwrap();
        assert_eq!((train.len(), test.len()), (38, 12));
        let mut all = [train, test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert!(keep_aside(50, 49, 3).is_err());
    }
}
