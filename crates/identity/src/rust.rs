//! What of a Rust file can change a result: its tokens, without documentation and tests.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::ToTokens;
use sha2::{Digest, Sha256};

/// SHA-256 in hexadecimal.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat()
}

/// The tokens of `source`, a space between each; the source itself where it is no Rust file that can be parsed.
pub fn code(source: &str) -> String {
    let Ok(file) = syn::parse_file(source) else { return source.to_owned() };
    let items = file.items.into_iter().filter(|item| !is_test(item));
    let mut words = vec![];
    spell(items.map(ToTokens::into_token_stream).collect(), &mut words);
    words.join(" ")
}

/// Names of the modules of `source` that are files of their own, for tests alone.
pub fn test_modules(source: &str) -> Vec<String> {
    let items = syn::parse_file(source).map(|file| file.items).unwrap_or_default();
    let name = |item: &syn::Item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(item) => Some(module.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// Whether an item is there for tests alone.
fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|a| a.to_token_stream().to_string().replace(' ', "") == "#[cfg(test)]")
}

/// Every token as text, without `#[doc = "…"]`, which is what `///` becomes.
fn spell(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_doc(&group) && words.last().is_some_and(|w| w == "#") => {
                words.pop();
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                spell(group.stream(), words);
                words.push(close.to_owned());
            }
            other => words.push(other.to_string()),
        }
    }
}

fn is_doc(group: &Group) -> bool {
    let first = group.stream().into_iter().next();
    matches!(first, Some(TokenTree::Ident(name)) if name == "doc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_documentation_and_tests_do_not_count_and_code_does() {
        let plain = code("pub fn f(x: f64) -> f64 { x * 2.0 }\n struct S { a: u8, }");
        let told = "//! A file.\n/// Twice.\npub fn f(x: f64) -> f64 {\n    // why\n    x * 2.0\n}\n\
                    struct S {\n    /// one\n    a: u8,\n}\n#[cfg(test)]\nmod tests { fn t() {} }\n";
        assert_eq!(code(told), plain);
        assert_ne!(code("pub fn f(x: f64) -> f64 { x * 3.0 }"), plain);
        assert_ne!(code("fn f() { g(\"a\") }"), code("fn f() { g(\"b\") }"));
        assert_ne!(code("#[derive(Clone)] struct S;"), code("struct S;"));
    }
}
