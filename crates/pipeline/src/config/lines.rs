//! Where each key of a pipeline file is, for errors.

use marked_yaml::Node;

/// The keys of a file with their lines; empty where the parser that knows lines cannot read the file.
pub(crate) struct Lines(Option<Node>);

impl Lines {
    /// Of a file with this text.
    pub(crate) fn of(text: &str) -> Self {
        Self(marked_yaml::parse_yaml(0, text).ok())
    }

    /// Line of the deepest key along `path` that the file has, and how deep that is.
    pub(crate) fn of_key(&self, path: &[&str]) -> Option<(usize, usize)> {
        let mut node = self.0.as_ref()?;
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
