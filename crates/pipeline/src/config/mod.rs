//! `pipeline.yaml`: experiments by name over shared defaults. The only module that meets YAML.
//!
//! A section of an experiment is laid over the section of the same name in `defaults`, key by key;
//! lists, and choices with another `name`, are replaced whole. Errors name the file, the line and the key.

mod lines;
mod names;
pub mod suggest;
mod yaml;

use std::path::{Path, PathBuf};

use records::stages::Kind;
use records::{Answer, Family, FetchData, Member, MonteCarlo, Report, Section, Unfit, Whole, ranges};
use serde::Serialize;
use serde_yaml::{Mapping, Value};

use crate::config::lines::Lines;
use crate::config::yaml::{finite, not_yaml, of_value, overlay, plain, read_text, read_yaml, shallow};
use crate::{Failure, Result};

/// A `pipeline.yaml` that has been read.
pub struct Pipeline {
    file: String,
    lines: Lines,
    /// another file whose defaults are shared, relative to this one
    defaults_from: Option<PathBuf>,
    defaults: Mapping,
    experiments: Mapping,
}

impl Pipeline {
    /// Reads and parses the file; its sections are checked when they are asked for.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_after(path, &mut vec![])
    }

    /// The same below the files `before`, each of which takes its defaults from the next.
    fn read_after(path: &Path, before: &mut Vec<PathBuf>) -> Result<Self> {
        let file = path.display().to_string();
        before.extend(path.canonicalize()); // a pipe has no such path, and nothing leads back to it
        let text = read_text(path, &file)?;
        let mut pipeline = Self::parse(&file, &text)?;
        if let Some(named) = pipeline.defaults_from.take() {
            let shared = path.parent().unwrap_or(Path::new("")).join(&named);
            if shared.is_dir() || !shared.exists() {
                let found = if shared.is_dir() { "is a folder" } else { "does not exist" };
                let what = format!("{} {found}", shared.display());
                let hint = "give the way from the folder of this file to the repository's pipeline.yaml";
                return Err(pipeline.error(&["defaults_from"], &what, hint));
            }
            if shared.canonicalize().is_ok_and(|shared| before.contains(&shared)) {
                let what = format!("{} takes its own defaults from this file", shared.display());
                let hint = "name a file that does not lead back here, such as the repository's pipeline.yaml";
                return Err(pipeline.error(&["defaults_from"], &what, hint));
            }
            // Its own defaults lie over those of the other file.
            let mut defaults = Value::Mapping(Self::read_after(&shared, before)?.defaults);
            overlay(&mut defaults, &Value::Mapping(pipeline.defaults));
            let Value::Mapping(defaults) = defaults else { unreachable!("a mapping over a mapping") };
            pipeline.defaults = defaults;
        }
        Ok(pipeline)
    }

    /// Parses `text`, which messages call `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        shallow(file, text)?;
        let root = read_yaml(text).map_err(|e| not_yaml(file, text, &e))?;
        let mut pipeline = Self {
            file: file.to_owned(),
            lines: Lines::of(text),
            defaults_from: None,
            defaults: Mapping::new(),
            experiments: Mapping::new(),
        };
        for (key, value) in root {
            let name = key.as_str().unwrap_or_default().to_owned();
            if name == "defaults_from" {
                let hint = "give the path of a file whose defaults are shared, or leave this line out";
                let path = value.as_str().ok_or_else(|| pipeline.error(&[&name], "is no path", hint))?;
                pipeline.defaults_from = Some(path.into());
                continue;
            }
            let target = match name.as_str() {
                "defaults" => &mut pipeline.defaults,
                "experiments" => &mut pipeline.experiments,
                _ => {
                    let question = suggest::question(&name, ["defaults", "defaults_from", "experiments"]);
                    let hint = format!(
                        "{question}`defaults`, `defaults_from` (a file) and `experiments` are known here"
                    );
                    return Err(pipeline.error(&[&name], "unknown key", &hint));
                }
            };
            let Value::Mapping(mapping) = value else {
                return Err(pipeline.error(&[&name], "is not a mapping", "indent its entries below it"));
            };
            *target = mapping;
        }
        pipeline.check_names()?;
        Ok(pipeline)
    }

    /// An error unless every experiment can be a folder and a target of `make`.
    fn check_names(&self) -> Result<()> {
        for key in self.experiments.keys() {
            if let Some((what, hint)) = names::fault(key) {
                let text = serde_yaml::to_string(key).unwrap_or_default();
                return Err(self.error(&["experiments", text.trim()], &what, &hint));
            }
        }
        Ok(())
    }

    /// Names of the experiments, in the order of the file.
    pub fn experiments(&self) -> Vec<String> {
        self.experiments.keys().filter_map(|k| k.as_str().map(str::to_owned)).collect()
    }

    /// The members of an experiment that is a family; none of one that is not.
    pub fn members(&self, experiment: &str) -> Result<Vec<Member>> {
        if experiment.contains('/') || self.defaults.get(Family::STAGE).is_none() {
            return Ok(vec![]); // a member has none, nor has a file that knows no families
        }
        Ok(self.section::<Family>(experiment)?.members())
    }

    /// An error if there is no experiment, or if a section, of the defaults or of an experiment, is not one of `stages`.
    pub fn check_sections(&self, stages: &[&str]) -> Result<()> {
        if self.experiments.is_empty() {
            let hint = "name one below `experiments:`; the repository's pipeline.yaml has many";
            return Err(Failure::config(format!("{}: has no experiments", self.file), hint).into());
        }
        let known = format!("sections are stages: {}", stages.join(", "));
        let is_stage = |key: &Value| key.as_str().is_some_and(|k| stages.contains(&k));
        let check = |path: &[&str], sections: &Mapping| {
            for (key, value) in sections.iter().map(|(k, v)| (k.as_str().unwrap_or_default(), v)) {
                if !stages.contains(&key) {
                    let experiment = value.as_mapping().is_some_and(|m| m.keys().any(is_stage));
                    let hint = if experiment {
                        let above = path.last().unwrap_or(&"experiments");
                        format!(
                            "it looks like an experiment: begin its line where that of `{above}` begins, not deeper"
                        )
                    } else {
                        suggest::question(key, stages.iter().copied()) + &known
                    };
                    return Err(self.error(&[path, &[key]].concat(), "unknown section", &hint));
                }
            }
            Ok(())
        };
        check(&["defaults"], &self.defaults)?;
        for (name, sections) in &self.experiments {
            let name = name.as_str().unwrap_or_default();
            match sections {
                Value::Mapping(m) => check(&["experiments", name], m)?,
                Value::Null => {}
                _ => return Err(self.error(&["experiments", name], "is not a mapping", &known)),
            }
        }
        Ok(())
    }

    /// The section of `experiment` for the stage of `S`, over its defaults, checked.
    pub fn section<S: Section>(&self, experiment: &str) -> Result<S> {
        let merged = self.merged(experiment, S::STAGE)?;
        let unfit = |u: Unfit| self.unfit(experiment, S::STAGE, &u.key, &u.reason);
        finite("", &merged).map_err(unfit)?;
        let section: S = serde_path_to_error::deserialize(merged.clone()).map_err(|e| {
            let key = e.path().to_string();
            let key = if key == "." { String::new() } else { key };
            let reason = plain(&e.into_inner().to_string());
            self.unfit(experiment, S::STAGE, &of_value(&merged, key, &reason), &reason)
        })?;
        ranges::check(&section)
            .and_then(|()| section.check())
            .and_then(|()| section.check_experiments(experiment, &self.experiments()))
            .map_err(unfit)?;
        Ok(section)
    }

    /// What an experiment, or a member of a family, begins with.
    pub fn kind(&self, experiment: &str) -> Result<Kind> {
        if !self.members(experiment)?.is_empty() {
            return Ok(Kind::Members);
        }
        let given = self.section::<MonteCarlo>(experiment).is_ok_and(|section| section.is_given());
        Ok(if given { Kind::Losses } else { Kind::Samples })
    }

    /// Checks the sections of an experiment, or of a member of a family, against each other; `base`: the folder of the file. A
    /// section that is wrong in itself is no concern of this.
    pub fn check_whole(&self, experiment: &str, base: &Path) -> Result<()> {
        let Ok(whole) = self.whole(experiment) else { return Ok(()) };
        let fault = |(stage, u): (&str, Unfit)| self.unfit(experiment, stage, &u.key, &u.reason);
        if let Some((family, member)) = experiment.split_once('/') {
            let params = self.section::<Family>(family)?;
            if let Some(member) = params.members().iter().find(|m| m.name == member) {
                whole.check_member(&params, member, base).map_err(fault)?;
            }
        }
        for (i, name) in whole.bound.pilots.iter().enumerate() {
            if let Ok(pilot) = self.whole(name) {
                whole.check_pilot(i, name, &pilot).map_err(fault)?;
            }
        }
        if whole.montecarlo.is_given() {
            if experiment.contains('/') {
                let reason = "has `losses`, but a family trains its members; give losses to an experiment that is no family";
                return Err(fault((MonteCarlo::STAGE, Unfit::new("settings", reason))));
            }
            let alone = Unfit::unless(!whole.answer.alone, "alone", || {
                "true, but losses of another program have no network to ask; set it to false".into()
            });
            alone.map_err(|u| fault((Answer::STAGE, u)))?;
            return whole.check_answer().map_err(|u| fault((Report::STAGE, u)));
        }
        let image = whole.fetch_data.image(base).map_err(|u| fault((FetchData::STAGE, u)))?;
        if let Some(image) = image {
            whole.fetch_data.check_channels(image).map_err(|u| fault((FetchData::STAGE, u)))?;
        }
        whole.check(whole.fetch_data.most_samples(base), image, base).map_err(fault)
    }

    fn whole(&self, experiment: &str) -> Result<Whole> {
        Ok(Whole {
            fetch_data: self.section(experiment)?,
            train: self.section(experiment)?,
            eigen: self.section(experiment)?,
            montecarlo: self.section(experiment)?,
            bound: self.section(experiment)?,
            answer: self.section(experiment)?,
            stream: self.section(experiment)?,
            report: self.section(experiment)?,
        })
    }

    fn merged(&self, experiment: &str, stage: &str) -> Result<Value> {
        if let Some((family, member)) = experiment.split_once('/') {
            return self.merged_member(family, member, stage);
        }
        let Some(sections) = self.experiments.get(experiment) else {
            let names = self.experiments();
            let question = suggest::question(experiment, names.iter().map(String::as_str));
            return Err(Failure::config(
                format!("{}: no experiment {experiment:?}", self.file),
                format!("{question}it has: {}", names.join(", ")),
            )
            .into());
        };
        // A section whose keys are all commented out is null: nothing lies over the defaults.
        let given = |section: Option<&Value>| section.filter(|s| !s.is_null()).cloned();
        let mut merged = given(self.defaults.get(stage)).unwrap_or(Value::Mapping(Mapping::new()));
        if let Some(section) = given(sections.get(stage)) {
            overlay(&mut merged, &section);
        }
        Ok(merged)
    }

    /// The section of a member of a family: that of the family, with what the member changes laid over it.
    fn merged_member(&self, family: &str, member: &str, stage: &str) -> Result<Value> {
        let mut merged = self.merged(family, stage)?;
        let members = self.members(family)?;
        let Some(found) = members.iter().find(|m| m.name == member) else {
            let names = members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
            let hint =
                if members.is_empty() { "it is no family".to_owned() } else { format!("it has: {names}") };
            return Err(
                Failure::config(format!("{}: {family} has no member {member:?}", self.file), hint).into()
            );
        };
        let seed = merged.get("seed").and_then(Value::as_u64);
        for change in self.section::<Family>(family)?.changes(found, stage, seed) {
            overlay(&mut merged, &serde_yaml::to_value(change)?);
        }
        Ok(merged)
    }

    fn unfit(&self, experiment: &str, stage: &str, key: &str, reason: &str) -> crate::Error {
        // A missing or unknown key is named only in the reason; the others by the path.
        let quoted = reason.split('`').nth(1).filter(|_| reason.starts_with("unknown field"));
        let key = match quoted {
            Some(name) if !key.ends_with(name) => {
                if key.is_empty() {
                    name.to_owned()
                } else {
                    format!("{key}.{name}")
                }
            }
            _ => key.to_owned(),
        };
        let steps = key.split(['.', '[', ']']).filter(|s| !s.is_empty()).collect::<Vec<_>>();
        let (named, member) = experiment.split_once('/').unwrap_or((experiment, "")); // members stand in their family
        let own = [&["experiments", named, stage], &steps[..]].concat();
        let shared = [&["defaults", stage], &steps[..]].concat();
        // A variant overrides the family, and the experiment the defaults: blame what sets the key.
        let sets = |path: &[&str]| self.lines.of_key(path).filter(|(_, depth)| *depth == path.len());
        let variant = self.variant_of(named, member).map(|i| i.to_string());
        let in_variant = variant.and_then(|i| {
            let family = ["experiments", named, Family::STAGE, "variants", &i, "sections", stage];
            sets(&[&family, &steps[..]].concat())
        });
        let line = in_variant.or_else(|| sets(&own)).or_else(|| self.lines.of_key(&shared));
        let at =
            line.or_else(|| self.lines.of_key(&own)).map_or(String::new(), |(line, _)| format!(":{line}"));
        let dot = if key.is_empty() { "" } else { "." };
        Failure::config(
            format!("{}{at}: {stage}{dot}{key}: {reason} (experiment {experiment})", self.file),
            format!(
                "{}every key of {stage} has a comment in the repository's pipeline.yaml",
                suggest::question_of(reason)
            ),
        )
        .into()
    }

    /// Place of the variant of a member among those of its family.
    fn variant_of(&self, family: &str, member: &str) -> Option<usize> {
        if member.is_empty() {
            return None;
        }
        let params = self.section::<Family>(family).ok()?;
        let own = params.members().into_iter().find(|m| m.name == member)?.variant?;
        params.variants.iter().position(|v| v.name == own)
    }

    fn error(&self, path: &[&str], what: &str, hint: &str) -> crate::Error {
        let at = self.lines.of_key(path).map_or(String::new(), |(line, _)| format!(":{line}"));
        Failure::config(format!("{}{at}: {}: {what}", self.file, path.join(".")), hint).into()
    }
}

