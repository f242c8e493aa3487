// What every kernel begins with. nvcc compiles a kernel's file once for each type of values; for tests the host's C++ compiler
// compiles the same files, with emulated.h in the place of CUDA.
#ifndef COMMON_CUH
#define COMMON_CUH

#ifdef __CUDACC__
#include <cuda_bf16.h>

// A kernel with its arguments, which are pointers, `unsigned` and `float`; blocks of at most 256 threads.
#define KERNEL(name, ...) extern "C" __global__ void __launch_bounds__(256) name(__VA_ARGS__)

// An array that the threads of a block share; only directly in a kernel.
#define SHARED(type, name, count) __shared__ type name[count]

#define CHECK_ALIGNED(pointer, bytes)
#else
#include "emulated.h"
#endif

// The type of the values: activations and their gradients. Parameters, statistics and sums are float always.
using Value = VALUE;

constexpr unsigned MAX_THREADS = 256;

__device__ inline float to_float(float value) { return value; }
__device__ inline float to_float(__nv_bfloat16 value) { return __bfloat162float(value); }

template <class V> __device__ inline V from_float(float value);
template <> __device__ inline float from_float<float>(float value) { return value; }
template <> __device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) { return __float2bfloat16(value); }

// Values that are read and written at once: 16 bytes.
template <class V> constexpr unsigned WIDE = 16 / sizeof(V);

template <class V, unsigned W> struct alignas(W * sizeof(V) < 16 ? W * sizeof(V) : 16) Pack {
    V values[W];
};

// Reads W neighbours; where W is more than 1, from an address that is a multiple of their size, or of 16 bytes.
template <unsigned W, class V> __device__ inline void load(const V *from, float (&to)[W]) {
    CHECK_ALIGNED(from, alignof(Pack<V, W>));
    const Pack<V, W> pack = *reinterpret_cast<const Pack<V, W> *>(from);
#pragma unroll
    for (unsigned i = 0; i < W; i++) to[i] = to_float(pack.values[i]);
}

// Writes W neighbours, as `load` reads them.
template <unsigned W, class V> __device__ inline void store(V *to, const float (&from)[W]) {
    CHECK_ALIGNED(to, alignof(Pack<V, W>));
    Pack<V, W> pack;
#pragma unroll
    for (unsigned i = 0; i < W; i++) pack.values[i] = from_float<V>(from[i]);
    *reinterpret_cast<Pack<V, W> *>(to) = pack;
}

// A number that the compiler knows.
template <unsigned N> struct Constant {
    static constexpr unsigned value = N;
};

// Calls `body` with the number of neighbours that a thread takes: WIDE or 1.
template <class V, class Body> __device__ inline void with_width(unsigned width, Body body) {
    if (width == 1) {
        body(Constant<1>());
    } else {
        body(Constant<WIDE<V>>());
    }
}

#endif
