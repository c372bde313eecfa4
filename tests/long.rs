//! What takes minutes to prove: memory and disk at full size, that the demo's first fault is found whatever the seed, and
//! verdicts on months of simulated traffic. `tests/long/run` runs them on the release build.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests fail by panicking")]

#[path = "long/faults.rs"]
mod faults;
#[path = "long/history.rs"]
mod history;
#[path = "long/learnt.rs"]
mod learnt;
#[path = "common/scenes.rs"]
mod scenes;
#[path = "common/simulated.rs"]
mod simulated;
#[path = "long/size.rs"]
mod size;
#[path = "long/verdicts.rs"]
mod verdicts;
