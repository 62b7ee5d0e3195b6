#!/bin/sh
# The state of every service of the stack, and what to do about those that are down: `make health`.
# Exit code 0 when all are healthy. Services that are still starting are waited for.
#
# Environment: COMPOSE, the command line of Compose for this stack; ENGINE, docker or podman (default docker);
# PROJECT (default dictamesh); HEALTH_WAIT, seconds to wait for services that are starting (default 180).
set -eu

: "${COMPOSE:?is set by the Makefile: call make health}"
engine=${ENGINE:-docker}
project=${PROJECT:-dictamesh}
deadline=$(($(date +%s) + ${HEALTH_WAIT:-180}))

container_of() {
    $engine ps -a --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1" \
        --filter "label=com.docker.compose.oneoff=False" --format '{{.ID}}' | head -n 1
}

# One word per service: healthy, done, starting, unhealthy, failed, stopped or missing.
state_of() {
    container=$(container_of "$1")
    if [ -z "$container" ]; then
        echo missing
        return
    fi
    found=$($engine inspect -f '{{.State.Status}} {{.State.ExitCode}} {{if .State.Health}}{{.State.Health.Status}}{{end}}' "$container")
    case "$1 $found" in
        "sentry-migrate exited 0 "*) echo "done" ;;
        "sentry-migrate running "*) echo starting ;;
        *" running "*" healthy") echo healthy ;;
        *" running "*" unhealthy") echo unhealthy ;;
        *" running "*" none" | *" running 0 ") echo unhealthy ;;
        *" running "* | *" created "* | *" restarting 0 "*) echo starting ;;
        *" exited 0 "*) echo stopped ;;
        *) echo failed ;;
    esac
}

advice() {
    case "$2" in
        missing | stopped) echo "not running: make dev-up" ;;
        starting) echo "still starting: make dev-logs SERVICE=$1" ;;
        unhealthy) echo "does not answer: make dev-logs SERVICE=$1, then make dev-restart SERVICE=$1" ;;
        failed)
            if [ "$1" = sentry-migrate ]; then
                echo "the schema upgrade failed: make dev-logs SERVICE=sentry-migrate, then make dev-up"
            else
                echo "ends by itself: make dev-logs SERVICE=$1 (memory: $engine inspect -f '{{.State.OOMKilled}}' \$($COMPOSE ps -q $1))"
            fi
            ;;
    esac
}

services=$($COMPOSE config --services | sort)
while :; do
    report=""
    waiting=0
    bad=0
    for service in $services; do
        state=$(state_of "$service")
        case "$state" in
            healthy | "done") hint="" ;;
            *)
                hint="  $(advice "$service" "$state")"
                bad=$((bad + 1))
                if [ "$state" = starting ]; then waiting=$((waiting + 1)); fi
                ;;
        esac
        report="$report$(printf '  %-32s %-10s%s' "$service" "$state" "$hint")
"
    done
    if [ "$waiting" -eq 0 ] || [ "$(date +%s)" -ge "$deadline" ]; then break; fi
    sleep 3
done
printf '%s' "$report"
if [ "$bad" -ne 0 ]; then
    echo "$bad not healthy."
    exit 1
fi
# shellcheck disable=SC2086 # a command line
if ! answer=$($COMPOSE exec -T sentry-web dictamesh-sentry health 2>&1); then
    printf '%s\n' "$answer"
    echo "Every service runs, but Sentry is not serving; the check that is not ok above says why. See: make doctor"
    exit 1
fi
echo "Every service is healthy; Sentry is serving and reaches all its stores."
