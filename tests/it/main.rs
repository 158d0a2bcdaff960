//! The appliance's whole-system tests: one binary, a module for each promise.

mod bureau;
mod camera;
mod check;
mod cli;
mod coverage;
mod demo;
mod disk;
mod hostile;
mod kill;
mod network;
mod protocol;
mod recording;
mod status;
mod sync;
