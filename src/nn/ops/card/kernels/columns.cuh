// Rows of channels, spread over blocks: a thread has W neighbouring channels and takes every blockDim.y-th row of its block's.
// The host's side is columns.rs.
#ifndef COLUMNS_CUH
#define COLUMNS_CUH
#include "common.cuh"

struct Columns {
    unsigned rows, channels, rows_per_block;

    // The first channel of this thread.
    template <unsigned W> __device__ unsigned channel() const {
        return (blockIdx.x * blockDim.x + threadIdx.x) * W;
    }
    __device__ unsigned first_row() const { return blockIdx.y * rows_per_block + threadIdx.y; }
    __device__ unsigned end_row() const { return min((blockIdx.y + 1) * rows_per_block, rows); }
    __device__ size_t at(unsigned row, unsigned channel) const { return size_t(row) * channels + channel; }
};

// Adds what the threads of a column have in `sums`, in an order that depends on nothing but the block's shape; the threads of
// its first row get the sums. `shared` has room for W values a thread.
template <unsigned W> __device__ inline void add_columns(float (&sums)[W], float *shared) {
    const unsigned threads = blockDim.x * blockDim.y, own = threadIdx.y * blockDim.x + threadIdx.x;
#pragma unroll
    for (unsigned i = 0; i < W; i++) shared[i * threads + own] = sums[i];
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) {
                sums[i] += shared[i * threads + own + half * blockDim.x];
                shared[i * threads + own] = sums[i];
            }
        }
    }
    // What is in `shared` may be written over by whoever is first.
    __syncthreads();
}

#endif
