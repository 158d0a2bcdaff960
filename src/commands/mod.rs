//! The subcommands: each reads its arguments, calls the library and prints.

pub mod alarm;
pub mod appliance;
pub mod camera;
pub mod check;
pub mod class;
pub mod coverage;
pub mod coverage_people;
pub mod demo;
pub mod enrol;
pub mod erase;
pub mod export;
pub mod export_class;
pub mod face;
pub mod init;
pub mod journal;
pub mod people;
pub mod recording;
pub mod register;
pub mod run;
pub mod status;
pub mod sync;
