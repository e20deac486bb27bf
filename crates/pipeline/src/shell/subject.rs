//! A stage of an experiment, with everything that decides its results.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use records::stages::Kind;
use records::{Member, Section};
use serde_json::Value;
use store::artifact::{Inputs, fingerprint};
use store::hash::{self, stamp};
use store::manifest::{Code, Manifest};
use store::npz;

use crate::Result;
use crate::config::Pipeline;
use crate::failure::Failure;
use crate::shell::command::Arguments;
use crate::shell::stage::Stage;
use crate::shell::state::{Now, State};

/// What an experiment begins with, and its members, where it is a family.
pub(crate) struct Begins {
    /// when the stage was asked for: what is edited later is not in it
    pub(crate) asked: SystemTime,
    pub(crate) kind: Kind,
    pub(crate) members: Vec<Member>,
}

impl Begins {
    /// # Errors
    /// If the stage cannot do what it is asked for.
    pub(crate) fn of<S: Stage>(pipeline: &Pipeline, experiment: &str, asked: SystemTime) -> Result<Self> {
        let members = members_of::<S>(pipeline, experiment)?;
        let kind = pipeline.kind(experiment)?;
        Ok(Self { asked, kind, members })
    }
}

/// The members, where the experiment is a family; an error where the stage cannot do what it is asked for.
fn members_of<S: Stage>(pipeline: &Pipeline, experiment: &str) -> Result<Vec<Member>> {
    let members = pipeline.members(experiment)?;
    let name = S::Params::STAGE;
    if !members.is_empty() && S::row().reads_of_family.is_none() {
        let names = members.iter().map(|m| format!("{experiment}/{}", m.name)).collect::<Vec<_>>();
        let message = format!("{experiment} is a family of {}: {name} runs for each member", names.len());
        return Err(Failure::config(message, format!("name one of them: {}", names.join(", "))).into());
    }
    if members.is_empty() && S::row().reads.is_none() {
        let message = format!("{experiment} is no family, so there is nothing for {name} to join");
        return Err(
            Failure::config(message, "give it family.ladder, family.replicas or family.variants").into()
        );
    }
    Ok(members)
}

/// Files of the user that a stage reads, as they were when they decided what its results are.
pub(crate) struct OwnFiles {
    base: PathBuf,
    /// size and time before it was hashed, and hash of each
    files: BTreeMap<PathBuf, (String, String)>,
}

impl OwnFiles {
    fn of(params: &impl Section, base: PathBuf) -> Result<Self> {
        let mut files = BTreeMap::new();
        for file in params.files() {
            let path = base.join(npz::split(&file).0);
            let before = stamp(&path);
            files.insert(file, (before, hash::of_path(&path)?));
        }
        Ok(Self { base, files })
    }

    fn hashes(&self) -> impl Iterator<Item = (String, String)> {
        self.files.iter().map(|(file, (_, hash))| (file.display().to_string(), hash.clone()))
    }

    /// An error where one of them is another by now: what `stage` read may be of either.
    pub(crate) fn check(&self, stage: &str) -> Result<()> {
        for (file, (before, hash)) in &self.files {
            let path = self.base.join(npz::split(file).0);
            if stamp(&path) != *before && hash::of_path(&path).ok().as_ref() != Some(hash) {
                let message = format!("{}: the file changed while {stage} was at work", file.display());
                return Err(Failure::input(
                    message,
                    "nothing was written; run it again once the file is whole",
                )
                .into());
            }
        }
        Ok(())
    }
}

/// A stage and an experiment, with everything that decides its results.
pub(crate) struct Subject<S: Stage> {
    pub(crate) experiment: String,
    pub(crate) artifacts: PathBuf,
    pub(crate) base: PathBuf,
    pub(crate) params: S::Params,
    pub(crate) params_json: Value,
    pub(crate) inputs: Inputs,
    pub(crate) members: Vec<(Member, Inputs)>,
    pub(crate) input_hashes: BTreeMap<String, String>,
    pub(crate) code: Code,
    pub(crate) fingerprint: String,
    pub(crate) own_files: OwnFiles,
    /// as in [`Begins`]
    pub(crate) asked: SystemTime,
}

impl<S: Stage> Subject<S> {
    pub(crate) fn open(arguments: &Arguments, begins: &Begins, params: S::Params) -> Result<Self> {
        let experiment = arguments.experiment().to_owned();
        let base = arguments.base();
        let dir = arguments.artifacts.join(&experiment);
        let inputs = Inputs::open(&dir, S::row().reads(begins.kind))?;
        let mut input_hashes = BTreeMap::new();
        let of_member = |member: &Member| {
            let inputs = Inputs::open(&dir.join(&member.name), S::row().reads_of_members)?;
            Ok((member.clone(), inputs))
        };
        let members = begins.members.iter().map(of_member).collect::<Result<Vec<_>>>()?;
        for (member, inputs) in &members {
            for manifest in inputs.manifests() {
                input_hashes.insert(format!("{}/{}/", member.name, manifest.stage), manifest.content_hash());
            }
        }
        for manifest in inputs.manifests() {
            input_hashes.insert(format!("{}/", manifest.stage), manifest.content_hash());
        }
        for (other, stage) in params.experiments() {
            let manifest = Manifest::read(&arguments.artifacts.join(&other), stage)?;
            input_hashes.insert(format!("{other}/{stage}/"), manifest.content_hash());
        }
        let own_files = OwnFiles::of(&params, base.clone())?;
        input_hashes.extend(own_files.hashes());
        let parts = serde_json::from_str(S::CODE).expect("what the build script wrote");
        let code = Code { version: env!("CARGO_PKG_VERSION").to_owned(), parts };
        let params_json = serde_json::to_value(&params)?;
        let fingerprint = fingerprint(S::Params::STAGE, &params_json, &code.parts, &input_hashes);
        Ok(Self {
            experiment,
            artifacts: arguments.artifacts.clone(),
            base,
            params,
            params_json,
            inputs,
            members,
            input_hashes,
            code,
            fingerprint,
            own_files,
            asked: begins.asked,
        })
    }

    pub(crate) fn experiment_dir(&self) -> PathBuf {
        self.artifacts.join(&self.experiment)
    }

    /// The key of its results in a cache: the hash over all that decides them.
    pub(crate) fn identity(&self) -> String {
        if S::row().names_experiment {
            hash::of_bytes(format!("{} {}", self.experiment, self.fingerprint).as_bytes())
        } else {
            self.fingerprint.clone()
        }
    }

    /// The results beside parameters, inputs and code as they are now.
    pub(crate) fn state(&self) -> State {
        let now = Now {
            fingerprint: &self.fingerprint,
            params: &self.params_json,
            code: &self.code.parts,
            inputs: &self.input_hashes,
            experiment: S::row().names_experiment.then_some(&self.experiment),
        };
        // An unreadable manifest is as good as none: the stage runs again.
        let manifest = Manifest::find(&self.experiment_dir(), S::Params::STAGE).ok().flatten();
        State::of(manifest.as_ref(), &self.experiment_dir().join(S::Params::STAGE), &now)
    }
}
