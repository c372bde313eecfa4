//! The table of span keys: a number for each, and what the engine knows of it.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::baseline::{self, Generation, KeyBaseline, Measure, Naming, SeriesKey};
use crate::domain::{Calendar, HourOfWeek, Span, SpanKey, Timestamp, UtcHour};

use super::fine::{self, Fine};
use super::live::{self, LastHour};

/// What is known of one key.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: SpanKey,
    /// Number of its service.
    pub service: u32,
    /// Its spans have children: their self time is learnt beside their duration.
    pub is_parent: bool,
    pub baseline: Option<Arc<KeyBaseline>>,
    pub last_hour: LastHour,
    /// The hours before it.
    pub fine: Fine,
    pub last_seen: Option<Timestamp>,
    /// Spans judged since the start.
    pub judged: u32,
}

/// Names as they come, and the entry they are counted under. Bounded: a service that invents names must not make it
/// grow. Hash order is never looked at.
const MOST_RAW_NAMES: usize = 20_000;

#[derive(Debug, Clone)]
pub struct Keys {
    entries: Vec<Entry>,
    services: Vec<Arc<str>>,
    by_key: HashMap<SpanKey, u32, RandomState>,
    by_raw: HashMap<SpanKey, u32, RandomState>,
    naming: Naming,
    bucket: Option<(UtcHour, HourOfWeek)>,
}

impl Keys {
    pub fn new(settings: &baseline::Settings) -> Self {
        Self {
            entries: Vec::new(),
            services: Vec::new(),
            by_key: HashMap::default(),
            by_raw: HashMap::default(),
            naming: Naming::new(settings),
            bucket: None,
        }
    }

    /// The number of the key that spans named `raw` are counted under.
    pub fn index(&mut self, raw: &SpanKey) -> u32 {
        if let Some(index) = self.by_raw.get(raw) {
            return *index;
        }
        let key = self.naming.admit(raw);
        let index = match self.by_key.get(&key) {
            Some(index) => *index,
            None => {
                let index = self.entries.len() as u32;
                self.by_key.insert(key.clone(), index);
                let last_hour = LastHour::default();
                let service = self.service(&key.service);
                self.entries.push(Entry {
                    key,
                    service,
                    is_parent: false,
                    baseline: None,
                    last_hour,
                    fine: Fine::default(),
                    last_seen: None,
                    judged: 0,
                });
                index
            }
        };
        if self.by_raw.len() >= MOST_RAW_NAMES {
            self.by_raw.clear();
        }
        self.by_raw.insert(raw.clone(), index);
        index
    }

    /// The number of a service; a new one gets the next.
    fn service(&mut self, name: &Arc<str>) -> u32 {
        match self.services.iter().position(|service| service == name) {
            Some(number) => number as u32,
            None => {
                self.services.push(name.clone());
                (self.services.len() - 1) as u32
            }
        }
    }

    pub fn service_of(&self, index: u32) -> u32 {
        self.get(index).map_or(0, |entry| entry.service)
    }

    pub fn service_name(&self, number: u32) -> Option<&Arc<str>> {
        self.services.get(number as usize)
    }

    pub fn get(&self, index: u32) -> Option<&Entry> {
        self.entries.get(index as usize)
    }

    pub fn get_mut(&mut self, index: u32) -> Option<&mut Entry> {
        self.entries.get_mut(index as usize)
    }

    /// Counts a span that ended among the recent ones of its key.
    pub fn count(&mut self, index: u32, span: &Span) {
        if let Some(entry) = self.get_mut(index) {
            entry.last_hour.insert(span.end(), span.duration, span.error);
            entry.last_seen = entry.last_seen.max(Some(span.end()));
        }
    }

    /// The entry of a canonical key.
    pub fn find(&self, key: &SpanKey) -> Option<&Entry> {
        self.get(*self.by_key.get(key)?)
    }

    /// The entry that spans named `raw` are counted under, if there is one already.
    pub fn find_raw(&self, raw: &SpanKey) -> Option<&Entry> {
        self.by_raw.get(raw).and_then(|index| self.get(*index)).or_else(|| {
            let folded = baseline::fold_ids(&raw.operation)?;
            self.find(&SpanKey::new(raw.service.clone(), folded, raw.kind))
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub fn merged(&self) -> u32 {
        self.naming.merged()
    }

    pub fn use_generation(&mut self, generation: &Generation) {
        for (key, _) in generation.keys() {
            self.index(key);
        }
        for entry in &mut self.entries {
            entry.baseline = generation.durations(&entry.key).cloned();
            entry.is_parent |= generation.series.contains_key(&SeriesKey::new(entry.key.clone(), Measure::SelfTime));
        }
    }

    /// Forgets what is older than is looked at. What leaves the last hour is kept for trends, unless nobody looks.
    pub fn expire(&mut self, now: Timestamp, nobody_looks: bool) {
        let most = fine::MOST_COUNTS / self.entries.len().max(1);
        for Entry { last_hour, fine, .. } in &mut self.entries {
            let mut is_new = false;
            last_hour.expire(now, |minute, durations, errors| {
                if !nobody_looks {
                    is_new = true;
                    fine.take(minute, durations, errors);
                }
            });
            if is_new {
                fine.expire(live::minute_of(now), most);
            }
        }
    }

    /// The bucket of an hour; the last answer is kept.
    pub fn bucket(&mut self, hour: UtcHour, calendar: &Calendar) -> HourOfWeek {
        match self.bucket {
            Some((known, bucket)) if known == hour => bucket,
            _ => {
                let bucket = calendar.bucket(hour);
                self.bucket = Some((hour, bucket));
                bucket
            }
        }
    }
}
