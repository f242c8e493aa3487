#!/usr/bin/env bash
# One run of the real window on a virtual display: try the sample, train, wait for the finished run, look at the picture.
#
#   tests/window/run.sh [PROGRAM] [OUTPUT_FOLDER]
#
# Fails if the program crashes, draws a blank window, trains below 0.9, or takes more than four minutes. Needs Xvfb,
# xdotool, ImageMagick and a Vulkan driver (Debian: xvfb xdotool imagemagick mesa-vulkan-drivers libvulkan1).
set -euo pipefail

program=$(realpath "${1:-target/release/headstart}")
out=${2:-target/window-test}
patience_s=240
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
server='' window=''

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

# The server picks a free display and writes its number.
mkfifo "$work/display"
Xvfb -displayfd 3 -screen 0 1280x800x24 3>"$work/display" 2>"$work/xvfb.log" &
server=$!
read -r number <"$work/display"

export DISPLAY=":$number" WGPU_BACKEND=vulkan
export HEADSTART_HOME="$work/home" XDG_CONFIG_HOME="$work/config" XDG_DATA_HOME="$work/data" XDG_RUNTIME_DIR="$work"
unset WAYLAND_DISPLAY
"$program" >"$out/headstart.log" 2>&1 &
window=$!

alive() { kill -0 "$window" 2>/dev/null; }

# Spread of the colours, from 0 (one colour) to 1.
spread() { identify -format '%[fx:standard_deviation]' "$1"; }

picture() {
    import -window root "$out/$1.png"
    awk -v s="$(spread "$out/$1.png")" 'BEGIN { exit !(s > 0.02) }' || fail "the window is blank ($1)"
}

press() { # key [modifier+key]
    xdotool windowfocus --sync "$id" key "$1"
    sleep 0.4
}

for _ in $(seq 100); do
    alive || fail "the program ended before it drew anything"
    id=$(xdotool search --name '^Headstart$' 2>/dev/null | head -n 1) && [ -n "$id" ] && break
    sleep 0.1
done
[ -n "${id:-}" ] || fail "no window came"
sleep 2
picture start

# `Try the sample` is the third card.
xdotool mousemove --sync 924 360
sleep 0.3
xdotool click 1

# The pictures are drawn, opened, and the Train screen shows: its main action is pressed in the header.
started=$(date +%s)
elapsed() { echo $(($(date +%s) - started)); }
first_run() { find "$HEADSTART_HOME" -path "*/runs/0001/$1" 2>/dev/null | head -n 1; }

while [ -z "$(find "$HEADSTART_HOME" -name splits.json 2>/dev/null | head -n 1)" ]; do
    alive || fail "the program ended while it drew the sample"
    [ "$(elapsed)" -lt 60 ] || fail "the sample did not open within a minute"
    sleep 0.5
done
sleep 2
picture ready
press ctrl+Return

trained=$(date +%s)
shot=''
while [ -z "$(first_run summary.json)" ]; do
    alive || fail "the program ended while it trained"
    [ "$(elapsed)" -lt "$patience_s" ] || fail "training was not finished within $patience_s s"
    if [ -z "$shot" ] && [ -n "$(first_run metrics.jsonl)" ]; then
        shot=yes
        picture training
    fi
    sleep 0.5
done
sleep 2
alive || fail "the program ended after training"
picture evaluate

summary=$(first_run summary.json)
cp "$summary" "$out/summary.json"
accuracy=$(grep -o '"accuracy": *[0-9.]*' "$summary" | grep -o '[0-9.]*$')
echo "window: trained in $(($(date +%s) - trained)) s, validation accuracy $accuracy, pictures in $out"
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.9) }' || fail "validation accuracy is $accuracy, not above 0.9"

# The other places draw too.
for place in 1:data 2:model 3:train 5:predict 6:export; do
    press "ctrl+${place%%:*}"
    sleep 1
    alive || fail "the program ended on ${place##*:}"
    picture "${place##*:}"
done
