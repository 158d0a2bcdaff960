//! ID-card numbers (GB 11643): recognised so that no record ever holds one.

/// Whether a text holds an 18-digit ID-card number with a right check digit and a date of birth that can be one
/// (GB 11643), whatever stands round it and whatever separates its digits.
pub fn holds_id_card_number(text: &str) -> bool {
    let plain: Vec<u8> = text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_uppercase()).collect();
    plain.windows(18).any(|part| {
        let (digits, check) = part.split_at(17);
        digits.iter().all(u8::is_ascii_digit) && check[0] == id_card_check_digit(digits) && is_date(&digits[6..14])
    })
}

/// Whether YYYYMMDD can be somebody's date of birth, near enough: what is told apart is a date and other digits.
fn is_date(digits: &[u8]) -> bool {
    let number = |part: &[u8]| part.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    (1900..2100).contains(&number(&digits[..4]))
        && (1..=12).contains(&number(&digits[4..6]))
        && (1..=31).contains(&number(&digits[6..]))
}

/// The check digit of the first 17 digits of an ID-card number (GB 11643, ISO 7064 MOD 11-2).
pub fn id_card_check_digit(digits: &[u8]) -> u8 {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    b"10X98765432"[(sum % 11) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_card_number_is_found_wherever_it_stands() {
        for text in ["110105198503150019", "11010519491231002x", "110105198503150019-1", "no.110105198503150019"] {
            assert!(holds_id_card_number(text), "{text}");
        }
        assert!(holds_id_card_number("110105-1985-0315_0019"), "separated");
        assert!(holds_id_card_number("7110105198503150019"), "within more digits");
    }

    #[test]
    fn other_numbers_are_none() {
        for text in ["", "001", "2026-0001", "110105198503150018", "110105198513150019", "01J9ZQ5V8M3N4P6R7S8T9W0XYZ"] {
            assert!(!holds_id_card_number(text), "{text}");
        }
    }
}
