#!/usr/bin/env bash
# make run: the nightly fraud example, from nothing to scored results, over NATS, on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
nightshift=$PWD/${NIGHTSHIFT:-bin/nightshift}
python=${PYTHON:-python3}
example=examples/fraud
rows=${ROWS:-1000000}
state=$PWD/.nightshift
data=$example/data/transactions-$rows.jsonl
mkdir -p "$state"

say() { printf '\n== %s\n' "$*"; }

"$python" - <<'E2' || { echo "make run needs Python 3.11 or newer with venv (on Debian and Ubuntu: apt install python3 python3-venv)" >&2; exit 2; }
import sys, venv, ensurepip
sys.exit(sys.version_info < (3, 11))
E2

wanted=$(cksum < $example/requirements.txt)
if [ "$(cat $example/.venv/ready 2>/dev/null)" != "$wanted" ]; then
    say "preparing the example: a Python environment with numpy and onnxruntime (once)"
    rm -rf $example/.venv
    "$python" -m venv $example/.venv
    $example/.venv/bin/pip install --quiet --disable-pip-version-check -r $example/requirements.txt
    echo "$wanted" > $example/.venv/ready
fi
if [ ! -f "$data" ]; then
    say "preparing the example: $rows synthetic transactions (once)"
    $example/.venv/bin/python $example/generate.py --rows "$rows" --seed 7 --out $example/data --format jsonl
fi

service=""
stop() {
    trap - EXIT INT TERM
    [ -z "$service" ] || { kill -TERM "$service" 2>/dev/null && wait "$service" 2>/dev/null; } || true
}
trap stop EXIT
trap 'stop; echo "stopped; make run resumes"; exit 130' INT TERM

say "starting the service with its embedded JetStream and local workers"
set -m # a process group of its own: Ctrl-C reaches this script, which ends the service in order
"$nightshift" dev --dir "$state" --port 0 -f $example/nightshift.yaml > "$state/dev.out" 2> "$state/dev.log" &
service=$!
set +m
for _ in $(seq 300); do
    grep -q "is ready" "$state/dev.out" && break
    kill -0 "$service" 2>/dev/null || { cat "$state/dev.log" >&2; exit 1; }
    sleep 0.1
done
NIGHTSHIFT_NATS=$(sed -n 's/.*NATS at \([^,]*\),.*/\1/p' "$state/dev.out")
export NIGHTSHIFT_NATS
echo "NATS at $NIGHTSHIFT_NATS"

# An idempotency key that is kept until its job has ended: a run that was interrupted finds its job again.
[ -s "$state/run.key" ] || echo "make-run-$(date -u +%Y%m%dT%H%M%SZ)-$$" > "$state/run.key"

say "submitting $rows rows over NATS"
job=$("$nightshift" submit -q fraud "$data" --row-key transaction_id --key "$(cat "$state/run.key")" --within 1h --yes -o name | tail -n 1)
job=${job#job/}
"$nightshift" watch "$job" || true # a few planted bad rows are part of the example: the table below says how it ended
rm -f "$state/run.key"

say "how it ended"
"$nightshift" get "$job"
"$nightshift" results "$job"
say "the first rows of the error file (the example plants some bad rows)"
"$nightshift" errors "$job" | head -n 3
say "why there were so many workers"
"$nightshift" explain | head -n 20
say "to try next"
cat <<E2
  make run                                        again: warm now
  bin/nightshift dev -f $example/nightshift.yaml   keep the service running, then in another terminal:
  bin/nightshift list
  bin/nightshift results $job -o scores.jsonl
E2
case $("$nightshift" get "$job" -o json | sed -n 's/^ *"state": "\([a-z_]*\)".*/\1/p' | head -n 1) in
succeeded | partially_failed) ;;
*) exit 1 ;;
esac