/// The section as YAML text, for the files that tell `make` what changed.
pub fn to_yaml(section: &impl Serialize) -> Result<String> {
    Ok(serde_yaml::to_string(section)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::JsonSchema;
    use serde::Deserialize;

    #[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Eigen {
        dim: usize,
        grids: Vec<Grid>,
    }
    #[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Grid {
        #[schemars(range(min = 2))]
        points: usize,
    }
    impl Section for Eigen {
        const STAGE: &'static str = "eigen";
        fn check(&self) -> Result<(), Unfit> {
            Unfit::unless(self.dim > 0, "dim", || "0 directions; at least 1 is needed".into())
        }
    }

    const GOOD: &str = "\
defaults:
  eigen:
    dim: 10
    grids: [{points: 3}]
experiments:
  small:
    eigen:
      dim: 2
  big:
";

    fn error(text: &str, experiment: &str) -> String {
        let pipeline = Pipeline::parse("p.yaml", text);
        let error = pipeline.and_then(|p| {
            p.check_sections(&["eigen"])?;
            p.section::<Eigen>(experiment)
        });
        error.unwrap_err().to_string()
    }

    #[test]
    fn an_experiment_lies_over_the_defaults() {
        let pipeline = Pipeline::parse("p.yaml", GOOD).unwrap();
        assert_eq!(pipeline.experiments(), ["small", "big"]);
        assert_eq!(pipeline.section::<Eigen>("small").unwrap().dim, 2);
        assert_eq!(pipeline.section::<Eigen>("big").unwrap().dim, 10);
        assert_eq!(pipeline.section::<Eigen>("small").unwrap().grids[0].points, 3);
    }

    #[test]
    fn empty_sections_and_merge_keys_are_what_yaml_says() {
        // deer-flow #3573, camunda #4184: sections whose keys are commented out.
        let empty = GOOD.replace("    eigen:\n      dim: 2\n", "    eigen:\n      # dim: 2\n");
        assert_eq!(Pipeline::parse("p.yaml", &empty).unwrap().section::<Eigen>("small").unwrap().dim, 10);
        let merged = GOOD.replace("small:", "small: &a").replace("  big:", "  big: {<<: *a}");
        assert_eq!(Pipeline::parse("p.yaml", &merged).unwrap().section::<Eigen>("big").unwrap().dim, 2);
        let flow = "experiments: {mine: {eigen: {dim: 3, grids: []}}}\n";
        assert_eq!(Pipeline::parse("p.yaml", flow).unwrap().section::<Eigen>("mine").unwrap().dim, 3);
    }

    #[test]
    fn defaults_may_come_from_another_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shared.yaml"), GOOD).unwrap();
        let own = "defaults_from: shared.yaml\ndefaults: {eigen: {grids: []}}\nexperiments: {other: }\n";
        std::fs::write(dir.path().join("own.yaml"), own).unwrap();
        let pipeline = Pipeline::read(&dir.path().join("own.yaml")).unwrap();
        assert_eq!(pipeline.experiments(), ["other"]);
        let found = pipeline.section::<Eigen>("other").unwrap();
        assert_eq!((found.dim, found.grids.len()), (10, 0));
    }

    /// Editors of Windows begin a file with a mark; what is no UTF-8 is named with the line that converts it.
    #[test]
    fn a_file_in_another_encoding_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.yaml");
        let read = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Pipeline::read(&path).map(|p| p.experiments()).map_err(|e| format!("{e}\n{}", e.hint().unwrap()))
        };
        let said = |bytes: &[u8], what: &str, from: &str| {
            let said = read(bytes).unwrap_err();
            let line = format!("iconv -f {from} -t UTF-8 {}", path.display());
            assert!(said.contains(what) && said.contains(&line), "{said}");
        };
        assert_eq!(read(format!("\u{feff}{GOOD}").as_bytes()).unwrap(), ["small", "big"]);
        said(b"defaults: {}\n# \xe9\n", "p.yaml:2: not UTF-8", "LATIN1");
        let wide =
            |text: &str, bytes: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(bytes).collect::<Vec<_>>();
        said(&wide(&format!("\u{feff}{GOOD}"), u16::to_le_bytes), "p.yaml: UTF-16, not UTF-8", "UTF-16");
        said(&wide(&format!("\u{feff}{GOOD}"), u16::to_be_bytes), "p.yaml: UTF-16, not UTF-8", "UTF-16");
        said(&wide(GOOD, u16::to_le_bytes), "p.yaml: UTF-16LE, not UTF-8", "UTF-16LE");
        said(&wide(GOOD, u16::to_be_bytes), "p.yaml: UTF-16BE, not UTF-8", "UTF-16BE");
    }

    #[test]
    fn a_member_lies_over_its_family() {
        let text = "\
defaults:
  family: {ladder: [], replicas: 1, reseed: [train], variants: [], draws: 2, flat_gain: 0.1, target: null}
  eigen: {dim: 10, grids: []}
experiments:
  f:
    family: {ladder: [5, 9], variants: [{name: a, sections: {}}, {name: b, sections: {eigen: {dim: 3}}}]}
    eigen: {dim: 4}
";
        let pipeline = Pipeline::parse("p.yaml", text).unwrap();
        let names = pipeline.members("f").unwrap().into_iter().map(|m| m.name).collect::<Vec<_>>();
        assert_eq!(names, ["a-k5", "a-k9", "b-k5", "b-k9"]);
        assert_eq!(pipeline.section::<Eigen>("f/a-k5").unwrap().dim, 4);
        assert_eq!(pipeline.section::<Eigen>("f/b-k9").unwrap().dim, 3);
        let error = pipeline.section::<Eigen>("f/c-k5").unwrap_err().to_string();
        assert!(error.contains("f has no member \"c-k5\""), "{error}");
        // What is wrong in a variant is told at the line of the variants, not at that of the section.
        let wrong = Pipeline::parse("p.yaml", &text.replace("dim: 3", "dim: 0")).unwrap();
        let error = wrong.section::<Eigen>("f/b-k5").unwrap_err().to_string();
        assert!(error.contains("p.yaml:6: eigen.dim: 0 directions") && error.contains("f/b-k5"), "{error}");
        let wrong = Pipeline::parse("p.yaml", &text.replace("dim: 4", "dim: 0")).unwrap();
        let error = wrong.section::<Eigen>("f/a-k5").unwrap_err().to_string();
        assert!(error.contains("p.yaml:7: eigen.dim: 0 directions"), "{error}");
    }

    #[test]
    fn what_anchors_and_long_lines_hide_is_told_in_short() {
        let level = |i: u8| {
            format!(
                "{0}: &{0} [{1}]\n",
                char::from(b'a' + i),
                format!("*{},", char::from(b'a' + i - 1)).repeat(10)
            )
        };
        let laughs = format!("a: &a [x]\n{}{GOOD}", (1..10).map(level).collect::<String>());
        let hint = |text: &str| Pipeline::parse("p.yaml", text).err().unwrap().hint().unwrap().to_owned();
        assert!(hint(&laughs).contains("anchors within anchors"));
        let long = hint(&GOOD.replace("dim: 2", &format!("dim: [{}}}", "1, ".repeat(9000))));
        assert!(long.contains("look at line 8") && long.len() < 400, "{long}");
    }

    #[test]
    fn brackets_without_end_are_refused_before_they_are_parsed() {
        // The parser would need hours.
        let text = format!("# [0, 1)\nexperiments:\n  {}", "[".repeat(1 << 20));
        let error = Pipeline::parse("p.yaml", &text).err().unwrap().to_string();
        assert!(error.contains("p.yaml:3: more than 1000 brackets within each other"), "{error}");
        let comments = "# [0, 1)\n".repeat(500);
        assert!(Pipeline::parse("p.yaml", &format!("{comments}{GOOD}")).is_ok());
    }

    #[test]
    fn errors_name_line_and_key() {
        let cases = [
            (
                GOOD.replace("dim: 2", "dimm: 2"),
                "p.yaml:8: eigen.dimm: unknown field `dimm`, expected `dim` or `grids`",
            ),
            (
                GOOD.replace("dim: 2", "dim: many"),
                "p.yaml:8: eigen.dim: invalid type: string \"many\", expected a whole number in digits alone, such as 100",
            ),
            (GOOD.replace("dim: 2", "dim: 0"), "p.yaml:8: eigen.dim: 0 directions; at least 1 is needed"),
            (
                GOOD.replace("points: 3", "points: -3"),
                "p.yaml:4: eigen.grids[0].points: invalid value: integer `-3`",
            ),
            (
                GOOD.replace("points: 3", "points: 1"),
                "p.yaml:4: eigen.grids[0].points: 1; at least 2 is needed",
            ),
            (
                GOOD.replace("points: 3", "points: .inf"),
                "p.yaml:4: eigen.grids[0].points: inf; a finite number is needed",
            ),
            (GOOD.replace("dim: 2", "dim: .nan"), "p.yaml:8: eigen.dim: NaN; a finite number is needed"),
            (
                GOOD.replace("    dim: 10\n", "").replace("      dim: 2\n", "      grids: []\n"),
                "p.yaml:6: eigen: missing field `dim`",
            ),
            (
                GOOD.replace("    eigen:\n      dim", "    eigne:\n      dim"),
                "p.yaml:7: experiments.small.eigne: unknown section",
            ),
            (GOOD.replace("defaults:", "default:"), "p.yaml:1: default: unknown key"),
            (
                GOOD.replace("dim: 2", "dim: 2\n      dim: 3"),
                "p.yaml:9: dim: is there twice: line 8 has it too",
            ),
            (format!("{GOOD}  small: {{}}\n"), "p.yaml:10: small: is there twice: line 6 has it too"),
            (format!("{GOOD}defaults: {{}}\n"), "p.yaml:10: defaults: is there twice: line 1 has it too"),
            (
                GOOD.replace("dim: 2", "dim: 18446744073709551616"),
                "p.yaml:8: experiments.small.eigen.dim: 18446744073709551616; ",
            ),
            (
                GOOD.replace("dim: 2", "dim: -9223372036854775809"),
                "whole numbers go from -9223372036854775808 to 1844",
            ),
            (format!("{GOOD}---\ndefaults: {{}}\n"), "p.yaml: "),
            (format!("defaults_from: null\n{GOOD}"), "p.yaml:1: defaults_from: is no path"),
            (format!("defaults_from: [a]\n{GOOD}"), "p.yaml:1: defaults_from: is no path"),
            (String::new(), "p.yaml: has no experiments"),
            ("# nothing\n".to_owned(), "p.yaml: has no experiments"),
            (GOOD.replace("  big:", &format!("  {}:", "x".repeat(201))), "x: its name has 201 bytes"),
            (GOOD.replace("      dim: 2", "\tdim: 2"), "p.yaml:8: not YAML: "),
            (GOOD.replace("      dim: 2", "       grids: []\n      dim: 2"), "p.yaml:9: not YAML: "),
            (
                GOOD.replace("  big:", "    big: {eigen: {dim: 1}}\n  other:"),
                "p.yaml:9: experiments.small.big: unknown section",
            ),
            (GOOD.replace("  big:", "  2024:"), "p.yaml:9: experiments.2024: 2024 is a number, not a name"),
            (GOOD.replace("  big:", "  ../up:"), "experiments.../up: \"../up\" cannot be the name"),
            (GOOD.replace("small:", "tiny:"), "p.yaml: no experiment \"small\""),
        ];
        for (text, expected) in cases {
            let found = error(&text, "small");
            assert!(found.contains(expected), "expected {expected:?}\nfound    {found:?}");
        }
    }
}
