//! The two canonical base64 forms in use. Decoding accepts exactly what encoding produces: no padding where none
//! is written, no stray bits, no white space. Two texts for the same bytes would be two records for one fact.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// base64url without padding (RFC 7515 §2).
pub fn url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads base64url without padding.
pub fn from_url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Standard base64 with padding (RFC 4648 §4), as signed notes use it.
pub fn standard(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard base64 with padding.
pub fn from_standard(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
