//! One trace laid out: whose child is whose, where the time went, and what each span is to the tests.

mod forest;
mod path;
mod shape;

#[cfg(test)]
pub(crate) use shape::tests;
pub use shape::{Row, TraceShape, Wait, shape};
