#!/usr/bin/env bash
# make test-stores: package object against server programs of s3://, gs:// and azblob://. They are installed once, below the cache, and
# end with this script. ARGS goes to go test.
set -euo pipefail
cd "$(dirname "$0")/.."
versitygw=v1.8.0
fake_gcs_server=v1.56.1
azurite=3.37.0
tools=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nightshift}/tools

missing() {
    echo "test-stores: $*" >&2
    exit 1
}

# go_tool NAME VERSION PACKAGE
go_tool() {
    [ -x "$tools/$1-$2/$1" ] && return
    echo "installing $1 $2 (once)" >&2
    GOBIN=$tools/$1-$2 "${GO:-go}" install "$3@$2" || missing "$1 $2 could not be downloaded or built: see above"
}

npm_tool() {
    local folder=$tools/$1-$2
    [ -f "$folder/ready" ] && return
    command -v npm > /dev/null || missing "npm is missing; it installs $1, the server for azblob://"
    echo "installing $1 $2 (once)" >&2
    rm -rf "$folder"
    npm install --prefix "$folder" --no-fund --no-audit --ignore-scripts --loglevel=error "$1@$2" >&2 ||
        missing "$1 $2 could not be downloaded: see above"
    touch "$folder/ready"
}

# answers PORT: whether HTTP is spoken there
answers() (
    exec 3<> "/dev/tcp/127.0.0.1/$1" && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r -t 5 line <&3 && [[ $line == HTTP/* ]]
) 2> /dev/null

# free_port sets port to one where nobody listens
free_port() {
    port=$((20000 + RANDOM % 10000))
    while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; do port=$((20000 + RANDOM % 10000)); done
}

# start NAME COMMAND...: a server on $port, which has its files in $folder/NAME
start() {
    local name=$1 log=$folder/$1.log
    shift
    mkdir "$folder/$name"
    (cd "$folder/$name" && exec "$@") > "$log" 2>&1 &
    started+=($!)
    for ((i = 0; i < 300; i++)); do
        answers "$port" && return
        kill -0 $! 2> /dev/null || break
        sleep 0.1
    done
    cat "$log" >&2
    missing "$name does not answer on port $port: its output is above"
}

end() {
    trap - EXIT
    for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done
    for ((i = 0; i < 50; i++)); do
        kill -0 "${started[@]}" 2> /dev/null || break # true while one of them runs
        sleep 0.1
    done
    for pid in "${started[@]}"; do kill -9 "$pid" 2> /dev/null || true; done
    rm -rf "$folder"
}

command -v node > /dev/null || missing "node is missing; azurite, the server for azblob://, runs on it"
go_tool versitygw $versitygw github.com/versity/versitygw/cmd/versitygw
go_tool fake-gcs-server $fake_gcs_server github.com/fsouza/fake-gcs-server
npm_tool azurite $azurite

started=()
folder=$(mktemp -d)
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# Keys of programs that listen on this machine only; Azurite's account and key are built into it.
key=nightshift
azurite_key='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
free_port
start versitygw env ROOT_ACCESS_KEY=$key ROOT_SECRET_KEY=$key "$tools/versitygw-$versitygw/versitygw" --quiet --port 127.0.0.1:$port posix .
s3=http://127.0.0.1:$port
free_port
start fake-gcs-server "$tools/fake-gcs-server-$fake_gcs_server/fake-gcs-server" -scheme http -host 127.0.0.1 -port $port -public-host 127.0.0.1 \
    -filesystem-root . -log-level warn
gs=http://127.0.0.1:$port
free_port
start azurite "$tools/azurite-$azurite/node_modules/.bin/azurite-blob" --silent --disableTelemetry --blobHost 127.0.0.1 --blobPort $port --location .
azblob=http://127.0.0.1:$port

echo "s3 on versitygw $versitygw, gs on fake-gcs-server $fake_gcs_server, azblob on azurite $azurite"
# shellcheck disable=SC2086 # ARGS are words
env -u AWS_PROFILE -u AZURE_STORAGE_SAS_TOKEN \
    NIGHTSHIFT_TEST_S3_ENDPOINT=$s3 NIGHTSHIFT_TEST_GS_ENDPOINT=$gs NIGHTSHIFT_TEST_AZBLOB_ENDPOINT=$azblob \
    AWS_ACCESS_KEY_ID=$key AWS_SECRET_ACCESS_KEY=$key AWS_REGION=us-east-1 AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null \
    AZURE_STORAGE_ACCOUNT=devstoreaccount1 AZURE_STORAGE_KEY="$azurite_key" \
    "${GO:-go}" test -count=1 -timeout 20m ./orchestrator/object -run TestStores ${ARGS:-}
