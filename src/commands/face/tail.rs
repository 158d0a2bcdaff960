//! The far tail of what strangers score: where the threshold must be for a rate that no set of photos is large enough
//! to count.
//!
//! The highest scores between different people are fitted by an exponential (the excesses over a cut), which a
//! bell-shaped distribution's tail stays below; how uncertain the result is comes from drawing the people anew.

/// A score between a template and a probe of two different people.
#[derive(Clone, Copy)]
pub struct Impostor {
    pub score: f32,
    /// Whose template and whose probe, as indices.
    pub people: (u32, u32),
}

/// A threshold that lets this share of comparisons of different people through.
#[derive(Debug, serde::Serialize)]
pub struct Rate {
    pub per_comparison: f64,
    pub threshold: f64,
    /// 90 % of the thresholds found when the people are drawn anew lie between these.
    pub low: f64,
    pub high: f64,
    /// Whether the set is large enough to count it (ten comparisons or more above the threshold) or it is the fit's.
    pub counted: bool,
}

/// Share of the comparisons that the tail is fitted to; more where that would be fewer than [`LEAST`].
const SHARE: f64 = 1e-3;
const LEAST: usize = 50;
const DRAWS: u32 = 400;

struct Fit {
    cut: f64,
    /// Share of the comparisons above the cut.
    share: f64,
    /// Mean excess over the cut.
    excess: f64,
}

impl Fit {
    fn threshold(&self, rate: f64) -> f64 {
        self.cut + self.excess * (self.share / rate).ln()
    }
}

/// Thresholds for these rates. `probes_of` and `templates_of` count each person's, to weigh a draw of people.
pub fn thresholds(mut all: Vec<Impostor>, templates_of: &[usize], probes_of: &[usize], rates: &[f64]) -> Vec<Rate> {
    let total = all.len();
    if total < 4 * LEAST {
        return Vec::new();
    }
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    let top = ((total as f64 * SHARE) as usize).clamp(LEAST, total - 1);
    // Twice as many are kept, so that a draw that weighs few of the top ones still has a tail.
    let kept = &all[..(2 * top).min(total)];
    let fit = |weight: &dyn Fn(&Impostor) -> f64, total: f64| -> Option<Fit> {
        let wanted = total * top as f64 / all.len() as f64;
        let (mut above, mut sum) = (0.0, 0.0);
        let mut cut = None;
        for impostor in kept {
            if above >= wanted {
                cut = Some(f64::from(impostor.score));
                break;
            }
            let weight = weight(impostor);
            above += weight;
            sum += weight * f64::from(impostor.score);
        }
        let cut = cut.unwrap_or(f64::from(kept[kept.len() - 1].score));
        (above > 0.0).then(|| Fit { cut, share: above / total, excess: sum / above - cut })
    };
    let Some(whole) = fit(&|_| 1.0, total as f64) else { return Vec::new() };
    let people = templates_of.len();
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut draws: Vec<Fit> = Vec::new();
    for _ in 0..DRAWS {
        let mut times = vec![0.0; people];
        for _ in 0..people {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            times[(random % people as u64) as usize] += 1.0;
        }
        let sum = |of: &[usize]| of.iter().zip(&times).map(|(count, times)| *count as f64 * times).sum::<f64>();
        let same: f64 = (0..people).map(|at| times[at] * times[at] * (templates_of[at] * probes_of[at]) as f64).sum();
        let weight = |impostor: &Impostor| times[impostor.people.0 as usize] * times[impostor.people.1 as usize];
        draws.extend(fit(&weight, sum(templates_of) * sum(probes_of) - same));
    }
    rates
        .iter()
        .map(|&rate| {
            let mut drawn: Vec<f64> = draws.iter().map(|fit| fit.threshold(rate)).collect();
            drawn.sort_by(f64::total_cmp);
            let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share) as usize];
            let above = (total as f64 * rate) as usize;
            let counted = above >= 10;
            let threshold = if counted { f64::from(all[above].score) } else { whole.threshold(rate) };
            Rate { per_comparison: rate, threshold, low: at(0.05), high: at(0.95), counted }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exponential_tail_is_continued_to_rates_that_no_sample_holds() {
        // 100 people, one template and one probe each; scores −0.1·ln(u) with u evenly spread.
        let mut all = Vec::new();
        for template in 0..100u32 {
            for probe in (0..100u32).filter(|probe| *probe != template) {
                let u = (f64::from((all.len() as u32 * 6173) % 9900) + 0.5) / 9900.0;
                all.push(Impostor { score: (-0.1 * u.ln()) as f32, people: (template, probe) });
            }
        }
        let rates = thresholds(all, &[1; 100], &[1; 100], &[1e-2, 1e-6]);
        assert!(rates[0].counted && (rates[0].threshold - 0.4605).abs() < 0.01, "{rates:?}");
        assert!(!rates[1].counted && (rates[1].threshold - 1.3816).abs() < 0.15, "{rates:?}");
        assert!(rates[1].low < rates[1].threshold && rates[1].threshold < rates[1].high, "{rates:?}");
    }
}
