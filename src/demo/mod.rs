//! The demo: a simulated crypto exchange and the HTTP endpoints of Jaeger, Prometheus and Ollama on loopback.
//!
//! Four services (crypto-wallet, api-gateway, exchange-api and, behind RabbitMQ, order-matcher) serve orders, transfers,
//! sign-ins and wallet reads with a daily and weekly rhythm, and break in known ways on a schedule. The program polls the
//! endpoints as it would poll the real servers: nothing in its main path knows that it is a demo.

mod args;
mod catalogue;
mod draft;
mod exchange;
mod export;
mod fault;
mod flows;
mod injection;
mod jaeger;
mod ollama;
mod prometheus;
mod random;
mod script;
mod search;
mod serve;
mod wire;
mod world;

pub use args::DemoArgs;
pub use exchange::{Exchange, Options};
pub use export::{Exported, export};
pub use fault::{Fault, Planned, Schedule};
pub use injection::{Effect, Injection, InjectionError, Target};
pub use serve::{DemoError, ServeOptions, Served, serve};
