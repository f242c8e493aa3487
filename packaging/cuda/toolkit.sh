#!/usr/bin/env bash
# Makes a CUDA toolkit for building the feature `cuda`, from NVIDIA's packages on PyPI: no card, no driver, no root needed.
#
#   packaging/cuda/toolkit.sh FOLDER      then      . FOLDER/env
#
# Who has an installed CUDA toolkit (12 or 13) with cuDNN 9 does not need it. Needs Python 3 with pip, unzip and a C compiler, about
# 1.2 GB to fetch and 3 GB of disk. The packages' licence is NVIDIA's; nothing of them is part of Headstart's sources.
set -euo pipefail

folder=${1:?usage: packaging/cuda/toolkit.sh FOLDER}
mkdir -p "$folder"
folder=$(realpath "$folder")
python=${PYTHON:-python3}

for tool in "$python" unzip cc; do
    command -v "$tool" >/dev/null || { echo "toolkit: $tool is missing" >&2; exit 1; }
done

# One release of the toolkit throughout: a compiler of another release than the headers fails late, with messages that mislead.
packages=(
    'nvidia-cuda-nvcc==13.0.88' 'nvidia-cuda-crt==13.0.88' 'nvidia-nvvm==13.0.88' 'nvidia-cuda-nvrtc==13.0.88'
    'nvidia-cuda-runtime==13.0.96' 'nvidia-cuda-cccl==13.0.85' 'nvidia-cublas==13.0.2.14' 'nvidia-curand==10.4.0.35'
    'nvidia-cudnn-cu13==9.21.1.3'
)
"$python" -m pip download --quiet --no-deps --dest "$folder/wheels" "${packages[@]}"

rm -rf "$folder/unpacked"
for wheel in "$folder"/wheels/*.whl; do
    unzip -qo "$wheel" 'nvidia/*' -d "$folder/unpacked"
done
root=$folder/unpacked/nvidia/cu13
cudnn=$folder/unpacked/nvidia/cudnn
chmod +x "$root"/bin/* "$root"/nvvm/bin/*
cp -r "$cudnn"/include/. "$root/include/"
mv "$cudnn"/lib/* "$root/lib/"
rm -rf "$folder/wheels" "$cudnn"

# Linkers and build scripts look for `lib64` and for names without a version.
ln -sfn lib "$root/lib64"
for library in "$root"/lib/*.so.*; do
    name=$(basename "$library")
    ln -sf "$name" "$root/lib/${name%%.so.*}.so"
done

# The driver's library comes with the driver. To link without one, a library of its name with its symbols and nothing in them.
mkdir -p "$root/lib/stubs"
grep -ohE '\bcu[A-Z][A-Za-z0-9_]*' "$root/include/cuda.h" | sort -u | sed 's/.*/void &(void) {}/' |
    cc -shared -fPIC -Wl,-soname,libcuda.so.1 -x c - -o "$root/lib/stubs/libcuda.so"

cat >"$folder/env" <<END
export CUDA_HOME='$root' CUDA_PATH='$root' CUDA_ROOT='$root' CUDA_TOOLKIT_ROOT_DIR='$root' NVCC='$root/bin/nvcc'
export PATH='$root/bin':"\$PATH"
export LIBRARY_PATH='$root/lib:$root/lib/stubs'"\${LIBRARY_PATH:+:\$LIBRARY_PATH}"
export LD_LIBRARY_PATH='$root/lib'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
# Without a card nothing tells the build which generation to compile for: Ampere, which newer ones run as well.
export CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-80}"
END
"$root/bin/nvcc" --version | tail -n 2
echo "made: . '$folder/env' and then: cargo build --release --features cuda"
