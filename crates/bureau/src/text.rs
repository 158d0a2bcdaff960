//! Words that come from outside, made fit to be shown: in a log, on a terminal, on a page.

/// `text` in one line of `most` characters at most, with what could steer a terminal or turn the reading direction
/// written out.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let mut clean = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == most {
            clean.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) { clean.extend(c.escape_unicode()) } else { clean.push(c) }
    }
    clean
}

/// Marks that reorder or hide what stands beside them, and the separators that break lines.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` as it stands in HTML, between tags or in a quoted attribute.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_the_reading_direction_is_written_out() {
        assert_eq!(clean("a\u{1b}[2Jb\n\u{202e}c", 100), "a\\u{1b}[2Jb\\u{a}\\u{202e}c");
        assert_eq!(clean("南开区实训基地 301", 100), "南开区实训基地 301");
        assert_eq!(clean("abcdef", 3), "abc…");
        assert_eq!(clean("abc", 3), "abc");
    }

    #[test]
    fn html_has_neither_tags_nor_quotes_nor_entities_from_outside() {
        assert_eq!(html("<b a=\"1\" b='2'>&amp;"), "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;");
    }
}
