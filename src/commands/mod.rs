//! The subcommands: each reads its arguments, calls the library and prints.

pub mod appliance;
pub mod face;
pub mod journal;
pub mod register;
pub mod sync;
