//! The first screen of a page: question, number, bar, and what to do next.

use records::OwnTolerance;
use records::family::LadderForecast;

use crate::plot::bar::bar;
use crate::read::bound::{Setting, law};
use crate::read::experiment::Experiment;
use crate::read::family::{Family, ReadLadder};
use crate::text::fact::{fact, spread};
use crate::text::forecast::bought;
use crate::text::numbers::{count, given, grouped, interval, percent, short, unknown};
use crate::text::own::Own;

/// What the first screen shows.
pub struct Hero {
    pub question: &'static str,
    /// none where the page has no single number
    pub number: Option<Number>,
    pub tiles: Vec<Tile>,
    /// a sentence or two each
    pub next: Vec<String>,
}

/// The number, with what is known of it.
pub struct Number {
    pub value: String,
    pub unit: String,
    pub interval: Option<String>,
    pub purpose: String,
    pub status: String,
    /// of its colour
    pub class: &'static str,
    pub bar: Option<String>,
}

/// A number beside it.
pub struct Tile {
    pub label: String,
    pub value: String,
    pub note: String,
}

fn tile(label: impl Into<String>, value: impl Into<String>, note: impl Into<String>) -> Tile {
    Tile { label: label.into(), value: value.into(), note: note.into() }
}

impl Number {
    /// Samples that are enough, with the coverage of their interval.
    fn of(own: &Own, confidence: f64) -> Self {
        Self {
            value: own.number().unwrap_or_else(|| "no number".to_owned()),
            unit: if own.k.is_some() { "samples".to_owned() } else { String::new() },
            interval: own.interval().map(|i| format!("{i}, {}", percent(confidence))),
            purpose: format!("for {}", own.purpose),
            status: own.status(),
            class: own.class(),
            bar: bar(own),
        }
    }
}

/// The question of an experiment.
pub const QUESTION: &str = "How many samples are enough?";

/// Of an experiment.
pub fn experiment(e: &Experiment, answer: &Setting, own: &Own, next: &[String]) -> Hero {
    let v = &answer.found.v;
    let [now, then] = [1, 2].map(|times| law(v.variance, e.step, (times * e.n_samples) as f64));
    let mut tiles = vec![];
    if now > 0.0 {
        let note = format!(
            "from {} to {} {}, by the law of the average over orders",
            short(now),
            short(then),
            e.unit.squared
        );
        tiles.push(tile("Twice the samples", format!("Δ_k ÷ {:.2}", now / then), note));
    }
    if let Some(trained) = &e.trained {
        let facts = &trained.model.facts;
        let loss = facts.test_loss.map(|l| format!("{} {}", short(l), e.unit.loss));
        tiles.push(match (facts.test_accuracy, loss) {
            (Some(accuracy), loss) => {
                let note = loss.map_or(String::new(), |l| format!("test loss {l}"));
                tile("Test accuracy", percent(accuracy), note)
            }
            (None, Some(loss)) => tile("Test loss", loss, "of the network that is measured"),
            (None, None) => tile("Test accuracy", unknown(), "there is no test split"),
        });
    }
    let note = format!("{}; how much the loss differs from sample to sample", interval(v.low, v.high));
    tiles.push(tile("V", format!("{} {}", short(v.variance), e.unit.squared), note));
    Hero { question: QUESTION, number: Some(Number::of(own, e.confidence)), tiles, next: next.to_vec() }
}

/// Of a family: what its target takes; without one, what twice the data buy. K beside it is at the tolerance that is named, or
/// at the first.
pub fn family(family: &Family, own: Option<&Own>, tolerance: Option<OwnTolerance>, next: &[String]) -> Hero {
    let first = family.forecasts.iter().find(|f| f.loss.is_some() || f.error.is_some());
    let number = own.map(|own| Number::of(own, family.confidence)).or_else(|| doubling(first?, family));
    let question = match (own, &number) {
        (Some(_), _) => QUESTION,
        (None, Some(_)) => "What do more data buy?",
        (None, None) => "What do these networks show together?",
    };
    let mut tiles = vec![];
    if let Some((found, loss)) = first.and_then(|f| Some((f, f.loss.as_ref()?))).filter(|_| own.is_some()) {
        let note = format!("{}, with {} samples", bought(loss, &family.unit), grouped(loss.doubling.to));
        let change = signed(loss.doubling.relative);
        tiles.push(tile(found.label("Twice the samples: test loss"), change, note));
    }
    let last = family.ladders[0].last();
    let at = format!("mean over {} at {} samples", count(last.replicas, "network"), grouped(last.k));
    if let Some(accuracy) = last.test_accuracy {
        tiles.push(tile("Test accuracy", spread("", accuracy, "fraction").text(), at.clone()));
    }
    let named = last.sufficient.iter().find(|(t, _)| tolerance.is_some_and(|own| own.is_at(*t, None)));
    if let Some((tolerance, k)) = named.or(last.sufficient.first()) {
        let note = format!(
            "samples until the surface changes by less than {} {}; {at}",
            given(*tolerance),
            family.unit.squared
        );
        tiles.push(tile("K", fact("", k.mean.round(), "").text(), note));
    }
    Hero { question, number, tiles, next: next.to_vec() }
}

