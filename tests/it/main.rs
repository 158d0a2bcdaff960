//! The appliance's whole-system tests: one binary, a module for each promise.

mod hostile;
mod sync;
