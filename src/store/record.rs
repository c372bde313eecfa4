//! How values stand on disk: a schema number, a checksum, then the payload.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::baseline::{
    Cell, CutOff, Exceeding, Facet, Generation, KeyBaseline, KeyStructure, Measure, SeriesKey, Settled, Spread,
    Structure,
};
use crate::domain::{HourOfWeek, Level, LevelId, SpanId, SpanKey, SpanKind, Subject, TimeWindow, Timestamp, TraceId};

/// Raised when a payload's layout changes; a value of another schema is not read as if it were this one.
const SCHEMA: u8 = 2;
const HEADER: usize = 5;

/// Puts header and payload together.
pub fn seal(payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER + payload.len());
    value.push(SCHEMA);
    value.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
    value.extend_from_slice(payload);
    value
}

/// The payload, if the value is whole and of this schema.
pub fn open(value: &[u8]) -> Option<&[u8]> {
    let (header, payload) = value.split_at_checked(HEADER)?;
    let (schema, checksum) = header.split_first()?;
    (*schema == SCHEMA && checksum == crc32fast::hash(payload).to_be_bytes()).then_some(payload)
}

/// Reads fixed-width fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    fn u8(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]: [u8; 1]| byte)
    }
    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }
    fn time(&mut self) -> Option<Timestamp> {
        self.bytes().map(i64::from_le_bytes).map(Timestamp)
    }
    fn f64(&mut self) -> Option<f64> {
        self.bytes().map(f64::from_le_bytes).filter(|value| value.is_finite())
    }
    fn f32(&mut self) -> Option<f32> {
        self.bytes().map(f32::from_le_bytes).filter(|value| value.is_finite())
    }
    fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
    fn key(&mut self) -> Option<SpanKey> {
        let (service, operation, kind) = (self.text()?, self.text()?, self.text()?);
        Some(SpanKey::new(service, operation, SpanKind::from_name(kind)))
    }
    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

pub fn write_series(series: &SeriesKey) -> Vec<u8> {
    let mut out = write_key(&series.key);
    match &series.measure {
        Measure::Duration => put_text(&mut out, "duration"),
        Measure::SelfTime => put_text(&mut out, "self"),
        Measure::EdgeTime(callee) => {
            put_text(&mut out, "edge");
            put_text(&mut out, callee);
        }
    }
    if series.level != LevelId::default() {
        out.extend_from_slice(&series.level.0.to_le_bytes());
    }
    out
}

pub fn read_series(payload: &[u8]) -> Option<SeriesKey> {
    let mut fields = Fields(payload);
    let key = fields.key()?;
    let measure = match fields.text()? {
        "duration" => Measure::Duration,
        "self" => Measure::SelfTime,
        "edge" => Measure::EdgeTime(fields.text()?.into()),
        _ => return None,
    };
    // Where no level was accepted, none is written.
    let level = if fields.end().is_some() { 0 } else { fields.u64()? };
    fields.end()?;
    Some(SeriesKey::new(key, measure).on(LevelId(level)))
}

pub fn write_key(key: &SpanKey) -> Vec<u8> {
    let mut out = Vec::new();
    put_text(&mut out, &key.service);
    put_text(&mut out, &key.operation);
    put_text(&mut out, key.kind.name());
    out
}

pub fn read_key(payload: &[u8]) -> Option<SpanKey> {
    let mut fields = Fields(payload);
    let key = fields.key()?;
    fields.end()?;
    Some(key)
}

pub fn write_windows(windows: &[TimeWindow], samples: u64) -> Vec<u8> {
    let mut out = samples.to_le_bytes().to_vec();
    for window in windows {
        out.extend_from_slice(&window.from.0.to_le_bytes());
        out.extend_from_slice(&window.to.0.to_le_bytes());
    }
    out
}

pub fn read_windows(payload: &[u8]) -> Option<(Vec<TimeWindow>, u64)> {
    let mut fields = Fields(payload);
    let samples = fields.u64()?;
    let mut windows = Vec::new();
    while fields.end().is_none() {
        windows.push(TimeWindow::new(fields.time()?, fields.time()?));
    }
    Some((windows, samples))
}

pub fn write_settled(settled: &[Settled]) -> Vec<u8> {
    let mut out = Vec::new();
    for trace in settled {
        out.extend_from_slice(&trace.trace.0.to_le_bytes());
        out.extend_from_slice(&trace.start.0.to_le_bytes());
        out.extend_from_slice(&trace.end.0.to_le_bytes());
        out.extend_from_slice(&(trace.spans.len() as u32).to_le_bytes());
        for span in &trace.spans {
            out.extend_from_slice(&span.0.to_le_bytes());
        }
    }
    out
}

pub fn read_settled(payload: &[u8]) -> Option<Vec<Settled>> {
    let mut fields = Fields(payload);
    let mut settled = Vec::new();
    while fields.end().is_none() {
        let trace = TraceId(fields.bytes().map(u128::from_le_bytes)?);
        let (start, end) = (fields.time()?, fields.time()?);
        let count = fields.u32()?;
        let spans = (0..count).map(|_| fields.u64().map(SpanId)).collect::<Option<_>>()?;
        settled.push(Settled { trace, start, end, spans });
    }
    Some(settled)
}

/// The head of a generation; its keys are rows of their own.
type Spreads = Vec<((Subject, Facet), Spread)>;

