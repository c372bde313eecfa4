//! What is normal. Samples are not kept: each goes into the [`Sketch`] of its key and UTC hour (a [`Slice`]); a
//! recalculation merges slices into baselines at four levels (a [`KeyBaseline`]), all of which are a [`Generation`].

mod cell;
mod coming;
mod generation;
mod key_baseline;
mod ledger;
mod level;
mod maintenance;
mod naming;
mod past;
mod series;
mod settings;
mod sketch;
mod slice;
mod spread;
mod structure;

pub use cell::{Cell, CellRules, CutOff, CutOffRule, Exceeding, PERCENTILES};
pub use coming::Coming;
pub use generation::{Comparison, Generation, Moved, watched};
pub use key_baseline::{KeyBaseline, KeyBuilder};
pub use ledger::{Learnt, Ledger, Settled, gaps, unite, without};
pub use level::Levels;
pub use maintenance::{Maintenance, MaintenancePlan};
pub use naming::{Naming, OTHER, fold_ids};
pub use past::{DRIFT_WEEKS, DayPart, FEWEST_FOR_P99, Past, first_of};
pub use series::{Measure, SeriesKey};
pub use settings::Settings;
pub use sketch::Sketch;
pub use slice::{Counts, DayRow, Slice};
pub use spread::{Spread, UNKNOWN_RHO};
pub use structure::{
    ChildSet, Contributor, Facet, KeyStructure, MOST_MESSAGES, MOST_MINUTES, MOST_SHAPES, Structure, count,
};
