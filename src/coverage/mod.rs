//! What was recorded, and what the recording shows. Pure: facts in, accounts and findings out.

pub mod account;
