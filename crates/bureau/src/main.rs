//! `bureau`: parses and dispatches, nothing else.

use clap::Parser;

fn main() -> std::process::ExitCode {
    bureau::commands::Arguments::parse().run()
}
