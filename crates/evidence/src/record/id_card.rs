//! ID-card numbers (GB 11643): recognised so that no record ever holds one.

/// Whether a text is an 18-digit ID-card number with a right check digit (GB 11643).
pub fn is_id_card_number(text: &str) -> bool {
    let text = text.as_bytes();
    if text.len() != 18 || !text[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    text[17].to_ascii_uppercase() == id_card_check_digit(&text[..17])
}

/// The check digit of the first 17 digits of an ID-card number (GB 11643, ISO 7064 MOD 11-2).
pub fn id_card_check_digit(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    b"10X98765432"[(sum % 11) as usize]
}
