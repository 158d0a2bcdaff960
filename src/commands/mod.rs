//! The subcommands: each reads its arguments, calls the library and prints.

pub mod face;
pub mod journal;
