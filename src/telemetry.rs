//! Logging: one line per event, to standard error, as text or JSON. The program never logs a secret.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, Settings};

/// Starts logging. A second call changes nothing.
pub fn start(settings: &Settings) {
    let level = LevelFilter::from_level(settings.log);
    // At each start, `sea_orm_migration` logs at the level `info` that it had nothing to do.
    let migrations = if level > LevelFilter::INFO { level } else { level.min(LevelFilter::WARN) };
    let targets = Targets::new().with_default(level).with_target("sea_orm_migration", migrations);
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false)
        // Errors inside the logging library would go to standard error too, and would cause a panic if standard error is closed.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match settings.log_format {
        LogFormat::Text => lines.finish().with(targets).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).finish().with(targets).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started before");
    }
}
