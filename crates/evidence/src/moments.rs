//! Sets of moments: what two of them have in common, what one leaves of another, and how long they last.

use jiff::Timestamp;
use std::ops::Range;

/// A set of moments, as spans in ms: in order, apart from each other, none empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moments(Vec<(i64, i64)>);

impl Moments {
    /// All that lies in any of `spans`, each from its first moment up to, not including, its last; in any order.
    pub fn of(spans: impl IntoIterator<Item = Range<Timestamp>>) -> Moments {
        let ms = |span: Range<Timestamp>| (span.start.as_millisecond(), span.end.as_millisecond());
        Moments::joined(spans.into_iter().map(ms).filter(|(from, until)| from < until).collect())
    }

    fn joined(mut spans: Vec<(i64, i64)>) -> Moments {
        spans.sort_unstable();
        let mut joined: Vec<(i64, i64)> = Vec::with_capacity(spans.len());
        for (from, until) in spans {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(until),
                _ => joined.push((from, until)),
            }
        }
        Moments(joined)
    }

    /// As spans, in order and apart from each other.
    pub fn spans(&self) -> Vec<Range<Timestamp>> {
        let at = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        self.0.iter().map(|(from, until)| at(*from)..at(*until)).collect()
    }

    /// How long they last, ms.
    pub fn length(&self) -> i64 {
        self.0.iter().map(|(from, until)| until - from).sum()
    }

    /// Those that are in either.
    pub fn with(&self, other: &Moments) -> Moments {
        Moments::joined(self.0.iter().chain(&other.0).copied().collect())
    }

    /// Those that are in both.
    pub fn common(&self, other: &Moments) -> Moments {
        let (mut ours, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some(&&(from, until)), Some(&&(other_from, other_until))) = (ours.peek(), theirs.peek()) {
            let both = (from.max(other_from), until.min(other_until));
            if both.0 < both.1 {
                common.push(both);
            }
            if until < other_until {
                ours.next();
            } else {
                theirs.next();
            }
        }
        Moments(common)
    }

    /// Those that are not in `other`.
    pub fn without(&self, other: &Moments) -> Moments {
        let mut left = Vec::new();
        let mut others = other.0.iter().peekable();
        for &(from, until) in &self.0 {
            let mut from = from;
            while let Some(&&(other_from, other_until)) = others.peek() {
                if other_from >= until {
                    break;
                }
                if from < other_from {
                    left.push((from, other_from));
                }
                from = from.max(other_until);
                if other_until > until {
                    break;
                }
                others.next();
            }
            if from < until {
                left.push((from, until));
            }
        }
        Moments(left)
    }

    /// Those that are in `span`: found by their time, whatever their number.
    pub fn within(&self, span: &Range<Timestamp>) -> Moments {
        let (from, until) = (span.start.as_millisecond(), span.end.as_millisecond());
        let first = self.0.partition_point(|(_, end)| *end <= from);
        let near = self.0[first..].iter().take_while(|(start, _)| *start < until);
        Moments(
            near.map(|(start, end)| (from.max(*start), until.min(*end))).filter(|(start, end)| start < end).collect(),
        )
    }

    /// Takes these moments out; tells how long those were that were in, ms.
    pub fn take(&mut self, taken: &Moments) -> i64 {
        let before = self.length();
        *self = self.without(taken);
        before - self.length()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn moments(spans: &[(i64, i64)]) -> Moments {
        let at = |ms| Timestamp::from_millisecond(ms).expect("in range");
        Moments::of(spans.iter().map(|(from, until)| at(*from)..at(*until)))
    }

    fn spans() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((0i64..200, 0i64..60).prop_map(|(from, length)| (from, from + length)), 0..8)
    }

    proptest! {
        #[test]
        fn what_is_common_and_what_is_left_is_right_at_each_moment(ours in spans(), others in spans()) {
            let is_in = |spans: &[(i64, i64)], ms| spans.iter().any(|(from, until)| (*from..*until).contains(&ms));
            let count = |wanted: &dyn Fn(i64) -> bool| (0..300).filter(|ms| wanted(*ms)).count() as i64;
            let (mut mine, other) = (moments(&ours), moments(&others));
            let both = count(&|ms| is_in(&ours, ms) && is_in(&others, ms));
            prop_assert_eq!(mine.length(), count(&|ms| is_in(&ours, ms)));
            prop_assert_eq!(mine.common(&other).length(), both);
            prop_assert_eq!(mine.with(&other).length(), mine.length() + other.length() - both);
            prop_assert_eq!(mine.without(&other).length(), mine.length() - both);
            for (from, until) in &others {
                let at = |ms: &i64| Timestamp::from_millisecond(*ms).expect("in range");
                prop_assert_eq!(mine.within(&(at(from)..at(until))), mine.common(&moments(&[(*from, *until)])));
            }
            prop_assert_eq!(mine.take(&other), both);
            prop_assert_eq!(mine.common(&other).length(), 0);
        }
    }
}
