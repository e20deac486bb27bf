//! What a program says: messages on stderr, results of flags on stdout, errors with their cure and exit code.

use std::ffi::OsStr;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde_json::{Value, json};
use tracing::Level;

use crate::Error;

/// Messages from `level` up go to stderr, a line each; errors begin with `error:`, in red on a terminal unless
/// `NO_COLOR` is set.
pub fn start_log(level: Level) {
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(has_colours(&std::io::stderr()))
        .event_format(Plain)
        .init();
}

/// Whether `stream` is a terminal that shows bars and colours: not where `TERM` says that it is dumb, as in an editor.
pub fn is_live(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && is_able(std::env::var_os("TERM").as_deref())
}

fn is_able(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// The same, unless `NO_COLOR` is set.
pub fn has_colours(stream: &impl IsTerminal) -> bool {
    is_live(stream) && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// `error: …` and `warning: …`; plain text otherwise.
struct Plain;

impl<S, N> tracing_subscriber::fmt::FormatEvent<S, N> for Plain
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: tracing_subscriber::fmt::format::Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut text = String::new();
        ctx.field_format().format_fields(tracing_subscriber::fmt::format::Writer::new(&mut text), event)?;
        let text = plain(&text);
        let (colour, prefix) = match *event.metadata().level() {
            Level::ERROR if text.starts_with("hint:") => ("", ""),
            Level::ERROR => ("\x1b[1;31m", "error: "),
            Level::WARN => ("\x1b[1;33m", "warning: "),
            _ => ("", ""),
        };
        if writer.has_ansi_escapes() && !colour.is_empty() {
            return writeln!(writer, "{colour}{prefix}\x1b[0m{text}");
        }
        writeln!(writer, "{prefix}{text}")
    }
}

/// The text without what a terminal would obey. A name in a file of the user may contain such: it is shown as `\u{1b}`. Lines
/// that the program begins are indented; another line break is shown as `\n`, so that no name can begin a line of its own.
/// The middle of a very long text is left out: a file may have a megabyte in one line.
pub fn plain(text: &str) -> String {
    const LONGEST: usize = 4000;
    let n = text.chars().count();
    if n > LONGEST {
        let (first, last) = (LONGEST / 2, LONGEST / 4);
        let part = |skip, take| plain(&text.chars().skip(skip).take(take).collect::<String>());
        return format!(
            "{} [{} characters] {}",
            part(0, first),
            grouped(n - first - last),
            part(n - last, last)
        );
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        match c {
            '\n' if rest.as_str().starts_with("  ") => shown.push(c),
            '\t' => shown.push(c),
            c if c.is_control() || turns => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}

/// A whole number with commas between thousands.
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things in words: `1 setting`, `2,000 settings`; for a noun whose plural takes an s.
pub fn count(n: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A measured value with so many decimals; with four digits and an exponent where these would hide it, or be too many.
pub fn number(value: f64, decimals: usize) -> String {
    if value == 0.0 || (1e-3..1e6).contains(&value.abs()) || !value.is_finite() {
        format!("{value:.decimals$}")
    } else {
        format!("{value:.3e}")
    }
}

/// A fraction in percent, with all its digits but at most six: what a user asked for is never shown as 0.
pub fn percent(fraction: f64) -> String {
    let rounded: f64 = format!("{:.5e}", 100.0 * fraction).parse().unwrap_or(f64::NAN);
    let plain = rounded == 0.0 || (1e-3..1e6).contains(&rounded.abs()) || !rounded.is_finite();
    if plain { format!("{rounded} %") } else { format!("{rounded:e} %") }
}

/// One line on stdout, for programs.
pub(crate) fn print_json(value: &Value) {
    print_text(&value.to_string());
}

/// A line on stdout: what a flag asked for; messages go to stderr.
pub fn print_text(text: &str) {
    print_bytes(format!("{text}\n").as_bytes());
}

/// Bytes on stdout. Where nobody reads them any more, as below `head`, the program ends as one does that SIGPIPE ends; where
/// they cannot be written, as on a full disk, with an error.
pub(crate) fn print_bytes(bytes: &[u8]) {
    let mut stdout = std::io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(141),
        Err(error) => {
            tracing::error!("cannot write to stdout: {error}");
            std::process::exit(1);
        }
    }
}

/// Prints the error and its cure once; gives the exit code.
pub fn report(stage: &str, error: &Error) -> ExitCode {
    tracing::error!("{stage}: {error}");
    if let Some(hint) = error.hint() {
        tracing::error!("hint: {hint}");
    }
    ExitCode::from(error.exit_code())
}

/// The error as a line for programs.
pub(crate) fn error_json(stage: &str, experiment: &str, error: &Error) -> Value {
    json!({
        "stage": stage,
        "experiment": experiment,
        "status": "error",
        "error": error.to_string(),
        "hint": error.hint(),
        "exit_code": error.exit_code(),
    })
}

#[cfg(test)]
mod tests {
    use super::{is_able, number, percent, plain};
    use std::ffi::OsStr;

    /// cases.md D14 (indicatif #763, zig #7931): a shell of an editor got colours, and no line of progress.
    #[test]
    fn a_dumb_terminal_gets_no_colours() {
        let able = |term: Option<&str>| is_able(term.map(OsStr::new));
        assert!(able(Some("xterm-256color")));
        assert!(![None, Some(""), Some("dumb")].into_iter().any(able));
    }

    /// "0.0 % was asked for", of a half-width of 1e-9.
    #[test]
    fn a_fraction_that_was_asked_for_keeps_its_digits() {
        let shown = [0.05, 0.07, 0.29, 0.005, 1e-4, 1e-9, 0.123_456_7, 0.0].map(percent);
        let expected = ["5 %", "7 %", "29 %", "0.5 %", "0.01 %", "1e-7 %", "12.3457 %", "0 %"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_number_is_neither_hidden_nor_too_long() {
        let all = [0.0, 0.05, -12.345_678, 999_999.0, 3.217e-7, -2.126_652_959e20, f64::INFINITY]
            .map(|v| number(v, 4));
        assert_eq!(all, ["0.0000", "0.0500", "-12.3457", "999999.0000", "3.217e-7", "-2.127e20", "inf"]);
        assert_eq!(number(0.512_345, 3), "0.512");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_is_printed() {
        let hostile = "\u{1b}]0;title\u{7}\u{1b}[31mred\u{9b}2J\u{8}\u{7f}\r";
        assert_eq!(plain(hostile), "\\u{1b}]0;title\\u{7}\\u{1b}[31mred\\u{9b}2J\\u{8}\\u{7f}\\r");
        assert_eq!(plain("x\nerror: it is fine\u{202e}"), "x\\nerror: it is fine\\u{202e}");
        assert_eq!(plain("größe Δ_k\tθ\n  a reason"), "größe Δ_k\tθ\n  a reason");
        let long = plain(&format!("p.yaml: {}, expected a number", "1".repeat(1_000_000)));
        assert!(
            long.starts_with("p.yaml: 11") && long.ends_with("11, expected a number") && long.len() < 4000
        );
    }
}