pub fn write_generation_head(generation: &Generation) -> Vec<u8> {
    let mut out = generation.number.to_le_bytes().to_vec();
    out.extend_from_slice(&generation.made_at.0.to_le_bytes());
    let keys: Vec<(&SpanKey, &KeyStructure)> = generation.structure.keys.iter().collect();
    let spreads: Vec<_> = generation.structure.spreads.iter().collect();
    let levels: Vec<(&SpanKey, &LevelId)> = generation.levels.iter().collect();
    // Plain data with text for keys: it cannot fail to be written.
    out.extend(serde_json::to_vec(&(&generation.watched_s, keys, spreads, levels)).unwrap_or_default());
    out
}

pub fn read_generation_head(payload: &[u8]) -> Option<Generation> {
    let mut fields = Fields(payload);
    let (number, made_at) = (fields.u64()?, fields.time()?);
    type Keys = Vec<(SpanKey, KeyStructure)>;
    let whole = serde_json::from_slice::<(Vec<u32>, Keys, Spreads, Vec<(SpanKey, LevelId)>)>(fields.0);
    // One that was made before levels could be accepted does not speak of them.
    let (watched_s, keys, spreads, levels) = whole.ok().or_else(|| {
        let (watched_s, keys, spreads) = serde_json::from_slice::<(Vec<u32>, Keys, Spreads)>(fields.0).ok()?;
        Some((watched_s, keys, spreads, Vec::new()))
    })?;
    let structure = Structure { keys: keys.into_iter().collect(), spreads: spreads.into_iter().collect() };
    let levels = levels.into_iter().collect();
    Some(Generation { number, made_at, series: BTreeMap::new(), structure: Arc::new(structure), watched_s, levels })
}

pub fn write_baseline(baseline: &KeyBaseline) -> Vec<u8> {
    let mut out = baseline.samples.to_le_bytes().to_vec();
    for samples in &baseline.week_samples {
        out.extend_from_slice(&samples.to_le_bytes());
    }
    out.extend_from_slice(&baseline.week_days);
    for (at, cell) in baseline.cells() {
        out.push(at);
        out.extend_from_slice(&cell.samples.to_le_bytes());
        out.extend_from_slice(&cell.mean_us.to_le_bytes());
        out.extend_from_slice(&cell.sigma_us.to_le_bytes());
        for percentile in cell.percentiles {
            out.extend_from_slice(&percentile.to_le_bytes());
        }
        for exceeding in cell.exceeding {
            out.extend_from_slice(&exceeding.threshold_us.to_le_bytes());
            out.extend_from_slice(&exceeding.share.to_le_bytes());
        }
        for cut_off in cell.cut_offs {
            match cut_off {
                None => out.push(u8::MAX),
                Some(CutOff { z, level }) => {
                    out.push(level as u8);
                    out.extend_from_slice(&z.to_le_bytes());
                }
            }
        }
    }
    out
}

pub fn read_baseline(payload: &[u8]) -> Option<Arc<KeyBaseline>> {
    let mut fields = Fields(payload);
    let samples = fields.u64()?;
    let week_samples = (0..HourOfWeek::COUNT).map(|_| fields.u32()).collect::<Option<Vec<_>>>()?;
    let week_days = (0..HourOfWeek::COUNT).map(|_| fields.u8()).collect::<Option<Vec<_>>>()?;
    let mut cells = Vec::new();
    while fields.end().is_none() {
        let at = fields.u8()?;
        let mut cell = Cell {
            samples: fields.u64()?,
            mean_us: fields.f64()?,
            sigma_us: fields.f64()?,
            percentiles: [0.0; 5],
            cut_offs: [None; 5],
            exceeding: [Exceeding { threshold_us: f32::INFINITY, share: 1.0 }; 3],
        };
        for percentile in &mut cell.percentiles {
            *percentile = fields.f32()?;
        }
        for exceeding in &mut cell.exceeding {
            exceeding.threshold_us = fields.bytes().map(f32::from_le_bytes).filter(|us| !us.is_nan())?;
            exceeding.share = fields.f32()?;
        }
        for cut_off in &mut cell.cut_offs {
            *cut_off = match fields.u8()? {
                u8::MAX => None,
                level => Some(CutOff { level: *Level::ALL.get(usize::from(level))?, z: fields.f32()? }),
            };
        }
        cells.push((at, cell));
    }
    KeyBaseline::from_cells(samples, week_samples, week_days, cells).map(Arc::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_flipped_bit_is_noticed() {
        let value = seal(b"payload");
        assert_eq!(open(&value), Some(b"payload".as_slice()));
        for bit in 0..value.len() * 8 {
            let mut damaged = value.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn records_come_back_as_they_were() {
        let key = SpanKey::new("cart", "GET /", SpanKind::Server);
        assert_eq!(read_key(&write_key(&key)), Some(key));
        let windows = vec![TimeWindow::new(Timestamp(1), Timestamp(5))];
        assert_eq!(read_windows(&write_windows(&windows, 9)), Some((windows, 9)));
        let settled = vec![Settled {
            trace: TraceId(7),
            start: Timestamp(1),
            end: Timestamp(2),
            spans: vec![SpanId(3), SpanId(4)],
        }];
        assert_eq!(read_settled(&write_settled(&settled)), Some(settled));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = (read_key(&bytes), read_windows(&bytes), read_settled(&bytes), read_baseline(&bytes));
            let _ = (open(&bytes), read_generation_head(&bytes));
        }
    }
}
