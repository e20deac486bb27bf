//! The pages: one per experiment and an index over all. Self-contained: no request leaves them.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use pipeline::manifest::Manifest;
use pipeline::params::Report;

use crate::chart::short;
use crate::figures::{Figure, Section};
use crate::gather::{Experiment, Setting, SufficientRow};
use crate::sentences::{self, grouped};
use crate::summary::{self, Summary};

const STYLE: &str = "
:root{color-scheme:light dark;--fg:#1b1f24;--bg:#fff;--soft:#f3f5f7;--line:#d5dae0;--accent:#0072b2}
@media(prefers-color-scheme:dark){:root{--fg:#e6e9ec;--bg:#15181c;--soft:#20252b;--line:#3a424b;--accent:#56b4e9}}
*{box-sizing:border-box}body{font:16px/1.55 system-ui,sans-serif;color:var(--fg);background:var(--bg);margin:0}
main{max-width:1180px;margin:auto;padding:1rem}h1{line-height:1.2;margin:.6rem 0}h2{margin-top:2.4rem;border-bottom:1px solid var(--line)}
.answer{background:var(--soft);border-left:5px solid var(--accent);padding:.6rem 1rem;font-size:1.08rem}
a{color:var(--accent)}figure{margin:1.4rem 0}figure svg{width:100%;height:auto;background:#fff;border:1px solid var(--line);border-radius:6px}
figcaption{margin-top:.4rem}.files{font-size:.85rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{border:1px solid var(--line);padding:.25rem .6rem;text-align:right}
th:first-child,td:first-child{text-align:left}thead{background:var(--soft)}code{overflow-wrap:anywhere}
@media print{figure{break-inside:avoid}}";

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

pub(crate) fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n{body}</main></body></html>\n"
    )
}

/// The page of one experiment.
pub fn experiment(params: &Report, e: &Experiment, answer: &Setting, figures: &[Figure]) -> String {
    let section = |heading: &str, text: &str, of: Section| {
        let figures = figures.iter().filter(|f| f.section == of).map(figure).collect::<String>();
        format!("<h2>{heading}</h2>\n{text}{figures}")
    };
    let answers =
        summary::answers(e, answer).iter().map(|a| format!("<p>{}</p>", escape(a))).collect::<String>();
    let mut body = format!(
        "<p><a href=\"{}index.html\">all experiments</a></p>\n<h1>{}</h1>\n",
        "../".repeat(2 + e.name.matches('/').count()), // the member of a family lies deeper
        escape(&params.title)
    );
    body += "<div class=\"answer\">";
    body += &answers;
    body += "</div>\n";
    body += &section("How many samples are enough", &sufficient_table(e, answer), Section::Answer);
    body += &section("Data and model", &model(e), Section::Model);
    body += &section("Spectrum", "", Section::Spectrum);
    body += &section("Landscape", "", Section::Landscape);
    body += &section("Δ_k", "", Section::Delta);
    body += &section("Theory against Monte Carlo", &theory_table(e), Section::Theory);
    if figures.iter().any(|f| f.section == Section::Arriving) {
        body += &section("Data that arrive", "", Section::Arriving);
    }
    body += &method(e);
    document(&params.title, &body)
}

pub(crate) fn figure(f: &Figure) -> String {
    let Figure { name, caption, sentence, alt, svg, .. } = f;
    let files =
        ["svg", "png", "csv"].map(|kind| format!("<a href=\"figures/{name}.{kind}\">{kind}</a>")).join(" · ");
    let (caption, sentence, alt) = (escape(caption), escape(sentence), escape(alt));
    format!(
        "<figure id=\"{name}\"><div role=\"img\" aria-label=\"{alt}\">{svg}</div><figcaption><strong>{caption}</strong> {sentence} <span class=\"files\">{files}</span></figcaption></figure>\n"
    )
}

pub(crate) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let cells = |tag: &str, cells: &[String]| {
        cells.iter().map(|c| format!("<{tag}>{}</{tag}>", escape(c))).collect::<String>()
    };
    let head = head.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>();
    let rows = rows.map(|row| format!("<tr>{}</tr>\n", cells("td", &row))).collect::<String>();
    format!(
        "<div class=\"scroll\"><table><thead><tr>{}</tr></thead><tbody>\n{rows}</tbody></table></div>\n",
        cells("th", &head)
    )
}

fn sufficient_table(e: &Experiment, answer: &Setting) -> String {
    let of_answer = e.rows.iter().filter(|r| r.setting == answer.name).collect::<Vec<_>>();
    let mut tolerances = of_answer.iter().map(|r| r.tolerance).collect::<Vec<_>>();
    tolerances.dedup();
    let mut methods = of_answer.iter().map(|r| r.method.as_str()).collect::<Vec<_>>();
    methods.truncate(of_answer.len() / tolerances.len().max(1));
    let cell = |method: &str, tolerance: f64| {
        let row =
            of_answer.iter().find(|r| r.method == method && r.tolerance.to_bits() == tolerance.to_bits());
        row.map_or_else(String::new, |row| size(row))
    };
    let rows = methods.iter().map(|method| {
        let cells = tolerances.iter().map(|&t| cell(method, t));
        std::iter::once((*method).to_owned()).chain(cells).collect()
    });
    let heads = tolerances.iter().map(|&t| format!("K at {} nats²", short(t))).collect::<Vec<_>>();
    let head = std::iter::once("method").chain(heads.iter().map(String::as_str)).collect::<Vec<_>>();
    let note = "<p>K in samples. <em>order-average</em>: closed form of the average over all orders, with an interval over the draws; the others: the last exceedance of one measured or computed curve (Definition 4).</p>\n";
    table(&head, rows) + note
}

fn size(row: &SufficientRow) -> String {
    let interval = match (row.low, row.high) {
        (Some(low), Some(high)) => format!(" [{}, {}]", grouped(low), grouped(high)),
        _ => String::new(),
    };
    row.k.map_or_else(|| row.status.clone(), |k| format!("{}{interval} ({})", grouped(k), row.status))
}

fn model(e: &Experiment) -> String {
    let (data, model) = (&e.data, &e.model);
    let kind =
        if data.n_classes == 0 { "regression".to_owned() } else { format!("{} classes", data.n_classes) };
    let layers = model.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join("-");
    let own = if model.history.nrows() > 1 {
        String::new()
    } else {
        format!("<p>{}</p>\n", escape(&sentences::model(model)))
    };
    let test = model.test_loss.map_or_else(String::new, |l| format!(" Test loss {} nats.", short(l)));
    format!(
        "<p>{} training and {} test samples of {} features, {kind}: {} ({}). A network of {layers} ({}, {} parameters), weights {}.{test}</p>\n{own}",
        grouped(data.n_samples),
        grouped(data.n_test),
        data.n_features,
        escape(&data.source),
        escape(&data.attribution),
        model.activation,
        grouped(model.n_params),
        escape(&model.origin),
    )
}

fn theory_table(e: &Experiment) -> String {
    let rows =
        e.settings.iter().flat_map(|s| s.theories.iter().map(move |t| (s, &t.comparison))).map(|(s, c)| {
            vec![
                s.name.clone(),
                c.name.clone(),
                grouped(c.n_compared),
                format!("{:.1} %", 100.0 * c.fraction_above),
                short(c.smallest_ratio),
                short(c.geometric_mean_ratio),
                format!("{:.1} %", 100.0 * c.within_three_standard_errors),
            ]
        });
    let head = [
        "setting",
        "theory",
        "prefix sizes",
        "above Monte Carlo",
        "smallest ratio",
        "geometric mean",
        "within 3 standard errors",
    ];
    table(&head, rows)
        + "<p>A ratio is theory over Monte Carlo. None of the four is an upper bound by proof.</p>\n"
}

fn method(e: &Experiment) -> String {
    let seconds = |m: &Manifest| format!("{:.1}", m.run.wall_seconds);
    let row = |m: &Manifest| {
        vec![
            m.stage.clone(),
            seconds(m),
            m.run.peak_memory_bytes.map_or_else(String::new, |b| format!("{:.0}", b as f64 / 1_048_576.0)),
            m.run.threads.to_string(),
            m.run.blas.clone().unwrap_or_default(),
            m.code.version.clone(),
            m.fingerprint[..12].to_owned(),
        ]
    };
    let head = ["stage", "seconds", "peak MiB", "threads", "BLAS", "version", "fingerprint"];
    let params = e.manifests.iter().map(|m| {
        let text = serde_json::to_string_pretty(&m.params).unwrap_or_default();
        format!(
            "<details><summary>parameters of {}</summary><pre>{}</pre></details>\n",
            m.stage,
            escape(&text)
        )
    });
    format!(
        "<h2>Method and provenance</h2>\n<p>Δ_k is the mean over θ ~ N(0, σ²I) of (L_{{k+s}} − L_k)² at w* + Pθ, for every k from one pass over the samples per draw (s = {}). \
         The top eigenvalues took {} Hessian-vector products over all samples.</p>\n{}{}",
        e.step,
        e.spectrum.n_products,
        table(&head, e.manifests.iter().map(row)),
        params.collect::<String>()
    )
}

/// The index over all experiments whose report has finished, with the one in hand.
pub fn write_index(artifacts: &Path, current: &str, summary: &Summary) -> Result<()> {
    if current.contains('/') {
        return Ok(()); // the member of a family: its family stands in the index
    }
    let mut entries = vec![];
    let listing =
        std::fs::read_dir(artifacts).with_context(|| format!("cannot list {}", artifacts.display()))?;
    for entry in listing {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != current
            && let Some(found) = read_summary(artifacts, &name)
        {
            entries.push((name, found.title, found.answer));
        }
    }
    entries.push((current.to_owned(), summary.title.clone(), summary.answer.clone()));
    entries.sort();
    let mut body = "<h1>How many samples are enough?</h1>\n".to_owned();
    for (name, title, answer) in entries {
        let answer = answer.iter().map(|a| format!("<p>{}</p>", escape(a))).collect::<String>();
        let (name, title) = (escape(&name), escape(&title));
        write!(
            body,
            "<h2><a href=\"{name}/report/index.html\">{title}</a></h2>\n<div class=\"answer\">{answer}</div>\n"
        )?;
    }
    let path = artifacts.join("index.html");
    let temporary = artifacts.join(format!(".index.html.{current}"));
    std::fs::write(&temporary, document("How many samples are enough?", &body))
        .and_then(|()| std::fs::rename(&temporary, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read_summary(artifacts: &Path, experiment: &str) -> Option<Summary> {
    let dir = artifacts.join(experiment);
    Manifest::find(&dir, "report").ok()??;
    let text = std::fs::read(dir.join("report/summary.json")).ok()?;
    serde_json::from_slice::<Summary>(&text).ok().filter(|s| s.format == summary::FORMAT)
}
