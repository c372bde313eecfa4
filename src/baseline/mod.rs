//! What is normal. Samples are not kept: each goes into the [`Sketch`] of its key and UTC hour (a [`Slice`]); a
//! recalculation merges slices into baselines at four levels (a [`KeyBaseline`]), all of which are a [`Generation`].

mod cell;
mod generation;
mod key_baseline;
mod ledger;
mod naming;
mod settings;
mod sketch;
mod slice;

pub use cell::{Cell, CutOff, CutOffRule, PERCENTILES};
pub use generation::{Comparison, Generation, Moved};
pub use key_baseline::{KeyBaseline, KeyBuilder};
pub use ledger::{Learnt, Ledger, Settled, gaps, unite};
pub use naming::{Naming, OTHER, fold_ids};
pub use settings::Settings;
pub use sketch::Sketch;
pub use slice::{DayRow, Slice};
