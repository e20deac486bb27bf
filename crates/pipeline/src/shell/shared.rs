//! The cache that machines share, as a stage uses it: what goes wrong there is said, and costs time but no result.

use std::path::Path;

use cache::{Cache, Error, Wanted};
use serde::Serialize;
use store::artifact::Outputs;
use store::manifest::Manifest;

use crate::Result;
use crate::failure::Failure;
use crate::shell::stage::Stage;
use crate::shell::subject::Subject;

/// What asking the cache for the results of a stage is expected to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expected {
    /// it has them
    Hit,
    /// it has none
    Miss,
    /// it does not answer, or what it has is damaged
    Unknown,
}

/// A cache, with what was met there.
pub(crate) struct Shared {
    cache: Option<Cache>,
    /// does not answer: it is not asked again
    is_away: bool,
    /// what it has of this stage is damaged: all of it is put there anew
    is_damaged: bool,
}

impl Shared {
    /// What is shared by `cache`; nothing, where there is none.
    pub(crate) fn new(cache: Option<Cache>) -> Self {
        Self { cache, is_away: false, is_damaged: false }
    }

    /// Whether the cache has the results of `subject`; `None` where there is none to ask.
    pub(crate) fn expects<S: Stage>(&mut self, subject: &Subject<S>) -> Option<Expected> {
        let cache = self.cache.as_ref().filter(|cache| cache.is_read())?;
        let identity = subject.identity();
        let wanted = Wanted { identity: &identity, fingerprint: &subject.fingerprint };
        Some(match cache.find(&wanted) {
            Ok(Some(entry)) if cache.is_whole(&entry) => Expected::Hit,
            Ok(_) => Expected::Miss,
            Err(error) => {
                self.say::<S>(&error, "a run would compute the stage");
                Expected::Unknown
            }
        })
    }

    /// Takes the results of `subject`, if they are there and not damaged: the files go to the folder of `outputs`. `None`: they
    /// have to be computed.
    pub(crate) fn take<S: Stage>(
        &mut self,
        subject: &Subject<S>,
        staging: &Path,
    ) -> Result<Option<(Outputs, Manifest)>> {
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.is_read()) else { return Ok(None) };
        let identity = subject.identity();
        let wanted = Wanted { identity: &identity, fingerprint: &subject.fingerprint };
        let outputs = Outputs::new(staging.to_owned())
            .map_err(|e| Failure::cannot_write(&subject.experiment_dir(), &e))?;
        let taken = cache.find(&wanted).and_then(|found| {
            let take = |entry: cache::Entry| cache.take(&entry, &wanted, staging).map(|()| entry.manifest);
            found.map(take).transpose()
        });
        match taken {
            // Another experiment with the same parameters and inputs may have made them.
            Ok(manifest) => {
                Ok(manifest.map(|m| (outputs, Manifest { experiment: subject.experiment.clone(), ..m })))
            }
            Err(error) => {
                self.say::<S>(&error, "the stage is computed");
                Ok(None)
            }
        }
    }

    /// Puts finished results there, for others.
    pub(crate) fn put<S: Stage>(&mut self, identity: &str, manifest: &Manifest, dir: &Path) {
        let Some(cache) = self.cache.as_ref().filter(|cache| cache.is_written() && !self.is_away) else {
            return;
        };
        if let Err(error) = cache.put(identity, manifest, dir, self.is_damaged) {
            self.say::<S>(&error, "the results are here, and not there");
        }
    }

    /// Says in the log alone what was met: the results are the same with a cache and without.
    fn say<S: Stage>(&mut self, error: &Error, so: &str) {
        self.is_away |= matches!(error, Error::Away { .. });
        self.is_damaged |= matches!(error, Error::Damaged { .. });
        let name = <S::Params as records::Section>::STAGE;
        tracing::warn!("{name}: cache: {error}; {so}");
    }
}
