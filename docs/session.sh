#!/usr/bin/env bash
# Makes docs/session.md, a terminal session as a new user has it, and the screenshots in docs/figures: in a clean copy of
# this checkout, with the embedded digits alone.   docs/session.sh   (needs git, make, cargo; chromium for the screenshots)
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
copy="$(mktemp -d)"
trap 'rm -rf "$copy"' EXIT
git -C "$root" archive HEAD | tar -x -C "$copy"
cd "$copy"
export NO_COLOR=1
unset CARGO_TARGET_DIR # a build of its own, as after a clone: minutes
make man >&2
out="$root/docs/session.md"

# $ command, and what it says; times and places of this machine are left out.
say() {
  { echo "\$ $*"; bash -c "$*" 2>&1 || true; echo; } | sed -e "s#$copy#.#g" >> "$out"
}
{ echo "# A session"; echo; echo "Made by \`docs/session.sh\` in a clean copy, on the embedded digits. Times are those of a machine of two cores."; echo; echo '```console'; } > "$out"
say make help
say make quick
say make quick
say make status "| grep '^digits '"
say "sed -i 's/epochs: 60/epochs: 61/' pipeline.yaml"
say make status "| grep '^digits '"
say "sed -i 's/epochs: 61/epoch: 61/' pipeline.yaml"
say make digits/train
say "sed -i 's/epoch: 61/epochs: 60/' pipeline.yaml"
say target/release/montecarlo --experiment mnist --dry-run
say target/release/bound --experiment digits --json
say cat artifacts/digits/report/summary.md
say target/release/eigen --help
echo '```' >> "$out"

# The page at desktop and phone width, and the comparison.
browser="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
if [ -z "$browser" ]; then echo "session: no chromium, so no screenshots" >&2; exit 0; fi
shoot() { # name, width, height, page
  "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$copy/profile" --window-size="$2,$3" \
    --virtual-time-budget=4000 --screenshot="$root/docs/figures/$1.png" "file://$copy/artifacts/$4" 2>/dev/null
}
shoot report-desktop 1200 1000 digits/report/index.html
# The first landscape alone: a headless browser takes its picture from the top of the page.
alone='<script>document.querySelector("nav").remove();document.querySelectorAll("main > :not(#landscape), .landscape ~ .landscape").forEach((e) => e.remove())</script>'
sed "s|</body>|$alone</body>|" "$copy/artifacts/digits/report/index.html" > "$copy/artifacts/landscape.html"
shoot report-landscape 1200 740 landscape.html
shoot report-phone 500 1000 digits/report/index.html
