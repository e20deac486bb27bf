//! Families: one experiment with several prefix sizes, seeds or variants. Each member is an experiment of its own, named
//! `<family>/<member>`, whose sections are those of the family with what the member changes laid over them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ranges::{fraction, positive};
use crate::section::{Section, Unfit};
use crate::stages;
use crate::units::{LossValue, Samples};

/// Sections of a family's members that read `seed`.
const SEEDED: [&str; 4] = ["fetch-data", "train", "eigen", "montecarlo"];

/// A named change of some sections.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Part of the member's name.
    pub name: String,
    /// By stage, the keys that it changes.
    pub sections: BTreeMap<String, Map<String, Value>>,
}

/// What more data are asked to reach: exactly one of the two.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Fraction of test samples that are classified right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = fraction)]
    pub accuracy: Option<f64>,
    /// Mean loss over the test samples, in the unit of the loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = positive)]
    pub test_loss: Option<LossValue>,
}

/// A target as one choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// fraction of test samples that are classified right
    Accuracy(f64),
    /// mean loss over the test samples
    TestLoss(LossValue),
}

impl Target {
    /// The one that is asked for; `None` where [`Family::check`] refuses it.
    pub fn goal(self) -> Option<Goal> {
        match (self.accuracy, self.test_loss) {
            (Some(accuracy), None) => Some(Goal::Accuracy(accuracy)),
            (None, Some(loss)) => Some(Goal::TestLoss(loss)),
            _ => None,
        }
    }
}

/// Parameters of `family`: which members an experiment has, and how they are joined.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Prefix sizes: a member trains on the first so many samples of the order. Empty: all samples only.
    #[schemars(inner(range(min = 2)))]
    pub ladder: Vec<Samples>,
    /// Members that differ in their seeds, per rung and variant.
    #[schemars(range(min = 1, max = 10_000))]
    pub replicas: usize,
    /// Sections whose `seed` is raised by one from replica to replica.
    pub reseed: Vec<String>,
    /// Members that differ in named keys.
    pub variants: Vec<Variant>,
    /// Draws of θ at each member for the samples that it has not seen.
    #[schemars(range(min = 2))]
    pub draws: usize,
    /// Fraction of the test loss that a doubling of the samples must take off, else the learning curve counts as flat.
    #[schemars(transform = fraction)]
    pub flat_gain: f64,
    /// Test accuracy or test loss whose number of samples is forecast; null: none.
    pub target: Option<Target>,
}

/// One member of a family.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Member {
    /// `<variant>-k<size>-r<replica>`, of which only the parts that vary are there
    pub name: String,
    /// its prefix size; `None` for all samples
    pub k: Option<Samples>,
    /// from 1
    pub replica: usize,
    /// name of its variant
    pub variant: Option<String>,
}

impl Section for Family {
    const STAGE: &'static str = "family";

    fn check(&self) -> Result<(), Unfit> {
        Unfit::unless(self.ladder.is_sorted_by(|a, b| a < b), "ladder", || {
            format!("{:?}; sizes in ascending order are needed", self.ladder)
        })?;
        for section in &self.reseed {
            Unfit::unless(SEEDED.contains(&section.as_str()), "reseed", || {
                format!("{section:?}; these have a seed: {}", SEEDED.join(", "))
            })?;
        }
        Unfit::unless(self.target.is_none_or(|t| t.goal().is_some()), "target", || {
            "exactly one of accuracy and test_loss is needed, such as {accuracy: 0.98}".to_owned()
        })?;
        let mut names = BTreeSet::new();
        for (i, variant) in self.variants.iter().enumerate() {
            let plain = variant.name.starts_with(|c: char| c.is_ascii_alphabetic())
                && variant.name.chars().all(|c| c.is_ascii_alphanumeric() || "_.".contains(c));
            // A member's folder lies beside those of the family itself.
            let own = stages::names().contains(&variant.name.as_str()) || variant.name == "params";
            let key = format!("variants[{i}].name");
            Unfit::unless(plain && !own && names.insert(&variant.name), &key, || {
                format!(
                    "{:?}; a name of its own is needed, not that of a stage: a letter, then letters, digits, `_` and `.`",
                    variant.name
                )
            })?;
            for stage in variant.sections.keys() {
                let known = stages::of_experiment().contains(&stage.as_str());
                Unfit::unless(known, &format!("variants[{i}].sections"), || {
                    format!("{stage:?}; sections are stages: {}", stages::of_experiment().join(", "))
                })?;
            }
        }
        Ok(())
    }
}

