//! One figure with all its forms.

use pipeline::Result;
use pipeline::shell::StageContext;
use records::Report;
use serde_json::Value;

use crate::plot::panel::{Panel, csv};
use crate::plot::{chart, png};
use crate::text::fact::Fact;

/// One figure with all its forms.
pub struct Figure {
    /// file name without ending
    pub name: String,
    pub caption: String,
    /// the verdict, and what the paper says
    pub verdict: String,
    /// what is measured
    pub facts: Vec<Fact>,
    /// for readers who cannot see it
    pub alt: String,
    pub svg: String,
    /// its panels in numbers, from which the page draws it live; none of a surface
    pub data: Option<Value>,
    pub csv: String,
    /// section of the page
    pub section: Section,
    /// the landscape it is a still of
    pub grid: Option<String>,
}

/// Sections of the page that contain figures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// what more data buy, on the page of a family
    MoreData,
    Answer,
    Model,
    Spectrum,
    Landscape,
    Delta,
    Theory,
    Arriving,
}

impl Figure {
    /// A figure of panels.
    pub fn of(name: &str, section: Section, caption: impl Into<String>, panels: &[Panel]) -> Self {
        let titles = panels.iter().map(|p| p.title.as_str()).collect::<Vec<_>>().join("; ");
        let caption = caption.into();
        Self {
            name: name.to_owned(),
            alt: format!("{caption} ({titles})"),
            caption,
            verdict: String::new(),
            facts: vec![],
            svg: chart::svg(panels),
            data: Some(chart::data(panels)),
            csv: csv(panels),
            section,
            grid: None,
        }
    }

    /// The same with one more sentence.
    pub fn saying(mut self, sentence: impl AsRef<str>) -> Self {
        if !self.verdict.is_empty() {
            self.verdict.push(' ');
        }
        self.verdict += sentence.as_ref();
        self
    }

    /// The same with more facts.
    pub fn with(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }
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
