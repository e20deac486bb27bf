# How many samples are enough?
#   idx or npy bytes -> fetch-data -> train -> eigen -> montecarlo -> bound -> report
# Each stage is a binary, a section of pipeline.yaml and a folder of artifacts/<experiment>/. It runs again when its
# section, its inputs or its code changed, and never otherwise.

PIPELINE    := pipeline.yaml
A           := artifacts
BIN         := target/release
STAGES      := fetch-data train eigen montecarlo bound report
# The names two spaces deep below `experiments:`.
EXPERIMENTS := $(shell sed -n '/^experiments:/,$$ s/^  \([A-Za-z0-9_.-]*\):.*/\1/p' $(PIPELINE))
# Put before each stage's command: make LAUNCH='srun -n1'
LAUNCH      :=
# make Q=-q, or Q=-v
Q           :=

MAKEFLAGS += --no-print-directory --no-builtin-rules
SHELL     := /bin/bash
.DELETE_ON_ERROR:

## make all            every experiment of pipeline.yaml, up to its report; installs what is missing
all: man $(EXPERIMENTS)
	@echo "all: $(words $(EXPERIMENTS)) experiments are up to date; open $(A)/index.html"
## make quick          the embedded digits alone: seconds, and no network
quick: man digits
## make <experiment>   one experiment, such as: make mnist
$(EXPERIMENTS): %: $(A)/%/report/manifest.json
	@echo "$@: up to date; open $(A)/$@/report/index.html"
## make <stage>        one stage of every experiment, such as: make eigen
$(STAGES): %: $(EXPERIMENTS:=/%)
## make <experiment>/<stage>    one stage of one experiment, such as: make mnist/eigen

# The pipeline, one line per edge; % is the experiment.
done = $(EXPERIMENTS:%=$(A)/%/$(1)/manifest.json)
$(call done,train):      $(A)/%/train/manifest.json:      $(A)/%/fetch-data/manifest.json
$(call done,eigen):      $(A)/%/eigen/manifest.json:      $(A)/%/train/manifest.json
$(call done,montecarlo): $(A)/%/montecarlo/manifest.json: $(A)/%/eigen/manifest.json
$(call done,bound):      $(A)/%/bound/manifest.json:      $(A)/%/montecarlo/manifest.json
$(call done,report):     $(A)/%/report/manifest.json:     $(A)/%/bound/manifest.json

# A pilot <experiment>-pilot-<n> is an input of the `bound` of its experiment.
$(foreach p,$(EXPERIMENTS),$(if $(findstring -pilot-,$(p)),$(eval \
  $(A)/$(firstword $(subst -pilot-, ,$(p)))/bound/manifest.json: $(A)/$(p)/montecarlo/manifest.json)))

# Every stage runs the same way. A launcher may report success for a job that died, or failure for one that finished:
# the manifest is asked (--check), not the exit code.
define stage
$(call done,$(1)): $(A)/%/$(1)/manifest.json: $(BIN)/$(1) $(A)/%/params/$(1).yaml
	@arguments="--pipeline $(PIPELINE) --experiment $$* --artifacts $(A)"; \
	$$(LAUNCH) $(BIN)/$(1) $$$$arguments $$(Q); code=$$$$?; \
	$(BIN)/$(1) $$$$arguments --check -q && exit 0; \
	[ $$$$code -ne 0 ] || { code=1; echo "error: $(1) of $$* ended without a manifest; what its launcher said is above" >&2; }; exit $$$$code
$(EXPERIMENTS:=/$(1)): %/$(1): $(A)/%/$(1)/manifest.json
.PHONY: $(EXPERIMENTS:=/$(1))
endef
$(foreach s,$(STAGES),$(eval $(call stage,$(s))))

# Each section is written to a file of its own, with size and time of the files that it names, when that changes: an
# edit of one stage's parameters, or of a file of the user, reruns that stage. It is looked at each time.
SECTIONS := $(foreach s,$(STAGES),$(EXPERIMENTS:%=$(A)/%/params/$(s).yaml))
$(SECTIONS): $(A)/params.checked ;
$(A)/params.checked: $(PIPELINE) $(BIN)/params FORCE
	@$(BIN)/params --pipeline $(PIPELINE) --artifacts $(A) && touch $@

