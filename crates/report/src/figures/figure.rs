//! One figure with all its forms.

use anyhow::Result;
use pipeline::shell::StageContext;
use records::Report;

use crate::plot::panel::{Panel, csv_of};
use crate::plot::{chart, png};

/// One figure with all its forms.
pub struct Figure {
    /// file name without ending
    pub name: String,
    pub caption: String,
    /// what is measured, in one or more sentences
    pub sentence: String,
    /// for readers who cannot see it
    pub alt: String,
    pub svg: String,
    pub csv: String,
    /// section of the page
    pub section: Section,
    /// the landscape it is a still of
    pub grid: Option<String>,
}

impl Figure {
    /// Whether it is a still of the landscape `grid`.
    pub fn of_grid(&self, grid: &str) -> bool {
        self.grid.as_deref() == Some(grid)
    }
}

/// Sections of the page that hold figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Answer,
    Model,
    Spectrum,
    Landscape,
    Delta,
    Theory,
    Arriving,
}

/// A figure of panels.
pub fn figure(
    name: &str,
    section: Section,
    caption: String,
    sentence: String,
    panels: &[Panel],
) -> Result<Figure> {
    let titles = panels.iter().map(|p| p.title.as_str()).collect::<Vec<_>>().join("; ");
    Ok(Figure {
        name: name.to_owned(),
        alt: format!("{caption} ({titles})"),
        caption,
        sentence,
        svg: chart::svg(panels)?,
        csv: csv_of(panels),
        section,
        grid: None,
    })
}

/// Every figure as SVG, PNG and CSV.
pub fn write(params: &Report, ctx: &mut StageContext, figures: &[Figure]) -> Result<()> {
    let progress = ctx.progress(figures.len(), "report: figures");
    for figure in figures {
        let name = &figure.name;
        let out = &mut ctx.outputs;
        out.write_bytes(&format!("figures/{name}.svg"), figure.svg.as_bytes(), &figure.alt)?;
        let png = png::png(&figure.svg, params.png_scale)?;
        out.write_bytes(&format!("figures/{name}.png"), &png, &figure.alt)?;
        out.write_bytes(&format!("figures/{name}.csv"), figure.csv.as_bytes(), "every plotted number")?;
        progress.add(1);
    }
    Ok(())
}
