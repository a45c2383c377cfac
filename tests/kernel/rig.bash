# The rig: Debian's own kernel in QEMU with the host's files, driven line by line. Sourced by the scenarios.
#
# A development machine or CI has neither Bluetooth nor GPIO nor loadable modules; Debian's kernel has all
# of it, and software emulation needs no privilege. Nothing is installed: kernel and headers are downloaded
# by apt, unpacked and kept under the build folder.
#
# rig_prepare CACHE         kernel, modules, initramfs; once per kernel version
# rig_boot DIR [QEMU...]    starts a guest, returns when its agent answers; DIR gets serial.log
# guest LINE                runs a line of shell in the guest: prints what it prints, returns what it returns
# guest_wait TEXT FILE      waits until a file in the guest contains a line matching TEXT
# rig_cut                   power cut: kills QEMU
# rig_off                   orderly end
# The guest ends by itself when the harness goes away, and QEMU with it.
set -u
RIG_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
RIG_LIMIT=${RIG_LIMIT:-300} # seconds for one answer of the guest; emulation beside a build is slow
RIG_MODULES="virtio_pci 9p 9pnet_virtio overlay"

die() {
    echo "kernel rig: $*" >&2
    [ -n "${RIG_DIR-}" ] && [ -s "$RIG_DIR/serial.log" ] && { echo "--- guest's console:"; tail -n 60 "$RIG_DIR/serial.log"; } >&2
    type rig_explain >/dev/null 2>&1 && rig_explain >&2
    exit 1
}

# The kernel that the meta package wants today. Without package lists (fresh container, or lists so old that
# their files are gone) they are fetched into the cache: that needs no root.
rig_apt() { # apt-get|apt-cache ARGUMENT...
    local program=$1
    shift
    if [ -d "$CACHE/apt/lists" ]; then
        set -- -o Dir::State="$CACHE/apt" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$CACHE/apt" "$@"
    fi
    "$program" -qq -o APT::Sandbox::User=root "$@"
}
rig_kernel_package() {
    rig_apt apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1
}
rig_fresh_lists() {
    mkdir -p "$CACHE/apt/lists/partial" "$CACHE/apt/archives/partial"
    rig_apt apt-get update >"$CACHE/apt/log" 2>&1 || die "cannot fetch Debian's package lists: $(tail -3 "$CACHE/apt/log")"
}
rig_download() { # into the folder we are in
    local headers
    headers=$(rig_apt apt-cache depends "linux-headers-$KVER" | sed -n 's/.*Depends: \(linux-\(headers\|kbuild\).*\)/\1/p')
    # shellcheck disable=SC2086
    rig_apt apt-get download "linux-image-$KVER" "linux-headers-$KVER" $headers >apt.log 2>&1
}

