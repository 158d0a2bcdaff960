//! The bureau's side of Rollcall: receives the appliances' logs, verifies and countersigns them, and verifies
//! exported evidence offline.
//!
//! Trusts nobody: every record's signature, place and tree is checked before anything is kept, and what is kept is
//! on disk (fsync) before it is countersigned. Depends on `evidence` alone, not on the appliance.

mod backup;
mod class;
pub mod commands;
mod database;
mod export;
mod folder;
mod intake;
mod pages;
mod push;
mod recordings;
mod register;
mod review;
mod rooms;
mod server;
mod setup;
mod staff;
mod text;
mod verify;

pub use class::export_class;
pub use database::{ApplianceRow, Database, DatabaseError};
pub use export::export;
pub use folder::{Bureau, FolderError};
pub use intake::Limits;
pub use server::{router, serve};
pub use setup::init;
pub use verify::{VerifyError, verify};
