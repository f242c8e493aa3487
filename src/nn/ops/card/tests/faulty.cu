// Kernels with mistakes that the emulation has to find, behind two without. All are for one block of 64 threads, and would give the
// mirror image of what they get.
#include "reduce.cuh"

// Each value in the place of its mirror image.
KERNEL(mirrored, const Value *x, Value *y) {
    SHARED(float, shared, 64);
    shared[threadIdx.x] = to_float(x[threadIdx.x]);
    __syncthreads();
    y[threadIdx.x] = from_float<Value>(shared[63 - threadIdx.x]);
}

// The sum of all values, in each place.
KERNEL(summed, const Value *x, Value *y) {
    SHARED(float, shared, 2);
    y[threadIdx.x] = from_float<Value>(block_sum(to_float(x[threadIdx.x]), shared));
}

// Reads what other threads may not have written yet.
KERNEL(without_barrier, const Value *x, Value *y) {
    SHARED(float, shared, 64);
    shared[threadIdx.x] = to_float(x[threadIdx.x]);
    y[threadIdx.x] = from_float<Value>(shared[63 - threadIdx.x]);
}

// Writes over what other threads may not have read yet.
KERNEL(without_second_barrier, const Value *x, Value *y) {
    SHARED(float, shared, 64);
    shared[threadIdx.x] = to_float(x[threadIdx.x]);
    __syncthreads();
    const float mirrored = shared[63 - threadIdx.x];
    shared[threadIdx.x] = 2.0f * mirrored;
    __syncthreads();
    y[threadIdx.x] = from_float<Value>(0.5f * shared[threadIdx.x]);
}

// Reads a value of shared memory that nobody has written.
KERNEL(unwritten, const Value *x, Value *y) {
    SHARED(float, shared, 65);
    shared[threadIdx.x] = to_float(x[threadIdx.x]);
    __syncthreads();
    y[63 - threadIdx.x] = from_float<Value>(shared[threadIdx.x + 1]);
}

// Half of the threads do not come to the barrier.
KERNEL(half_a_barrier, const Value *x, Value *y) {
    y[threadIdx.x] = x[63 - threadIdx.x];
    if (threadIdx.x < 32) __syncthreads();
}

// The two halves of the threads wait at different barriers.
KERNEL(two_barriers, const Value *x, Value *y) {
    y[threadIdx.x] = x[63 - threadIdx.x];
    if (threadIdx.x < 32) {
        __syncthreads();
    } else {
        __syncthreads();
    }
}

// A lane does not take part in an exchange that names it.
KERNEL(absent_lane, const Value *x, Value *y) {
    float value = to_float(x[63 - threadIdx.x]);
    if (threadIdx.x != 5) value = __shfl_xor_sync(ALL_LANES, value, 0);
    y[threadIdx.x] = from_float<Value>(value);
}

// Reads neighbours at once from where a card cannot.
KERNEL(unaligned, const Value *x, Value *y) {
    y[threadIdx.x] = x[63 - threadIdx.x];
    float neighbours[WIDE<Value>];
    if (threadIdx.x == 0) load<WIDE<Value>>(x + 1, neighbours);
}

// Writes one value behind the end.
KERNEL(beyond, const Value *x, Value *y) {
    y[threadIdx.x] = x[63 - threadIdx.x];
    if (threadIdx.x == 0) y[64] = x[0];
}
