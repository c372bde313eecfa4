//! The names of rows. Numbers in them are big-endian, with the sign turned, so that order in the tree is order in time.

use crate::domain::{AnomalyId, Timestamp, UtcHour};

/// The hour that stands for a whole day in a slice's key.
pub const WHOLE_DAY: u8 = 24;

pub fn key_row(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [b'k', a, b, c, d]
}

pub fn slice_prefix(id: u32) -> [u8; 5] {
    let [a, b, c, d] = id.to_be_bytes();
    [b's', a, b, c, d]
}

/// Days before 1970 sort first.
pub fn slice_row(id: u32, day: i32, hour: u8) -> Vec<u8> {
    let mut key = slice_prefix(id).to_vec();
    key.extend_from_slice(&((day as u32) ^ 0x8000_0000).to_be_bytes());
    key.push(hour);
    key
}

pub fn day_and_hour(key: &[u8]) -> Option<(i32, u8)> {
    let (day, hour) = key.get(5..)?.split_first_chunk::<4>()?;
    Some(((u32::from_be_bytes(*day) ^ 0x8000_0000) as i32, *hour.first()?))
}

pub fn anomaly_row(start: Timestamp, id: AnomalyId) -> Vec<u8> {
    let mut key = from_time(start).to_vec();
    key.extend_from_slice(&id.trace.0.to_be_bytes());
    key.extend_from_slice(&id.span.0.to_be_bytes());
    key
}

/// Weeks of seven UTC days since the epoch: structure is kept that coarsely, because it varies little.
pub const fn week_of(hour: UtcHour) -> i32 {
    hour.day().div_euclid(7)
}

pub fn week_row(kind: u8, week: i32) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&((week as u32) ^ 0x8000_0000).to_be_bytes());
    key
}

pub fn week_of_row(key: &[u8]) -> Option<i32> {
    let week = key.get(1..5)?.try_into().ok()?;
    Some((u32::from_be_bytes(week) ^ 0x8000_0000) as i32)
}

/// Rows of one moment and later.
pub const fn from_time(at: Timestamp) -> [u8; 8] {
    ((at.0 as u64) ^ (1 << 63)).to_be_bytes()
}

/// An alert or incident. Numbers are given in the order of time; the times themselves change while it lasts.
pub const fn number_row(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}
