# shellcheck shell=bash
# Acts: what a scenario lets happen in the guest, each with what must be seen then. Sourced after stage.bash, used by
# run (the suite) and long.
uuid=4e4f52454e004000800000000000000a # of the store beacon, as in noren.conf, without hyphens
PARAM=/sys/module/hx711_bank/parameters

# --- lights ----------------------------------------------------------------------------------------------
led() { guest "cut -d, -f1 $PARAM/led_$1"; } # high | edges
all_is_dark() { [ "$(counter '.lights | length')" = 0 ]; }
lights() {
    local before
    [ "$(led high)" = 1 ] || die "a light that is lit by a low level must be high while nobody asks"
    step "locate: the light of a plate blinks for 3 s on a real line"
    before=$(led edges)
    gateway locate p1 --seconds 3 | grep -q 'led l1 blinks for plate p1' || die "locate p1 was refused"
    gateway locate $gtin --seconds 3 | grep -qc . || die "locate by GTIN was refused"
    [ "$(counter '.lights | length')" = 1 ] || die "the same plate waits twice"
    wait_for "the end of the blinking" all_is_dark
    [ "$(led high)" = 1 ] || die "the light stays on"
    before=$(($(led edges) - before))
    # 2 Hz for 3 s and what the second command added; a busy emulator may miss some
    [ $before -ge 4 ] && [ $before -le 40 ] && [ $((before % 2)) = 0 ] || die "the light changed $before times"
    echo "      the line changed $before times"
    gateway locate p2 2>&1 | grep -q 'is not on this board: add a section \[led l2\]' || die "p2 has no light, and locate does not say what to do"
    gateway locate sofa 2>&1 | grep -q 'neither a plate nor a GTIN' || die "locate of an unknown thing does not say what to do"
}

# --- store beacon ----------------------------------------------------------------------------------------
minor_of() { # step of UTC: four hexadecimal digits, by openssl
    local step
    step=$(printf %016x "$1" | sed 's/../\\x&/g')
    printf "noren-store$step" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$beacon_key | sed 's/.*= //' | cut -c1-4
}
on_air_at() { echo "^advertise type 3 interval 160 data 0201061aff4c000215${uuid}0102$(minor_of "$1")c5"; } # UTC in s
store_beacon() {
    local now
    now=$(guest date +%s)
    step "the store beacon is on the air, minor $(minor_of $((now / 900)))"
    guest_wait "$(on_air_at $((now / 900)))|$(on_air_at $((now / 900 + 1)))" /run/vhci.log
    now=$((($(guest date +%s) / 900 + 1) * 900))
    step "four seconds before the next step of 900 s; then minor $(minor_of $((now / 900)))"
    guest "date -s @$((now - 4)) >/dev/null; $B clock"
    guest_wait "$(on_air_at $((now / 900)))" /run/vhci.log
    wait_for "the beacon in the status" beacon_is on "$((0x$(minor_of $((now / 900)))))"
}
beacon_is() { # on, minor
    [ "$(counter '"\(.beacon) \(.beacon_minor)"')" = "\"$1 air $2\"" ]
}

