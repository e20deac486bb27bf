//! What all pages share: style, scripts, the policy, tables and figures.

use crate::figures::figure::Figure;
use crate::read::bound::SufficientRow;
use crate::text::numbers::grouped;

const STYLE: &str = include_str!("../../assets/page.css");

const SCRIPTS: [&str; 4] = [
    include_str!("../../assets/common.js"),
    include_str!("../../assets/chart.js"),
    include_str!("../../assets/surface.js"),
    include_str!("../../assets/start.js"),
];

/// The browser itself refuses whatever would leave the page.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// Text as HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What differs from page to page.
pub struct Shell<'a> {
    pub title: &'a str,
    /// HTML of the links at the top
    pub nav: &'a str,
    /// HTML
    pub body: &'a str,
    /// script elements that hold data
    pub data: &'a str,
}

/// A whole page: style and scripts are in it.
pub fn document(shell: &Shell) -> String {
    let Shell { title, nav, body, data } = shell;
    let title = escape(title);
    let scripts = SCRIPTS.concat().replace("\"use strict\";\n", "");
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"><link rel=\"icon\" href=\"data:,\">\
         <title>{title}</title><style>{STYLE}</style><script>document.documentElement.classList.add(\"js\");</script></head>\n\
         <body><main>\n<nav aria-label=\"pages and sections\">{nav}<button type=\"button\" class=\"theme live end\">theme: auto</button></nav>\n{body}</main>\n\
         {data}<script>\"use strict\";\n{scripts}</script></body></html>\n"
    )
}

/// A picture that stays when there is no JavaScript.
pub fn still(svg: &str, alt: &str) -> String {
    let alt = escape(alt);
    format!(
        "<div class=\"still scroll\" role=\"region\" aria-label=\"picture\" tabindex=\"0\"><div role=\"img\" aria-label=\"{alt}\">{svg}</div></div>"
    )
}

/// A picture with its caption, what is measured, what is `behind` it, and its files.
pub fn captioned(f: &Figure, picture: &str, behind: &str) -> String {
    let Figure { name, caption, sentence, .. } = f;
    let files =
        ["svg", "png", "csv"].map(|kind| format!("<a href=\"figures/{name}.{kind}\">{kind}</a>")).join(" · ");
    let (caption, sentence, behind) = (escape(caption), escape(sentence), escape(behind));
    format!(
        "<figure id=\"{name}\">{picture}<figcaption><strong>{caption}</strong> {sentence} <span class=\"behind\">{behind}</span><span class=\"files\">{files}</span></figcaption></figure>\n"
    )
}

/// A table that scrolls where the page is narrow; the first cell of a row names it.
pub fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|h| match *h {
        "" => "<td></td>".to_owned(),
        h => format!("<th scope=\"col\">{}</th>", escape(h)),
    });
    let cells = |row: Vec<String>| row.iter().map(|c| format!("<td>{}</td>", escape(c))).collect::<String>();
    let rows = rows.map(|row| format!("<tr>{}</tr>\n", cells(row))).collect::<String>();
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"table\" tabindex=\"0\"><table><thead><tr>{}</tr></thead><tbody>\n{rows}</tbody></table></div>\n",
        head.collect::<String>()
    )
}

/// K with interval and status.
pub fn size(row: &SufficientRow) -> String {
    let interval = match (row.low, row.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
        _ => String::new(),
    };
    row.k.map_or_else(|| row.status.clone(), |k| format!("{}{interval} ({})", grouped(k), row.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_with_what_is_known_of_it() {
        let row = |status: &str, k: Option<usize>, ends: Option<(usize, usize)>| SufficientRow {
            setting: "s".into(),
            method: "order-average".into(),
            tolerance: 1e-4,
            relative: None,
            status: status.into(),
            k,
            low: ends.map(|e| e.0),
            high: ends.map(|e| e.1),
        };
        assert_eq!(size(&row("reached", Some(1050), Some((900, 1300)))), "1,050 [900, 1,300] (reached)");
        assert_eq!(size(&row("extrapolated", Some(1050), None)), "1,050 (extrapolated)");
        assert_eq!(size(&row("not reached", None, None)), "not reached");
    }
}
