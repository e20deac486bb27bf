# How many samples are enough?
#   idx or npy bytes -> fetch-data -> train -> eigen -> montecarlo -> bound -> report
#                                       |-> stream  |-> spectrum, answer       -^   (they go into the report)
#   a family's members, each to bound -> family -> report of the family
# Each stage is a binary, a section of pipeline.yaml and a folder of artifacts/<experiment>/. It runs again when its
# section, its inputs or its code changed, and never otherwise.

# Processes that share one experiment by MPI: make RANKS=4 mnist. Results and their identity are those of one process. The
# programs are a build of their own, with the feature mpi.
RANKS       ?=
# Where experiments and results are; from the command line or the environment.
# Empty, each is its default: rm -rf $(A)/NAME would be that of a folder of the machine.
override PIPELINE := $(or $(PIPELINE),pipeline.yaml)
override A        := $(or $(A),artifacts)
BIN         := target/$(if $(RANKS),mpi/)release
STAGES      := fetch-data train eigen montecarlo bound answer spectrum stream report
# Put before each stage's command: make LAUNCH='srun -n1', or make RANKS=4 LAUNCH='srun -K -n4 --mpi=pmix'
LAUNCH      ?=
# Where machines share finished stages: make CACHE=file:///shared/plateau, or CACHE=https://HOST/PATH; CACHE_MODE=read or write.
# From the command line they are flags of every stage, so that they come through each launcher; from the environment they stay there.
CACHE       ?=
CACHE_MODE  ?=
# Seconds for which results are looked for that a launcher's machine has written: file systems show them to others late. NFS may need 60.
LATENCY     ?= $(if $(LAUNCH),5,0)
# Seconds after which a stage stops where it can go on: make STOP_AFTER=3600
STOP_AFTER  ?=
# make Q=-q, or Q=-v
Q           ?=

