# What the runs of the real window share: a virtual display, the program on it, its keyboard and mouse. Sourced, with `program` and
# `out` set. Needs Xvfb, xdotool, ImageMagick and a Vulkan driver (Debian: xvfb xdotool imagemagick mesa-vulkan-drivers libvulkan1).

mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
server='' window='' id=''

finish() {
    status=$?
    for process in $window $server; do
        kill "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    rm -rf "$work"
    exit "$status"
}
trap finish EXIT

fail() {
    echo "window: $1" >&2
    import -window root "$out/failed.png" 2>/dev/null || true
    tail -n 20 "$out/headstart.log" >&2 || true
    exit 1
}

for tool in Xvfb xdotool import; do
    command -v "$tool" >/dev/null || { echo "window: $tool is missing (apt install xvfb xdotool imagemagick)" >&2; exit 1; }
done

alive() { kill -0 "$window" 2>/dev/null; }

# open_window [PATH]...: starts the program on a display of its own, in an empty home.
open_window() {
    # The server picks a free display and writes its number.
    mkfifo "$work/display"
    Xvfb -displayfd 3 -screen 0 1280x800x24 3>"$work/display" 2>"$work/xvfb.log" &
    server=$!
    local number
    read -r number <"$work/display"
    export DISPLAY=":$number" WGPU_BACKEND=vulkan
    export HEADSTART_HOME="$work/home" XDG_CONFIG_HOME="$work/config" XDG_DATA_HOME="$work/data" XDG_RUNTIME_DIR="$work"
    unset WAYLAND_DISPLAY
    # Without the system's file dialogs, which are other programs and look different everywhere.
    PATH=$work "$program" "$@" >"$out/headstart.log" 2>&1 &
    window=$!
    for _ in $(seq 100); do
        alive || fail "the program ended before it drew anything"
        id=$(xdotool search --name '^Headstart$' 2>/dev/null | head -n 1) && [ -n "$id" ] && break
        sleep 0.1
    done
    [ -n "$id" ] || fail "no window came"
    sleep 2
}

# Spread of the colours, from 0 (one colour) to 1.
spread() { identify -format '%[fx:standard_deviation]' "$1"; }

picture() { # name
    import -window root "$out/$1.png"
    awk -v s="$(spread "$out/$1.png")" 'BEGIN { exit !(s > 0.02) }' || fail "the window is blank ($1)"
}

press() { # [modifier+]key
    xdotool windowfocus --sync "$id" key "$1"
    sleep 0.4
}

click() { # x y
    xdotool mousemove --sync "$1" "$2"
    sleep 0.3
    xdotool click 1
    sleep 0.5
}

# Does what the list of commands has under these words.
command_named() {
    press ctrl+k
    xdotool type --delay 20 "$1"
    sleep 0.5
    press Return
}

# wait_for SECONDS "what did not come" COMMAND...: until the command succeeds.
wait_for() {
    local patience=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        alive || fail "the program ended: $what"
        ((SECONDS - began < patience)) || fail "$what within $patience s"
        sleep 0.5
    done
}
