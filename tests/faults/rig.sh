# shellcheck shell=bash
# What the fault tests share: a temporary folder with keys, a broker with TLS and ACL, noren-hq and norend on
# the simulated board, all on free ports. Source it; everything it started ends with the script.
# usage: . rig.sh SOURCE_DIR BIN_DIR
set -eu
src=$(cd "$1" && pwd) bin=$(cd "$2" && pwd)
. "$src/tests/patience.sh"
PATH=$PATH:/usr/sbin # mosquitto's home on Debian
tenant=t1 store=s1 gateway=gw1
root=noren/1/$tenant/$store/$gateway
work=$(mktemp -d "${TMPDIR:-/tmp}/noren-faults-XXXXXX")
declare -A pid=()

stop() { # name: SIGTERM, and wait
    [ -n "${pid[$1]-}" ] || return 0
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    pid[$1]=
}
kill_hard() { # name: SIGKILL, and wait
    kill -9 "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    pid[$1]=
}
finish() {
    local rc=$? name
    trap - EXIT
    for name in "${!pid[@]}"; do kill_hard "$name"; done
    if [ $rc != 0 ]; then
        for log in "$work"/*.log; do echo "--- end of $(basename "$log")"; tail -25 "$log"; done
    fi
    [ $rc != 0 ] || [ -n "${KEEP-}" ] || rm -rf "$work"
    [ $rc = 0 ] || echo "left for a look: $work"
    exit $rc
}
trap finish EXIT
fail() { echo "FAILED: $*"; exit 1; }

# A port that nothing listens on, below the range that the kernel gives out by itself.
free_port() {
    local p
    for _ in $(seq 100); do
        p=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$p") 2>/dev/null || { echo $p; return; }
    done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

start_broker() {
    mosquitto -c "$work/mosquitto.conf" >>"$work/broker.log" 2>&1 &
    pid[broker]=$!
    wait_for "the broker" listens "$mqtt_port"
}
hq_connections() { grep -c "connected, tenant" "$work/hq.log" || true; }
hq_connected_again() { [ "$(hq_connections)" -gt "$1" ]; }
start_hq() {
    local before
    touch "$work/hq.log"
    before=$(hq_connections)
    "$bin/noren-hq" --config "$work/hq.conf" >>"$work/hq.log" 2>&1 &
    pid[hq]=$!
    wait_for "headquarters" hq_connected_again "$before"
}
start_norend() {
    "$bin/norend" --config "$work/config" >>"$work/norend.log" 2>&1 &
    pid[norend]=$!
}
start_load() { # seed [control socket, GTIN]: shoppers on 8 cells, who wait for SIGUSR2
    rm -f "$work/truth"
    "$bin/faults_load" "$work/run/sim.sock" "$1" 8 "$work/truth" "${@:2}" >"$work/load.log" &
    pid[load]=$!
    wait_for "the shoppers" grep -q ready "$work/load.log"
}
ctl() { "$bin/norenctl" "$@" --socket "$work/run/control.sock"; }
norend_up() { wait_for "norend" ctl status --json; }
status() { ctl status --json | jq -r "$1"; } # jq filter
status_is() { [ "$(status "$1")" = "$2" ]; }
connected() { status_is .connected true; }
quiet_since= quiet_seq=
# Everything acked, and no new number for 3 s: what the last change of load had to say has been said.
quiesced() {
    local now
    now=$(status 'if .acked == .seq and .seq > 0 then .seq else "busy" end')
    [ "$now" = "$quiet_seq" ] || { quiet_seq=$now quiet_since=$SECONDS; }
    [ "$now" != busy ] && [ $((SECONDS - quiet_since)) -ge 4 ]
}
everything_acked() { status_is '.acked == .seq and .seq > 0' true; }

mkdir "$work"/{config,data,hq,run,pages}
mqtt_port=$(free_port)
http_port=$(free_port)
"$src/scripts/demo-pki" "$work/pki" $tenant $store $gateway other
cat >"$work/mosquitto.conf" <<CONF
listener $mqtt_port 127.0.0.1
cafile $work/pki/ca.crt
certfile $work/pki/server.crt
keyfile $work/pki/server.key
require_certificate true
use_identity_as_username true
acl_file $work/pki/acl
allow_anonymous false
persistence false
max_inflight_messages 200
user $(id -un)
log_dest stdout
CONF
cat >"$work/config/noren.conf" <<CONF
[gateway]
tenant = $tenant
store = $store
gateway = $gateway
data_dir = $work/data
key_dir = $work/keys
run_dir = $work/run
board = $src/tests/faults/store/board.conf
[mqtt]
host = localhost
port = $mqtt_port
ca = $work/pki/ca.crt
cert = $work/pki/$gateway.crt
key = $work/pki/$gateway.key
CONF
cat >"$work/hq.conf" <<CONF
[hq]
data_dir = $work/hq
http_port = $http_port
key = $work/pki/hq-sign.key
members = $src/tests/faults/store/members.json
pages = $work/pages
[mqtt]
host = localhost
port = $mqtt_port
ca = $work/pki/ca.crt
cert = $work/pki/hq.crt
key = $work/pki/hq.key
tenant = $tenant
CONF
cp "$src"/tests/faults/store/*.json "$work/pki/hq.pub" "$work/config/"
