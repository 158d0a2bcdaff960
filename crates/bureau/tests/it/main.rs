//! The bureau's promises, kept by the real server over real TLS on loopback: one binary, a module for each promise.

mod appliance;
mod bodies;
mod discs;
mod exports;
mod page;
mod program;
mod push;
mod refusals;
mod register;
mod reviews;
mod server;
mod times;
