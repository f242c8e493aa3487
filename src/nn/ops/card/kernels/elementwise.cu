// Passes over values of one shape, whatever it is: `packs` threads take `width` neighbours each.
#include "activation.cuh"

// Calls `body` with the number of neighbours and the place of the first, in the threads that have any.
template <class Body> __device__ inline void for_each_pack(unsigned packs, unsigned width, Body body) {
    const size_t pack = size_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (pack >= packs) return;
    with_width<Value>(width, [&](auto w) { body(w, pack * decltype(w)::value); });
}

// The activation of each value.
KERNEL(activation, const Value *__restrict__ x, Value *__restrict__ y, unsigned packs, unsigned act, unsigned width) {
    for_each_pack(packs, width, [&](auto w, size_t at) {
        constexpr unsigned W = decltype(w)::value;
        float value[W];
        load<W>(x + at, value);
        with_activation(act, [&](auto a) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) value[i] = activated<decltype(a)::value>(value[i]);
        });
        store<W>(y + at, value);
    });
}

// The gradient at the activation's argument from that at its result.
KERNEL(
    gradient_of_activation, const Value *__restrict__ x, const Value *__restrict__ grad, Value *__restrict__ of_x,
    unsigned packs, unsigned act, unsigned width
) {
    for_each_pack(packs, width, [&](auto w, size_t at) {
        constexpr unsigned W = decltype(w)::value;
        float value[W], slope[W];
        load<W>(x + at, value);
        load<W>(grad + at, slope);
        with_activation(act, [&](auto a) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) slope[i] = activation_gradient<decltype(a)::value>(value[i], slope[i]);
        });
        store<W>(of_x + at, slope);
    });
}

// The gradient before a clamp, from its result.
KERNEL(
    gradient_of_clamp, const Value *__restrict__ result, const Value *__restrict__ grad, Value *__restrict__ before,
    unsigned packs, float low, float high, unsigned width
) {
    for_each_pack(packs, width, [&](auto w, size_t at) {
        constexpr unsigned W = decltype(w)::value;
        float seen[W], slope[W];
        load<W>(result + at, seen);
        load<W>(grad + at, slope);
#pragma unroll
        for (unsigned i = 0; i < W; i++) slope[i] = clamp_gradient(seen[i], low, high, slope[i]);
        store<W>(before + at, slope);
    });
}

// The activation of sums.
KERNEL(
    sum, const Value *__restrict__ a, const Value *__restrict__ b, Value *__restrict__ y, unsigned packs, unsigned act,
    unsigned width
) {
    for_each_pack(packs, width, [&](auto w, size_t at) {
        constexpr unsigned W = decltype(w)::value;
        float value[W], more[W];
        load<W>(a + at, value);
        load<W>(b + at, more);
        with_activation(act, [&](auto activation) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) value[i] = activated<decltype(activation)::value>(value[i] + more[i]);
        });
        store<W>(y + at, value);
    });
}
