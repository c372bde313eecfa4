//! An engine that has learnt a simulated exchange, without store and connections.

use std::collections::BTreeMap;
use std::sync::Arc;

use spanwatch::baseline::{self, DayRow, Generation, KeyBuilder, SeriesKey};
use spanwatch::demo::Exchange;
use spanwatch::detect;
use spanwatch::domain::{Micros, TimeWindow};
use spanwatch::engine::{Engine, Input, Output};
use spanwatch::messages::BackFill;

pub const POLL_INTERVAL: Micros = Micros::from_secs(10);

pub fn engine() -> Engine {
    Engine::new(baseline::Settings::default(), detect::Settings::default(), POLL_INTERVAL)
}

/// The baselines of everything that the exchange did in `window`, learnt as back-fill learns.
pub fn generation(exchange: &Exchange, window: TimeWindow) -> Arc<Generation> {
    let settings = baseline::Settings::default();
    let mut engine = engine();
    let traces = exchange.traces_starting_in(window).collect();
    engine.step(Input::HistoryRead { window, traces }, window.to);
    let outputs = engine.step(Input::HistoryEnded { windows: vec![window], progress: BackFill::Done }, window.to);
    let learnt = outputs.into_iter().find_map(|output| match output {
        Output::StoreLearnt(learnt) => Some(learnt),
        _ => None,
    });
    let mut rows: BTreeMap<SeriesKey, BTreeMap<i32, DayRow>> = BTreeMap::new();
    for ((key, hour), slice) in learnt.expect("back-fill stores what it learnt").slices {
        rows.entry(key).or_default().entry(hour.day()).or_default().merge(hour.hour_of_day(), &slice);
    }
    let mut builder = KeyBuilder::new(settings.calendar());
    let mut generation = Generation { number: 1, made_at: window.to, ..Generation::default() };
    for (key, days) in rows {
        for (day, row) in days {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert!(builder.add_row(day, &bytes), "a row that was just encoded");
        }
        let made = builder.finish(&settings.rules());
        generation.series.insert(key, Arc::new(made));
    }
    Arc::new(generation)
}
