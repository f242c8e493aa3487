// Softmax of rows of scores, and the order of the heads around it.
#include "rows.cuh"

// `softmax(scale * x)` of each row; `scale` is positive. Not-a-number anywhere makes all of a row so.
KERNEL(
    softmax, const Value *__restrict__ x, Value *__restrict__ y, unsigned rows, unsigned columns, float scale, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const size_t first = size_t(row) * columns;
        const Exponentials all = exponentials_of<W>(x + first, columns, scale);
        const float share = 1.0f / all.sum;
        for_lane<W>(columns, [&](unsigned at) {
            float value[W];
            load<W>(x + first + at, value);
#pragma unroll
            for (unsigned i = 0; i < W; i++) value[i] = expf((value[i] - all.most) * scale) * share;
            store<W>(y + first + at, value);
        });
    });
}

// The gradient of x from the result `p` and its gradient: `p * (grad - sum(grad * p)) * scale`.
KERNEL(
    softmax_gradient, const Value *__restrict__ p, const Value *__restrict__ grad, Value *__restrict__ of_x, unsigned rows,
    unsigned columns, float scale, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const size_t first = size_t(row) * columns;
        float sum = 0.0f;
        for_lane<W>(columns, [&](unsigned at) {
            float share[W], slope[W];
            load<W>(p + first + at, share);
            load<W>(grad + first + at, slope);
#pragma unroll
            for (unsigned i = 0; i < W; i++) sum += share[i] * slope[i];
        });
        sum = warp_sum(sum);
        for_lane<W>(columns, [&](unsigned at) {
            float share[W], slope[W];
            load<W>(p + first + at, share);
            load<W>(grad + first + at, slope);
#pragma unroll
            for (unsigned i = 0; i < W; i++) slope[i] = share[i] * (slope[i] - sum) * scale;
            store<W>(of_x + first + at, slope);
        });
    });
}

// `[pictures, tokens, parts, heads, depth]` to `[parts, pictures, heads, tokens, depth]`, which matrix products read.
KERNEL(
    split_heads, const Value *__restrict__ x, Value *__restrict__ y, unsigned pictures, unsigned tokens, unsigned parts,
    unsigned heads, unsigned depth, unsigned items, unsigned pack
) {
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= items) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned packs = depth / W, at = item % packs * W, head = item / packs % heads, part = item / packs / heads % parts;
        const unsigned token = item / packs / heads / parts % tokens, picture = item / packs / heads / parts / tokens;
        float value[W];
        load<W>(x + size_t(item) * W, value);
        store<W>(y + (((size_t(part) * pictures + picture) * heads + head) * tokens + token) * depth + at, value);
    });
}

// The way back, of one part or of three.
KERNEL(
    join_heads, const Value *__restrict__ first, const Value *__restrict__ second, const Value *__restrict__ third,
    Value *__restrict__ y, unsigned tokens, unsigned parts, unsigned heads, unsigned depth, unsigned items, unsigned pack
) {
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= items) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned packs = depth / W, at = item % packs * W, head = item / packs % heads, part = item / packs / heads % parts;
        const unsigned token = item / packs / heads / parts % tokens, picture = item / packs / heads / parts / tokens;
        const Value *from = part == 0 ? first : part == 1 ? second : third;
        float value[W];
        load<W>(from + ((size_t(picture) * heads + head) * tokens + token) * depth + at, value);
        store<W>(y + size_t(item) * W, value);
    });
}
