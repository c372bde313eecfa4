//! spanwatch: learns what is normal for every span and says what is abnormal.
//!
//! | place | owns | may use |
//! |---|---|---|
//! | [`domain`] | the words: span key, span, trace, hour of week, severity, anomaly, metric sample, units, filter | nothing of ours |
//! | [`baseline`] | what is normal: sketch, slices, levels and fallback, cut-offs, recalculation | domain |
//! | [`detect`] | what is wrong: span anomalies and how they are grouped | domain, baseline |
//! | [`evidence`] | why: trace summary, self time, comparison with normal traces, the prompt | domain, baseline, detect |
//! | [`messages`] | `Command` and `Update`: plain serde data between the two halves | domain |
//! | [`engine`] | `step(Input, now) -> Vec<Output>`: learns, judges, groups | all above |
//! | [`sources`] | telemetry in: Jaeger, Prometheus, files | domain |
//! | [`llm`] | tokens in: Ollama | domain |
//! | [`store`] | sled: trees, codec, schema version, retention, lock | domain, baseline, messages |
//! | [`monitor`] | the background task: polling, back-off, timers, store writes, analysis runs | engine and all above |
//! | [`app`] | state of the screens as a pure machine; the one key table | domain, messages |
//! | [`ui`] | drawing as a function of `app`; theme; layout | app, messages, domain |
//! | [`runtime`] | the loop, terminal guard, drawing thread, clock, effects, signals | all |
//! | [`config`] | composes every module's `settings.rs`: defaults < file < environment < flags | all; only cli and runtime use it |
//! | [`cli`] | clap definitions, one file a subcommand | all |
//! | [`demo`] | the simulated exchange and its Jaeger, Prometheus and Ollama endpoints on loopback | domain |
//!
//! Arrows point one way; `tests/architecture.rs` fails on a wrong one. `domain`, `baseline`, `detect`, `evidence`,
//! `messages`, `engine` and `app` are pure: no IO, no clock, no randomness; data and time are arguments.

pub mod app;
pub mod baseline;
pub mod cli;
pub mod config;
pub mod demo;
pub mod detect;
pub mod domain;
pub mod engine;
pub mod evidence;
pub mod llm;
pub mod messages;
pub mod monitor;
pub mod runtime;
pub mod sources;
pub mod store;
pub mod ui;
