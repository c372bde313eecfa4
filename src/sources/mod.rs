//! Telemetry in. Each backend's JSON stays inside its own folder; what comes out are the words of [`crate::domain`].
//!
//! [`http`] is the one way to the network for all of them: credentials, certificates, caps, and what went wrong in words.
//! [`mod@file`] reads what the same backends answered earlier, or what a collector wrote.

pub mod file;
pub mod http;
pub mod jaeger;
pub mod prometheus;
