#!/bin/sh
# run_fuzz.sh [SECONDS] [TARGET...]: every fuzz target with libFuzzer under ASan+UBSan, two at a time.
# Needs clang (apt-get install clang). Findings stay in build/fuzz/findings/.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}
[ $# -gt 0 ] && shift
command -v clang++ >/dev/null || { echo "fuzz: clang is missing: apt-get install clang" >&2; exit 1; }
cmake --preset fuzz >/dev/null
targets=${*:-$(sed -n 's/.*consort_fuzz(\([a-z_]*\).*/\1/p' fuzz/CMakeLists.txt)}
cmake --build build/fuzz --target $targets -- -j 2
mkdir -p build/fuzz/findings build/fuzz/corpus
run() {
  mkdir -p "build/fuzz/corpus/$1"
  build/fuzz/"$1" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="build/fuzz/findings/$1-" "build/fuzz/corpus/$1" "fuzz/seeds/$1" >"build/fuzz/$1.log" 2>&1 \
    && echo "fuzz: $1 clean, $(sed -n 's/^#\([0-9]*\).*DONE.*/\1/p' "build/fuzz/$1.log") runs in $seconds s" \
    || { echo "fuzz: $1 FAILED, see build/fuzz/$1.log"; touch build/fuzz/failed; }
}
rm -f build/fuzz/failed
n=0
for t in $targets; do
  run "$t" &
  n=$((n + 1))
  [ $((n % 2)) -eq 0 ] && wait
done
wait
[ ! -e build/fuzz/failed ]
