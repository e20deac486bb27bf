//! Pictures as PNG.

use pipeline::{Error, Result};
use resvg::{tiny_skia, usvg};

/// The picture as PNG, `scale` pixels per unit, with an embedded font: no font of the system is needed.
pub fn png(svg: &str, scale: f64) -> Result<Vec<u8>> {
    let mut options = usvg::Options { font_family: "Noto Sans".to_owned(), ..usvg::Options::default() };
    let fonts = options.fontdb_mut();
    fonts.load_font_data(notosans::REGULAR_TTF.to_vec());
    fonts.set_sans_serif_family("Noto Sans");
    let tree = usvg::Tree::from_str(svg, &options).map_err(|e| Error::fault("a picture", e))?;
    #[allow(clippy::cast_possible_truncation)] // a scale, and a picture of a few thousand pixels
    let scale = scale as f32;
    let size = tree.size().to_int_size().scale_by(scale);
    let pixels = size.and_then(|size| tiny_skia::Pixmap::new(size.width(), size.height()));
    let mut pixels = pixels.ok_or_else(|| Error::fault("a picture", "of no size, or too large"))?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut pixels.as_mut());
    pixels.encode_png().map_err(|e| Error::fault("a picture", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::panel::{Line, Panel, Style};

    #[test]
    fn a_picture_has_text_in_both_forms() {
        let line = |style| Line {
            label: "line".into(),
            points: vec![(1.0, 1.0), (10.0, 0.01), (100.0, 0.0)],
            style,
            colour: 0,
        };
        let panel = |log| Panel {
            title: "Title".into(),
            x_label: "samples".into(),
            y_label: "nats".into(),
            log_x: log,
            log_y: log,
            lines: vec![line(Style::Solid), line(Style::Dashed)],
            ..Panel::default()
        };
        let svg = crate::plot::chart::svg(&[panel(true), panel(false)]);
        assert!(svg.contains("Title") && svg.contains("samples"));
        let with_text = png(&svg, 1.0).unwrap();
        let without = png(&svg.replace("Title", "").replace("samples", ""), 1.0).unwrap();
        assert_ne!(with_text, without, "the font draws");
    }
}