# cargo knows what to build; a binary that it leaves alone keeps its time.
BINARIES := $(STAGES:%=$(BIN)/%) $(BIN)/params $(BIN)/status
$(BINARIES) &: FORCE | setup
	@cargo build --release --locked --quiet
FORCE:
# A build that fails leaves the binaries as they were.
.PRECIOUS: $(BINARIES)

# OpenBLAS, with its headers' pkg-config file: installed where that is possible, else the command is told.
APT := libopenblas-dev pkg-config
setup:
	@pkg-config --exists openblas 2>/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "setup: apt-get install $(APT)"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(APT) >/dev/null; \
	else \
	  echo "error: OpenBLAS is missing; install it: sudo apt-get install $(APT)" >&2; \
	  echo "       (Fedora: dnf install openblas-devel pkgconf; macOS: brew install openblas pkg-config)" >&2; exit 3; \
	fi

## make status         each experiment and stage: fresh, stale because of what, missing, running
status: $(BINARIES)
	@$(BIN)/status --pipeline $(PIPELINE) --artifacts $(A)
## make dry-run        what would run, its flops, memory and estimated time; make dry-run EXPERIMENTS=mnist
dry-run: $(BINARIES)
	@for e in $(EXPERIMENTS); do for s in $(STAGES); do \
	  $(BIN)/$$s --pipeline $(PIPELINE) --experiment $$e --artifacts $(A) --dry-run || exit; done; done

# Man pages and shell completions of the binaries, made with them.
## make man            man pages and completions (bash, zsh, fish) in target/share; part of every build
SHARE := target/share
man: $(STAGES:%=$(SHARE)/man/man1/%.1)
$(SHARE)/man/man1/%.1: $(BIN)/%
	@mkdir -p $(@D) $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	@$< --completions bash > $(SHARE)/bash-completion/completions/$*
	@$< --completions zsh > $(SHARE)/zsh/site-functions/_$*
	@$< --completions fish > $(SHARE)/fish/vendor_completions.d/$*.fish
	@$< --man > $@

## make test           all tests: kernels against independent answers, whole pipelines through the real binaries, NumPy
VENV := target/test-venv
test: $(STAGES:%=$(BIN)/%) $(BIN)/status $(VENV)/ready | browser
	PLATEAU_PYTHON=$(abspath $(VENV))/bin/python cargo test --release --workspace --locked --quiet
$(VENV)/ready: tests/requirements.txt
	@if command -v python3 >/dev/null; then \
	  python3 -m venv --system-site-packages $(VENV) && \
	  { $(VENV)/bin/python -c 'import numpy' 2>/dev/null || $(VENV)/bin/pip install --quiet --disable-pip-version-check -r $<; }; \
	else mkdir -p $(VENV); echo "test: no python3, so the artifacts will not be read with NumPy"; fi && touch $@

# Chromium, in which the tests open the pages.
browser:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "test: apt-get install chromium"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null \
	    || echo "test: chromium could not be installed, so the pages will not be opened in a browser"; \
	else echo "test: no chromium, so the pages will not be opened in a browser (apt-get install chromium)"; fi

## make schema         the JSON schemas of pipeline.yaml and summary.json, from their types
schema: | setup
	PLATEAU_WRITE_SCHEMA=1 cargo test --release --locked --quiet -p pipeline -p report committed_schema
## make bench          every kernel beside sgemm, on the trained mnist: a table, and artifacts/bench/results.json; minutes
bench: $(A)/mnist/eigen/manifest.json
	$(BIN)/bench --artifacts $(A)
## make check          format, lints as errors, unit tests: for every edit
check: | setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	cargo test --release --workspace --lib --bins --locked --quiet
## make doc            the documentation of every crate, in target/doc
doc: | setup
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet
## make clean-<experiment>      removes the artifacts of one experiment
clean-%: ; rm -rf $(A)/$*
## make help           this list
help: ; @sed -n 's/^## //p' $(MAKEFILE_LIST)

.PHONY: all quick setup bench browser status dry-run man schema test check doc help $(STAGES) $(EXPERIMENTS) FORCE
