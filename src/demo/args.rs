//! The flags of `spanwatch demo`.

use super::exchange::{Exchange, Options};
use super::fault::{Fault, Schedule};
use super::injection::{Effect, Injection};
use super::serve::ServeOptions;
use super::world::now;
use crate::domain::{Micros, TimeWindow, Timestamp};

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

    /// Run so many simulated days through the engine, without HTTP and screen, as fast as it can, and tell what it alerted.
    /// Breaks nothing but what --fault or --inject asks for
    #[arg(long, value_name = "N", requires = "headless", value_parser = clap::value_parser!(u32).range(1..=400))]
    pub days: Option<u32>,

    /// Without screen and endpoints: the days of --days in this process
    #[arg(long, requires = "days", conflicts_with_all = ["serve", "export_otlp", "port_base"])]
    pub headless: bool,

    /// When the simulated days begin [default: 2026-11-02T00:00:00Z, a Monday]
    #[arg(long, value_name = "RFC3339", requires = "headless", value_parser = moment)]
    pub start: Option<Timestamp>,

    /// Let the simulated wallet be slow each Monday from 09:00 to 10:00 UTC: a habit to be learnt, not a fault
    #[arg(long, requires = "headless")]
    pub slow_mondays: bool,

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

/// Monday 2026-11-02, 00:00 UTC: fixed, so that the same flags give the same run.
const FIRST_DAY: Timestamp = Timestamp::from_secs(1_793_577_600);

/// A moment that leaves room for the longest run and for the month before it.
fn moment(text: &str) -> Result<Timestamp, String> {
    let at = chrono::DateTime::parse_from_rfc3339(text).map_err(|_| "write it as 2026-11-02T00:00:00Z".to_owned())?;
    let (from, to) = (Timestamp::from_secs(946_684_800), Timestamp::from_secs(4_102_444_800));
    let at = Timestamp(at.timestamp_micros());
    if TimeWindow::new(from, to).contains(at) { Ok(at) } else { Err("2000 to 2099 is allowed".to_owned()) }
}

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

    /// What `--days` runs: the exchange, and the stretch of time to be judged.
    #[must_use]
    pub fn simulation(&self) -> (Exchange, TimeWindow) {
        let origin = self.start.unwrap_or(FIRST_DAY);
        let days = u64::from(self.days.unwrap_or(1));
        let schedule = match self.schedule() {
            Schedule::Calm => Schedule::Quiet,
            asked => asked,
        };
        let (seed, rate, slow_mondays) = (self.seed, self.rate, self.slow_mondays);
        let exchange = Exchange::new(Options { seed, rate, origin, schedule, slow_mondays });
        (exchange, TimeWindow::new(origin, origin + Micros::from_secs(days * 86_400)))
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
    fn a_simulation_is_the_same_whenever_it_is_run() {
        let (exchange, window) = parse("demo --days 30 --headless --rate 7").unwrap().simulation();
        assert_eq!((window.from, window.length()), (FIRST_DAY, Micros::from_secs(30 * 86_400)));
        assert_eq!(exchange.origin(), window.from);
        assert_eq!(exchange.faults_within(window), [], "nothing breaks unless it is asked for");
        let (exchange, window) =
            parse("demo --days 1 --headless --start 2026-03-29T00:00:00+01:00 --fault surge --at 60")
                .unwrap()
                .simulation();
        assert_eq!(window.from, Timestamp::from_secs(1_774_738_800));
        assert_eq!(exchange.faults_within(window)[0].window.from, window.from + Micros::from_secs(60));
        for bad in [
            "demo --days 30",
            "demo --headless",
            "demo --days 0 --headless",
            "demo --days 401 --headless",
            "demo --days 1 --headless --serve",
            "demo --days 1 --headless --start yesterday",
            "demo --days 1 --headless --start 1969-01-01T00:00:00Z",
            "demo --start 2026-11-02T00:00:00Z",
            "demo --slow-mondays",
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
