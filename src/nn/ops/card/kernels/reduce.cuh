// Sums over the threads of a warp and of a block, in an order that is always the same.
#ifndef REDUCE_CUH
#define REDUCE_CUH
#include "common.cuh"

constexpr unsigned WARP_SIZE = 32, ALL_LANES = 0xffffffffu;

// The sum over a whole warp, in each of its threads.
template <class T> __device__ inline T warp_sum(T value) {
#pragma unroll
    for (unsigned by = WARP_SIZE / 2; by > 0; by /= 2) value += __shfl_xor_sync(ALL_LANES, value, by);
    return value;
}

// The sum over a block of whole warps in a row, in each of its threads. `shared` has room for one value a warp.
template <class T> __device__ inline T block_sum(T value, T *shared) {
    value = warp_sum(value);
    if (threadIdx.x % WARP_SIZE == 0) shared[threadIdx.x / WARP_SIZE] = value;
    __syncthreads();
    T sum = shared[0];
    for (unsigned warp = 1; warp < blockDim.x / WARP_SIZE; warp++) sum += shared[warp];
    // What is in `shared` may be written over by whoever is first.
    __syncthreads();
    return sum;
}

#endif
