// Rows of values, a warp for each: its lanes take every 32nd pack of W neighbours.
#ifndef ROWS_CUH
#define ROWS_CUH
#include "common.cuh"
#include "reduce.cuh"

// The row of this warp, of which a block has as many as it has rows of threads.
__device__ inline unsigned row_of_warp() { return blockIdx.x * blockDim.y + threadIdx.y; }

// Calls `body` with the places of this lane's packs in a row of `count` values.
template <unsigned W, class Body> __device__ inline void for_lane(unsigned count, Body body) {
    for (unsigned at = threadIdx.x * W; at < count; at += WARP_SIZE * W) body(at);
}

// The largest over a warp, in each of its lanes; what is not a number is passed over.
__device__ inline float warp_most(float value) {
#pragma unroll
    for (unsigned bits = WARP_SIZE / 2; bits > 0; bits /= 2) {
        const float other = __shfl_xor_sync(ALL_LANES, value, bits);
        value = other > value ? other : value;
    }
    return value;
}

// The largest value of a row, and the sum of `exp((value - most) * scale)` of all; `scale` is positive.
struct Exponentials {
    float most, sum;
};

template <unsigned W, class V> __device__ inline Exponentials exponentials_of(const V *row, unsigned count, float scale) {
    float most = -INFINITY, sum = 0.0f;
    for_lane<W>(count, [&](unsigned at) {
        float value[W];
        load<W>(row + at, value);
#pragma unroll
        for (unsigned i = 0; i < W; i++) most = value[i] > most ? value[i] : most;
    });
    most = warp_most(most);
    for_lane<W>(count, [&](unsigned at) {
        float value[W];
        load<W>(row + at, value);
#pragma unroll
        for (unsigned i = 0; i < W; i++) sum += expf((value[i] - most) * scale);
    });
    return {most, warp_sum(sum)};
}

#endif
