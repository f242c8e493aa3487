#!/usr/bin/env bash
# Makes one archive for every Linux machine of this kind of processor: the ordinary programs, and in the folder `cuda` the same built for
# NVIDIA cards, with NVIDIA's libraries. Started is the ordinary one; it hands over to the other where there is a card that works.
#
#   packaging/linux/archive.sh ORDINARY CUDA LIBRARIES OUT.tar.gz
#
# ORDINARY and CUDA are folders with `headstart` and `headstart-cli` (such as target/release) of the two builds, LIBRARIES is the toolkit's
# folder of libraries that the second was built with (such as `lib` of packaging/cuda/toolkit.sh). NVIDIA's licences allow its runtime
# libraries to be passed on with a program; read them before you do.
set -euo pipefail

usage='usage: packaging/linux/archive.sh ORDINARY CUDA LIBRARIES OUT.tar.gz'
ordinary=${1:?$usage} cuda=${2:?$usage} libraries=${3:?$usage} out=${4:?$usage}
root=$(cd "$(dirname "$0")/../.." && pwd)

# What the programs are linked with, and what those libraries load by themselves: cuBLAS the light one, cuDNN its parts and the compiler.
wanted=(libcudart.so.* libcublas.so.* libcublasLt.so.* libcurand.so.* libcudnn*.so.* libnvrtc.so.* libnvrtc-builtins.so.*)
# What every machine has, and what comes with the driver.
given='^(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|ld-linux.*)\.so|^libcuda\.so\.1$'

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
top=$stage/headstart
mkdir -p "$top/cuda"
for program in headstart headstart-cli; do
    install -m 755 "$ordinary/$program" "$top/$program"
    install -m 755 "$cuda/$program" "$top/cuda/$program"
done
for pattern in "${wanted[@]}"; do
    # By the name that programs ask for, not by that of the file behind a link.
    for library in "$libraries"/$pattern; do
        install -m 644 "$library" "$top/cuda/$(basename "$library")"
    done
done
install -m 644 "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$root/README.md" "$top"

# A library that is forgotten would show only on a machine with a card.
for program in headstart headstart-cli; do
    while read -r library; do
        [[ $library =~ $given || -e $top/cuda/$library ]] || { echo "archive: $program needs $library" >&2; exit 1; }
    done < <(readelf -d "$top/cuda/$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
    if readelf -d "$top/$program" | grep -qE 'NEEDED.*\[libcu'; then
        echo "archive: $ordinary/$program is a build for NVIDIA cards" >&2
        exit 1
    fi
done

tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -C "$stage" --create --auto-compress --file "$out" headstart
echo "made: $out ($(du -h "$out" | cut -f 1))"