impl Family {
    /// The members, smallest first; none for an experiment that is no family.
    pub fn members(&self) -> Vec<Member> {
        if self.ladder.is_empty() && self.variants.is_empty() && self.replicas == 1 {
            return vec![];
        }
        let variants = or_one(self.variants.iter().map(|v| Some(v.name.clone())).collect());
        let sizes = or_one(self.ladder.iter().copied().map(Some).collect());
        let mut members = vec![];
        for variant in &variants {
            for &k in &sizes {
                for replica in 1..=self.replicas {
                    let parts = [
                        variant.clone(),
                        k.map(|k| format!("k{k}")),
                        (self.replicas > 1).then(|| format!("r{replica}")),
                    ];
                    let name = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
                    members.push(Member { name, k, replica, variant: variant.clone() });
                }
            }
        }
        members
    }

    /// What `member` changes in the section of `stage`, given that section's own seed.
    pub fn changes(&self, member: &Member, stage: &str, seed: Option<u64>) -> Vec<Value> {
        let variant = self.variants.iter().find(|v| Some(&v.name) == member.variant.as_ref());
        let mut changes = vec![];
        if let Some(section) = variant.and_then(|v| v.sections.get(stage)) {
            changes.push(Value::Object(section.clone()));
        }
        if let (Some(k), "fetch-data") = (member.k, stage) {
            changes.push(json!({"n_samples": k}));
        }
        if let (Some(seed), true) = (seed, self.reseed.iter().any(|s| s == stage)) {
            changes.push(json!({"seed": seed.wrapping_add(member.replica as u64 - 1)}));
        }
        changes
    }
}

/// What varies, or the one value of what does not.
fn or_one<T>(items: Vec<Option<T>>) -> Vec<Option<T>> {
    if items.is_empty() { vec![None] } else { items }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(ladder: &[usize], replicas: usize, variants: &[&str]) -> Family {
        let variants = variants.iter().map(|n| Variant { name: (*n).to_owned(), sections: BTreeMap::new() });
        Family {
            ladder: ladder.to_vec(),
            replicas,
            reseed: vec!["train".into()],
            variants: variants.collect(),
            draws: 2,
            flat_gain: 0.1,
            target: None,
        }
    }

    #[test]
    fn members_are_the_product_of_what_varies() {
        let names = |f: Family| f.members().into_iter().map(|m| m.name).collect::<Vec<_>>();
        assert!(names(family(&[], 1, &[])).is_empty());
        assert_eq!(names(family(&[10, 20], 1, &[])), ["k10", "k20"]);
        assert_eq!(names(family(&[], 2, &[])), ["r1", "r2"]);
        assert_eq!(names(family(&[5], 2, &["a", "b"])), ["a-k5-r1", "a-k5-r2", "b-k5-r1", "b-k5-r2"]);
    }

    #[test]
    fn a_replica_moves_the_seeds_that_it_should() {
        let f = family(&[10], 3, &[]);
        let third = &f.members()[2];
        assert_eq!(f.changes(third, "train", Some(7)), [json!({"seed": 9})]);
        assert_eq!(f.changes(third, "fetch-data", Some(7)), [json!({"n_samples": 10})]);
        assert!(f.changes(third, "eigen", Some(7)).is_empty());
    }

    #[test]
    fn a_target_is_one_of_two_within_its_range() {
        let of = |text: &str| serde_json::from_str::<Target>(text).map_err(|e| e.to_string());
        let goal = |text: &str| of(text).unwrap().goal();
        assert_eq!(goal(r#"{"accuracy": 0.98}"#), Some(Goal::Accuracy(0.98)));
        assert_eq!(goal(r#"{"test_loss": 0.1}"#), Some(Goal::TestLoss(0.1)));
        assert!(of(r#"{"acuracy": 0.98}"#).unwrap_err().contains("expected `accuracy` or `test_loss`"));
        let with = |text: &str| Family { target: Some(of(text).unwrap()), ..family(&[], 1, &[]) };
        for text in ["{}", r#"{"accuracy": 0.98, "test_loss": 0.1}"#] {
            assert_eq!(with(text).check().unwrap_err().key, "target");
        }
        let range = |text: &str| crate::ranges::check(&with(text)).map_err(|u| u.to_string());
        assert_eq!(range(r#"{"accuracy": 0.98}"#), Ok(()));
        let said = range(r#"{"accuracy": 98.0}"#).unwrap_err();
        assert_eq!(said, "target.accuracy: 98; a number above 0 and below 1 is needed");
        assert_eq!(
            range(r#"{"test_loss": 0.0}"#).unwrap_err(),
            "target.test_loss: 0; a number above 0 is needed"
        );
    }

    #[test]
    fn bad_families_are_named() {
        let key = |f: Family| f.check().unwrap_err().key;
        assert_eq!(key(family(&[20, 10], 1, &[])), "ladder");
        assert_eq!(key(family(&[], 1, &["a", "a"])), "variants[1].name");
        assert_eq!(key(family(&[], 1, &["9a"])), "variants[0].name");
        assert_eq!(key(family(&[], 1, &["report"])), "variants[0].name");
        assert_eq!(key(Family { reseed: vec!["bound".into()], ..family(&[], 1, &[]) }), "reseed");
    }
}