$(if $(filter grouped-target,$(.FEATURES)),,$(error GNU make 4.3 or newer is needed, this is $(MAKE_VERSION); on macOS: brew install make, then gmake))
$(if $(filter-out $(shell seq 1 9999 | grep -x '$(subst ','\'',$(RANKS))'),$(RANKS)),$(error RANKS=$(RANKS): a number of processes is needed))
# What make or a shell would take for more than a name.
$(if $(word 2,$(A))$(shell printf %s '$(subst ','\'',$(A))' | LC_ALL=C tr -d 'A-Za-z0-9_./+@,~\200-\377-'),$(error A=$(A): make cannot work in a folder whose path contains other characters than letters, digits and _ . / + @ , ~ -))
# Empty is as if it were not there, for the stages too.
$(foreach v,STOP_AFTER CACHE_MODE,$(if $(strip $($(v))),,$(eval unexport $(v))))
MAKEFLAGS += --no-print-directory --no-builtin-rules
SHELL     := /bin/bash
.DELETE_ON_ERROR:

# EXPERIMENTS, FAMILIES and their members, and the edges between experiments: params lists them, since it reads the YAML as
# the stages do. make includes the list, and begins again where it changed.
ifneq ($(filter-out full help setup browser man schema check deny audit fuzz doc test test-python test-webdav test-mpi test-slurm soak sbom setup-mpi verify cache-clean clean-%,$(or $(MAKECMDGOALS),all)),)
# Missing, it begins empty: make says a line of its own of a missing file, beside the error that kept it from being made.
$(if $(wildcard $(A)/experiments.mk),,$(shell mkdir -p $(A) && touch $(A)/experiments.mk))
include $(A)/experiments.mk
endif
MEMBERS     := $(foreach f,$(filter $(FAMILIES),$(EXPERIMENTS)),$(MEMBERS_OF_$(f)))
# All that the stages run for; the losses of some are given.
SUBJECTS    := $(filter-out $(FAMILIES),$(EXPERIMENTS)) $(MEMBERS)
OWN         := $(filter-out $(GIVEN),$(SUBJECTS))

## make all            every experiment of pipeline.yaml, up to its report; installs what is missing
all: man $(EXPERIMENTS)
	@echo "all: $(words $(EXPERIMENTS)) experiments are up to date; open $(A)/index.html"
## make full           the long runs of pipeline.full.yaml: 50 seeds, ladders to all samples; hours. Run again, it goes on
full:
	+@$(MAKE) PIPELINE=pipeline.full.yaml A=$(A)/full all
## make quick          the embedded digits alone: seconds, and no network
quick: man digits
## make <experiment>   one experiment, such as: make mnist
$(filter-out $(ALONE),$(EXPERIMENTS) $(MEMBERS)): %: $(A)/%/report/manifest.json
	@$(BIN)/params $(places) --answer $@
# With answer.alone, V and K are all that is asked.
ifneq ($(ALONE),)
$(ALONE): %: $(A)/%/answer/manifest.json
	@$(BIN)/params $(places) --answer $@
endif
## make <family>/<member>       one member of a family, such as: make digits-ladder/k100-r1
## make <stage>        one stage of every experiment, such as: make eigen
$(STAGES): %: $(SUBJECTS:=/%)
## make <experiment>/<stage>    one stage of one experiment, such as: make mnist/eigen

# The pipeline, one line per edge; % is the experiment, or the member of a family.
done = $(OWN:%=$(A)/%/$(1)/manifest.json)
$(call done,train):      $(A)/%/train/manifest.json:      $(A)/%/fetch-data/manifest.json
$(call done,eigen):      $(A)/%/eigen/manifest.json:      $(A)/%/train/manifest.json
$(call done,montecarlo): $(A)/%/montecarlo/manifest.json: $(A)/%/eigen/manifest.json
$(call done,bound):      $(A)/%/bound/manifest.json:      $(A)/%/montecarlo/manifest.json
$(call done,answer):     $(A)/%/answer/manifest.json:     $(A)/%/eigen/manifest.json
$(call done,spectrum):   $(A)/%/spectrum/manifest.json:   $(A)/%/eigen/manifest.json
$(call done,stream):     $(A)/%/stream/manifest.json:     $(A)/%/train/manifest.json
$(call done,report):     $(A)/%/report/manifest.json:     $(A)/%/bound/manifest.json $(A)/%/answer/manifest.json $(A)/%/spectrum/manifest.json $(A)/%/stream/manifest.json
# Losses of another program: no samples, network or eigen-solve.
given = $(GIVEN:%=$(A)/%/$(1)/manifest.json)
ifneq ($(GIVEN),)
$(call given,bound):     $(A)/%/bound/manifest.json:      $(A)/%/montecarlo/manifest.json
$(call given,report):    $(A)/%/report/manifest.json:     $(A)/%/bound/manifest.json
endif
# A family: its members' curves, joined, and the page of that.
joined = $(FAMILIES:%=$(A)/%/$(1)/manifest.json)
$(foreach f,$(FAMILIES),$(eval $(A)/$(f)/family/manifest.json: $(MEMBERS_OF_$(f):%=$(A)/%/bound/manifest.json)))
$(call joined,report):   $(A)/%/report/manifest.json:     $(A)/%/family/manifest.json

# A name with a space or a quote is one word for the shell.
places = --pipeline '$(subst ','\'',$(PIPELINE))' --artifacts $(A)
flag   = $(and $(filter command,$(firstword $(origin $(1)))),$($(1)),$(2) '$(subst ','\'',$($(1)))')
shared = $(call flag,CACHE,--cache) $(call flag,CACHE_MODE,--cache-mode)

# The stages that several processes can share; of the others the first does all. MPI's own launcher leaves each its threads.
TOGETHER := train eigen montecarlo spectrum
launch    = $(or $(LAUNCH),$(and $(RANKS),$(filter $(1),$(TOGETHER)),mpirun --bind-to none -n $(RANKS)))
ranks     = $(and $(RANKS),$(call launch,$(1)),--ranks $(RANKS))

# Every stage runs the same way. A launcher may report success for a job that died, or failure for one that finished:
# the manifest is asked (--check), not the exit code. One that a stage has written is never removed, whatever comes after.
define stage
$(2): $(A)/%/$(1)/manifest.json: $(BIN)/$(1) $(A)/%/params/$(1).yaml
	@arguments=($(places) $(shared) --experiment $$* --latency $(or $(LATENCY),0)); before=$$$$(cksum $$@ 2>/dev/null); \
	$$(call launch,$(1)) $(BIN)/$(1) "$$$${arguments[@]}" $(call ranks,$(1)) $(call flag,STOP_AFTER,--stop-after) $$(Q); code=$$$$?; \
	[ $$$$code -eq 0 ] || arguments+=(--latency 0); \
	$(BIN)/$(1) "$$$${arguments[@]}" --check -q && exit 0; checked=$$$$?; \
	[ "$$$$(cksum $$@ 2>/dev/null)" = "$$$$before" ] || { touch -t 197001020000 $$@; \
	  [ $$$$checked -ne 1 ] || $(BIN)/$(1) "$$$${arguments[@]}" --check; \
	  echo "error: $(1) of $$* finished, but not for what is asked for now: the results are kept, as stale; run make again" >&2; exit 2; }; \
	[ $$$$code -ne 0 ] || [ $$$$checked -ne 1 ] || \
	  echo "error: $(1) of $$* ended without a manifest; what its launcher said is above" >&2; [ $$$$code -ne 0 ] || code=$$$$checked; exit $$$$code
$(patsubst $(A)/%/manifest.json,%,$(2)): %: $(A)/%/manifest.json
.PHONY: $(patsubst $(A)/%/manifest.json,%,$(2))
.PRECIOUS: $(2)
endef
$(foreach s,$(STAGES),$(eval $(call stage,$(s),$(call done,$(s)))))
WITH_GIVEN := montecarlo bound report
$(if $(GIVEN),$(foreach s,$(WITH_GIVEN),$(eval $(call stage,$(s),$(call given,$(s))))))
# What is not needed there says so.
$(foreach s,$(filter-out $(WITH_GIVEN),$(STAGES)),$(GIVEN:%=%/$(s))): $(BINARIES)
	@$(BIN)/$(notdir $@) $(places) --experiment $(@D) $(Q)
$(if $(FAMILIES),$(foreach s,family report,$(eval $(call stage,$(s),$(call joined,$(s))))))

# Each section is written to a file of its own, with size and time of the files that it names, when that changes: an
# edit of one stage's parameters, or of a file of the user, reruns that stage. It is looked at each time.
SECTIONS := $(foreach s,$(STAGES),$(SUBJECTS:%=$(A)/%/params/$(s).yaml)) $(foreach s,family report,$(FAMILIES:%=$(A)/%/params/$(s).yaml))
$(SECTIONS) $(A)/experiments.mk: $(A)/params.checked ;
$(A)/params.checked: $(BIN)/params FORCE
	@$(BIN)/params $(places) && { touch $@ 2>/dev/null || [ -e $@ ]; }

# cargo knows what to build; a binary that it leaves alone keeps its time.
BINARIES := $(STAGES:%=$(BIN)/%) $(BIN)/family $(BIN)/params $(BIN)/status $(BIN)/verify $(BIN)/cache-clean
binaries: $(BINARIES)
$(BINARIES) &: FORCE | setup $(if $(RANKS),setup-mpi)
	@cargo build --release --locked --quiet --workspace --exclude bench --exclude pipeline-tests \
	  $(if $(RANKS),--features mpi --target-dir target/mpi)
$(BIN)/bench: FORCE | setup
	@cargo build --release --locked --quiet -p bench
FORCE:
# A build that fails leaves the binaries as they were.
.PRECIOUS: $(BINARIES) $(BIN)/bench

# OpenBLAS, with its headers' pkg-config file: installed where that is possible, else the command is told.
APT := libopenblas-dev pkg-config
setup:
	@pkg-config --exists openblas 2>/dev/null || $(call apt_install,$(APT)) || { \
	  echo "error: OpenBLAS is missing; install it: sudo apt-get install $(APT)" >&2; \
	  echo "       (Fedora: dnf install openblas-devel pkgconf; macOS: brew install openblas pkg-config)" >&2; exit 3; }

# An MPI with its compiler wrapper, only for RANKS: that of the cluster, or Debian's Open MPI.
setup-mpi:
	@command -v mpicc >/dev/null || $(call apt_install,libopenmpi-dev openmpi-bin) || \
	  { echo "error: RANKS needs MPI: load the module of your cluster, or: sudo apt-get install libopenmpi-dev openmpi-bin" >&2; exit 3; }

## make status         each experiment and stage: fresh, stale because of what, missing, running; make status EXPERIMENTS=mnist
status: $(BINARIES)
	@$(BIN)/status $(places) $(shared) $(if $(filter command,$(origin EXPERIMENTS)),$(EXPERIMENTS))
## make verify         every file of every experiment beside its manifest: damaged, missing, foreign, left over, and what to run;
##                     make verify EXPERIMENTS=mnist
verify: $(BINARIES)
	@$(BIN)/verify $(places) $(if $(filter command,$(origin EXPERIMENTS)),$(EXPERIMENTS)) $(filter -q,$(Q))
## make dry-run        what would run, its flops, memory and estimated time; make dry-run EXPERIMENTS=mnist (make -n builds all the same)
dry-run: $(BINARIES)
	@for e in $(SUBJECTS); do for s in $(STAGES); do \
	  $(BIN)/$$s $(places) $(shared) --experiment $$e --dry-run || exit; done; done; \
	for e in $(filter $(FAMILIES),$(EXPERIMENTS)); do for s in family report; do \
	  $(BIN)/$$s $(places) $(shared) --experiment $$e --dry-run || exit; done; done

# Man pages and shell completions of the binaries, made with them.
## make man            man pages and completions (bash, zsh, fish) in target/share; part of every build
SHARE := target/share
man: $(patsubst %,$(SHARE)/man/man1/%.1,$(STAGES) family)
$(SHARE)/man/man1/%.1: $(BIN)/%
	@mkdir -p $(@D) $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	@$< --completions bash > $(SHARE)/bash-completion/completions/$*
	@$< --completions zsh > $(SHARE)/zsh/site-functions/_$*
	@$< --completions fish > $(SHARE)/fish/vendor_completions.d/$*.fish
	@$< --man > $@

## make test           all tests: kernels against independent answers, whole pipelines through the real binaries, NumPy, Chromium;
##                     installs Python, NumPy and Chromium where it can, or fails; PLATEAU_ALLOW_SKIPS=1 skips what needs them
VENV := target/test-venv
# Last in a recipe that could not install $(1).
missing = { echo "error: $(1) is missing and cannot be installed here; install it: $(2)" >&2; \
	  echo "       or skip the tests that need it: make test PLATEAU_ALLOW_SKIPS=1" >&2; [ "$$PLATEAU_ALLOW_SKIPS" = 1 ]; }
# What is missing, from Debian as root. Another apt at work is waited for: of the lists, apt itself does not.
apt_get     := DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600
apt_install = { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo "setup: apt-get install $(1)" && \
	  { $(apt_get) update || { sleep 30 && $(apt_get) update; }; } && $(apt_get) install -y --no-install-recommends $(1) >/dev/null; }
# The tests have a temporary folder of their own, which they must leave empty; what removes it may come a little later.
test: $(VENV)/ready browser $(BINARIES)
	@export TMPDIR=$$(mktemp -d); cargo test --release --workspace --locked --quiet; code=$$?; \
	for second in 1 2 3 4 5 6 7 8 9 10; do rmdir $$TMPDIR 2>/dev/null && exit $$code; sleep 1; done; \
	echo "error: the tests left files in $$TMPDIR:" >&2; ls -A $$TMPDIR >&2; exit 1
$(VENV)/ready: tests/requirements.txt
	@{ python3 -c 'import ensurepip' 2>/dev/null || $(call apt_install,python3-venv); } && \
	python3 -m venv --system-site-packages $(VENV) && \
	{ $(VENV)/bin/python -c 'import numpy, pytest' 2>/dev/null || $(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<; } && \
	touch $@ || $(call missing,Python with NumPy and pytest,apt-get install python3-venv python3-numpy python3-pytest)

## make test-python    the Python package: types, style, and all tests, with JAX (wheels, 0.4 GB) and PyTorch (Debian's, or your own)
TORCH_VENV := target/torch-venv
test-python: $(VENV)/python-ready $(TORCH_VENV)/ready $(BINARIES)
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall ./python && \
	cd python && export PATH=$(CURDIR)/$(VENV)/bin:$$PATH PLATEAU_BIN=$(CURDIR)/$(BIN) PYTHONDONTWRITEBYTECODE=1 && \
	ruff check --quiet . && ruff format --quiet --check . && mypy --strict && \
	python -m pytest -m "not torch" --ignore tests/test_torch.py && \
	{ [ ! -e ../$(TORCH_VENV)/ready ] || ../$(TORCH_VENV)/bin/python -m pytest -m torch --ignore tests/test_jax.py; }
$(VENV)/python-ready: python/requirements-test.txt $(VENV)/ready
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check -r $< && touch $@
# The wheel of PyTorch brings gigabytes for graphics cards: one that is installed is taken, or Debian's.
$(TORCH_VENV)/ready:
	@torch() { for python in python3 /usr/bin/python3; do $$python -c 'import torch' 2>/dev/null && return; done; false; }; \
	{ torch || { $(call apt_install,python3-torch python3-venv) && torch; }; } && \
	$$python -m venv --system-site-packages $(TORCH_VENV) && \
	$(TORCH_VENV)/bin/pip install --quiet --disable-pip-version-check pytest && \
	touch $@ || $(call missing,PyTorch,apt-get install python3-torch python3-venv)

## make test-webdav    the cache on real servers: rclone, nginx, and bazel-remote where it is installed
test-webdav: $(BINARIES)
	@export PATH=$$PATH:/usr/sbin; { command -v rclone && command -v nginx; } >/dev/null || $(call apt_install,rclone nginx-light) || \
	  $(call missing,rclone or nginx,apt-get install rclone nginx-light)
	@cargo test --release --locked --quiet -p pipeline-tests webdav:: -- --ignored

## make test-mpi       several processes that share a stage, with Open MPI: the bytes of one, and how they end
test-mpi: $(BINARIES)
	+@$(MAKE) RANKS=2 binaries
	@cargo test --release --locked --quiet -p pipeline-tests mpi:: -- --ignored --test-threads 1

## make test-slurm     a private Slurm of two virtual nodes: a family, an experiment over both, a node that dies; as root
test-slurm: $(BINARIES)
	+@$(MAKE) RANKS=2 binaries
	@command -v slurmctld >/dev/null && command -v munged >/dev/null || $(call apt_install,slurm-wlm munge) || \
	  { echo "error: Slurm is missing and cannot be installed here; install it: sudo apt-get install slurm-wlm munge" >&2; exit 3; }
	@cargo test --release --locked --quiet -p pipeline-tests slurm:: -- --ignored --test-threads 1

## make soak           whole runs under kills, full and read-only disks, clocks that jump, two make at once: half of SOAK_SECONDS
##                     (7200) by one process a stage, half by two of MPI
SOAK_SECONDS ?= 7200
soak: $(BINARIES)
	+@$(MAKE) RANKS=2 binaries
	@SOAK_SECONDS=$$(($(SOAK_SECONDS) / 2)) cargo test --release --locked --quiet -p pipeline-tests soak:: -- --include-ignored \
	  --test-threads 1 && cat target/soak.txt target/soak-mpi.txt

# Chromium, in which the tests open the pages.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	$(call apt_install,chromium) || $(call missing,Chromium,apt-get install chromium)

## make schema         the JSON schemas of pipeline.yaml and summary.json, from their types
schema: | setup
	PLATEAU_WRITE_SCHEMA=1 cargo test --release --locked --quiet -p records -p report committed_schema
## make bench          every kernel beside sgemm, on the trained mnist: a table, and artifacts/bench/results.json; minutes,
##                     with FULL=1 also all samples and one thread
bench: $(A)/mnist/eigen/manifest.json $(BIN)/bench
	$(BIN)/bench --artifacts $(A) $(if $(FULL),--full)
## make scale          how time and memory grow: four numbers of samples to two million, ten million parameters; 6 GB of disk
scale: $(A)/mnist/train/manifest.json data/synthetic/x.npy $(BIN)/bench
	+@$(MAKE) PIPELINE=pipeline.scale.yaml A=$(A)/scale all
	$(BIN)/bench --artifacts $(A) --growth $(A)/scale
data/synthetic/x.npy: examples/synthetic.py | $(VENV)/ready
	@[ -x $(VENV)/bin/python ] || { echo "error: make scale makes its samples with Python; install it: apt-get install python3-venv" >&2; exit 3; }
	$(VENV)/bin/python $< 2000000 $(@D)
## make lint           format, lints as errors
lint: | setup
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked --quiet -- -D warnings
## make check          the same, and unit tests: for every edit
check: lint
	cargo test --release --workspace --lib --bins --locked --quiet
## make fuzz           the fuzzers of fuzz/, FUZZ_SECONDS (60) for each format: what they find becomes a file of fuzz/corpus, which
##                     make test reads again; needs the nightly compiler and cargo-fuzz
FUZZ_SECONDS ?= 60
FUZZERS      := $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))
# Words of a format, where it has such.
DICTIONARY   := $$([ ! -e fuzz/$$name.dict ] || echo -dict=fuzz/$$name.dict)
# Inputs have up to 20 KB: 64 MiB are more than any of them may unpack to. Files are written fastest in memory.
fuzz: export TMPDIR := $(or $(TMPDIR),$(wildcard /dev/shm),/tmp)
fuzz: | setup
	@$(call cargo_tool,fuzz)
	@for name in $(FUZZERS); do mkdir -p target/fuzz/$$name && \
	  nice cargo +nightly fuzz run --target-dir target/fuzz/build $$name target/fuzz/$$name fuzz/corpus/$$name -- \
	  -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -malloc_limit_mb=64 -timeout=20 -print_final_stats=1 \
	  $(DICTIONARY) || exit; done
## make deny           licences, sources and bans of everything that is linked: deny.toml; needs cargo-deny
deny:
	@$(call cargo_tool,deny)
	cargo deny --locked check licenses sources bans
## make audit          known vulnerabilities of the same, from a list that is fetched
audit:
	@$(call cargo_tool,deny)
	cargo deny --locked check advisories
## make sbom           what each program links, as CycloneDX, in target/sbom; needs cargo-cyclonedx
sbom:
	@$(call cargo_tool,cyclonedx)
	@cargo cyclonedx --quiet --format json --describe binaries --no-build-deps && mkdir -p target/sbom && \
	  mv crates/*/*_bin.cdx.json target/sbom/ && echo "sbom: $$(ls target/sbom | wc -l) programs in target/sbom"
cargo_tool = command -v cargo-$(1) >/dev/null || \
	  { echo "error: cargo-$(1) is missing; install it: cargo install cargo-$(1) --locked" >&2; exit 3; }
## make doc            the documentation of every crate, in target/doc
doc: | setup
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
## make clean-<experiment>      removes the artifacts of one experiment, and its links
clean-%:
	@case '$(subst ','\'',$*)' in .*|*/.*|/*|*//*) echo "error: clean-$*: no name of an experiment" >&2; exit 2;; esac
	@for lock in '$(subst ','\'',$(A)/$*)'/{,*/}.*.lock; do [ ! -e "$$lock" ] || ! command -v flock >/dev/null || flock -n "$$lock" true || \
	  { echo "error: clean-$*: a stage is at work: $$lock; end it first" >&2; exit 4; }; done
	rm -rf -- '$(subst ','\'',$(A)/$*)'
	@[ ! -d $(A) ] || { [ -x $(BIN)/report ] && $(BIN)/report --index $(A); } || rm -f $(A)/index.html $(A)/compare.html
## make cache-clean    removes from the folder CACHE=file:///PATH what was not used in DAYS=30, then the oldest beyond GIB=100
DAYS ?= 30
GIB  ?= 100
cache-clean: $(BIN)/cache-clean
	@$(BIN)/cache-clean $(call flag,CACHE,--cache) --days $(DAYS) --gib $(GIB)
## make help           this list
help: ; @sed -n 's/^## //p' $(firstword $(MAKEFILE_LIST))
# Anything else: what was probably meant.
.DEFAULT:
	@$(BIN)/params $(places) --unknown '$(subst ','\'',$@)'

.PHONY: all full scale quick setup bench browser status verify dry-run deny audit fuzz man schema test test-python test-webdav test-mpi test-slurm soak sbom binaries setup-mpi cache-clean check lint doc help $(STAGES) $(EXPERIMENTS) FORCE
