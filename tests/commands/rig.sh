# shellcheck shell=bash
# On top of the fault tests' rig: what headquarters and an auditor do at the broker. Source it.
. "$(dirname "${BASH_SOURCE[0]}")/../faults/rig.sh" "$1" "$2"
tls=(--cafile "$work/pki/ca.crt" -h localhost -p "$mqtt_port" -V 5)
as() { echo --cert "$work/pki/$1.crt" --key "$work/pki/$1.key"; }
hear() { # everything that crosses the broker, as JSON lines in $work/heard
    # shellcheck disable=SC2046
    mosquitto_sub "${tls[@]}" $(as auditor) -t 'noren/#' -F %j >"$work/heard" 2>"$work/heard.err" &
    pid[hear]=$!
    # shellcheck disable=SC2046
    wait_for "the auditor" sh -c "mosquitto_pub $(printf '%q ' "${tls[@]}") $(as hq) -t '$root/cmd/none' -q 1 -m x; test -s '$work/heard'"
}
publish() { # topic below the root, payload, options of mosquitto_pub...
    local topic=$1 payload=$2
    shift 2
    # shellcheck disable=SC2046
    if [ -z "$payload" ]; then
        mosquitto_pub "${tls[@]}" $(as hq) -t "$root/$topic" -q 1 -n "$@"
    else
        printf '%s' "$payload" | mosquitto_pub "${tls[@]}" $(as hq) -t "$root/$topic" -q 1 -s "$@"
    fi
}
sign() { node "$src/tests/commands/sign.mjs" "${key:-$work/pki/hq-sign.key}" "$1"; }
at() { date -u -d "@$(($(date +%s) + $1))" +%Y-%m-%dT%H:%M:%SZ; } # seconds from now
envelope() { # id, name, arguments [, jq on it]
    jq -nc --arg id "$1" --arg name "$2" --argjson args "$3" --arg from "$(at -1)" --arg until "$(at 120)" \
        --arg to "$tenant/$store/$gateway" '{id:$id,name:$name,to:$to,actor:"yuki",issued_at:$from,expires_at:$until,
        args:$args}' | jq -c "${4:-.}"
}
answers() { jq -c --arg t "$root/${2:-rsp}" --arg id "$1" 'select(.topic == $t) | .payload | fromjson | select(.id == $id)' "$work/heard" 2>/dev/null; }
answered() { [ "$(answers "$1" | wc -l)" -ge "${2:-1}" ]; }
answer() { # id [, how many there must be]: the last one
    wait_for "the answer to $1" answered "$@"
    answers "$1" | tail -1
}
command() { # id, name, arguments [, jq on the envelope]: sent; the answer on stdout
    publish "cmd/$2" "$(sign "$(envelope "$@")")"
    answer "$1"
}
counter() { status ".counters.$1"; }
counter_is() { [ "$(counter "$1")" = "$2" ]; }
audits() { jq -c 'select(.topic | endswith("/evt/gateway")) | .payload | fromjson | if type == "array" then .[] else . end
    | select(.type == "noren.gateway.audit") | [.seq, .data]' "$work/heard" | sort -u | jq -c '.[1]'; } # what is sent again is the same
audited() { [ -n "$(audits | jq -c "select($1)")" ]; }
