# shellcheck shell=bash
# How the suites wait. Nobody judges a machine here: what has to come, comes, also where the tests get a tenth of a
# processor, so a wait has no limit of its own unless a requirement sets one. Source it; `fail` is the caller's.
patience_s=180
must_live= # process ids: when one of them ends, nothing that is waited for can come any more

within() { # seconds, what, command...
    local limit_s=$1 until=$((SECONDS + $1)) what=$2 process
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $until ] || fail "$what did not come within $limit_s s"
        for process in $must_live; do
            kill -0 "$process" 2>/dev/null || fail "$what cannot come: process $process has ended"
        done
        sleep 0.05
    done
}
wait_for() { within $patience_s "$@"; } # what, command...
