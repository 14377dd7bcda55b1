# Shared by ./demo, ./test and the scripts of this folder: source it, do not run it.
# shellcheck shell=bash
# shellcheck disable=SC2034 # The variables are for those who source this file.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools="$root/.tools"

# One target folder for ./demo, ./test and CI, outside the checkout: a fresh clone on a machine that has built before
# compiles this package alone and none of its 400 dependencies.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/scaleproof/target}"

# Every cargo command selects the same packages and at least one test, example or all targets. Cargo unifies the
# features of what is selected, dev-dependencies included as soon as a test is: with another selection the AWS SDKs
# count as other crates and are compiled a second time, seven minutes on two cores.
cargo_selection=(--locked --workspace)

say() { printf '%s\n' "$*" >&2; }
step() { printf '  %-12s %s\n' "$1" "$2" >&2; }

# A prerequisite that is missing: what it is for, and how to get it.
missing() {
    say "error: \`$1\` is missing"
    say "  it is needed $2"
    say "hint: $3"
    exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

container_engine_answers() { have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
