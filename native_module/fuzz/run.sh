#!/usr/bin/env bash
# run.sh [EXECUTIONS]: fuzz guards and executors, default 1,000,000 times, beginning with corpus/
# (made by make_corpus.py). All of int8 with fast kernels and with AIFES_SMALL, _aifes with
# AIFES_SMALL, float32 without an FPU and with one, a part of the runs each.
set -euo pipefail
cd "$(dirname "$0")"
runs=${1:-1000000}
out=${TMPDIR:-/tmp}/aifes-fuzz
mkdir -p "$out"

fuzz() { # NAME OPTIONS..
    name=$1
    clang -O1 -g -std=c99 -Wall -Wextra "${@:2}" -ffp-contract=off -DAIFES_WORK=200 \
        -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all fuzz.c -o "$out/fuzz-$name"
    mkdir -p "$out/found-$name"
    "$out/fuzz-$name" -runs=$((runs / 5)) -max_len=4096 -timeout=10 -seed=1 -print_final_stats=1 \
        -artifact_prefix="$out/" "$out/found-$name" corpus 2>"$out/log" ||
        { tail -40 "$out/log"; exit 1; }
    grep -E 'stat::number_of_executed_units|DONE' "$out/log"
}

fuzz fast -DAIFES_FLOAT=0 -DAIFES_SEVERAL=1
fuzz slow -DAIFES_FLOAT=0 -DAIFES_SEVERAL=1 -DAIFES_SMALL=1
fuzz small -DAIFES_FLOAT=0 -DAIFES_SEVERAL=0 -DAIFES_SMALL=1
fuzz soft -DAIFES_FLOAT=1 -DAIFES_SEVERAL=1 -DF32_SOFT=1
fuzz hard -DAIFES_FLOAT=1 -DAIFES_SEVERAL=1 -DF32_SOFT=0
