//! The header of a `.npy` file: the type, shape and order of the numbers that follow.

use std::io::Read;

use py_literal::Value;

use crate::error::{Error, Result};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// NumPy reads no longer header either (`max_header_size`).
const LONGEST: usize = 10_000;
/// Brackets inside brackets: the parser of Python literals calls itself.
const DEEPEST: usize = 16;
/// As in NumPy.
const MOST_AXES: usize = 64;

/// What a header says. Its numbers fit into the address space of a machine, if not into its memory.
#[derive(Debug)]
pub(crate) struct Header {
    /// as NumPy writes it; `|` before types of one byte, whose order means nothing
    pub dtype: String,
    /// lengths of the axes
    pub shape: Vec<usize>,
    /// whether the first axis varies fastest
    pub is_fortran: bool,
    /// bytes until the numbers begin
    pub length: usize,
}

impl Header {
    /// Reads up to the first number; `name` is for errors.
    pub fn read(reader: &mut impl Read, name: &str) -> Result<Self> {
        Self::parse(reader).map_err(|reason| Error::Format {
            name: name.to_owned(),
            format: "a .npy file",
            reason,
            hint: "write it with numpy.save(path, array, allow_pickle=False)",
        })
    }

    /// How many numbers there are.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    fn parse(reader: &mut impl Read) -> Result<Self, String> {
        let (text, length) = text(reader)?;
        let parsed = without_long_suffixes(&text).trim_end().parse::<Value>();
        let Ok(Value::Dict(entries)) = parsed else {
            return Err(format!("its header is no Python dict: {:.100}", text.trim_end()));
        };
        let entry = |key: &str| {
            let found = entries.iter().find(|(k, _)| k.as_string().is_some_and(|k| k == key));
            found.map(|(_, value)| value).ok_or(format!("its header lacks {key:?}"))
        };
        let dtype = match entry("descr")? {
            Value::String(plain) => normal(plain),
            record => record.to_string(),
        };
        let Value::Boolean(is_fortran) = *entry("fortran_order")? else {
            return Err("\"fortran_order\" is neither True nor False".to_owned());
        };
        let shape = shape(entry("shape")?)?;
        Ok(Self { dtype, shape, is_fortran, length })
    }
}

