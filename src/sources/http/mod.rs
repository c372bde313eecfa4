//! HTTP as every source uses it: one client with credentials, certificates and caps, and errors that say what to do.

mod address;
mod auth;
mod backoff;
mod client;
mod error;
mod settings;

pub use backoff::Backoff;
pub use error::{ErrorKind, SourceError};
pub use settings::Settings;

pub(in crate::sources) use address::base_url;
pub(in crate::sources) use client::{Answer, Client};
