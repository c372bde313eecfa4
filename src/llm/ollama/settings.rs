//! What `[ollama]` in the configuration means.

use serde::{Deserialize, Serialize};

use super::address::normalise;
use crate::domain::Broken;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Ask a model at all. Facts are computed without one.
    pub enabled: bool,
    /// Where Ollama answers: a URL, or a host with or without port as OLLAMA_HOST has it.
    pub url: String,
    /// Name of the model, as `ollama list` shows it.
    pub model: String,
    /// 0 always takes the likeliest word, higher values vary more.
    pub temperature: f64,
    /// How strongly words said before are avoided; 1 is not at all.
    pub repeat_penalty: f64,
    /// Over how many of the last tokens repetition is looked for; 0 is off, -1 the whole context.
    pub repeat_last_n: i32,
    /// Tokens of prompt and answer together. Another value than the loaded model's makes the server load it again.
    pub num_ctx: u32,
    /// Most tokens of an answer.
    pub num_predict: u32,
    /// Seconds the model stays in memory after an answer; 0 unloads it, -1 keeps it for ever.
    pub keep_alive_s: i64,
    /// Seconds to wait for a connection.
    pub connect_s: u64,
    /// Seconds to wait for the first token: queueing, loading and reading the prompt happen before it.
    pub first_token_s: u64,
    /// Seconds without a token after which an answer is given up.
    pub idle_s: u64,
    /// Take e-mail addresses, card numbers and what looks like a secret out of a prompt.
    pub redact: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            url: "http://127.0.0.1:11434".into(),
            model: "llama3.2:1b".into(),
            temperature: 0.7,
            repeat_penalty: 1.3,
            repeat_last_n: 64,
            num_ctx: 8_192,
            num_predict: 600,
            keep_alive_s: 600,
            connect_s: 5,
            first_token_s: 180,
            idle_s: 60,
            redact: true,
        }
    }
}

impl Settings {
    /// Tokens that a chat template adds around the two messages.
    const TEMPLATE_TOKENS: u32 = 64;
    /// The least that a prompt needs.
    const LEAST_PROMPT: u32 = 512;

    /// How many tokens a prompt may take, so that a whole answer still fits into the context.
    #[must_use]
    pub fn prompt_budget(&self) -> u64 {
        u64::from(self.num_ctx.saturating_sub(self.num_predict).saturating_sub(Self::TEMPLATE_TOKENS))
    }

    /// The rules that do not hold; empty when all do.
    #[must_use]
    pub fn broken(&self) -> Vec<Broken> {
        [
            self.broken_url(),
            self.broken_model(),
            Broken::unless_within("temperature", self.temperature, (0.0, 2.0), "", 0.7)
                .or_else(|| nan("temperature", self.temperature, "0.7")),
            Broken::unless_within("repeat_penalty", self.repeat_penalty, (0.5, 2.0), "", 1.3)
                .or_else(|| nan("repeat_penalty", self.repeat_penalty, "1.3")),
            Broken::unless_within("repeat_last_n", self.repeat_last_n, (-1, 65_536), "tokens", 64),
            Broken::unless_within("num_ctx", self.num_ctx, (1_024, 1_048_576), "tokens", 8_192),
            Broken::unless_within("num_predict", self.num_predict, (16, 65_536), "tokens", 600),
            self.broken_room(),
            Broken::unless_within("keep_alive_s", self.keep_alive_s, (-1, 604_800), "seconds", 600),
            Broken::unless_within("connect_s", self.connect_s, (1, 60), "seconds", 5),
            Broken::unless_within("first_token_s", self.first_token_s, (1, 3_600), "seconds", 180),
            Broken::unless_within("idle_s", self.idle_s, (1, 3_600), "seconds", 60),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn broken_url(&self) -> Option<Broken> {
        let why = normalise(&self.url).err()?;
        // What was written may hold a password; the reason tells enough.
        let shown = if self.url.contains('@') { "(has a password)" } else { self.url.as_str() };
        Some(Broken::new("url", shown, format!("a URL or host ({why})"), "write url = \"http://127.0.0.1:11434\""))
    }

    fn broken_model(&self) -> Option<Broken> {
        let good = !self.model.is_empty() && !self.model.contains(|c: char| c.is_whitespace() || c.is_control());
        (!good).then(|| {
            let hint = "write model = \"llama3.2:1b\"";
            Broken::new("model", format!("{:?}", self.model), "a model's name without blanks", hint)
        })
    }

    /// Prompt and answer share the context.
    fn broken_room(&self) -> Option<Broken> {
        (self.num_predict.saturating_add(Self::LEAST_PROMPT) > self.num_ctx).then(|| {
            Broken::new(
                "num_predict",
                self.num_predict,
                format!("at least {} less than num_ctx = {}", Self::LEAST_PROMPT, self.num_ctx),
                "write num_predict = 600 and num_ctx = 8192",
            )
        })
    }
}

/// A number that is none passes every comparison.
fn nan(key: &str, value: f64, good: &str) -> Option<Broken> {
    value.is_nan().then(|| Broken::new(key, value, "a number", format!("write {key} = {good}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_and_each_rule_can_be_broken() {
        assert_eq!(Settings::default().broken(), []);
        let keys = |settings: Settings| settings.broken().into_iter().map(|broken| broken.key).collect::<Vec<_>>();
        let good = Settings::default;
        assert_eq!(keys(Settings { url: "ftp://x".into(), ..good() }), ["url"]);
        assert_eq!(keys(Settings { model: "a b".into(), ..good() }), ["model"]);
        assert_eq!(keys(Settings { temperature: 2.1, ..good() }), ["temperature"]);
        assert_eq!(keys(Settings { temperature: f64::NAN, ..good() }), ["temperature"]);
        assert_eq!(keys(Settings { repeat_penalty: 0.0, ..good() }), ["repeat_penalty"]);
        assert_eq!(keys(Settings { repeat_last_n: -2, ..good() }), ["repeat_last_n"]);
        assert_eq!(keys(Settings { num_predict: 8_000, ..good() }), ["num_predict"]);
        assert_eq!(keys(Settings { num_ctx: 10, ..good() }), ["num_ctx", "num_predict"]);
        assert_eq!(keys(Settings { keep_alive_s: -2, ..good() }), ["keep_alive_s"]);
        assert_eq!(
            keys(Settings { connect_s: 0, first_token_s: 0, idle_s: 0, ..good() }),
            ["connect_s", "first_token_s", "idle_s"]
        );
    }

    #[test]
    fn a_broken_url_does_not_show_its_password() {
        let broken = Settings { url: "ftp://me:hunter2@host".into(), ..Settings::default() }.broken();
        assert!(!format!("{broken:?}").contains("hunter2"), "{broken:?}");
    }

    #[test]
    fn the_answer_s_room_is_kept_free() {
        assert_eq!(Settings::default().prompt_budget(), 8_192 - 600 - 64);
    }
}
