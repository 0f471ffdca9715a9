#!/usr/bin/env bash
# run.sh [EXECUTIONS]: fuzz guard and executor, default 1,000,000 times, beginning with corpus/
# (made by make_corpus.py). With fast kernels and with AIFES_SMALL, a part of the runs each.
set -euo pipefail
cd "$(dirname "$0")"
runs=${1:-1000000}
out=${TMPDIR:-/tmp}/aifes-fuzz
mkdir -p "$out"
for small in 0 1; do
    clang -O1 -g -std=c99 -Wall -Wextra -DAIFES_SMALL=$small \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        fuzz.c ../aifes_load.c ../aifes_run.c -o "$out/fuzz$small"
    mkdir -p "$out/found$small"
    "$out/fuzz$small" -runs=$((runs / 2)) -max_len=4096 -timeout=10 -seed=1 -print_final_stats=1 \
        -artifact_prefix="$out/" "$out/found$small" corpus 2>"$out/log" ||
        { tail -40 "$out/log"; exit 1; }
    grep -E 'stat::number_of_executed_units|DONE' "$out/log"
done
