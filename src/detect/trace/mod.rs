//! One trace laid out: whose child is whose, where the time went, and what each span is to the tests.

mod forest;
mod path;
mod shape;

pub use shape::{Row, TraceShape, Wait, shape};
#[cfg(test)]
pub(crate) use shape::tests;
