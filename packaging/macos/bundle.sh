#!/bin/sh
# Puts the built program into target/Headstart.app. Run on a Mac after `cargo build --release --bins`.
set -eu
cd "$(dirname "$0")/../.."
app=target/Headstart.app
test -x target/release/headstart || { echo "run: cargo build --release --bins" >&2; exit 1; }

rm -rf "$app"
mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources"
cp packaging/macos/Info.plist "$app/Contents/Info.plist"
cp target/release/headstart target/release/headstart-cli "$app/Contents/MacOS/"

set=$(mktemp -d)/headstart.iconset
mkdir "$set"
# Quick Look draws the SVG; sips makes the sizes that an icon has.
qlmanage -t -s 1024 -o "$set" assets/icon.svg >/dev/null
mv "$set/icon.svg.png" "$set/../icon.png"
for size in 16 32 128 256 512; do
    sips -z $size $size "$set/../icon.png" --out "$set/icon_${size}x${size}.png" >/dev/null
    sips -z $((size * 2)) $((size * 2)) "$set/../icon.png" --out "$set/icon_${size}x${size}@2x.png" >/dev/null
done
iconutil -c icns "$set" -o "$app/Contents/Resources/headstart.icns"
echo "$app"
