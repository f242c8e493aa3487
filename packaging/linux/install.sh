#!/bin/sh
# Installs the built program for one user (PREFIX=~/.local, the default) or for all (PREFIX=/usr/local, as root).
set -eu
cd "$(dirname "$0")/../.."
prefix=${PREFIX:-$HOME/.local}
id=app.headstart.Headstart

for program in headstart headstart-cli; do
    test -x "target/release/$program" || { echo "run: cargo build --release --bins" >&2; exit 1; }
    install -D -m 755 "target/release/$program" "$prefix/bin/$program"
done
install -D -m 644 "packaging/linux/$id.desktop" "$prefix/share/applications/$id.desktop"
install -D -m 644 "packaging/linux/$id.metainfo.xml" "$prefix/share/metainfo/$id.metainfo.xml"
install -D -m 644 assets/icon.png "$prefix/share/icons/hicolor/256x256/apps/$id.png"
install -D -m 644 assets/icon.svg "$prefix/share/icons/hicolor/scalable/apps/$id.svg"
echo "Headstart is in $prefix/bin"
