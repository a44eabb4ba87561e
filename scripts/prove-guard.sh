#!/usr/bin/env bash
# Proves that the fault tests see a broken promise: takes the guard off the commit in a scratch copy, and expects them to fail there.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
git archive HEAD | tar -x -C "$scratch"
cd "$scratch"
# The commit is stored whether or not the shard has one: the promise is broken.
perl -0pi -e 's/_, err := s\.publish\(ctx, commitSubject\+shard\.CommitSubject\(\), 0, commit\)\n\treturn err/data, err := json.Marshal(commit)\n\tif err != nil {\n\t\treturn err\n\t}\n\t_, err = s.js.Publish(ctx, commitSubject+shard.CommitSubject(), data)\n\treturn err/' orchestrator/state/commits.go
git -c core.safecrlf=false diff --no-index --stat /dev/null orchestrator/state/commits.go > /dev/null || true
grep -q 's.js.Publish(ctx, commitSubject' orchestrator/state/commits.go || { echo "the guard was not found: mend this script" >&2; exit 2; }
echo "without the commit guard:"
unset NIGHTSHIFT_TEST_PROGRAM # a program that has the guard
if go test -count=1 -run 'OneCommitDecides|CommitIsResolved|Zombie' ./orchestrator/state ./orchestrator/worker ./e2e/faults > out.log 2>&1; then
    cat out.log
    echo "the tests passed without the guard: they prove nothing" >&2
    exit 1
fi
grep -E '^\s*(--- FAIL|[a-z_]+_test.go)' out.log | cut -c1-160
for one in OneCommitDecidesAShard CommitIsResolvedByTheLeader ZombieDoublesNothing; do
    grep -q -- "--- FAIL: Test$one" out.log || { echo "Test$one does not see that the guard is gone" >&2; exit 1; }
done
echo "they fail, as they should"
