//! What Rollcall signs and how it is checked. No I/O, no clock, no database; everything else trusts it.

pub mod record;
