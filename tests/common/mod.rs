//! What tests of the whole monitor share.

pub mod truth;
pub mod viewer;
