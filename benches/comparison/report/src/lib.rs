//! What both comparisons write into BENCHMARKS.md: tables of figures with their spread, and where they were measured.
//!
//! Invariant: a table carries its command, its date and its machine.

mod figure;
mod page;

pub use figure::Figure;
pub use page::{Build, said, version, write};

/// A table in Markdown: the first column holds names, the others figures.
pub fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule = format!("|---|{}", "--:|".repeat(head.len() - 1));
    let mut lines = vec![line(head), rule];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}