# --- scan keeper -----------------------------------------------------------------------------------------
adverts_seen=0
more_adverts() { [ "$(counter .counters.adverts)" -gt $((adverts_seen + 5)) ]; }
hears_again() { # after what
    adverts_seen=$(counter .counters.adverts)
    wait_for "an advertisement after $1" more_adverts
}
has_problem() { counter '.problems[]' | grep -q "$1"; }
at_least() { [ "$(counter "$1")" -ge "$2" ]; } # path, number
scan_counters() {
    counter '.counters | "      scan: \(.scan_readds) re-adds, \(.scan_power_cycles) power cycles, \(.scan_reports) reports, \(.scan_refusals) refusals, \(.scan_unanswered) unanswered, \(.adapters_returned) returned"' | tr -d '"'
}
deaf() {
    step "the controller goes deaf until it is reset"
    air deaf reset
    wait_for "a re-add" at_least .counters.scan_readds 1
    wait_for "a power cycle" at_least .counters.scan_power_cycles 1
    hears_again "the power cycle"
}
for_good() {
    step "the controller goes deaf for good"
    air deaf ever
    wait_for "the report" has_problem 'hears no advertisement'
    air deaf no
    hears_again "the controller's recovery"
    wait_for "the report to be withdrawn" no_problem
}
no_problem() { ! has_problem 'hears no advertisement'; }
drops_commands() {
    local before
    before=$(counter '.counters.scan_refusals + .counters.scan_unanswered')
    step "the controller drops commands, and is deaf"
    air mute on
    air deaf scan
    wait_for "a refusal" at_least '.counters.scan_refusals + .counters.scan_unanswered' $((before + 1))
    air mute off
    hears_again "commands were answered again"
}
vanishes() {
    step "the controller vanishes, and returns"
    # awaited, so that the agent's shell does not report the death in the middle of another answer
    guest "kill -KILL \$(cat /run/vhci.pid); wait \$(cat /run/vhci.pid) 2>/dev/null || true"
    wait_for "the complaint" has_problem 'hci0 is not there'
    plug_in
    hears_again "its return"
    guest_wait '^advertise type 3' /run/vhci.log # by the new one: the log is new too
}
restarts() { # how many; every other one by SIGKILL
    step "$1 restarts, every other one by SIGKILL"
    for i in $(seq "$1"); do
        signal=TERM; [ $((i % 2)) = 0 ] || signal=KILL
        guest "kill -$signal \$(cat /run/norend.pid); wait \$(cat /run/norend.pid)
            [ $signal = KILL ] || timeout 60 $B monitors 0 >/dev/null || return 1
            exec 5< <(exec timeout 60 $B added); read -u5 line
            $NOREND
            read -u5 line && $bin/norenctl status --config $work/config >/dev/null
            timeout 60 $B monitors 1" >"$work/restart.log" 2>&1 || die "restart $i: $(cat "$work/restart.log")"
        [ $((i % 50)) != 0 ] || step "$i restarts"
    done
    echo "      $1 restarts, 1 monitor in the kernel"
}

# --- permissions -----------------------------------------------------------------------------------------
restart_without() { # capabilities, as setpriv writes them
    guest "kill \$(cat /run/norend.pid); wait \$(cat /run/norend.pid)
        exec 4> >(tee -a /run/norend.log >/dev/ttyS0)
        setpriv --bounding-set=$1 --inh-caps=$1 $bin/norend --config $work/config >&4 2>&1 & echo \$! >/run/norend.pid; exec 4>&-"
    wait_for "norend without $1" gateway status
}
permissions() {
    step "without CAP_NET_RAW: adverts by the management socket"
    restart_without -net_raw
    wait_for "the complaint" has_problem CAP_NET_RAW
    hears_again "a start without CAP_NET_RAW"
    step "without CAP_NET_ADMIN: what others scan"
    restart_without -net_admin
    wait_for "the complaint" has_problem CAP_NET_ADMIN
    restart_without -sys_module # as good as none
    hears_again "a start with permissions"
}

# --- shelves ---------------------------------------------------------------------------------------------
settled() { # what, how many of them the subscriber must have heard in all
    timeout $patience_s bash -c "until [ \$(grep -cE '\"type\":\"noren.shelf.$1\".*\"stage\":\"settled\"' '$work/heard') -ge $2 ]; do sleep 0.3; done" ||
        die "the subscriber did not hear of $1 number $2"
}
real_time() { # the sampling thread and the process's memory, as the kernel sees them
    local fifo locked
    fifo=$(guest 'for t in /proc/$(cat /run/norend.pid)/task/*; do chrt -p ${t##*/}; done | grep -c SCHED_FIFO')
    locked=$(guest 'sed -n "s/VmLck:[^0-9]*\([0-9]*\).*/\1/p" /proc/$(cat /run/norend.pid)/status')
    [ "$fifo" -ge 1 ] && [ "$locked" -gt 0 ] || die "no real-time thread ($fifo), or no locked memory (${locked} kB)"
    echo "      $fifo thread with SCHED_FIFO, $locked kB locked"
}
busy_shelf() { # from 12 packs to 12 packs, two programs spinning beside
    step "processor kept busy: a pick, a put-back, and somebody leans on the shelf"
    guest 'for i in 1 2; do (while :; do :; done) & echo $!; done >/run/busy.pid'
    real_time
    shelf 1100000
    settled pick 1
    shelf 1200000
    settled put_back 1
    guest "for c in 1300000 1900000 3400000 4600000 3100000 5200000 2700000 4400000 2200000 1600000 1300000 1200000; do
        echo \$c,0 >$PARAM/counts; sleep 0.15; done"
    sleep 4
    guest 'kill $(cat /run/busy.pid)'
    report
}

