//! The command line: parses and dispatches, nothing else.

use clap::Parser;
use rollcall::commands::face::FaceCommand;
use rollcall::commands::journal::JournalCommand;
use rollcall::commands::register::RegisterArgs;
use rollcall::commands::sync::SyncArgs;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rollcall (点名): face check-in and signed records for the training classroom
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The appliance's config
    #[arg(long, global = true, default_value = rollcall::config::DEFAULT_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Register with the bureau, with a code that it has given out
    Register(RegisterArgs),
    /// Send everything that the bureau has not countersigned, now
    Sync(SyncArgs),
    /// Measure recognition on your own photos
    #[command(subcommand)]
    Face(FaceCommand),
    /// Measure how fast this machine keeps the signed log
    #[command(subcommand)]
    Journal(JournalCommand),
}

fn main() -> anyhow::Result<ExitCode> {
    let Arguments { config, command } = Arguments::parse();
    match command {
        Command::Register(arguments) => arguments.run(&config),
        Command::Sync(arguments) => arguments.run(&config),
        Command::Face(command) => command.run().map(|()| ExitCode::SUCCESS),
        Command::Journal(command) => command.run().map(|()| ExitCode::SUCCESS),
    }
}
