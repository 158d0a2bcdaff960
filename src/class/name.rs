//! Names on the kiosk: the family name is shown, the given name is masked.

/// The two-character family names in common use.
const COMPOUND: [&str; 24] = [
    "欧阳", "上官", "司马", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "宇文", "长孙", "司徒", "夏侯",
    "轩辕", "端木", "百里", "南宫", "闻人", "申屠", "太史", "独孤", "呼延", "万俟",
];

/// 张三 → 张*, 欧阳娜娜 → 欧阳*, Alan Turing → A* T*. Never longer than what is needed to know oneself.
pub fn mask(name: &str) -> String {
    let name = name.trim();
    let is_latin = name.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    if is_latin {
        let initials = name.split_whitespace().filter_map(|word| word.chars().next());
        return initials.map(|initial| format!("{initial}*")).collect::<Vec<_>>().join(" ");
    }
    let compound = COMPOUND.iter().find(|family| name.starts_with(**family) && name.chars().count() > 2);
    match (compound, name.chars().next()) {
        (Some(family), _) => format!("{family}*"),
        (None, Some(family)) => format!("{family}*"),
        (None, None) => "*".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn given_names_are_masked() {
        for (name, masked) in [
            ("张三", "张*"),
            ("欧阳娜娜", "欧阳*"),
            ("欧阳", "欧*"),
            ("Alan Turing", "A* T*"),
            ("", "*"),
            (" 王五 ", "王*"),
        ] {
            assert_eq!(mask(name), masked);
        }
    }
}
