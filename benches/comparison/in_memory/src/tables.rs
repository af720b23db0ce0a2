//! The tables of BENCHMARKS.md that this program writes.
//!
//! Invariant: all of a table was measured in this run.

use crate::measure::TABLE;
use crate::{broadcast, check, kept, peers, work};
use report::{Build, Figure};

/// A row's name, and what measures its figures, one for each column.
pub type Row = (String, Box<dyn FnOnce() -> Vec<Option<Figure>>>);

pub struct Table {
    /// Its marks in BENCHMARKS.md.
    pub mark: &'static str,
    /// The names of the columns; the first is that of the rows.
    pub head: Vec<String>,
    pub rows: Vec<Row>,
    /// Whether only the first figure of a row is ours: then the rows in which we are behind are listed.
    pub has_rivals: bool,
}

/// All tables, in the order of BENCHMARKS.md.
pub fn all() -> [Table; 3] {
    [others(), broadcast::table(), kept::table()]
}

/// This crate beside the others.
fn others() -> Table {
    let title = |peer: &peers::Peer| format!("{}{}", peer.name, report::version(peer.name));
    let row = |work: work::Work| -> Row {
        let name = work.name.clone();
        let measure = move || check::figures(&work, peers::ALL, TABLE);
        (name, Box::new(measure))
    };
    Table {
        mark: "comparison",
        head: std::iter::once("ns for each".into())
            .chain(peers::ALL.iter().map(title))
            .collect(),
        rows: work::rows().into_iter().map(row).collect(),
        has_rivals: true,
    }
}

impl Table {
    /// Measures the rows whose names contain `part`. The least figure of a row is bold. `None` if there is no such row.
    pub fn measure(self, part: &str, build: &Build) -> Option<String> {
        let rows: Vec<_> = self
            .rows
            .into_iter()
            .filter(|(name, _)| name.contains(part))
            .collect();
        let (all, mut cells, mut behind) = (rows.len(), Vec::new(), Vec::new());
        for (n, (name, measure)) in rows.into_iter().enumerate() {
            eprintln!("{}, {}/{all}: {name}", self.mark, n + 1);
            let figures = measure();
            let least = (0..figures.len())
                .filter(|&n| figures[n].is_some())
                .min_by(|&one, &other| median(&figures[one]).total_cmp(&median(&figures[other])))
                .expect("at least one has a figure");
            if self.has_rivals && least > 0 {
                let part = median(&figures[least]) / median(&figures[0]);
                let rival = &self.head[least + 1];
                behind.push(format!("{name} ({rival} takes {part:.2} of our time)"));
            }
            let cell = |(n, figure): (usize, &Option<Figure>)| {
                figure.map_or(String::new(), |figure| figure.cell(n == least))
            };
            let cells_of_row = figures.iter().enumerate().map(cell);
            cells.push(std::iter::once(name).chain(cells_of_row).collect());
        }
        let samples = format!("{} starts", TABLE.starts);
        let mut section = report::table(&self.head, &cells);
        section += &format!("\n\n{}", build.line(&samples));
        if !behind.is_empty() {
            let (rows, behind) = (behind.len(), behind.join("; "));
            section += &format!("\n\nWe are behind in {rows} of {all} rows: {behind}.");
        }
        (all > 0).then_some(section)
    }
}

fn median(figure: &Option<Figure>) -> f64 {
    figure.map_or(f64::MAX, |figure| figure.median)
}
