#!/usr/bin/env bash
# Proves that what stands as nightshift in the tables of decisions is the planner, and that nothing else is: changes one of its rules in a scratch copy, and expects
# nightshift's rows to change in every table, and no peer's.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tree"
git archive HEAD | tar -x -C "$scratch/tree"
go build -o "$scratch/planner" ./cmd/nightshift
(
    cd "$scratch/tree"
    # Every speed is taken as half of what it is.
    perl -0pi -e 's/(func saneSpeed\(rows float64\) float64 \{\n)/$1\trows \/= 2\n/' orchestrator/planner/speed.go
    cmp -s orchestrator/planner/speed.go "$OLDPWD/orchestrator/planner/speed.go" && { echo "the rule was not found: mend this script" >&2; exit 2; }
    go build -o "$scratch/changed" ./cmd/nightshift
)
# simulate and cmd may know nothing below the planner: the linter says so where they do.
(
    cd "$scratch/tree"
    for package in cmd/nightshift orchestrator/simulate; do
        for below in capacity shard; do
            printf 'package %s\n\nimport _ "nightshift.dev/nightshift/orchestrator/%s"\n' "$(sed -n 's/^package //p' $package/*.go | head -1)" $below > $package/below_$below.go
        done
    done
    "$GOLANGCI" run --enable-only depguard ./cmd/nightshift ./orchestrator/simulate > "$scratch/lint.txt" 2>&1 || true
    for package in cmd/nightshift orchestrator/simulate; do
        for below in capacity shard; do
            grep -q "^$package/below_$below.go.*not allowed" "$scratch/lint.txt" || { cat "$scratch/lint.txt"; echo "the linter lets $package import orchestrator/$below" >&2; exit 1; }
        done
    done
    echo "the linter lets neither cmd nor simulate import capacity or shard"
)
NIGHTSHIFT="$scratch/planner" CHANGED="$scratch/changed" "${PYTHON:-python3}" scripts/prove_policy.py "$scratch"
