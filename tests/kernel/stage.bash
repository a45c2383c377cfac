# shellcheck shell=bash
# The stage of the kernel scenarios: broker, headquarters and a subscriber outside, where no power is cut; the
# guest with its disk, its bank of chips, its lights and its controller; the words a scenario is told in.
# Sourced with SOURCE_DIR BUILD_DIR [SEED] as arguments; $here is tests/kernel.
. "$here/../faults/rig.sh" "$1" "$2/bin"
. "$here/rig.bash"
fail() { die "$*"; } # with the guest's logs
SEED=${3:-${NOREN_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}}
RANDOM=$SEED
gtin=04901234500013
phone=c0ffee000001 # hardware addresses: must not be found anywhere afterwards
beacon=c0ffee000002
step() { printf '%4ss  %s\n' "$SECONDS" "$*"; }

rig_explain() {
    local log
    for log in norend vhci bluetoothd; do
        echo "--- guest's $log.log:"
        guest "tail -n 30 /run/$log.log" || break
    done
    echo "--- end of what the subscriber heard:"
    tail -n 12 "$work/heard" | cut -c1-300
}
end() {
    local rc=$?
    set +e
    [ -z "${QEMU-}" ] || kill -9 "$QEMU" 2>/dev/null
    (exit $rc)
    finish
}
trap end EXIT

# --- outside: broker, headquarters, a subscriber ---------------------------------------------------------
step "broker, headquarters, subscriber"
cp "$here"/shop/*.json "$work/config/"
sed -i "s|^members = .*|members = $here/shop/members.json|" "$work/hq.conf"
sed -i "s|^host = .*|host = 10.0.2.100|; s|^port = .*|port = 8883|; s|^board = .*|board = $here/shop/board.conf|
    s|^data_dir = .*|data_dir = /data/noren|; s|^run_dir = .*|run_dir = /run/noren|; /^key_dir = /d; s|^\[mqtt\]|key_dir = /data/keys\n&|" "$work/config/noren.conf"
beacon_key=000102030405060708090a0b0c0d0e0f
echo $beacon_key >"$work/config/beacon.key"
cat >>"$work/config/noren.conf" <<CONF
[beacon]
uuid = 4e4f5245-4e00-4000-8000-00000000000a
major = 258
key_file = beacon.key
CONF
chmod -R a+rX "$work"
start_broker
start_hq
pki=$work/pki
touch "$work/heard"
mosquitto_sub -V 5 -h localhost -p "$mqtt_port" --cafile "$pki/ca.crt" --cert "$pki/auditor.crt" --key "$pki/auditor.key" \
    -i auditor -q 1 -t "noren/#" --retain-as-published -F '%t %p' >"$work/heard" 2>"$work/sub.log" &
pid[sub]=$!
# An event has gone through gateway, database and broker when a line of the subscriber matches.
heard() { # what, pattern
    timeout $patience_s "$here/guest/await" "$2" "$work/heard" || die "the subscriber did not hear of $1 within $patience_s s"
}
# What headquarters' pages show.
hq_shows() { # on_shelf
    [ "$(curl -sf "http://127.0.0.1:$http_port/api/fixtures" | jq "[.. | objects | select(.gtin? == \"$gtin\" and has(\"on_shelf\"))][0].on_shelf")" = "$1" ]
}
hq_db() { sqlite3 "$work/hq/hq.db" "$1"; }

# --- the guest -------------------------------------------------------------------------------------------
step "kernel, seed $SEED (NOREN_SEED=$SEED repeats it)"
rig_prepare "$2/kernel"
truncate -s 64M "$work/data.img"
mkfs.ext4 -q "$work/data.img"
V=$bin/vhci B=$bin/btctl
power_on() { # true counts of the two cells
    step "power on: $(($1 / 100000)) packs on the shelf"
    rig_boot "$work/guest" -drive file="$work/data.img",format=raw,if=virtio \
        -netdev "user,id=n,restrict=on,guestfwd=tcp:10.0.2.100:8883-cmd:socat - TCP:127.0.0.1:$mqtt_port" \
        -device virtio-net-pci,netdev=n
    guest "for m in virtio_blk ext4 virtio_net bluetooth hci_vhci dm_mod dm_flakey; do modprobe -d $ROOT \$m || return; done
        # there is no udev: dmsetup makes its nodes itself
        export DM_DISABLE_UDEV=1
        mkdir -p /data /run/noren && dmsetup create data --table '0 131072 linear /dev/vda 0' &&
        mount /dev/dm-0 /data" || die "modules or disk fail in the guest"
    guest "ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; $B clock"
    guest "insmod $MODULE chips=2 leds=1 rate_sps=10 power_down_us=50000 counts=$1,0 noise=50,50 fault=0,1"
}
plug_in() { # the Bluetooth adapter, with a beacon in reach
    guest "rm -f /run/air; mkfifo /run/air; $V /run/air $SEED >/run/vhci.log 2>&1 & echo \$! >/run/vhci.pid"
    guest_wait '^ready hci0' /run/vhci.log
    guest "echo beacon shop $beacon -70 200 0201061aff4c000215000102030405060708090a0b0c0d0e0f00010002c5 >/run/air"
}
# Its log goes to the console too, which outlives the power cut.
NOREND="$bin/norend --config $work/config > >(tee -a /run/norend.log >/dev/ttyS0) 2>&1 & echo \$! >/run/norend.pid"
start_gateway() {
    guest "$NOREND"
    guest_wait 'events so far' /run/norend.log
}
start_bluetoothd() {
    guest "mkdir -p /run/dbus; dbus-daemon --system --fork
        /usr/libexec/bluetooth/bluetoothd -n >/run/bluetoothd.log 2>&1 &"
    guest_wait 'Bluetooth management interface' /run/bluetoothd.log
}
shelf() { guest "echo $1,0 >/sys/module/hx711_bank/parameters/counts"; } # what lies on it, in counts
air() { guest "echo $* >/run/air"; }
gateway() { guest "$bin/norenctl $* --config $work/config"; }
counter() { gateway status --json | jq "$1"; }
everything_is_acked() { [ "$(counter '.acked == .seq and .seq > 0')" = true ]; }
report() { # good-frame share by the reader's and by the chips' own account, and what was wrong with the others
    local good refused
    good=$(counter .counters.frames_good) refused=$(counter .counters.frames_refused)
    echo "      frames: $good good, $refused refused, $((100 * good / (good + refused))) % good; the chips': $(guest \
        'cd /sys/module/hx711_bank/parameters; echo $(cat frames) clocked, $(cat power_downs) power-downs, $(cat straddled) straddled')"
    counter '"      refused: " + ([.counters | to_entries[] | select(.key | startswith("frames_")) | select(.value > 0)
        | select(.key != "frames_good" and .key != "frames_refused") | "\(.key[7:]) \(.value)"] | join(", "))' | tr -d '"'
    echo "      adverts: $(counter '"\(.counters.adverts) heard, \(.counters.adverts_lost) lost, \(.counters.adverts_refused) refused, \(.counters.tokens_resolved) tokens, \(.counters.scan_readds) re-adds, \(.counters.scan_power_cycles) power cycles"')"
}
