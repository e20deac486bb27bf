//! Every setting of one experiment or of several, a row each.

use records::bound::SufficientRow;
use records::name_of;

use crate::export::summary::{SettingSummary, Summary};
use crate::read::unit::Unit;
use crate::text::numbers::{decimals, grouped, interval, short, unknown};
use crate::text::own::tolerance;
use crate::text::table::Table;
use crate::text::verdicts::size;

/// V, the exponent and K averaged over orders of every setting of `all`. `unit` is that of all of them.
pub fn table(all: &[&Summary], unit: &Unit) -> Table {
    let columns = COLUMNS.iter().filter(|c| all.len() > 1 || !c.of_experiment).collect::<Vec<_>>();
    let tolerances = tolerances(all);
    let head = columns.iter().map(|c| c.head.replace("loss²", &unit.squared));
    let head = head.chain(tolerances.iter().map(|t| format!("K at {}", tolerance(t, unit))));
    let row = |s: &Summary, setting: &SettingSummary| {
        let k = |t: &&SufficientRow| {
            let mut rows = of_law(s).filter(|r| r.setting == setting.name);
            rows.find(|r| asked(r) == asked(t)).map_or_else(unknown, size_and_status)
        };
        let cells = columns.iter().map(|c| (c.cell)(s, setting).unwrap_or_else(unknown));
        cells.chain(tolerances.iter().map(k)).collect()
    };
    let rows = all.iter().flat_map(|s| s.settings.iter().map(move |setting| row(s, setting)));
    Table::of(head, rows.collect::<Vec<_>>())
}

/// K with interval and status.
pub fn size_and_status(row: &SufficientRow) -> String {
    size(row).map_or_else(|| name_of(row.status), |k| format!("{k} ({})", name_of(row.status)))
}

/// K by the closed form.
pub fn of_law(s: &Summary) -> impl Iterator<Item = &SufficientRow> {
    s.sufficient.iter().filter(|r| r.method == "order-average")
}

/// A tolerance as it was asked for: a relative one is another number in each setting.
fn asked(r: &SufficientRow) -> (bool, f64) {
    (r.relative.is_some(), r.relative.unwrap_or(r.tolerance))
}

/// Those of all; absolute ones first, each from large to small.
fn tolerances<'a>(all: &[&'a Summary]) -> Vec<&'a SufficientRow> {
    let mut rows = all.iter().flat_map(|s| of_law(s)).collect::<Vec<_>>();
    rows.sort_by(|a, b| asked(a).0.cmp(&asked(b).0).then(asked(b).1.total_cmp(&asked(a).1)));
    rows.dedup_by(|a, b| asked(a) == asked(b));
    rows
}

struct Column {
    head: &'static str,
    /// the same in all settings of an experiment
    of_experiment: bool,
    cell: fn(&Summary, &SettingSummary) -> Option<String>,
}

const fn column(head: &'static str, cell: fn(&Summary, &SettingSummary) -> Option<String>) -> Column {
    Column { head, of_experiment: false, cell }
}

const COLUMNS: [Column; 8] = [
    Column { of_experiment: true, ..column("experiment", |s, _| Some(s.experiment.clone())) },
    column("setting", |s, own| {
        let answers = s.settings.len() > 1 && own.name == s.setting;
        Some(if answers { format!("{} (the answer)", own.name) } else { own.name.clone() })
    }),
    column("directions", |_, own| {
        Some(own.basis.map_or_else(|| own.dim.to_string(), |basis| format!("{} {}", own.dim, name_of(basis))))
    }),
    column("σ", |_, own| {
        Some(if own.deviations.is_empty() { short(own.sigma) } else { "posterior".to_owned() })
    }),
    Column { of_experiment: true, ..column("samples N", |s, _| Some(grouped(s.n_samples))) },
    Column { of_experiment: true, ..column("step s", |s, _| Some(grouped(s.step))) },
    column("V (loss²)", |_, own| {
        let ends = own.variance_interval.map(|[low, high]| format!(" {}", interval(low, high)));
        Some(short(own.variance) + &ends.unwrap_or_default())
    }),
    column("decay exponent of Δ_k", |_, own| Some(decimals(own.exponent?, 3))),
];
