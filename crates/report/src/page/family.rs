//! The page of a family: what its members say together.

use records::Report;

use crate::figures::family::{flat_sentence, spread};
use crate::figures::figure::Figure;
use crate::page::shell::{Shell, captioned, document, escape, still, table};
use crate::read::family::{Ladder, Member, Rung, Spread, replicated};
use crate::text::findings;
use crate::text::numbers::{count, grouped, short};

pub fn answer(curves: &[Ladder], members: &[Member]) -> Vec<String> {
    let mut answer = vec![];
    for curve in curves.iter().filter(|c| c.fit.is_some()) {
        answer.push(curve.label(&flat_sentence(curve)));
    }
    answer.extend(
        members.iter().filter_map(|m| Some(format!("{}: {}", m.name, findings::polish(m.polish.as_ref()?)))),
    );
    if answer.is_empty() {
        let one = |c: &Ladder| {
            c.label(&format!("V = {} nats² at {} samples", spread(c.last().variance), grouped(c.last().k)))
        };
        answer.push(curves.iter().map(one).collect::<Vec<_>>().join("; ") + ".");
    }
    answer
}

pub fn html(
    params: &Report,
    answer: &[String],
    curves: &[Ladder],
    members: &[Member],
    figures: &[Figure],
) -> String {
    let title = escape(&params.title);
    let answers = answer.iter().map(|a| format!("<p>{}</p>", escape(a))).collect::<String>();
    let rung = |c: &Ladder, r: &Rung| {
        let maybe = |s: Option<Spread>| s.map_or_else(String::new, spread);
        let cells = [
            grouped(r.k),
            r.replicas.to_string(),
            spread(r.train_loss),
            maybe(r.test_loss),
            maybe(r.test_accuracy),
            spread(r.gradient_norm),
            spread(r.variance),
            maybe(r.overlap),
        ];
        c.variant.iter().cloned().chain(cells).collect()
    };
    // All curves have a variant, or none has.
    let variant = curves[0].variant.as_ref().map(|_| "variant");
    let head =
        ["samples", "replicas", "train loss", "test loss", "test accuracy", "‖∇L‖", "V (nats²)", "overlap"];
    let rows = curves.iter().flat_map(|c| c.rungs.iter().map(move |r| rung(c, r)));
    let head = variant.into_iter().chain(head).collect::<Vec<_>>();
    let note = if replicated(curves) { "<p>± is the standard deviation over replicas.</p>\n" } else { "" };
    let sizes = table(&head, rows) + note;
    let member = |m: &Member| {
        let maybe = |v: Option<f64>| v.map_or_else(String::new, short);
        let theories =
            m.theory_variances.iter().map(|(n, v)| format!("{n} {}", short(*v))).collect::<Vec<_>>();
        vec![
            m.name.clone(),
            grouped(m.n_samples),
            short(m.train_loss),
            maybe(m.test_loss),
            maybe(m.test_accuracy),
            short(m.gradient_norm),
            short(m.variance),
            theories.join(", "),
            maybe(m.overlap),
        ]
    };
    let head = [
        "member",
        "samples",
        "train loss",
        "test loss",
        "test accuracy",
        "‖∇L‖",
        "V",
        "V by theory",
        "overlap",
    ];
    let all = table(&head, members.iter().map(member));
    let behind =
        format!("{}; numbers are of the setting {}", count(members.len(), "member"), curves[0].setting);
    let picture = |f: &Figure| captioned(f, &still(&f.svg, &f.alt), &behind);
    let figures = figures.iter().map(picture).collect::<String>();
    document(&Shell {
        title: &params.title,
        nav: "<a href=\"../../index.html\">all experiments</a> <a href=\"../../compare.html\">side by side</a>",
        body: &format!(
            "<h1>{title}</h1>\n<div class=\"answer\">{answers}</div>\n\
             <h2>Sizes</h2>\n{sizes}<h2>Figures</h2>\n{figures}<h2>Members</h2>\n{all}"
        ),
        data: "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::family::Flattening;
    use crate::read::fixtures::{self, curve, member, unfitted};

    #[test]
    fn a_family_answers_with_what_it_has() {
        let plain = [member("a/1", None)];
        assert_eq!(answer(&[unfitted()], &plain), ["V = 1 nats² at 8,000 samples."]);
        let two = [
            Ladder { variant: Some("b".into()), ..unfitted() },
            Ladder { variant: Some("c".into()), ..unfitted() },
        ];
        assert_eq!(
            answer(&two, &plain),
            ["b: V = 1 nats² at 8,000 samples; c: V = 1 nats² at 8,000 samples."]
        );
        let fitted = answer(&[curve(Flattening::Never, None), unfitted()], &plain);
        assert!(
            fitted.len() == 1 && fitted[0].starts_with("K = 3,870 at 1e-4 nats²; by its power law"),
            "{fitted:?}"
        );
        let polished = answer(&[unfitted()], &[member("a/1", Some(fixtures::polished_facts("stalled")))]);
        assert!(polished.len() == 1 && polished[0].starts_with("a/1: The polish stalled"), "{polished:?}");
    }
}
