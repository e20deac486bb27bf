//! A table of bytes: the values of a sample and its label on each line, with commas between them, without a header.

use catalogue::Entry;
use ndarray::{Array1, Array2};
use store::rows::Rows;

use crate::error::FetchError;
use crate::split::{Images, Labels, Split, Splits};

/// The one split of a table.
pub fn read(entry: &Entry, files: &[Vec<u8>]) -> Result<Splits, FetchError> {
    let refuse = |found: String| FetchError::Unexpected { file: entry.files[0].name, found };
    let text = std::str::from_utf8(&files[0]).map_err(|e| refuse(e.to_string()))?;
    let (mut values, mut labels) = (vec![], vec![]);
    for (line, number) in text.lines().zip(1..) {
        let row = line.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>();
        match row.as_deref() {
            Ok([row @ .., label]) if row.len() == entry.features() && usize::from(*label) < entry.classes => {
                values.extend_from_slice(row);
                labels.push(i64::from(*label));
            }
            _ => {
                let (values, last) = (entry.features(), entry.classes - 1);
                let needed = format!("{values} values of 0 to 255 and a label of 0 to {last} are needed");
                return Err(refuse(format!("line {number}: {needed}")));
            }
        }
    }
    if labels.len() != entry.n_train {
        return Err(refuse(format!("{} lines, but {} are needed", labels.len(), entry.n_train)));
    }
    let images = Array2::from_shape_vec((labels.len(), entry.features()), values).expect("as many a line");
    let images = Images::U8(Rows::Memory(images));
    Ok(Splits { train: Split { images, labels: Labels::Classes(Array1::from(labels)) }, test: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use catalogue::Dataset;

    #[test]
    fn a_table_is_read_line_by_line_and_a_damaged_one_is_named() {
        let digits = Dataset::named("digits").and_then(Dataset::entry).unwrap();
        let read = |text: String| read(digits, &[text.into_bytes()]).map_err(|e| e.to_string());
        let line = |value: usize| format!("{value},{}{}\n", "0,".repeat(63), value % 10);
        let all = (0..1797).map(|i| line(i % 17)).collect::<String>();
        let table = read(all.clone()).unwrap();
        let (Images::U8(x), Labels::Classes(y)) = (&table.train.images, &table.train.labels) else {
            panic!()
        };
        assert_eq!((x.dim(), y[16], y.len()), ((1797, 64), 6, 1797));
        assert_eq!(x.with(16..17, |row| row[[0, 0]]).unwrap(), 16);

        let message = |text: String| read(text).map(|_| ()).unwrap_err();
        assert!(message(line(3)).contains("digits.csv: 1 lines, but 1797 are needed"));
        assert!(message(all.replacen("\n3,", "\n300,", 1)).contains("line 4: 64 values of 0 to 255"));
        assert!(message(all.replacen("\n3,", "\n", 1)).contains("line 4: 64 values"));
        assert!(message(all.replacen(",9\n", ",10\n", 1)).contains("a label of 0 to 9"));
    }
}
