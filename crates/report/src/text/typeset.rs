//! Symbols as they are read: Δ_k with a subscript, k^−2 with a superscript, in HTML and in SVG.

/// How a piece of text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Plain,
    Sub,
    Sup,
}

/// Letters that take a subscript; names of files and keys have underscores of their own.
const SYMBOLS: &str = "ΔLHPDEℓλθ";

/// The text in pieces: what stands behind `_` after a symbol, digits behind λ, and what stands behind `^`.
fn pieces(text: &str) -> Vec<(Set, String)> {
    let all = text.chars().collect::<Vec<_>>();
    let mut found = vec![(Set::Plain, String::new())];
    let mut at = 0;
    while at < all.len() {
        found.last_mut().expect("the first piece").1.push(all[at]);
        let alone = at == 0 || !is_word(all[at - 1]);
        at += 1;
        if alone && let Some((set, inside, end)) = raised(&all, at) {
            found.push((set, inside));
            found.push((Set::Plain, String::new()));
            at = end;
        }
    }
    found.retain(|(_, piece)| !piece.is_empty());
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What is set lower or higher behind the symbol before `at`, and where it ends.
fn raised(all: &[char], at: usize) -> Option<(Set, String, usize)> {
    let symbol = all[at - 1];
    let run = |from: usize, of: fn(char) -> bool| {
        let inside = all[from..].iter().take_while(|c| of(**c)).collect::<String>();
        let end = from + inside.chars().count();
        (!inside.is_empty()).then_some((inside, end))
    };
    match *all.get(at)? {
        '^' if symbol.is_alphabetic() => {
            let (inside, end) = run(at + 1, |c| c.is_alphanumeric() || "−-.".contains(c))?;
            // The full stop behind it ends the sentence.
            let cut = inside.trim_end_matches('.');
            Some((Set::Sup, cut.to_owned(), end - (inside.len() - cut.len())))
        }
        '_' if SYMBOLS.contains(symbol) => match *all.get(at + 1)? {
            '(' | '{' => {
                let (inside, end) = run(at + 2, |c| c != ')' && c != '}')?;
                (end < all.len()).then_some((Set::Sub, inside, end + 1))
            }
            _ => run(at + 1, is_word)
                .filter(|(inside, _)| inside.chars().count() == 1)
                .map(|(i, end)| (Set::Sub, i, end)),
        },
        _ if symbol == 'λ' => run(at, |c| c.is_ascii_digit()).map(|(i, end)| (Set::Sub, i, end)),
        _ => None,
    }
}

/// The text with nothing in it that HTML or SVG would read as an element.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// The text in HTML: escaped, with its symbols set.
pub fn html(text: impl AsRef<str>) -> String {
    let one = |(set, piece): (Set, String)| {
        let piece = escaped(&piece);
        match set {
            Set::Plain => piece,
            Set::Sub => format!("<sub>{piece}</sub>"),
            Set::Sup => format!("<sup>{piece}</sup>"),
        }
    };
    pieces(text.as_ref()).into_iter().map(one).collect()
}

/// The text inside a `<text>` element of SVG.
pub fn svg(text: &str) -> String {
    let mut back = "";
    let mut one = |(set, piece): (Set, String)| {
        let piece = escaped(&piece);
        let (dy, next) = match set {
            Set::Plain if back.is_empty() => return piece,
            Set::Plain => (back, ""),
            Set::Sub => ("4", "-4"),
            Set::Sup => ("-5", "5"),
        };
        let size = if set == Set::Plain { "" } else { " font-size=\"10\"" };
        back = next;
        format!("<tspan dy=\"{dy}\"{size}>{piece}</tspan>")
    };
    pieces(text).into_iter().map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_set_and_names_are_not() {
        let cases = [
            ("Δ_k falls", "Δ<sub>k</sub> falls"),
            ("(L_(k+s) − L_k)²", "(L<sub>k+s</sub> − L<sub>k</sub>)²"),
            ("L_{k+s} at", "L<sub>k+s</sub> at"),
            ("a + b k^−c.", "a + b k<sup>−c</sup>."),
            ("k^−1.997. Then", "k<sup>−1.997</sup>. Then"),
            ("λ10 of λ1", "λ<sub>10</sub> of λ<sub>1</sub>"),
            ("my_file, train_L_k and L_keep", "my_file, train_L_k and L_keep"),
            ("a<b> & 'c'", "a&lt;b&gt; &amp; &#39;c&#39;"),
            ("Δ_(open", "Δ_(open"),
        ];
        for (text, set) in cases {
            assert_eq!(html(text), set);
        }
    }

    #[test]
    fn in_a_picture_the_line_goes_on_at_its_height() {
        let sub = "<tspan dy=\"4\" font-size=\"10\">k</tspan>";
        assert_eq!(svg("Δ_k · k² <x>"), format!("Δ{sub}<tspan dy=\"-4\"> · k² &lt;x&gt;</tspan>"));
        assert_eq!(svg("Δ_k"), format!("Δ{sub}"));
    }
}
