//! A suggestion for a name that was probably misspelt.

/// The known name that is most like `name`, if one is like it at all.
///
/// Jaro-Winkler similarity above 0.8: a letter lost, doubled, swapped or wrong in a word of five stays above it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |k: &str| strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase());
    let best = known.into_iter().map(|k| (similarity(k), k)).max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(similarity, _)| *similarity > 0.8).map(|(_, k)| k)
}

/// `did you mean `x`? `, or nothing.
pub fn question<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or(String::new(), |k| format!("did you mean `{k}`? "))
}

/// The same for a reason of serde: "unknown field `epoch`, expected one of `hidden`, `epochs`".
pub fn question_of(reason: &str) -> String {
    if !reason.starts_with("unknown field") && !reason.starts_with("unknown variant") {
        return String::new();
    }
    let mut quoted = reason.split('`').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    question(name, quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_letter_is_recognised_and_another_word_is_not() {
        let known = ["hidden", "activation", "epochs", "batch_size", "checkpoint_epochs"];
        for (name, expected) in [
            ("epoch", Some("epochs")),
            ("ephocs", Some("epochs")),
            ("Hidden", Some("hidden")),
            ("batchsize", Some("batch_size")),
            ("activaton", Some("activation")),
            ("momentum", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest("x", []), None);
    }

    #[test]
    fn the_reason_of_serde_holds_name_and_choices() {
        let reason = "unknown field `dimm`, expected one of `dim`, `which`";
        assert_eq!(question_of(reason), "did you mean `dim`? ");
        let reason = "unknown variant `swish`, expected one of `relu`, `tanh`";
        assert_eq!(question_of(reason), "");
        assert_eq!(question_of("missing field `dim`"), "");
    }
}
