//! Traces from Jaeger, over whichever of its two HTTP APIs answers.

mod legacy;
mod legacy_span;
mod page;
mod scalar;
mod settings;

pub use legacy::parse_page;
pub use page::PageReport;
pub use settings::Settings;

use reqwest::Url;

use crate::sources::http;

/// The base address; pages of Jaeger's UI and paths of its API are cut off.
fn address(text: &str) -> Result<Url, String> {
    http::base_url(text, |tail| {
        matches!(
            tail,
            ["search"] | ["trace", _] | ["api", "traces" | "services" | "operations" | "dependencies" | "v3", ..]
        )
    })
}
