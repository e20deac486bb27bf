//! The user's own arrays: X (N, D) and y (N,) or (N, C).

use std::path::Path;

use ::records::OwnFiles;
use ::records::fetch_data::Labels;

use super::{inputs, records, targets};
use crate::error::FetchError;
use crate::split::{Split, Splits};

/// Reads and checks both splits; paths are relative to `base`.
pub fn read(
    files: &OwnFiles,
    base: &Path,
    (records, labels): (Option<[usize; 3]>, Option<Labels>),
) -> Result<Splits, FetchError> {
    let read_split = |x: &Path, y: &Path| match records {
        Some(image) if x == y => records::of_user(x, image.iter().product(), labels),
        _ => read_split(x, y),
    };
    let train = read_split(&base.join(&files.train_x), &base.join(&files.train_y))?;
    let (found, features) = train.shape();
    if features == 0 {
        return Err(FetchError::NoFeatures { file: named(&files.train_x) });
    }
    if found < 2 {
        return Err(FetchError::TooFew { file: named(&files.train_x), found });
    }
    let test = match (&files.test_x, &files.test_y) {
        (Some(x), Some(y)) => {
            let test = read_split(&base.join(x), &base.join(y))?;
            if test.shape().0 == 0 {
                return Err(FetchError::EmptyTest { file: named(x) });
            }
            check_alike((&train, &files.train_y), (&test, x, y))?;
            Some(test)
        }
        _ => None,
    };
    Ok(Splits { train, test })
}

fn named(path: &Path) -> String {
    path.display().to_string()
}

/// Both splits need labels of one kind and as many features.
fn check_alike(
    (train, train_y): (&Split, &Path),
    (test, test_x, test_y): (&Split, &Path, &Path),
) -> Result<(), FetchError> {
    let (found, needed) = (test.labels.kind(), train.labels.kind());
    if found != needed {
        return Err(FetchError::Kinds { test: named(test_y), found, train: named(train_y), needed });
    }
    let (found, needed) = (test.labels.n_targets(), train.labels.n_targets());
    if found != needed {
        return Err(FetchError::Targets { file: named(test_y), found, needed });
    }
    let (found, needed) = (test.shape().1, train.shape().1);
    if found != needed {
        return Err(FetchError::Features { file: named(test_x), found, needed });
    }
    Ok(())
}

