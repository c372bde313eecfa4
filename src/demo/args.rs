//! The flags of `spanwatch demo`.

use super::exchange::{Exchange, Options};
use super::fault::{Fault, Schedule};
use super::injection::{Effect, Injection};
use super::serve::ServeOptions;
use super::world::now;
use crate::domain::{Micros, TimeWindow};

#[derive(Debug, Clone, PartialEq, clap::Args)]
pub struct DemoArgs {
    /// Run only the endpoints and print their URLs, until interrupted
    #[arg(long)]
    pub serve: bool,

    /// Which exchange to simulate: the same seed gives the same traces
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,

    /// Traffic in multiples of the usual 0.15 traces a second
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = rate)]
    pub rate: f64,

    /// Break only this, once, instead of one thing after the other (names: --list-faults)
    #[arg(long, value_name = "NAME", hide_possible_values = true, group = "broken")]
    pub fault: Option<Fault>,

    /// Break only this, once, for five minutes: slow, errors, surge, silence or new-message, the strength if it is not the
    /// usual one, and what is struck, as in slow:3:order-matcher:order.match (more: --list-faults)
    #[arg(long, value_name = "EFFECT[:STRENGTH]:TARGET", group = "broken")]
    pub inject: Option<Injection>,

    /// When the fault begins, in seconds after the start
    #[arg(long, value_name = "SECONDS", default_value_t = 20, requires = "broken", value_parser = clap::value_parser!(u64).range(..=34_560_000))]
    pub at: u64,

    /// Break nothing
    #[arg(long, conflicts_with = "broken")]
    pub no_faults: bool,

    /// List the faults with what they do and where their cause is, and what can be injected, and exit
    #[arg(long)]
    pub list_faults: bool,

    /// Send the simulated spans to this OTLP/HTTP endpoint and exit, such as http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    pub export_otlp: Option<String>,

    /// How much of the time up to now to export: 15m, 1h, 7d
    #[arg(long, value_name = "DURATION", default_value = "1h", requires = "export_otlp", value_parser = window)]
    pub export_window: Micros,

    /// Serve Jaeger on this port, Prometheus and Ollama on the next two [default: any free ports]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=65_533))]
    pub port_base: Option<u16>,
}

/// How long an injection lasts: every window of the alert test up to 5 min is then full of it.
const INJECTED: Micros = Micros::from_secs(300);

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "a number such as 1 or 0.5 is needed".to_owned())?;
    if (0.01..=1_000.0).contains(&rate) { Ok(rate) } else { Err("0.01 to 1000 is allowed".to_owned()) }
}

fn window(text: &str) -> Result<Micros, String> {
    let advice = || "write a number and a unit, at most 31d: 15m, 1h, 7d".to_owned();
    let unit = text.chars().last().ok_or_else(advice)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(advice()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| advice())?;
    let window = Micros(count.saturating_mul(seconds).saturating_mul(1_000_000));
    if window.0 == 0 || window > Exchange::RETENTION { Err(advice()) } else { Ok(window) }
}

impl DemoArgs {
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        let after = Micros::from_secs(self.at);
        match (self.fault, self.inject) {
            _ if self.no_faults => Schedule::Quiet,
            (Some(fault), _) => Schedule::Once { fault, after },
            (None, Some(injection)) => Schedule::Inject { injection, after, lasting: INJECTED },
            (None, None) => Schedule::Calm,
        }
    }

    #[must_use]
    pub fn serve_options(&self) -> ServeOptions {
        ServeOptions { seed: self.seed, rate: self.rate, schedule: self.schedule(), port_base: self.port_base }
    }

    /// What `--export-otlp` sends: the exchange, and the time up to now. Here the start of the demo is the start of the
    /// window, so that `--fault` and `--at` put a fault into what is exported.
    #[must_use]
    pub fn export_plan(&self) -> (Exchange, TimeWindow) {
        let to = now();
        let window = TimeWindow::new(to - self.export_window, to);
        let (seed, rate, schedule) = (self.seed, self.rate, self.schedule());
        (Exchange::new(Options { seed, rate, origin: window.from, schedule, ..Options::default() }), window)
    }

    /// What `--list-faults` prints: name, where the cause is (`-`: with no service), how long it lasts, meaning; then the
    /// injections that have one cause, each with its usual strength.
    #[must_use]
    pub fn fault_list() -> String {
        let line = |fault: Fault| {
            let seconds = fault.duration().secs();
            let culprit = fault.culprit().unwrap_or("-");
            format!("{:<19} {culprit:<14} {seconds:>4}s  {}\n", fault.name(), fault.meaning())
        };
        let injections = Effect::ALL.into_iter().flat_map(Injection::choices);
        let injections = injections.map(|injection| format!("--inject '{injection}'\n"));
        Fault::ALL.into_iter().map(line).chain(["\n".to_owned()]).chain(injections).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        demo: DemoArgs,
    }

    fn parse(line: &str) -> Result<DemoArgs, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.demo)
    }

    #[test]
    fn flags_become_a_schedule() {
        assert_eq!(parse("demo").unwrap().schedule(), Schedule::Calm);
        assert_eq!(parse("demo --no-faults").unwrap().schedule(), Schedule::Quiet);
        let once = Schedule::Once { fault: Fault::Surge, after: Micros::from_secs(5) };
        assert_eq!(parse("demo --fault surge --at 5").unwrap().schedule(), once);
        let Schedule::Inject { injection, after, .. } =
            parse("demo --inject errors:order-matcher --at 7").unwrap().schedule()
        else {
            panic!("an injection is asked for");
        };
        assert_eq!((injection.to_string().as_str(), after), ("errors:0.2:order-matcher", Micros::from_secs(7)));
        for bad in [
            "demo --fault nonsense",
            "demo --inject slow:nobody",
            "demo --inject slow:order-matcher --fault surge",
            "demo --inject slow:order-matcher --no-faults",
            "demo --at 5",
            "demo --rate 0",
            "demo --rate x",
            "demo --port-base 65535",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_export_window_is_a_number_and_a_unit() {
        assert_eq!(window("90s"), Ok(Micros::from_secs(90)));
        assert_eq!(window("7d"), Ok(Micros::from_secs(7 * 86_400)));
        for bad in ["", "h", "5", "0h", "32d", "5é", "99999999999999999999d"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
