//! The appliance's whole-system tests: one binary, a module for each promise.

mod bureau;
mod camera;
mod check;
mod check_coverage;
mod class_export;
mod cli;
mod coverage;
mod demo;
mod disk;
mod faces;
mod faults;
mod hostile;
mod kill;
mod kiosk_kill;
mod network;
mod outcomes;
mod people;
mod power;
mod protocol;
mod recording;
mod recording_keep;
mod service;
mod sources;
mod stage;
mod status;
mod sync;
