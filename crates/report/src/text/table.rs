//! A table, as pages and Markdown show it.

/// A table; the first cell of a row names it.
pub struct Table {
    /// an empty one heads nothing
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table of `rows` under `head`.
    pub fn of<H: Into<String>>(
        head: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: rows.into_iter().collect() }
    }

    /// What it is a table of, for readers who hear it.
    pub fn name(&self) -> String {
        let heads = self.head.iter().filter(|h| !h.is_empty()).map(String::as_str).collect::<Vec<_>>();
        format!("table of {}", heads.join(", "))
    }

    /// The same in Markdown, after an empty line.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.head.len()));
        let rows = self.rows.iter().map(|row| line(row)).collect::<String>();
        format!("\n{}{rule}{rows}", line(&self.head).replace("|  |", "| |"))
    }
}
