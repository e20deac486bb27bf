//! The page of a family: what its members show together.

use askama::Template;
use pipeline::Result;
use records::family::{AuditRow, Ladder, LadderForecast, MemberResult, Rung, Spread};
use records::train::Stopped;
use records::{Report, name_of};

use crate::export::summary::Summary;
use crate::figures::family::beside;
use crate::figures::figure::{Figure, Section};
use crate::page::hero::{self, Hero};
use crate::page::{interactive, shell};
use crate::read::family::{Family, ReadLadder};
use crate::text::fact::spread;
use crate::text::forecast::verdict;
use crate::text::numbers::{count, grouped, percent, short};
use crate::text::table::Table;
use crate::text::verdicts::{flat, polishes};

#[derive(Template)]
#[template(path = "family.html")]
struct Page<'a> {
    title: &'a str,
    name: &'a str,
    heading: &'a String,
    /// whether there are pages over all experiments
    linked: bool,
    hero: Hero,
    family: &'a Family,
    figures: &'a [Figure],
    data: Vec<(String, String)>,
}

/// The page of a family.
pub fn html(params: &Report, s: &Summary, family: &Family, figures: &[Figure]) -> Result<String> {
    let page = Page {
        title: &shell::title(&s.experiment, &s.title),
        name: &s.experiment,
        heading: &s.title,
        linked: !params.alone,
        hero: hero::family(family, s.own.as_ref(), params.tolerance, &s.answer),
        family,
        figures,
        data: figures.iter().filter_map(interactive::chart).collect(),
    };
    shell::text(&page)
}

/// A mean with its deviation.
fn text(s: Spread) -> String {
    spread("", s, "").text()
}

/// What more data buy, where each learning curve is flat and how the polishes ended; else V.
pub fn answer(family: &Family) -> Vec<String> {
    let more = family.forecasts.iter().filter_map(|f| verdict(f, &family.unit));
    let flat = family.flat().filter_map(|(l, found)| Some(l.label(&flat(l, Some(&found?), &family.unit))));
    let ends = family.members.iter().filter_map(|m| Some(m.polish.as_ref()?.status)).collect::<Vec<_>>();
    let answer = more.chain(flat).chain(polishes(&ends)).collect::<Vec<_>>();
    if !answer.is_empty() {
        return answer;
    }
    let v = |l: &Ladder| {
        let Rung { variance, k, .. } = l.last();
        l.label(&format!("V = {} {} at {} samples.", text(*variance), family.unit.squared, grouped(*k)))
    };
    family.ladders.iter().map(v).collect()
}

impl Page<'_> {
    fn behind(&self) -> String {
        let setting = &self.family.ladders[0].setting;
        format!("{}; numbers are of the setting {setting}", count(self.family.members.len(), "member"))
    }

    /// Whether anything is forecast.
    fn forecast(&self) -> bool {
        self.figures.iter().any(|f| f.section == Section::MoreData)
    }

    fn behind_forecast(&self) -> String {
        let bands = percent(self.family.confidence);
        format!("{}; bands of {bands}", count(self.family.members.len(), "member"))
    }

    /// What fits of smaller sizes said of larger ones.
    fn audit(&self) -> Table {
        let head = ["check", "fitted to (samples)", "predicts (samples)", "prediction"];
        let head = head.into_iter().chain(["band", "found", "in the band", "off by"]);
        let of = |f: &LadderForecast| {
            let rows = [("test loss", &f.loss), ("test error", &f.error)].map(|(what, q)| {
                q.iter().flat_map(|q| q.audit.iter().map(|a| audited(f.label(what), a))).collect::<Vec<_>>()
            });
            rows.concat()
        };
        Table::of(head, self.family.forecasts.iter().flat_map(of))
    }

    /// K at each tolerance on the learning curve.
    fn beside(&self) -> Table {
        beside::table(&self.family.forecasts, &self.family.unit)
    }

    /// A row per size.
    fn sizes(&self) -> Table {
        // All ladders have a variant, or none has.
        let variant = self.family.ladders[0].variant.as_ref().map(|_| "variant");
        let head = SIZES.map(|(head, _)| head.replace("loss²", &self.family.unit.squared));
        let head = variant.map(str::to_owned).into_iter().chain(head);
        let cells = |r: &Rung| SIZES.map(|(_, cell)| cell(r).unwrap_or_default());
        let row = |l: &Ladder, r: &Rung| l.variant.iter().cloned().chain(cells(r)).collect();
        let rows = self.family.ladders.iter().flat_map(|l| l.rungs.iter().map(move |r| row(l, r)));
        Table::of(head, rows)
    }

    /// A row per network; how training ended only where one has a stop.
    fn members(&self) -> Table {
        let stops = self.family.members.iter().any(|m| m.stop.is_some());
        let columns = MEMBERS.iter().filter(|(head, _)| stops || *head != ENDED).collect::<Vec<_>>();
        let row = |m: &MemberResult| columns.iter().map(|(_, cell)| cell(m).unwrap_or_default()).collect();
        Table::of(columns.iter().map(|(head, _)| *head), self.family.members.iter().map(row))
    }
}

