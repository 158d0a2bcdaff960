//! The command line: parses and dispatches, nothing else.

use clap::Parser;
use rollcall::commands::face::FaceCommand;
use rollcall::commands::journal::JournalCommand;

/// Rollcall (点名): face check-in and signed records for the training classroom
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measure recognition on your own photos
    #[command(subcommand)]
    Face(FaceCommand),
    /// Measure how fast this machine keeps the signed log
    #[command(subcommand)]
    Journal(JournalCommand),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Face(command) => command.run(),
        Command::Journal(command) => command.run(),
    }
}
