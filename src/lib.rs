//! Rollcall (点名): an appliance for a training classroom.
//!
//! One folder per responsibility; dependencies point one way:
//! `web`, `sync`, `checkin`, `recording` → `journal` → `store`, `evidence`. `class` depends on nothing of ours.
//! Nobody but `journal` signs; nobody but `store` speaks SQL; nobody but `vision` holds an ONNX session;
//! nobody but `camera` opens a device.

pub mod alarm;
pub mod appliance;
pub mod attention;
pub mod camera;
pub mod check;
pub mod checkin;
pub mod class;
pub mod clock;
pub mod commands;
pub mod config;
pub mod coverage;
pub mod journal;
mod lasting;
mod pulse;
pub mod recording;
pub mod status;
pub mod store;
pub mod sync;
pub mod vision;
pub mod web;

pub use picture;