/// One row of an audit.
fn audited(what: String, a: &AuditRow) -> Vec<String> {
    vec![
        what,
        grouped(a.fitted_to),
        grouped(a.n),
        short(a.predicted),
        format!("{} to {}", short(a.low), short(a.high)),
        short(a.found),
        if a.covered { "yes" } else { "no" }.to_owned(),
        percent(a.relative_error),
    ]
}

/// A column: heading, and what a row has in it.
type Column<T> = (&'static str, fn(&T) -> Option<String>);

/// Which rule ended training, and after how many epochs.
fn ended(stop: &Stopped) -> String {
    format!("{}, epoch {}", name_of(stop.by), stop.epochs)
}

const SIZES: [Column<Rung>; 8] = [
    ("samples", |r| Some(grouped(r.k))),
    ("replicas", |r| Some(r.replicas.to_string())),
    ("train loss", |r| Some(text(r.train_loss))),
    ("test loss", |r| r.test_loss.map(text)),
    ("test accuracy", |r| r.test_accuracy.map(text)),
    ("‖∇L‖", |r| Some(text(r.gradient_norm))),
    ("V (loss²)", |r| Some(text(r.variance))),
    ("overlap", |r| r.overlap.map(text)),
];

/// The heading of how training ended.
const ENDED: &str = "training ended by";

const MEMBERS: [Column<MemberResult>; 10] = [
    ("member", |m| Some(m.member.name.clone())),
    ("samples", |m| Some(grouped(m.n_samples))),
    (ENDED, |m| m.stop.as_ref().map(ended)),
    ("train loss", |m| Some(short(m.train_loss))),
    ("test loss", |m| m.test_loss.map(short)),
    ("test accuracy", |m| m.test_accuracy.map(short)),
    ("‖∇L‖", |m| Some(short(m.gradient_norm))),
    ("V", |m| Some(short(m.variance))),
    ("V by theory", |m| {
        let all = m.theory_variances.iter().map(|(name, v)| format!("{name} {}", short(*v)));
        Some(all.collect::<Vec<_>>().join(", "))
    }),
    ("overlap", |m| m.overlap.map(short)),
];

#[cfg(test)]
mod tests {
    use records::family::Flattening;
    use records::train::PolishEnd;

    use super::*;
    use crate::read::fixtures::{self, curve, member, polished, unfitted};

    #[test]
    fn a_family_answers_with_what_it_has() {
        let of = |ladders, members| answer(&fixtures::family(ladders, members));
        let two = ["b", "c"].map(|v| Ladder { variant: Some(v.into()), ..unfitted() }).into();
        let plain = || vec![member("a/1", None)];
        assert_eq!(
            of(two, plain()),
            ["b: V = 1 nats² at 8,000 samples.", "c: V = 1 nats² at 8,000 samples."]
        );
        let fitted = of(vec![curve(Flattening::Never, None), unfitted()], plain());
        assert!(fitted.len() == 1 && fitted[0].starts_with("The fitted floor is 0"), "{fitted:?}");
        let ended = of(vec![unfitted()], vec![member("a/1", Some(polished(PolishEnd::Stalled)))]);
        assert_eq!(
            ended,
            ["The polish of 1 network stalled before it reached the gradient norm that was asked for."]
        );
    }
}