/// A change in per cent with its sign.
fn signed(change: f64) -> String {
    let size = percent(change.abs());
    if change < 0.0 { format!("−{size}") } else { format!("+{size}") }
}

fn doubling(found: &LadderForecast, family: &Family) -> Option<Number> {
    let loss = found.loss.as_ref()?;
    let d = &loss.doubling;
    let (status, class) = if !loss.faults.is_empty() {
        ("the forecast is not to be trusted", "more")
    } else if d.relative_high < 0.0 {
        ("more data help", "enough")
    } else {
        ("not known whether more data help", "more")
    };
    let (low, high) = (signed(d.relative_low), signed(d.relative_high));
    Some(Number {
        value: signed(d.relative),
        unit: "test loss".to_owned(),
        interval: Some(format!("[{low}, {high}], {}", percent(family.confidence))),
        purpose: found.label(&format!("by twice the {} samples at hand", grouped(d.from))),
        status: status.to_owned(),
        class,
        bar: None,
    })
}

#[cfg(test)]
mod tests {
    use records::bound::Status;
    use records::family::{Fault, FaultName};

    use super::*;
    use crate::read::fixtures::{self, forecast, member, row, setting, unfitted, unforecast};

    fn of(e: &Experiment, status: Status, k: Option<usize>) -> Hero {
        experiment(e, &setting(), &Own::of_row(&row(status, k, Some((40, 60))), e), &["next".into()])
    }

    #[test]
    fn the_first_screen_has_one_number_and_what_doubling_buys() {
        let mut e = fixtures::experiment();
        let hero = of(&e, Status::Reached, Some(50));
        let number = hero.number.unwrap();
        assert_eq!((number.value.as_str(), number.class, number.bar.is_some()), ("50", "enough", true));
        assert_eq!(number.interval.unwrap(), "[40, 60], 95 %");
        // V = 1: 200 · 201 over 100 · 101.
        assert_eq!(hero.tiles[0].value, "Δ_k ÷ 3.98");
        assert_eq!(hero.tiles[1].value, "–");
        e.trained.as_mut().unwrap().model.facts.test_loss = Some(0.25);
        assert_eq!((of(&e, Status::Reached, None).tiles[1].value).as_str(), "0.25 nats");
        e.trained.as_mut().unwrap().model.facts.test_accuracy = Some(0.9);
        assert_eq!((of(&e, Status::Reached, None).tiles[1].value).as_str(), "90 %");
        e.trained = None;
        assert_eq!(of(&e, Status::Reached, None).tiles.len(), 2);
    }

    #[test]
    fn a_family_without_a_target_has_what_doubling_buys() {
        let mut f = fixtures::family(vec![unfitted()], vec![member("a", None)]);
        let none = family(&f, None, None, &[]);
        assert!(none.number.is_none() && none.question.starts_with("What do these networks"));
        let rung = f.ladders[0].rungs.last_mut().unwrap();
        rung.sufficient.push((1e-5, fixtures::one(9000.0)));
        let k = |own| family(&f, None, own, &[]).tiles.last().unwrap().value.clone();
        assert_eq!(k(None), "3,870");
        assert_eq!(k(Some(OwnTolerance::Absolute(1e-5))), "9,000");
        f.forecasts =
            vec![LadderForecast { loss: Some(forecast(vec![])), ..unforecast(Some("wide".into())) }];
        let number = family(&f, None, None, &[]).number.unwrap();
        assert_eq!(
            (number.value.as_str(), number.interval.as_deref()),
            ("−20 %", Some("[−30 %, −10 %], 95 %"))
        );
        assert_eq!(
            (number.purpose.as_str(), number.status.as_str()),
            ("wide: by twice the 1,000 samples at hand", "more data help")
        );
        f.forecasts[0].loss.as_mut().unwrap().faults = vec![Fault { name: FaultName::Rises, from: 1, to: 2 }];
        assert_eq!(family(&f, None, None, &[]).number.unwrap().class, "more");
    }
}
