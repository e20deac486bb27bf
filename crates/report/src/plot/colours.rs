//! Colours that colour-blind readers can tell apart.

/// Of lines (Okabe & Ito 2008), with the name that the style of the page has for each.
const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#5a5a5a", "#967828"];

/// Ends and middle of the ramp on which more lines than colours lie in their order.
const RAMP: [[f64; 3]; 4] =
    [[70.0, 90.0, 200.0], [30.0, 150.0, 160.0], [120.0, 165.0, 50.0], [225.0, 120.0, 40.0]];

/// Attributes of a line's colour.
pub struct Ink {
    pub hex: String,
    /// such as `c0`; empty on the ramp
    pub class: String,
}

/// The ink of colour `i` of `n`: one that can be told from all others.
pub fn ink(i: usize, n: usize) -> Ink {
    if n <= COLOURS.len() {
        return Ink { hex: COLOURS[i % COLOURS.len()].to_owned(), class: format!("c{}", i % COLOURS.len()) };
    }
    let place = (RAMP.len() - 1) as f64 * i as f64 / (n - 1) as f64;
    Ink { hex: mixed(&RAMP, place), class: String::new() }
}

/// The colour between those of a ramp on both sides of `place`, from 0 to its last.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a place on the ramp, and 0 to 255
pub fn mixed(ramp: &[[f64; 3]], place: f64) -> String {
    let below = (place as usize).min(ramp.len() - 2);
    let share = place - below as f64;
    let mix = |c: usize| ((1.0 - share) * ramp[below][c] + share * ramp[below + 1][c]).round() as u8;
    let [r, g, b] = [0, 1, 2].map(mix);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The colour of a theory: the same in every figure. The first two are those of what was measured and of the law.
pub fn of_theory(name: &str) -> usize {
    match name {
        "diagonal" => 2,
        "quadratic" => 3,
        "second-order" => 5,
        _ => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_lines_share_a_colour() {
        for n in [8, 10, 40] {
            let all = (0..n).map(|i| ink(i, n).hex).collect::<std::collections::BTreeSet<_>>();
            assert_eq!(all.len(), n);
        }
        let theories = ["diagonal", "quadratic", "second-order", "eigenvalue"].map(of_theory);
        assert_eq!(theories.into_iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    }
}
