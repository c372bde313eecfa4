//! The demo's endpoints, each on a port of its own on loopback.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::exchange::{Exchange, Options};
use super::fault::{Fault, Planned, Schedule};
use super::world::{World, now};
use super::{jaeger, ollama, prometheus};

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServeOptions {
    pub seed: u64,
    /// Traffic in multiples of the usual 0.15 traces a second.
    pub rate: f64,
    pub schedule: Schedule,
    /// Jaeger's port; Prometheus and Ollama get the next two. `None`: any three that are free.
    pub port_base: Option<u16>,
}

/// The running endpoints. Dropping it ends them.
#[derive(Debug)]
pub struct Served {
    pub jaeger_url: String,
    pub prometheus_url: String,
    pub ollama_url: String,
    world: Arc<World>,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
}

#[derive(Debug, Error)]
pub enum DemoError {
    #[error(
        "the demo could not listen on 127.0.0.1:{port} ({reason}); choose other ports with --port-base, or none at all"
    )]
    Listen { port: u16, reason: std::io::Error },
    #[error("spans could not be exported to {url}: {reason}")]
    Export { url: String, reason: String },
}

/// Starts the three servers. Faults are scheduled from now on.
///
/// # Errors
/// [`DemoError::Listen`] when a port is taken.
pub async fn serve(options: ServeOptions) -> Result<Served, DemoError> {
    let ServeOptions { seed, rate, schedule, port_base } = options;
    let options = Options { seed, rate, origin: now(), schedule, ..Options::default() };
    let world = Arc::new(World::new(Exchange::new(options)));
    let (stop, stopped) = watch::channel(false);
    let mut servers = JoinSet::new();
    let mut urls = Vec::new();
    let routers = [jaeger::router(Arc::clone(&world)), prometheus::router(Arc::clone(&world)), ollama::router()];
    for (n, router) in (0..).zip(routers) {
        let port = port_base.map_or(0, |base| base.saturating_add(n));
        let (port, server) = start(port, router, stopped.clone()).await?;
        urls.push(format!("http://127.0.0.1:{port}"));
        servers.spawn(server);
    }
    let mut urls = urls.into_iter();
    let mut url = || urls.next().unwrap_or_default();
    Ok(Served { jaeger_url: url(), prometheus_url: url(), ollama_url: url(), world, stop, servers })
}

async fn start(
    port: u16,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> Result<(u16, impl Future<Output = ()>), DemoError> {
    let failed = |reason| DemoError::Listen { port, reason };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(failed)?;
    let port = listener.local_addr().map_err(failed)?.port();
    // Tokens and small answers go out one by one.
    let listener = listener.tap_io(|connection| {
        // Without it answers are only slower.
        let _ = connection.set_nodelay(true);
    });
    let server = async move {
        let stop = async move {
            // An error says that the sender is gone, which means the same.
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        // axum's server retries failed accepts by itself and never returns an error.
        let _ = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    };
    Ok((port, server))
}

impl Served {
    /// Begins a fault at once and says how long it lasts.
    pub fn inject(&self, fault: Fault) -> Planned {
        self.world.inject(fault)
    }

    /// The exchange as it is now, faults included.
    #[must_use]
    pub fn exchange(&self) -> Arc<Exchange> {
        self.world.exchange()
    }

    /// Ends the servers. Answers on their way get half a second.
    pub async fn shutdown(mut self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        self.stop.send_replace(true);
        let ended = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            self.servers.shutdown().await;
        }
    }
}