/// The Python literal, and the number of bytes up to its end.
fn text(reader: &mut impl Read) -> Result<(String, usize), String> {
    let mut next = |n: usize| {
        let mut bytes = vec![0; n];
        reader.read_exact(&mut bytes).map(|()| bytes).map_err(|e| e.to_string())
    };
    let first = next(8).ok().filter(|first| first.starts_with(MAGIC));
    let first = first.ok_or("its first bytes are not those of NumPy")?;
    let width = match first[6..] {
        [1, 0] => 2,
        [2 | 3, 0] => 4,
        _ => return Err(format!("version {}.{} of the format is unknown", first[6], first[7])),
    };
    let length = next(width)?.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    if length > LONGEST {
        return Err(format!("its header has {length} bytes, more than {LONGEST}"));
    }
    let text = String::from_utf8_lossy(&next(length)?).into_owned();
    let depths = text.chars().scan(0_usize, |depth, c| {
        match c {
            '(' | '[' | '{' => *depth += 1,
            ')' | ']' | '}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    if depths.max().unwrap_or(0) > DEEPEST {
        return Err("its header nests too many brackets".to_owned());
    }
    Ok((text, first.len() + width + length))
}

/// Python 2 wrote `60L` for 60.
fn without_long_suffixes(text: &str) -> String {
    let (mut quoted, mut last) = (false, ' ');
    let keep = |&c: &char| {
        quoted ^= c == '\'';
        let suffix = c == 'L' && !quoted && last.is_ascii_digit();
        last = c;
        !suffix
    };
    text.chars().filter(keep).collect()
}

/// A type with the byte order that NumPy writes: none for one byte, that of the machine where none is given.
fn normal(descr: &str) -> String {
    let bare = descr.trim_start_matches(['<', '>', '=', '|']);
    match bare.as_bytes() {
        b"?" => "|b1".to_owned(),
        [b'b' | b'i' | b'u', b'1'] => format!("|{bare}"),
        [b'i' | b'u' | b'f' | b'c', _, ..] if !descr.starts_with('>') => format!("<{bare}"),
        _ => descr.to_owned(),
    }
}

/// Lengths of the axes, whose product any machine can count the bytes of.
fn shape(value: &Value) -> Result<Vec<usize>, String> {
    let (Value::Tuple(lengths) | Value::List(lengths)) = value else {
        return Err(format!("its shape is {value}, no tuple"));
    };
    let length = |value: &Value| {
        let length = value.as_integer().and_then(|n| n.to_string().parse::<usize>().ok());
        length.ok_or_else(|| format!("{value} is no length of an axis"))
    };
    let lengths = lengths.iter().map(length).collect::<Result<Vec<_>, _>>()?;
    count(&lengths)?;
    Ok(lengths)
}

/// How many numbers an array has, if any machine can count their bytes.
pub(crate) fn count(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > MOST_AXES {
        return Err(format!("it has {} axes, more than {MOST_AXES}", shape.len()));
    }
    let beyond = || format!("shape {shape:?} is beyond any memory");
    // ndarray multiplies the lengths other than 0; 16 bytes are the largest number of NumPy.
    let longest = shape.iter().try_fold(1_usize, |count, &length| count.checked_mul(length.max(1)));
    longest.filter(|&count| count <= usize::MAX / 32).ok_or_else(beyond)?;
    Ok(shape.iter().product())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        let length = if version == 1 { &length[..2] } else { &length[..] };
        [MAGIC, &[version, 0][..], length, text.as_bytes()].concat()
    }

    fn parse(text: &str) -> Result<Header, String> {
        Header::read(&mut &file(1, text)[..], "x.npy").map_err(|e| e.to_string())
    }

    fn of(descr: &str, shape: &str) -> Result<Header, String> {
        parse(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}          \n"))
    }

    /// cases.md D8: numpy #5170 and #5178, JetBrains npy #6, npy-matlab #2, NPZ.jl #11.
    #[test]
    fn headers_of_python_2_are_read() {
        assert_eq!(of("'<f8'", "(60L, 2L)").unwrap().shape, [60, 2]);
        assert_eq!(of("'<f8'", "(60L,)").unwrap().shape, [60]);
        assert_eq!(of("[('5L', '<f8')]", "(1,)").unwrap().dtype, "[('5L', '<f8')]");
    }

    /// cases.md D1: cnpy writes `<u1`; npyjs #3, NVIDIA/DALI #1958.
    #[test]
    fn byte_order_matters_beyond_one_byte_only() {
        for (descr, normal) in [
            ("<u1", "|u1"),
            (">u1", "|u1"),
            ("|u1", "|u1"),
            ("=u1", "|u1"),
            ("u1", "|u1"),
            ("<i1", "|i1"),
            (">b1", "|b1"),
            ("?", "|b1"),
            ("=f4", "<f4"),
            ("f8", "<f8"),
            ("|i4", "<i4"),
            (">i4", ">i4"),
            ("<U4", "<U4"),
            ("|S3", "|S3"),
            ("|O", "|O"),
            ("<M8[s]", "<M8[s]"),
        ] {
            assert_eq!(of(&format!("'{descr}'"), "()").unwrap().dtype, normal, "{descr}");
        }
    }

    /// cases.md C2: libnpy #44 and #45, mlx #3365, cnpy #106 and #107, stablehlo #2963.
    #[test]
    fn a_malformed_header_is_an_error() {
        for (shape, found) in [
            ("(4294967296, 4294967296)", "beyond any memory"),
            ("(0, 18446744073709551615)", "beyond any memory"),
            ("(18446744073709551616,)", "no length of an axis"),
            ("(-1,)", "no length of an axis"),
            ("(1.5,)", "no length of an axis"),
            ("(True,)", "no length of an axis"),
            ("60", "no tuple"),
        ] {
            let message = of("'<f8'", shape).unwrap_err();
            assert!(message.contains(found), "{shape}: {message}");
        }
        let axes = format!("({})", "1,".repeat(65));
        assert!(of("'<f8'", &axes).unwrap_err().contains("it has 65 axes"));
        let brackets = "(".repeat(5000);
        assert!(of("'<f8'", &brackets).unwrap_err().contains("nests too many brackets"));
        assert!(parse("").unwrap_err().contains("no Python dict"));
        assert!(parse("{'descr': '<f8'}").unwrap_err().contains("lacks \"fortran_order\""));
        assert!(parse("[1, 2]").unwrap_err().contains("no Python dict: [1, 2]"));
        let message = |bytes: &[u8]| Header::read(&mut &*bytes, "x.npy").unwrap_err().to_string();
        assert!(message(b"").contains("x.npy: not a .npy file (its first bytes"));
        assert!(message(b"\x93NUMPY").contains("its first bytes"));
        assert!(message(&file(4, "{}")).contains("version 4.0"));
        assert!(message(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").contains("4294967295 bytes"));
        assert!(message(b"\x93NUMPY\x01\x00\xff\x00{'descr'").contains("failed to fill whole buffer"));
    }
}
