#!/usr/bin/env bash
# run.sh [EXECUTIONS]: fuzz guards and executors, default 1,000,000 times, beginning with corpus/
# (made by make_corpus.py). int8 with fast kernels and with AIFES_SMALL, float32 without an FPU and
# with one, a part of the runs each.
set -euo pipefail
cd "$(dirname "$0")"
runs=${1:-1000000}
out=${TMPDIR:-/tmp}/aifes-fuzz
mkdir -p "$out"

fuzz() { # NAME PREFIX OPTION
    clang -O1 -g -std=c99 -Wall -Wextra $3 -ffp-contract=off \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
        fuzz.c "../$2_load.c" "../$2_run.c" -o "$out/fuzz-$1"
    mkdir -p "$out/found-$1"
    "$out/fuzz-$1" -runs=$((runs / 4)) -max_len=4096 -timeout=10 -seed=1 -print_final_stats=1 \
        -artifact_prefix="$out/" "$out/found-$1" corpus 2>"$out/log" ||
        { tail -40 "$out/log"; exit 1; }
    grep -E 'stat::number_of_executed_units|DONE' "$out/log"
}

fuzz fast aifes -DAIFES_SMALL=0
fuzz small aifes -DAIFES_SMALL=1
fuzz soft f32 "-DFUZZ_F32=1 -DF32_SOFT=1"
fuzz hard f32 "-DFUZZ_F32=1 -DF32_SOFT=0"