# The chips by the kernel's hx711 driver instead of by lines. It is on for the rest of the boot; norend starts in here.
iio() {
    local folders=/sys/bus/iio/devices
    step "the kernel's own hx711 driver"
    guest "rmmod hx711_bank && insmod $MODULE chips=2 shared=0 rate_sps=10 power_down_us=50000 counts=0,0 noise=50,50 &&
        modprobe -d $ROOT hx711 && insmod ${MODULE%/*}/hx711_iio.ko chips=2 &&
        cat $folders/iio:device0/name $folders/iio:device1/in_voltage0_raw" || die "no IIO device: $(guest 'dmesg | tail -20')"
    cat >"$work/board.conf" <<CONF
[board]
name = kernel-rig-iio
[bank shelf]
source = iio
device = $folders/iio:device0, $folders/iio:device1
cells = c1, c2
rate_sps = 10
CONF
    sed -i "s|^board = .*|board = $work/board.conf|; /^\[beacon\]/,\$d" "$work/config/noren.conf" # a beacon wants a radio
    start_gateway
    guest_wait 'connected to' /run/norend.log
    gateway tare p1
    heard "the tare" '"cause":"tare"'
    shelf 1200000
    heard "12 packs" '"noren.stock.changed".*"gtin":"'$gtin'".*"on_shelf":12'
    step "a pack is taken; negative counts on the other cell"
    guest "echo 1100000,-300000 >$PARAM/counts"
    settled pick 1
    wait_for "the other cell's counts" reads_about c2 -300000
    wait_for "the first cell's counts" reads_about c1 1100000
    step "a chip is pulled out, and plugged in again"
    guest "echo 1,0 >$PARAM/fault"
    heard "the missing chip" 'noren.sensor.fault.*"plate":"p1"'
    guest "echo 0,0 >$PARAM/fault"
    heard "its return" 'noren.sensor.recovered.*"plate":"p1"'
    wait_for "11 packs" gateway_has 11
    echo "      the chips': $(guest "cd $PARAM; echo \$(cat frames) frames clocked, \$(cat straddled) straddled")"
}
gateway_has() { [ "$(gateway stock $gtin --json | jq '.facings[0].on_shelf')" = "$1" ]; }
reads_about() { # cell, counts
    local is
    is=$(guest "echo '{\"id\":\"look-$RANDOM\",\"name\":\"cells\",\"target\":\"$1\"}' | socat -t 5 - UNIX-CONNECT:/run/noren/control.sock" | jq '.cells[0].counts')
    [ "$is" -gt $(($2 - 200)) ] && [ "$is" -lt $(($2 + 200)) ]
}

# --- power -----------------------------------------------------------------------------------------------
# dm-flakey between the file system and its disk: from one moment on writes are dropped, norend is killed in that
# moment, and the disk comes back as it was then. A power cut without a boot, with writes that got lost on the way.
flakey_sectors=131072 # 64 MB
flakey_linear="0 $flakey_sectors linear /dev/vda 0"
flakey_drop="0 $flakey_sectors flakey /dev/vda 0 0 3600 1 drop_writes"
flakey_cut() { # milliseconds to wait
    guest "sleep $(($1 / 1000)).$(printf %03d $(($1 % 1000)))
        dmsetup suspend --noflush --nolockfs data && dmsetup load data --table '$flakey_drop' &&
        kill -KILL \$(cat /run/norend.pid); dmsetup resume data; wait \$(cat /run/norend.pid)
        umount /data && dmsetup suspend data && dmsetup load data --table '$flakey_linear' && dmsetup resume data &&
        mount /dev/dm-0 /data" >"$work/flakey.log" 2>&1 || die "flakey: $(cat "$work/flakey.log")"
}
