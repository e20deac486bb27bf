//! What a program says: messages on stderr, results of flags on stdout, errors with their cure and exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use serde_json::{Value, json};
use tracing::Level;

use crate::failure::cure;

/// Messages from `level` up go to stderr, a line each; errors begin with `error:`, in red on a terminal unless
/// `NO_COLOR` is set.
pub fn start_log(level: Level) {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && !no_color)
        .event_format(Plain)
        .init();
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

/// One line on stdout, for programs.
#[allow(clippy::print_stdout)] // this is what --json promises
pub(crate) fn print_json(value: &Value) {
    println!("{value}");
}

/// What a flag asked for; messages go to stderr.
#[allow(clippy::print_stdout)] // the result of --dry-run
pub(crate) fn print_text(text: &str) {
    println!("{text}");
}

/// Prints the error and its cure once; gives the exit code.
pub fn report(stage: &str, error: &anyhow::Error) -> ExitCode {
    tracing::error!("{stage}: {error:#}");
    let (exit_code, hint) = cure(error);
    if let Some(hint) = hint {
        tracing::error!("hint: {hint}");
    }
    ExitCode::from(exit_code)
}

/// The error as a line for programs.
pub(crate) fn error_json(stage: &str, experiment: &str, error: &anyhow::Error) -> Value {
    let (exit_code, hint) = cure(error);
    json!({
        "stage": stage,
        "experiment": experiment,
        "status": "error",
        "error": format!("{error:#}"),
        "hint": hint,
        "exit_code": exit_code,
    })
}
