//! Numbers as the page writes them.

pub use pipeline::log::{count, grouped, percent as given_percent};

/// A number in at most seven characters, with a minus sign where it is negative.
pub fn short(value: f64) -> String {
    let magnitude = value.abs();
    if value < 0.0 {
        return format!("−{}", short(magnitude));
    }
    // What rounds to 0.01 is written so.
    if value == 0.0 {
        "0".to_owned()
    } else if (1000.0..10_000.0).contains(&magnitude) {
        let text = format!("{value:.0}");
        let (thousands, rest) = text.split_at(text.len() - 3);
        format!("{thousands},{rest}")
    } else if (0.009_95..10_000.0).contains(&magnitude) {
        let digits = if magnitude >= 100.0 {
            0
        } else if magnitude >= 10.0 {
            1
        } else {
            3
        };
        let text = format!("{value:.digits$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let text = format!("{value:.1e}");
        text.replace(".0e", "e")
    }
}

/// A value with its error: both to the second digit of the error where that fits, such as `154.3 ± 9.1`.
pub fn with_error(value: f64, error: f64) -> String {
    let last = 1.0 - error.log10().floor();
    if !(error > 0.0 && last <= 5.0 && value.abs() < 10_000.0) {
        return format!("{} ± {}", short(value), short(error));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 5
    let digits = last.max(0.0) as usize;
    let fixed = |v: f64| if digits == 0 && v.abs() >= 1000.0 { short(v) } else { format!("{v:.digits$}") };
    format!("{} ± {}", fixed(value), fixed(error)).replace('-', "−")
}

/// A number that a user gave, to its last digit: a tolerance that is rounded is another one.
pub fn given(value: f64) -> String {
    let plain = short(value);
    if plain.replace(',', "").parse() == Ok(value) { plain } else { format!("{value:e}") }
}

/// A fraction in per cent, small ones too without an exponent.
pub fn percent(fraction: f64) -> String {
    let value = 100.0 * fraction;
    if (99.995..100.0).contains(&value) {
        return share(fraction, 2);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 3 to 7
    let digits = match value {
        10.0..100.0 => 2,
        1e-6..0.01 => (1.0 - value.log10().floor()) as usize,
        _ => return format!("{} %", short(value)),
    };
    format!("{} %", format!("{value:.digits$}").trim_end_matches('0').trim_end_matches('.'))
}

/// A value that is rounded to a whole number, with commas between thousands.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // below 2^53
pub fn whole(value: f64) -> String {
    match value.abs().round() {
        size if size >= 1e15 => short(value),
        size if value < 0.0 && size > 0.0 => format!("−{}", grouped(size as usize)),
        size => grouped(size as usize),
    }
}

/// A share in per cent with so many decimals; what is neither none nor all is never rounded to it.
pub fn share(fraction: f64, digits: usize) -> String {
    let fixed = |per_cent: f64| format!("{per_cent:.digits$} %");
    let (text, least) = (fixed(100.0 * fraction), 0.1_f64.powi(digits.try_into().expect("a few digits")));
    if fraction > 0.0 && text == fixed(0.0) {
        format!("less than {}", fixed(least))
    } else if fraction < 1.0 && text == fixed(100.0) {
        format!("more than {}", fixed(100.0 - least))
    } else {
        text
    }
}

/// A number with so many decimals and a minus sign.
pub fn decimals(value: f64, digits: usize) -> String {
    format!("{value:.digits$}").replace('-', "−")
}

/// Both ends of an interval: `[0.9, 1.1]`.
pub fn interval(low: f64, high: f64) -> String {
    format!("[{}, {}]", short(low), short(high))
}

/// What stands in a table where nothing is known.
pub fn unknown() -> String {
    "–".to_owned()
}

/// Numbers in a sentence.
pub fn list(values: &[f64]) -> String {
    values.iter().map(|&v| short(v)).collect::<Vec<_>>().join(", ")
}

/// Six digits: more than a picture shows, a third of the bytes.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(short(0.0), "0");
        assert_eq!(short(12_345.0), "1.2e4");
        assert_eq!([12_345.4, -1000.0, -0.2, 1e16].map(whole), ["12,345", "−1,000", "0", "1e16"]);
        assert_eq!(short(1253.4), "1,253");
        assert_eq!(short(-0.0672), "−0.067");
        assert_eq!((short(0.009_96), short(0.0099)), ("0.01".to_owned(), "9.9e-3".to_owned()));
    }

    #[test]
    fn a_value_and_its_error_have_the_same_digits() {
        let cases = [
            ((154.3, 9.135), "154.3 ± 9.1"),
            ((1252.7, 31.9), "1,253 ± 32"),
            ((0.0112, 0.0037), "0.0112 ± 0.0037"),
            ((-2.468, 0.626), "−2.47 ± 0.63"),
            ((0.868, 7.1e-5), "0.868 ± 7.1e-5"),
            ((1960.0, 307.4), "1,960 ± 307"),
            ((0.5, 0.0), "0.5 ± 0"),
        ];
        for ((value, error), text) in cases {
            assert_eq!(with_error(value, error), text);
        }
    }

    /// 1.5e-4 was shown as 2e-4 in the log, and 1.25e-4 as 1.3e-4 on the page, beside K at what was given.
    #[test]
    fn what_a_user_gave_is_not_rounded() {
        let all = [1e-4, 1.5e-4, 1.25e-4, 0.05, 0.0025, 12_345.0, 1000.0].map(given);
        assert_eq!(all, ["1e-4", "1.5e-4", "1.25e-4", "0.05", "2.5e-3", "1.2345e4", "1,000"]);
        let all = [0.001, 1.25e-5, 0.016, 1e-9, 0.98].map(given_percent);
        assert_eq!(all, ["0.1 %", "0.00125 %", "1.6 %", "1e-7 %", "98 %"]);
    }

    #[test]
    fn per_cent_has_no_exponent() {
        let all = [0.001, 1e-5, 3.713e-5, 0.9725, 0.95, 0.0, 0.999_99].map(percent);
        assert_eq!(all, ["0.1 %", "0.001 %", "0.0037 %", "97.25 %", "95 %", "0 %", "more than 99.99 %"]);
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let cases = [
            (0.0, 0, "0 %"),
            (0.004, 0, "less than 1 %"),
            (0.126, 0, "13 %"),
            (0.996, 0, "more than 99 %"),
            (1.0, 0, "100 %"),
            (0.996, 1, "99.6 %"),
            (0.9996, 1, "more than 99.9 %"),
            (0.0004, 1, "less than 0.1 %"),
            (0.999_99, 2, "more than 99.99 %"),
        ];
        for (fraction, digits, text) in cases {
            assert_eq!(share(fraction, digits), text);
        }
    }

    #[test]
    fn counts_agree_with_their_nouns() {
        assert_eq!([1, 2, 1024].map(|n| count(n, "draw")), ["1 draw", "2 draws", "1,024 draws"]);
    }
}
