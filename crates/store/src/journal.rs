//! Journals: what a computation found, in its order, so that a run that goes on takes it from there and finds the rest.
//!
//! A file is the hash of what it belongs to, and then records: the hash of the question, the number of values and how wide each is,
//! the values, and a hash over all that with the number of the record. It ends where a record is not whole.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::hash;

/// A hash as its hexadecimal digits.
const HASH: usize = 64;
/// The bit of the number of values which says that they are f32.
const NARROW: u64 = 1 << 63;

/// The journal of one computation.
pub struct Journal {
    path: PathBuf,
    identity: String,
    /// what an earlier run found, as long as there is more
    earlier: Option<(BufReader<File>, u64)>,
    /// records so far
    n: u64,
    /// bytes of the file that count
    good: u64,
    /// what follows them and is not written yet
    waiting: Vec<u8>,
    /// what counts outlasts a power cut
    is_on_disk: bool,
    is_foreign: bool,
    /// nothing is written any more
    is_closed: bool,
}

impl Journal {
    /// The journal at `path`; `identity` says of which parameters, inputs and code it is. What is there of others does not count.
    pub fn open(path: &Path, identity: &str) -> Self {
        let identity = hash::of_bytes(identity.as_bytes());
        let mut journal = Self {
            path: path.to_owned(),
            identity,
            earlier: None,
            n: 0,
            good: 0,
            waiting: vec![],
            is_on_disk: true,
            is_foreign: false,
            is_closed: false,
        };
        let file = File::open(path).and_then(|file| Ok((file.metadata()?.len(), BufReader::new(file))));
        if let Ok((length, mut reader)) = file {
            let mut found = [0; HASH];
            if reader.read_exact(&mut found).is_ok() && found == journal.identity.as_bytes() {
                journal.earlier = Some((reader, length));
                journal.good = HASH as u64;
            } else {
                journal.is_foreign = length > 0;
            }
        }
        if journal.good == 0 {
            journal.waiting = journal.identity.clone().into_bytes();
        }
        journal
    }

    /// Whether an earlier run has left something that was not asked for yet.
    pub fn has_more(&self) -> bool {
        self.earlier.as_ref().is_some_and(|(_, length)| self.good < *length)
    }

    /// Whether there is a file, but of something else.
    pub fn is_foreign(&self) -> bool {
        self.is_foreign
    }

    /// How many answers it has.
    pub fn answers(&self) -> u64 {
        self.n
    }

    /// The answer of an earlier run to the next question, whose hash is `question`; `None` from where it ends, or differs, or is damaged.
    pub fn next(&mut self, question: &str) -> Option<Vec<f64>> {
        let answer = self.read(question);
        if answer.is_none() {
            self.earlier = None;
        }
        answer
    }

    fn read(&mut self, question: &str) -> Option<Vec<f64>> {
        let (reader, length) = self.earlier.as_mut()?;
        let (mut asked, mut count, mut check) = ([0; HASH], [0; 8], [0; HASH]);
        reader.read_exact(&mut asked).ok()?;
        reader.read_exact(&mut count).ok()?;
        let count = u64::from_le_bytes(count);
        let is_narrow = count & NARROW != 0;
        let size = (count & !NARROW).checked_mul(if is_narrow { 4 } else { 8 })?;
        let end = self.good.checked_add(size)?.checked_add(2 * HASH as u64 + 8)?;
        if asked != question.as_bytes() || end > *length {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(size).ok()?];
        reader.read_exact(&mut bytes).ok()?;
        reader.read_exact(&mut check).ok()?;
        if check != self.check(question, count, &bytes).as_bytes() {
            return None;
        }
        (self.good, self.n) = (end, self.n + 1);
        Some(if is_narrow {
            bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b).into()).collect()
        } else {
            bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
        })
    }

    /// Over the number of the record, the question and the values.
    fn check(&self, question: &str, count: u64, bytes: &[u8]) -> String {
        let bytes = hash::of_parts(bytes);
        hash::of_bytes(format!("{} {question} {count} {bytes}", self.n).as_bytes())
    }

    /// An answer that an earlier run did not have.
    pub fn push(&mut self, question: &str, values: &[f64]) {
        self.earlier = None;
        if self.is_closed {
            return;
        }
        let narrow = narrow(values);
        let (width, bytes) = match &narrow {
            Some(narrow) => (NARROW, bytemuck::cast_slice(narrow)),
            None => (0, bytemuck::cast_slice(values)),
        };
        let count = values.len() as u64 | width;
        let check = self.check(question, count, bytes);
        self.waiting.extend_from_slice(question.as_bytes());
        self.waiting.extend_from_slice(&count.to_le_bytes());
        self.waiting.extend_from_slice(bytes);
        self.waiting.extend_from_slice(check.as_bytes());
        self.n += 1;
    }

    /// Bytes that are not on disk yet.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Writes them, so that they outlast a power cut. A file is open for no longer than that: other machines see what is closed.
    pub fn write(&mut self) -> Result<()> {
        self.put(true)
    }

    /// Writes them to have room: the disk is waited for by the next [`Self::write`].
    pub fn spill(&mut self) -> Result<()> {
        self.put(false)
    }

    fn put(&mut self, to_disk: bool) -> Result<()> {
        if self.waiting.is_empty() && (self.is_on_disk || !to_disk) {
            return Ok(());
        }
        let written = self.file().and_then(|mut file| {
            file.seek(SeekFrom::End(0))?;
            file.write_all(&self.waiting)?;
            if to_disk { file.sync_all() } else { Ok(()) }
        });
        if let Err(error) = written {
            // A part of it would fill a disk that has no room.
            let _ = self.file();
            return Err(Error::system("write", &self.path)(error));
        }
        self.is_on_disk = to_disk;
        self.good += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// The file, without what does not count.
    fn file(&self) -> std::io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(&self.path)?;
        file.set_len(self.good)?;
        Ok(file)
    }

    /// Whether nothing is kept any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// From now on nothing is kept: there is no room.
    pub fn close(&mut self) {
        (self.is_closed, self.is_on_disk) = (true, true);
        self.waiting = vec![];
    }
}

