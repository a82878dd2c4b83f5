#!/bin/bash
# Fuzzes every parser for so many seconds (60 if not said): tools/fuzz.sh [SECONDS [TARGET...]]
# Needs a nightly toolchain; cargo-fuzz is installed into target/ if it is not there. Corpora are copied to target/fuzz/corpus and grow there.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
export PATH="$PWD/target/cargo-fuzz/bin:$PATH"

if ! cargo +nightly --version > /dev/null 2>&1; then
    echo "fuzz: there is no nightly toolchain, which the sanitizers need; install it with: rustup toolchain install nightly" >&2
    exit 1
fi
if ! command -v cargo-fuzz > /dev/null; then
    echo "fuzz: installing cargo-fuzz into target/cargo-fuzz (cargo install --locked cargo-fuzz)"
    cargo install --locked --quiet cargo-fuzz --root target/cargo-fuzz
fi

fuzz=(cargo +nightly fuzz)
options=(--fuzz-dir tests/fuzz --target-dir target/fuzz)
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    mapfile -t targets < <("${fuzz[@]}" list --fuzz-dir tests/fuzz)
fi
"${fuzz[@]}" build "${options[@]}"
failed=()
for target in "${targets[@]}"; do
    echo "fuzz: $target, $seconds s"
    corpus=target/fuzz/corpus/$target
    artifacts=target/fuzz/artifacts/$target
    mkdir -p "$corpus" "$artifacts"
    # What is found now is newer.
    stamp=$(mktemp)
    # What the program keeps is a few small files; what a run finds stays in target/.
    "${fuzz[@]}" run "${options[@]}" "$target" "$corpus" "tests/fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -malloc_limit_mb=4096 -max_len=20000 -print_final_stats=1 \
        -artifact_prefix="$artifacts/" 2>&1 | grep -E "DONE|stat::|ERROR|panicked|SUMMARY|Test unit" ||
        failed+=("$target")
    if [ -n "$(find "$artifacts" -type f -newer "$stamp")" ]; then failed+=("$target"); fi
    # Directories of this user's targets that run no more; others may be running.
    for directory in /dev/shm/vitrion-fuzz-*; do
        process=${directory##*-}
        if [ -O "$directory" ] && [ "$directory" -nt "$stamp" ] && ! kill -0 "$process" 2> /dev/null; then rm -rf "$directory"; fi
    done
    rm -f "$stamp"
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "fuzz: failed: ${failed[*]}; inputs are in target/fuzz/artifacts" >&2
    exit 1
fi
echo "fuzz: all targets passed"
