//! Tests against real servers. Each takes its server's address from the environment and is skipped, with a printed
//! reason, where that is unset. `.ci/run` starts a Prometheus for them; the README says how to start a Jaeger.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it skips"
)]

mod common;
#[path = "live/tenant.rs"]
mod tenant;

#[path = "live/jaeger.rs"]
mod jaeger;
#[path = "live/monitor.rs"]
mod monitor;
#[path = "live/prometheus.rs"]
mod prometheus;

use std::future::Future;
use std::time::Duration;

/// The value of a variable, or a printed reason why the test is skipped.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        println!("skipped: {name} is not set");
    }
    value
}

/// Asks again, once a second, until there is an answer that is good enough; a minute is the limit.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let mut turns = tokio::time::interval(Duration::from_secs(1));
    within(what, Duration::from_secs(60), async {
        loop {
            turns.tick().await;
            if let Some(answer) = ask().await {
                return answer;
            }
        }
    })
    .await
}

async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {} s", limit.as_secs()),
    }
}
