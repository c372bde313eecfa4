//! The configuration as a user meets it: the example file, and the words of every refusal.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;
use toml::{Table, Value};

use spanwatch::config::{Config, EXAMPLE};

fn spanwatch(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let at = |name: &str| home.join(name);
    Command::new(env!("CARGO_BIN_EXE_spanwatch"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", at("config"))
        .env("XDG_DATA_HOME", at("data"))
        .env("XDG_STATE_HOME", at("state"))
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn keys(path: &str, table: &Table, out: &mut BTreeSet<String>) {
    for (name, value) in table {
        let key = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match value {
            Value::Table(inner) => {
                out.insert(key.clone());
                keys(&key, inner, out);
            }
            _ => {
                out.insert(key);
            }
        }
    }
}

#[test]
fn the_example_is_the_defaults() {
    let read: Config = toml::from_str(EXAMPLE).unwrap();
    assert_eq!(read, Config::default());
}

#[test]
fn the_example_has_every_key_and_says_what_it_means() {
    let (mut shown, mut known) = (BTreeSet::new(), BTreeSet::new());
    keys("", &toml::from_str(EXAMPLE).unwrap(), &mut shown);
    keys("", &Table::try_from(Config::default()).unwrap(), &mut known);
    assert_eq!(shown, known);
    let lines: Vec<&str> = EXAMPLE.lines().collect();
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#')) {
        assert!(lines[index - 1].starts_with("# "), "no word about: {line}");
    }
}

/// The comments in the example are the documentation of the settings themselves, word for word.
#[test]
fn the_example_says_what_the_code_says() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = words(&EXAMPLE.lines().map(|line| line.trim_start_matches("# ")).collect::<Vec<_>>().join(" "));
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut fields = 0;
    for file in [
        "sources/jaeger/settings.rs",
        "sources/prometheus/settings.rs",
        "sources/http/settings.rs",
        "llm/ollama/settings.rs",
        "baseline/settings.rs",
        "baseline/maintenance.rs",
        "detect/settings.rs",
        "monitor/settings.rs",
        "store/settings.rs",
        "ui/settings.rs",
    ] {
        let code = fs::read_to_string(src.join(file)).unwrap();
        let mut doc = Vec::new();
        for line in code.lines().map(str::trim) {
            if let Some(sentence) = line.strip_prefix("///") {
                doc.push(sentence.trim());
                continue;
            }
            let is_field = line.starts_with("pub ") && line.ends_with(',') && line.contains(": ");
            if is_field {
                assert!(!doc.is_empty(), "{file}: no documentation: {line}");
                assert!(said.contains(&words(&doc.join(" "))), "{file}: {line}: the example says something else");
                fields += 1;
            }
            doc.clear();
        }
    }
    assert!(fields > 40, "{fields} fields found");
}

#[test]
fn the_template_is_the_example_and_check_accepts_it() {
    let home = TempDir::new().unwrap();
    let printed = spanwatch(home.path(), &["config", "template"], &[]);
    assert_eq!(text(&printed.stdout), EXAMPLE);
    let file = home.path().join("config.toml");
    fs::write(&file, printed.stdout).unwrap();
    let checked = spanwatch(home.path(), &["config", "check", "--config", file.to_str().unwrap()], &[]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
}

/// Each file under `tests/invalid_configs` begins with the phrases that its refusal must contain, one `#! phrase` a line.
#[test]
fn each_invalid_file_is_refused_with_the_right_words() {
    let home = TempDir::new().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/invalid_configs");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let content = fs::read_to_string(&file).unwrap();
        let phrases: Vec<&str> = content.lines().filter_map(|line| line.strip_prefix("#! ")).collect();
        assert!(!phrases.is_empty(), "{}", file.display());
        let refused = spanwatch(home.path(), &["config", "check", "--config", file.to_str().unwrap()], &[]);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{}: {said}", file.display());
        for phrase in phrases {
            assert!(said.contains(phrase), "{}: expected {phrase:?} in:\n{said}", file.display());
        }
    }
}

/// What the example shows as comments can be used as it stands there.
#[test]
fn the_examples_maintenance_is_a_maintenance() {
    let home = TempDir::new().unwrap();
    let shown =
        EXAMPLE.lines().skip_while(|line| *line != "# [[maintenance]]").take_while(|line| line.starts_with('#'));
    let is_value = |line: &str| line.starts_with('[') || line.contains(" = ");
    let uncommented: Vec<&str> =
        shown.map(|line| line.trim_start_matches("# ")).filter(|line| is_value(line)).collect();
    let file = home.path().join("config.toml");
    fs::write(&file, uncommented.join("\n")).unwrap();
    let loaded = spanwatch(home.path(), &["config", "show", "--config", file.to_str().unwrap()], &[]);
    let said = text(&loaded.stdout);
    assert_eq!(loaded.status.code(), Some(0), "{}{uncommented:?}", text(&loaded.stderr));
    let read: Config = toml::from_str(&said).unwrap();
    let names: Vec<&str> = read.maintenance.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["database backup", "move to the new data centre"]);
}