rig_unpack() {
    local tmp="$CACHE/$KVER.new" deb
    rm -rf "$tmp"
    mkdir -p "$tmp/tree" && cd "$tmp" || die "cannot write to $CACHE"
    rig_download || { rig_fresh_lists && KVER_NOW=$(rig_kernel_package) && [ "$KVER_NOW" = "linux-image-$KVER" ] && rig_download; } ||
        die "cannot download linux-image-$KVER: $(tail -2 apt.log); is apt's archive reachable?"
    for deb in *.deb; do dpkg -x "$deb" tree || die "cannot unpack $deb"; done
    rm -f ./*.deb
    [ -e tree/lib ] || ln -s usr/lib tree/lib
    depmod -b tree "$KVER" || die "depmod failed"
    # the headers name their common part by its installed place
    sed -i "s|/usr/src/|$CACHE/$KVER/tree/usr/src/|" "tree/usr/src/linux-headers-$KVER/Makefile"
    cd "$CACHE" && rm -rf "$KVER" && mv "$tmp" "$KVER"
}

# Files of the modules and of what they need, in loading order.
rig_modules() {
    for m in "$@"; do modprobe -d "$ROOT" -S "$KVER" --show-depends "$m"; done | awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}
rig_initramfs() {
    local dir file name
    dir=$(mktemp -d) && mkdir -p "$dir/bin" "$dir/modules"
    cp "$(command -v busybox)" "$dir/bin/busybox" && cp "$RIG_SOURCE/guest/init" "$dir/init"
    # shellcheck disable=SC2086
    for file in $(rig_modules $RIG_MODULES); do
        name=$(basename "$file")
        case $name in
            *.xz) xz -dc "$file" >"$dir/modules/${name%.xz}" && name=${name%.xz} ;;
            *.zst) zstd -qdc "$file" >"$dir/modules/${name%.zst}" && name=${name%.zst} ;;
            *) cp "$file" "$dir/modules/" ;;
        esac
        echo "$name" >>"$dir/modules/order"
    done
    (cd "$dir" && find . | cpio -o -H newc --quiet) >"$CACHE/initramfs-$KVER" || die "cpio failed"
    rm -rf "$dir"
}

rig_prepare() {
    mkdir -p "$1" && CACHE=$(cd "$1" && pwd)
    local image
    image=$(rig_kernel_package)
    [ -n "$image" ] || { rig_fresh_lists; image=$(rig_kernel_package); }
    [ -n "$image" ] || die "apt knows no linux-image-amd64: is this Debian on amd64?"
    KVER=${image#linux-image-} ROOT="$CACHE/${image#linux-image-}/tree"
    [ -d "$ROOT" ] || (rig_unpack) || exit 1
    [ "$CACHE/initramfs-$KVER" -nt "$RIG_SOURCE/guest/init" ] || rig_initramfs
    MODULE="$CACHE/module-$KVER/hx711_bank.ko"
    if [ ! -e "$MODULE" ] || [ -n "$(find "$RIG_SOURCE/module" -newer "$MODULE")" ]; then
        mkdir -p "${MODULE%/*}" && cp "$RIG_SOURCE"/module/* "${MODULE%/*}/"
        make -C "$ROOT/usr/src/linux-headers-$KVER" M="${MODULE%/*}" modules >"${MODULE%/*}/log" 2>&1 ||
            die "the kernel module does not build:"$'\n'"$(tail -20 "${MODULE%/*}/log")"
    fi
}

rig_boot() {
    RIG_DIR=$1
    shift
    mkdir -p "$RIG_DIR"
    rm -f "$RIG_DIR/ctl"
    # No invariant TSC is emulated; without tsc=reliable the kernel falls back to a clock that costs an exit
    # from the emulated CPU at every reading.
    # Before builds that run beside, where that is permitted: a stall of the host is a late frame of the guest.
    nice -n -10 qemu-system-x86_64 -accel tcg -cpu max -m 768 -smp 2 -nodefaults -display none -no-reboot \
        -kernel "$ROOT/boot/vmlinuz-$KVER" -initrd "$CACHE/initramfs-$KVER" \
        -append "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off agent=$RIG_SOURCE/guest/agent" \
        -fsdev local,id=r,path=/,security_model=none,readonly=on,multidevs=remap \
        -device virtio-9p-pci,fsdev=r,mount_tag=host \
        -chardev file,id=con,path="$RIG_DIR/serial.log",append=on -serial chardev:con \
        -chardev socket,id=ctl,path="$RIG_DIR/ctl",server=on,wait=on -serial chardev:ctl \
        "$@" >"$RIG_DIR/qemu.log" 2>&1 &
    QEMU=$!
    # QEMU waits for us to connect before the guest runs
    while [ ! -S "$RIG_DIR/ctl" ]; do kill -0 $QEMU 2>/dev/null || die "QEMU did not start: $(cat "$RIG_DIR/qemu.log")"; sleep 0.1; done
    coproc CTL { exec socat - "UNIX-CONNECT:$RIG_DIR/ctl" 2>/dev/null; }
    exec {CTL_IN}<&"${CTL[0]}" {CTL_OUT}>&"${CTL[1]}"
    guest_answer >/dev/null || die "the guest's agent did not come up"
}

# The whole answer is taken before any of it is given on: a reader that goes early must not leave the rest to the next.
guest_answer() {
    local line answer=
    while IFS= read -r -t "$RIG_LIMIT" -u "$CTL_IN" line; do
        case $line in
            "#rc "*)
                printf %s "$answer"
                return "${line#\#rc }"
                ;;
            *) answer+=$line$'\n' ;;
        esac
    done
    printf %s "$answer"
    if kill -0 $QEMU 2>/dev/null; then echo "no answer from the guest within $RIG_LIMIT s" >&2; else echo "the guest has ended" >&2; fi
    return 255
}
guest() {
    kill -0 "$QEMU" 2>/dev/null || { echo "there is no guest" >&2; return 255; }
    printf 'eval %q\n' "$*" >&"$CTL_OUT" # quoted: one line, whatever it contains
    guest_answer
}
# tail -F would outlive grep -m1 until its next write, so the loop is on this side of the pipe.
guest_wait() {
    local limit=$((RIG_LIMIT - 30))
    guest "timeout $limit $RIG_SOURCE/guest/await '$1' '$2'" ||
        die "guest: $2 did not show '$1' within $limit s"$'\n'"$(guest "tail -n 40 '$2'")"
}

rig_closed() {
    exec {CTL_IN}<&- {CTL_OUT}>&-
    wait $QEMU 2>/dev/null || true
    wait "${CTL_PID-}" 2>/dev/null || true
    QEMU=""
}
rig_cut() {
    kill -KILL $QEMU
    rig_closed
}
rig_off() {
    echo 'sync; echo o >/proc/sysrq-trigger; sleep 60' >&"$CTL_OUT"
    rig_closed
}
