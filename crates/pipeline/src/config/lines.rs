//! Where each key of a pipeline file is, for errors.

use std::cell::OnceCell;

use marked_yaml::{LoadError, LoaderOptions, Node};

/// The keys of a file with their lines; empty where the parser that knows lines cannot read the file.
pub(crate) struct Lines {
    text: String,
    /// parsed for the first error, as most files have none
    root: OnceCell<Option<Node>>,
}

impl Lines {
    /// Of a file with this text.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), root: OnceCell::new() }
    }

    /// Line of the deepest key along `path` that the file has, and how deep that is.
    pub(crate) fn of_key(&self, path: &[&str]) -> Option<(usize, usize)> {
        let mut node = self.root.get_or_init(|| marked_yaml::parse_yaml(0, &self.text).ok()).as_ref()?;
        let mut found = None;
        for (depth, step) in path.iter().enumerate() {
            let below = match node {
                Node::Mapping(m) => {
                    let entry = m.iter().find(|(key, _)| key.as_str() == *step);
                    entry.map(|(key, child)| (key.span().start(), child))
                }
                Node::Sequence(s) => {
                    let child = step.parse().ok().and_then(|i| s.get_node(i));
                    child.map(|child| (child.span().start(), child))
                }
                Node::Scalar(_) => None,
            };
            // A missing key is reported at its parent.
            let Some((mark, child)) = below else { break };
            found = mark.map(|m| (m.line(), depth + 1)).or(found);
            node = child;
        }
        found
    }
}

/// A key that a mapping has twice, with the lines of both; `None` where the parser that knows lines finds none.
pub(crate) fn twice(text: &str) -> Option<(String, usize, usize)> {
    let options = LoaderOptions::default().error_on_duplicate_keys(true);
    let Err(LoadError::DuplicateKey(found)) = marked_yaml::parse_yaml_with_options(0, text, options) else {
        return None;
    };
    let (first, second) = (found.prev_key.span().start()?, found.key.span().start()?);
    Some((found.key.as_str().to_owned(), first.line(), second.line()))
}