#[test]
fn later_layers_win_and_each_value_tells_its_origin() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("config/spanwatch/config.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[baseline]\nhistory_days = 20\nmin_samples = 20\n\n[jaeger.http.headers]\nx-tenant = \"hush\"\n")
        .unwrap();
    let variables = [("SPANWATCH_BASELINE__MIN_SAMPLES", "30"), ("SPANWATCH_JAEGER__URL", "http://env:1")];
    let flags = ["config", "show", "--origin", "--prometheus-url", "http://flag:1"];
    let shown = spanwatch(home.path(), &flags, &variables);
    let said = text(&shown.stdout);
    for line in [
        format!("history_days = 20  # {}:2", file.display()),
        "min_samples = 30  # SPANWATCH_BASELINE__MIN_SAMPLES".into(),
        "url = \"http://env:1\"  # SPANWATCH_JAEGER__URL".into(),
        "url = \"http://flag:1\"  # --prometheus-url".into(),
        "zone = \"UTC\"  # default".into(),
        format!("x-tenant = \"***\"  # {}:6", file.display()),
    ] {
        assert!(said.contains(&line), "expected {line:?} in:\n{said}{}", text(&shown.stderr));
    }
    assert!(!said.contains("hush"), "secrets stay where they are:\n{said}");
}

#[test]
fn mistakes_in_variables_and_flags_are_told_with_their_names() {
    let home = TempDir::new().unwrap();
    for (arguments, variables, phrases) in [
        (
            &["config", "check"][..],
            &[("SPANWATCH_JAEGER_URL", "x")][..],
            &["SPANWATCH_JAEGER_URL", "write SPANWATCH_JAEGER__URL"][..],
        ),
        (&["config", "check"], &[("SPANWATCH_JAEGER__ULR", "x")], &["SPANWATCH_JAEGER__ULR", "did you mean url?"]),
        (
            &["config", "check", "--set", "baseline.min_samples=many"],
            &[],
            &["--set: baseline.min_samples = many", "whole number"],
        ),
        (&["config", "check", "--set", "baseline.min_samples"], &[], &["write --set baseline.min_samples=VALUE"]),
        (
            &["config", "check", "--config", "nowhere.toml"],
            &[],
            &["nowhere.toml: cannot be read", "spanwatch config template"],
        ),
    ] {
        let refused = spanwatch(home.path(), arguments, variables);
        let said = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        for phrase in phrases {
            assert!(said.contains(phrase), "expected {phrase:?} in:\n{said}");
        }
        assert!(said.lines().all(|line| line.starts_with("spanwatch: ")), "{said}");
    }
    let usage = spanwatch(home.path(), &["--nonsense"], &[]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn keys_of_ones_own_are_listed_with_their_place_and_refused_where_they_clash() {
    let home = TempDir::new().unwrap();
    let listed = spanwatch(home.path(), &["config", "keys"], &[("SPANWATCH_KEYS__ACKNOWLEDGE", "A")]);
    let said = text(&listed.stdout);
    let line = said.lines().find(|line| line.starts_with("acknowledge ")).unwrap();
    assert!(line.contains(" A ") && line.ends_with("(SPANWATCH_KEYS__ACKNOWLEDGE)"), "{line}");
    for (name, key, phrases) in [
        ("ACKNOWLEDGE", "s", ["keys.acknowledge = \"s\"", "s is silence (silence what matches) at Alerts"]),
        ("ACKNOWLEGE", "A", ["unknown key keys.acknowlege", "did you mean acknowledge?"]),
        ("ACKNOWLEDGE", "hyper-a", ["keys.acknowledge = hyper-a", "a key such as \"K\""]),
    ] {
        let refused = spanwatch(home.path(), &["config", "check"], &[(&format!("SPANWATCH_KEYS__{name}"), key)]);
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(1) && phrases.iter().all(|phrase| said.contains(phrase)), "{said}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let home = TempDir::new().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_spanwatch"))
        .args(["completions", "bash"])
        .env("HOME", home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), text(&ended.stderr)), (Some(0), String::new()));
}
