//! How a bench is called: by cargo bench, by cargo test, by a test runner that lists first.

use std::collections::BTreeMap;
use std::fmt::Arguments as Words;
use std::io::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context as _, Result};

use crate::machine::machine_line;

/// Options of the test harness that have a value; the value must not be taken for a filter.
const HARNESS_VALUES: [&str; 6] = [
    "--skip",
    "--format",
    "--color",
    "--logfile",
    "--test-threads",
    "-Z",
];

/// One call of a bench.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    name: &'static str,
    measures: bool,
    wish: Wish,
    is_ignored: bool,
    filters: Vec<String>,
    options: BTreeMap<String, String>,
}

/// What the bench is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Run,
    /// Only say its name, for a test runner.
    List,
    /// Only say how it is called.
    Help,
}

impl Call {
    /// Reads the command line after the program's name. `options` are the names, without dashes, that take a value.
    fn parse(
        name: &'static str,
        options: &[&str],
        words: impl IntoIterator<Item = String>,
    ) -> Result<Self> {
        let mut call = Call {
            name,
            measures: false,
            wish: Wish::Run,
            is_ignored: false,
            filters: Vec::new(),
            options: BTreeMap::new(),
        };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let option = word
                .strip_prefix("--")
                .filter(|option| options.contains(option));
            if let Some(option) = option {
                let value = words
                    .next()
                    .with_context(|| format!("{word} needs a value"))?;
                call.options.insert(option.to_owned(), value);
                continue;
            }
            match word.as_str() {
                "--bench" => call.measures = !cfg!(debug_assertions),
                "--list" => call.wish = Wish::List,
                "--ignored" => call.is_ignored = true,
                "--help" | "-h" => call.wish = Wish::Help,
                other if HARNESS_VALUES.contains(&other) => drop(words.next()),
                other if other.starts_with('-') => {}
                _ => call.filters.push(word),
            }
        }
        Ok(call)
    }

    /// Whether numbers are wanted; otherwise everything is done once.
    pub fn measures(&self) -> bool {
        self.measures
    }

    /// `full` when numbers are wanted, else `once`.
    pub fn count<T>(&self, full: T, once: T) -> T {
        if self.measures { full } else { once }
    }

    /// The text of an option.
    pub fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).map(String::as_str)
    }

    /// The number of an option, or `default`.
    pub fn number<T: FromStr>(&self, option: &str, default: T) -> Result<T> {
        match self.text(option) {
            Some(text) => text
                .parse()
                .ok()
                .with_context(|| format!("--{option} {text}: not a number")),
            None => Ok(default),
        }
    }

    /// Prints one line.
    pub fn say(&self, words: Words<'_>) {
        // Nobody reads: nothing is lost but the line.
        let _ = writeln!(std::io::stdout(), "{words}");
    }

    fn is_wanted(&self) -> bool {
        let matches = |filter: &String| self.name.contains(filter.as_str());
        !self.is_ignored && (self.filters.is_empty() || self.filters.iter().any(matches))
    }
}

/// The `main` of a bench: reads the call, prints the machine, measures. `options` are its own besides `date`, `lsie` and `cache`.
pub fn run(
    name: &'static str,
    options: &[&str],
    measure: impl FnOnce(&Call) -> Result<()>,
) -> ExitCode {
    run_with_help(name, "", options, measure)
}

/// As [`run`], with words that `--help` prints before the options.
pub fn run_with_help(
    name: &'static str,
    help: &str,
    options: &[&str],
    measure: impl FnOnce(&Call) -> Result<()>,
) -> ExitCode {
    let outcome = attempt(name, help, options, measure);
    if let Err(error) = &outcome {
        let _ = writeln!(std::io::stderr(), "{name}: {error:#}");
    }
    outcome.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn attempt(
    name: &'static str,
    help: &str,
    options: &[&str],
    measure: impl FnOnce(&Call) -> Result<()>,
) -> Result<()> {
    let options = [options, &["date", "lsie", "cache"]].concat();
    let call = Call::parse(name, &options, std::env::args().skip(1))?;
    if call.wish == Wish::Help {
        let values = options.iter().map(|option| format!(" [--{option} VALUE]"));
        call.say(format_args!(
            "{help}cargo bench --bench {name} --{}",
            values.collect::<String>()
        ));
        return Ok(());
    }
    if !call.is_wanted() {
        return Ok(());
    }
    if call.wish == Wish::List {
        call.say(format_args!("{name}: test"));
        return Ok(());
    }
    call.say(format_args!(
        "bench    {name}{}",
        call.count("", " (once, numbers mean nothing)")
    ));
    call.say(format_args!("machine  {}", machine_line(call.text("date"))));
    measure(&call)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str]) -> Call {
        let words = words.iter().map(|word| (*word).to_owned());
        Call::parse("frame_path", &["frames"], words).unwrap()
    }

    #[test]
    fn a_filter_for_something_else_skips_the_bench() {
        assert!(call(&[]).is_wanted());
        assert!(call(&["--exact", "frame_path", "--nocapture"]).is_wanted());
        assert!(!call(&["some_test"]).is_wanted());
        assert!(!call(&["--list", "--ignored"]).is_wanted());
        assert!(call(&["--skip", "some_test"]).is_wanted());
    }

    #[test]
    fn own_options_have_values_and_foreign_ones_are_passed_over() {
        let call = call(&["--frames", "12", "--quiet"]);
        assert_eq!(call.number("frames", 3).unwrap(), 12);
        assert_eq!(call.number("other", 3).unwrap(), 3);
        assert!(call.number::<u32>("frames", 1).is_ok());
        assert!(call.number("frames", 1_u32).is_ok_and(|n| n == 12));
    }

    #[test]
    fn help_is_told_from_filters_and_values() {
        assert_eq!(call(&["--bench", "--help"]).wish, Wish::Help);
        assert_eq!(call(&["--bench"]).wish, Wish::Run);
    }

    #[test]
    fn an_option_without_its_number_is_refused() {
        assert!(Call::parse("x", &["frames"], ["--frames".to_owned()]).is_err());
        assert!(call(&["--frames", "many"]).number("frames", 1).is_err());
    }
}
