//! Families: one experiment with several prefix sizes, seeds or variants. Each member is an experiment of its own, named
//! `<family>/<member>`, whose sections are those of the family with what the member changes laid over them.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ranges::fraction;
use crate::section::{Section, Unfit};
use crate::stages;
use crate::units::Samples;

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

/// Parameters of `family`: which members an experiment has, and how they are joined.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Prefix sizes: a member trains on the first so many samples of the order. Empty: all samples only.
    #[schemars(inner(range(min = 2)))]
    pub ladder: Vec<Samples>,
    /// Members that differ in their seeds, per rung and variant.
    #[schemars(range(min = 1))]
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
    fn bad_families_are_named() {
        let key = |f: Family| f.check().unwrap_err().key;
        assert_eq!(key(family(&[20, 10], 1, &[])), "ladder");
        assert_eq!(key(family(&[], 1, &["a", "a"])), "variants[1].name");
        assert_eq!(key(family(&[], 1, &["9a"])), "variants[0].name");
        assert_eq!(key(family(&[], 1, &["report"])), "variants[0].name");
        assert_eq!(key(Family { reseed: vec!["bound".into()], ..family(&[], 1, &[]) }), "reseed");
    }
}