/// The values as f32, where that loses nothing: a stage that computes in f32 has half as much to keep.
#[allow(clippy::cast_possible_truncation, reason = "what is lost is seen")]
fn narrow(values: &[f64]) -> Option<Vec<f32>> {
    let is_exact = |&v: &f64| f64::from(v as f32).to_bits() == v.to_bits();
    (values.len() > 1 && values.iter().all(is_exact)).then(|| values.iter().map(|&v| v as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(i: usize) -> String {
        hash::of_bytes(&[u8::try_from(i).unwrap()])
    }

    /// Every second one of numbers that f32 has too.
    fn answer(i: usize) -> Vec<f64> {
        let step = if i.is_multiple_of(2) { 0.25 } else { 0.1 };
        (0..i).map(|j| step * j as f64 - 0.2 * step).collect()
    }

    fn bytes_of(answer: &[f64]) -> usize {
        answer.len() * if narrow(answer).is_some() { 4 } else { 8 }
    }

    /// Answers until one is missing.
    fn known(path: &Path, identity: &str) -> usize {
        let mut journal = Journal::open(path, identity);
        let n = (0..)
            .take_while(|&i| journal.next(&question(i)).map(|found| assert_eq!(found, answer(i))).is_some());
        n.count()
    }

    #[test]
    fn a_journal_goes_on_where_it_ends_or_is_damaged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("products.journal");
        let mut journal = Journal::open(&path, "id");
        assert!(!journal.has_more() && journal.next(&question(0)).is_none());
        (0..3).for_each(|i| journal.push(&question(i), &answer(i)));
        assert_eq!(known(&path, "id"), 0);
        journal.write().unwrap();
        journal.push(&question(3), &answer(3));
        journal.spill().unwrap();
        journal.write().unwrap();
        assert_eq!(journal.waiting(), 0);
        assert_eq!((known(&path, "id"), known(&path, "other")), (4, 0));

        // A run that goes on, and then asks for something else.
        let mut journal = Journal::open(&path, "id");
        assert!(
            journal.has_more()
                && journal.next(&question(0)).is_some()
                && journal.next(&question(9)).is_none()
        );
        assert!(journal.next(&question(1)).is_none());
        journal.push(&question(1), &answer(1));
        journal.write().unwrap();
        assert_eq!(known(&path, "id"), 2);

        // Each byte counts: answers before the damage are there, and none after it.
        let whole = std::fs::read(&path).unwrap();
        let ends =
            [0, 1, 2].map(|n| HASH + (0..n).map(|i| 2 * HASH + 8 + bytes_of(&answer(i))).sum::<usize>());
        assert_eq!(ends[2], whole.len());
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let expected = if i < HASH { 0 } else { ends[1..].iter().filter(|&&end| end <= i).count() };
            assert_eq!(known(&path, "id"), expected, "byte {i}");
            std::fs::write(&path, &whole[..i]).unwrap();
            let expected = ends[1..].iter().filter(|&&end| end <= i).count();
            assert_eq!(known(&path, "id"), expected, "cut at {i}");
        }
    }
}
