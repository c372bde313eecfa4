//! Flags that every subcommand takes, and the configuration they lead to.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::config::{self, Entry, Loaded, Origin, Places, Written};

#[derive(Debug, Clone, Default, Args)]
pub struct Flags {
    /// Read this file instead of the user's and the system's
    #[arg(short, long, global = true, value_name = "FILE", env = "SPANWATCH_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Jaeger, as in http://127.0.0.1:16686
    #[arg(long, global = true, value_name = "URL")]
    pub jaeger_url: Option<String>,
    /// Prometheus, as in http://127.0.0.1:9090
    #[arg(long, global = true, value_name = "URL")]
    pub prometheus_url: Option<String>,
    /// Ollama, as in http://127.0.0.1:11434
    #[arg(long, global = true, value_name = "URL")]
    pub ollama_url: Option<String>,
    /// Model that explains, as in llama3.2:1b
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub model: Option<String>,
    /// Where what was learnt is kept
    #[arg(long, global = true, value_name = "DIR")]
    pub store_dir: Option<PathBuf>,
    /// Any setting, as in --set baseline.zone=UTC
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Colour on the screen: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", hide_short_help = true, hide_possible_values = true, value_parser = ["auto", "always", "never"])]
    pub color: Option<String>,
    /// Plain characters only, whatever the locale says
    #[arg(long, global = true, hide_short_help = true)]
    pub ascii: bool,
}

/// What a command works with.
#[derive(Debug)]
pub struct Setup {
    pub loaded: Loaded,
    /// The files that were read, in order of rising precedence.
    pub files: Vec<PathBuf>,
    pub store_dir: PathBuf,
}

impl Flags {
    /// Reads every layer: system file, user file (or the one named), environment, flags.
    ///
    /// # Errors
    /// Every mistake in any layer, at once where the layers can be read at all.
    pub fn setup(&self) -> Result<Setup, Failure> {
        let places = Places::of_user();
        let files = match (&self.config, &places) {
            (Some(named), _) => vec![named.clone()],
            (None, Ok(places)) => {
                [&places.system_config, &places.user_config].into_iter().filter(|path| path.exists()).cloned().collect()
            }
            (None, Err(_)) => Vec::new(),
        };
        let mut entries = Vec::new();
        for file in &files {
            entries.extend(config::read_file(file)?);
        }
        entries.extend(config::from_environment(environment())?);
        entries.extend(self.entries()?);
        let loaded = config::load(entries)?;
        let configured = &loaded.config.store.dir;
        let store_dir = if configured.as_os_str().is_empty() { places?.default_store() } else { configured.clone() };
        Ok(Setup { loaded, files, store_dir })
    }

    fn entries(&self) -> Result<Vec<Entry>, Failure> {
        let store_dir = self.store_dir.as_ref().map(|dir| dir.display().to_string());
        let named = [
            ("--jaeger-url", "jaeger.url", &self.jaeger_url),
            ("--prometheus-url", "prometheus.url", &self.prometheus_url),
            ("--ollama-url", "ollama.url", &self.ollama_url),
            ("--model", "ollama.model", &self.model),
            ("--store-dir", "store.dir", &store_dir),
            ("--color", "ui.color", &self.color),
            ("--ascii", "ui.ascii", &self.ascii.then(|| "always".into())),
        ];
        let named = named.into_iter().filter_map(|(flag, key, value)| Some(entry(flag, key, value.as_ref()?)));
        let mut set = Vec::new();
        for text in &self.set {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                let key = text.split('=').next().unwrap_or_default();
                Failure::Sentence(format!("--set {key}: no value; write --set {key}=VALUE"))
            })?;
            set.push(entry("--set", key.trim(), value.trim()));
        }
        Ok(set.into_iter().chain(named).collect())
    }
}

fn entry(flag: &str, key: &str, value: &str) -> Entry {
    Entry {
        key: key.split('.').map(String::from).collect(),
        value: Written::Text(value.into()),
        origin: Origin::Flag(flag.into()),
    }
}

/// Variables that are no Unicode cannot be settings.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