fn read_split(x: &Path, y: &Path) -> Result<Split, FetchError> {
    let split = Split { images: inputs::read(x)?, labels: targets::read(y)? };
    let (labels, (samples, features)) = (split.labels.len(), split.shape());
    if labels != samples {
        let (labels_file, images_file) = (named(y), named(x));
        let hint = if features == labels {
            "X looks transposed: save X.T"
        } else if split.labels.n_targets() == samples {
            "y looks transposed: save y.T"
        } else {
            "row i of y belongs to row i of X"
        };
        return Err(FetchError::Lengths { labels_file, labels, images_file, samples, hint });
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::{Images, Labels};
    use ndarray::{Array, Array2, Array3, Array4, Axis, Dimension, array};
    use store::npy::Element;
    use store::npz;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn split(&self) -> Result<Split, String> {
            read_split(&self.0.path().join("x.npy"), &self.0.path().join("y.npy")).map_err(|e| e.to_string())
        }
        fn x<D: Dimension, T: Element>(&self, x: &Array<T, D>) -> &Self {
            store::rows::write(&self.0.path().join("x.npy"), x).unwrap();
            self
        }
        fn y<D: Dimension, T: Element>(&self, y: &Array<T, D>) -> &Self {
            store::rows::write(&self.0.path().join("y.npy"), y).unwrap();
            self
        }
    }

    #[test]
    fn types_are_kept_and_faults_named() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let good = dir.x(&array![[1.0_f32, 2.0], [3.0, 4.0]]).y(&array![1_i64, 0]).split().unwrap();
        assert!(matches!((&good.images, &good.labels), (Images::F32(_), Labels::Classes(_))));
        assert_eq!(good.classes_of(&[0, 1]).collect::<Vec<_>>(), [1, 0]);
        assert!(matches!(dir.y(&array![0.5_f32, 1.0]).split().unwrap().labels, Labels::Values(_)));

        let fault = |dir: &Dir| dir.split().map(|_| ()).unwrap_err();
        assert!(fault(dir.y(&array![1_i64, -2])).contains("row 1 is class -2"));
        assert!(fault(dir.y(&array![1_u8])).contains("1 labels, but"));
        assert!(fault(dir.y(&array![1.0, f64::NAN])).contains("row 1 is not finite"));
        assert!(fault(dir.x(&array![[1.0, f64::INFINITY]])).contains("row 0, column 1 is not finite"));
        assert!(fault(dir.x(&array![[1_i64, 2]])).contains("contains <i8; bool, u8, f32 or f64"));
        assert!(fault(dir.x(&array![1.0_f32, 2.0])).contains("shape [2]; (N, D)"));
        assert!(fault(dir.x(&Array2::<f32>::zeros((5, 1))).y(&array![0_u8, 1])).contains("2 labels, but"));
    }

    /// cases.md E11: Keras' (N, 28, 28), and (N, C, H, W) as torchvision gives it.
    #[test]
    fn samples_of_any_rank_are_rows() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let x = Array4::from_shape_fn((2, 3, 4, 5), |(n, c, h, w)| (1000 * n + 100 * c + 10 * h + w) as f64);
        let split = dir.x(&x).y(&array![0_i64, 1]).split().unwrap();
        let Images::F64(rows) = &split.images else { panic!() };
        assert_eq!(rows.dim(), (2, 60));
        let second = rows.with(1..2, |row| row.iter().copied().collect::<Vec<_>>()).unwrap();
        assert_eq!(second, x.index_axis(Axis(0), 1).iter().copied().collect::<Vec<_>>());
        let split = dir.x(&Array3::<u8>::zeros((2, 28, 28))).split().unwrap();
        assert_eq!(split.shape(), (2, 784));
    }

    /// No rows gave an accuracy of NaN %.
    #[test]
    fn a_test_split_has_samples() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, x: &Array2<f64>| store::rows::write(&dir.path().join(name), x).unwrap();
        write("x.npy", &Array2::ones((4, 3)));
        write("none.npy", &Array2::zeros((0, 3)));
        store::rows::write(&dir.path().join("y.npy"), &array![0_i64, 1, 0, 1]).unwrap();
        store::rows::write(&dir.path().join("no_y.npy"), &Array::from(Vec::<i64>::new())).unwrap();
        let said = |test_x: &str, test_y: &str| {
            let [test_x, test_y] = [test_x, test_y].map(|name| Some(name.into()));
            let files = OwnFiles { train_x: "x.npy".into(), train_y: "y.npy".into(), test_x, test_y };
            read(&files, dir.path(), (None, None)).map(|_| ()).map_err(|e| e.to_string())
        };
        assert_eq!(said("none.npy", "no_y.npy").unwrap_err(), "none.npy: 0 samples");
        assert!(said("x.npy", "y.npy").is_ok());
    }

    /// cases.md F6 and laplax #49: several targets; a row or a column of numbers is one target for each sample.
    #[test]
    fn floats_are_one_target_or_several() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.x(&array![[1.0], [2.0], [3.0]]);
        let y = array![[0.5, 2.0], [1.0, 0.0], [0.0, 1.0]];
        let Labels::Values(found) = dir.y(&y).split().unwrap().labels else { panic!() };
        assert_eq!(found, y);
        let column = y.column(0).insert_axis(Axis(1)).to_owned();
        let row = column.t().to_owned();
        for y in [column.clone().into_dyn(), row.into_dyn(), column.clone().insert_axis(Axis(2)).into_dyn()] {
            let Labels::Values(found) = dir.y(&y).split().unwrap().labels else { panic!() };
            assert_eq!(found, column);
        }
        let Labels::Classes(found) = dir.y(&array![[2_i64], [0], [1]]).split().unwrap().labels else {
            panic!()
        };
        assert_eq!(found, array![2, 0, 1]);
        let fault = |dir: &Dir| dir.split().map(|_| ()).unwrap_err();
        assert!(
            fault(dir.y(&array![[0.5, 2.0], [1.0, f64::NAN], [0.0, 1.0]]))
                .contains("row 1, column 1 is not finite")
        );
        assert!(fault(dir.y(&Array3::<f64>::zeros((3, 2, 2)))).contains("shape [3, 2, 2]; (N,) or (N, C)"));
        assert!(fault(dir.y(&Array2::<f64>::zeros((3, 0)))).contains("shape [3, 0]; (N,) or (N, C)"));
    }

    /// cases.md D3: xgboost #10095, scikit-learn #5058, tflearn #80; the hint of old gave 180 labels for 60 samples.
    #[test]
    fn one_hot_classes_of_any_type_are_named() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.x(&array![[1.0], [2.0], [3.0]]);
        let y = array![[0_u8, 1], [1, 0], [1, 0]];
        let fault = |dir: &Dir| dir.split().map(|_| ()).unwrap_err();
        let named = |said: String| {
            said.ends_with(
                "y.npy: shape [3, 2] with a single 1 in each row: one-hot classes, but (N,) is needed",
            )
        };
        assert!(named(fault(dir.y(&y))) && named(fault(dir.y(&y.mapv(i64::from)))));
        assert!(named(fault(dir.y(&y.mapv(f32::from)))) && named(fault(dir.y(&y.mapv(f64::from)))));
        // Several labels a sample, and counts.
        assert!(
            fault(dir.y(&array![[1_u8, 1], [1, 0], [1, 0]]))
                .contains("shape [3, 2]; (N,), a class for each sample")
        );
        assert!(
            fault(dir.y(&array![[0_i64, 2], [2, 0], [1, 0]]))
                .contains("shape [3, 2]; (N,), a class for each sample")
        );
    }

    /// cases.md D2 and E1; IDX files by any name, and the eight columns of QMNIST.
    #[test]
    fn idx_files_give_samples_and_classes() {
        let dir = Dir(tempfile::tempdir().unwrap());
        let path = |name: &str| dir.0.path().join(name);
        std::fs::write(path("a"), [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]).unwrap();
        std::fs::write(path("b"), [0, 0, 8, 1, 0, 0, 0, 2, 9, 0]).unwrap();
        let wide = [7, 4, 3, 2, 1, 0, 9, 8, 0, 1, 1, 1, 1, 1, 1, 1].map(i32::to_be_bytes).concat();
        std::fs::write(path("c"), [&[0, 0, 0x0c, 2, 0, 0, 0, 2, 0, 0, 0, 8], &wide[..]].concat()).unwrap();
        for (y, classes) in [("b", [9, 0]), ("c", [7, 0])] {
            let split = read_split(&path("a"), &path(y)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(
                (split.shape(), split.classes_of(&[0, 1]).collect::<Vec<_>>()),
                ((2, 2), classes.to_vec())
            );
        }
    }

    /// cases.md C3: aica-agent #307, osprey #92.
    #[test]
    fn samples_without_features_are_refused() {
        let dir = Dir(tempfile::tempdir().unwrap());
        dir.x(&Array2::<f32>::zeros((3, 0))).y(&array![0_i64, 1, 0]);
        let files = OwnFiles { train_x: "x.npy".into(), train_y: "y.npy".into(), test_x: None, test_y: None };
        let message = read(&files, dir.0.path(), (None, None)).map(|_| ()).unwrap_err().to_string();
        assert_eq!(message, "x.npy: 0 features");
    }

    #[test]
    fn an_archive_contains_x_and_y() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("set.npz");
        let arrays = [
            ("x".to_owned(), array![[1.0], [2.0]].into_dyn()),
            ("y".to_owned(), array![3.0, 4.0].into_dyn()),
        ];
        npz::write(&path, &arrays).unwrap();
        assert_eq!(read_split(&path, &path).unwrap().shape(), (2, 1));
        npz::write(&path, &arrays[..1]).unwrap();
        assert!(
            read_split(&path, &path)
                .map(|_| ())
                .unwrap_err()
                .to_string()
                .contains("no array \"y\"; it contains x")
        );
        let named = |array| dir.path().join(format!("set.npz[{array}]"));
        assert_eq!(read_split(&named("x"), &named("x")).unwrap().shape(), (2, 1));
    }
}
