#!/bin/sh
# First-time set-up of DictaMesh Sentry. Safe to run again: every step does only what is missing.
#
#   infrastructure/docker-compose/sentry/init-sentry.sh        (or: make sentry-init)
#
# Environment:
#   SENTRY_RUN           what stands before each `dictamesh-sentry …`; default: a one-off container of sentry-web.
#                        Empty, or "env SENTRY_POSTGRES_HOST=… …": the same steps as local processes.
#   SENTRY_INIT_URL      where the web role answers from here; default http://localhost:9000
#   SENTRY_INIT_TIMEOUT  seconds to wait for the stores, and again for the web role; default 180
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
url=${SENTRY_INIT_URL:-http://localhost:9000}
timeout=${SENTRY_INIT_TIMEOUT:-180}

compose() {
    if docker compose version >/dev/null 2>&1; then
        echo "docker compose"
    elif command -v docker-compose >/dev/null 2>&1; then
        echo "docker-compose"
    else
        echo "Neither 'docker compose' nor 'docker-compose' is installed." >&2
        exit 1
    fi
}

if [ -z "${SENTRY_RUN+set}" ]; then
    SENTRY_RUN="$(compose) -p dictamesh -f docker-compose.dev.yml run --rm --no-deps -T --entrypoint env sentry-web"
    cd -- "$here/.."
fi

# shellcheck disable=SC2086 # the wrapper is a command line: it is meant to be split into words
step() {
    $SENTRY_RUN dictamesh-sentry "$@" </dev/null
}

# The stores may still be starting: the step is tried until it succeeds, and its own message tells what is missing.
patiently() {
    until output=$(step "$@" 2>&1); do
        if [ "$(date +%s)" -ge "$deadline" ]; then
            printf '%s\n' "$output" >&2
            echo "Gave up after $timeout s: dictamesh-sentry $*" >&2
            echo "Are the stores up? See: make health" >&2
            exit 1
        fi
        printf '.'
        sleep 3
    done
    printf '%s\n' "$output"
}

fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl -fsS -m 10 -o /dev/null "$1" 2>/dev/null
    elif command -v wget >/dev/null 2>&1; then
        wget -q -T 10 -O /dev/null "$1" 2>/dev/null
    else
        python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10)' "$1" 2>/dev/null
    fi
}

echo "1/4 Checking the configuration"
step config check

echo "2/4 Schemas of PostgreSQL and ClickHouse, topics of Redpanda"
deadline=$(($(date +%s) + timeout))
patiently upgrade --noinput --create-kafka-topics

echo "3/4 First organization, team, project and administrator"
step init

echo "4/4 Waiting until $url serves"
deadline=$(($(date +%s) + timeout))
until fetch "$url/_health/?full"; do
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "$url/_health/?full does not answer 200 after $timeout s. See: make health, make sentry-logs" >&2
        exit 1
    fi
    sleep 2
done
echo "DictaMesh Sentry is serving $url; address, login and DSN are printed above."
