//! Command line of the appliance: parses and dispatches, nothing else.

use clap::Parser;
use rollcall::commands::alarm::AlarmCommand;
use rollcall::commands::camera::CameraCommand;
use rollcall::commands::check::CheckArgs;
use rollcall::commands::class::ClassCommand;
use rollcall::commands::coverage::CoverageCommand;
use rollcall::commands::demo::DemoArgs;
use rollcall::commands::enrol::EnrolArgs;
use rollcall::commands::erase::EraseArgs;
use rollcall::commands::export::ExportCommand;
use rollcall::commands::face::FaceCommand;
use rollcall::commands::init::InitArgs;
use rollcall::commands::journal::JournalCommand;
use rollcall::commands::people::{ConsentCommand, PinArgs, QrArgs};
use rollcall::commands::recording::RecordingArgs;
use rollcall::commands::register::RegisterArgs;
use rollcall::commands::run::RunArgs;
use rollcall::commands::status::StatusArgs;
use rollcall::commands::sync::SyncArgs;
use rollcall::config::DEFAULT_PATH;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rollcall (点名): face check-in and signed records for the training classroom
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The settings
    #[arg(long, global = true, default_value = DEFAULT_PATH, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make the config, the keys and the database of a new appliance
    Init(InitArgs),
    /// Run the appliance
    Run(RunArgs),
    /// What the appliance is doing, and what needs attention
    Status(StatusArgs),
    /// List and watch cameras
    #[command(subcommand)]
    Camera(CameraCommand),
    /// What was recorded of a day's lessons, and what was not and why
    Recording(RecordingArgs),
    /// Judge what a picture shows, on videos of your own
    #[command(subcommand)]
    Coverage(CoverageCommand),
    /// Whether those who are to be told of alarms can be
    #[command(subcommand)]
    Alarm(AlarmCommand),
    /// Import, list and close classes
    #[command(subcommand)]
    Class(ClassCommand),
    /// Record who consents to face recognition
    #[command(subcommand)]
    Consent(ConsentCommand),
    /// Enrol faces from photos
    Enrol(EnrolArgs),
    /// Erase what is kept of a person, at the person's request
    Erase(EraseArgs),
    /// Set a teacher's PIN
    Pin(PinArgs),
    /// Write a person's QR code, the alternative to the face
    Qr(QrArgs),
    /// Register with the bureau, with a code that it has given out
    Register(RegisterArgs),
    /// Send everything that the bureau has not countersigned, now
    Sync(SyncArgs),
    /// Show all of it on this machine: real faces, recognised, refused, signed, sent and countersigned
    Demo(DemoArgs),
    /// Check database, log, receipts, photos and recordings against each other
    Check(CheckArgs),
    /// Write evidence that can be checked without this appliance
    #[command(subcommand)]
    Export(ExportCommand),
    /// Measure recognition on your own photos
    #[command(subcommand)]
    Face(FaceCommand),
    /// Measure how fast this machine keeps the signed log
    #[command(subcommand)]
    Journal(JournalCommand),
}

fn main() -> ExitCode {
    leave_with_the_reader();
    let Arguments { config, command } = Arguments::parse();
    let done = |()| ExitCode::SUCCESS;
    let result = match command {
        Command::Init(command) => command.run(&config),
        Command::Run(command) => command.run(&config),
        Command::Status(command) => command.run(&config),
        Command::Camera(command) => command.run(&config),
        Command::Recording(command) => command.run(&config),
        Command::Coverage(command) => command.run(),
        Command::Alarm(command) => command.run(&config),
        Command::Class(command) => command.run(&config),
        Command::Consent(command) => command.run(&config),
        Command::Enrol(command) => command.run(&config),
        Command::Erase(command) => command.run(&config),
        Command::Pin(command) => command.run(&config),
        Command::Qr(command) => command.run(&config),
        Command::Register(command) => command.run(&config),
        Command::Sync(command) => command.run(&config),
        Command::Demo(command) => command.run(),
        Command::Check(command) => command.run(&config),
        Command::Export(command) => command.run(&config),
        Command::Face(command) => command.run().map(done),
        Command::Journal(command) => command.run().map(done),
    };
    result.unwrap_or_else(|error| {
        eprintln!("rollcall: {error:#}");
        ExitCode::from(2)
    })
}

/// Whoever reads the output may have seen enough (`| head`, `| grep -q`): an end as SIGPIPE makes it, not a crash.
fn leave_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload_as_str().unwrap_or_default();
        if said.starts_with("failed printing to stdout") && said.contains("Broken pipe") {
            std::process::exit(141);
        }
        usual(panic);
    }));
}
