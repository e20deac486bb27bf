//! IDX files, checked before the `mnist` crate parses them: that crate panics on bad ones.

use anyhow::Result;
use pipeline::Failure;

/// What a file must be.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// lengths of the axes
    pub dims: &'static [u32],
}

/// Magic number of an IDX file of bytes with so many axes.
fn magic(axes: usize) -> u32 {
    0x0800 + u32::try_from(axes).expect("a few axes")
}

/// Header, axes and size of the unpacked bytes of `name`.
pub fn check(name: &str, bytes: &[u8], expected: Expected) -> Result<()> {
    let refuse = |found: String| {
        Failure::input(
            format!("{name}: {found}"),
            "delete the file so that it is fetched again, or give the right one",
        )
    };
    let word =
        |i: usize| bytes.get(4 * i..4 * i + 4).map(|b| u32::from_be_bytes(b.try_into().expect("four bytes")));
    let needed = magic(expected.dims.len());
    match word(0) {
        None => return Err(refuse(format!("{} bytes, too short for an IDX header", bytes.len())).into()),
        Some(found) if found != needed => {
            return Err(refuse(format!(
                "magic number {found:#06x}, but {needed:#06x} is needed: not such an IDX file"
            ))
            .into());
        }
        _ => {}
    }
    for (axis, &length) in expected.dims.iter().enumerate() {
        let found = word(axis + 1);
        if found != Some(length) {
            let found = found.map_or("missing".to_owned(), |n| n.to_string());
            return Err(refuse(format!("length of axis {axis} is {found}, but {length} is needed")).into());
        }
    }
    let size = 4 * (1 + expected.dims.len()) + expected.dims.iter().map(|&n| n as usize).product::<usize>();
    if bytes.len() != size {
        return Err(refuse(format!("{} bytes, but its header means {size}", bytes.len())).into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Expected = Expected { dims: &[3] };

    fn message(bytes: &[u8]) -> String {
        check("labels", bytes, LABELS).unwrap_err().to_string()
    }

    #[test]
    fn a_good_file_passes_and_each_fault_is_named() {
        let good = [0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9];
        check("labels", &good, LABELS).unwrap();
        assert!(message(&good[..2]).contains("2 bytes, too short"));
        assert!(message(&[&[0, 0, 8, 3], &good[4..]].concat()).contains("magic number 0x0803, but 0x0801"));
        assert!(message(&[0, 0, 8, 1, 0, 0, 0, 4, 7, 8, 9]).contains("axis 0 is 4, but 3"));
        assert!(message(&good[..6]).contains("axis 0 is missing"));
        assert!(message(&good[..10]).contains("10 bytes, but its header means 11"));
    }
}
