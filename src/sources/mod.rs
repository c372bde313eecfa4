//! Telemetry in. Each backend's JSON stays inside its own folder; what comes out are the words of [`crate::domain`].

pub mod jaeger;
pub mod prometheus;
