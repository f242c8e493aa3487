// Channels of whole pictures, `[pictures, positions, channels]`: their sums, and gates for them.
#include "columns.cuh"

// Sums over the positions of each picture, of the values of `a` or of their products with `b`, in parts:
// `[pictures, parts, channels]`, times `scale`.
KERNEL(
    picture_sums, const Value *__restrict__ a, const Value *__restrict__ b, float *__restrict__ sums, unsigned positions,
    unsigned channels, unsigned parts, unsigned positions_per_part, float scale, unsigned pack
) {
    SHARED(float, shared, MAX_THREADS *WIDE<Value>);
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = (blockIdx.x * blockDim.x + threadIdx.x) * W;
        const unsigned picture = blockIdx.y / parts, part = blockIdx.y % parts;
        const unsigned end = min((part + 1) * positions_per_part, positions);
        float sum[W] = {};
        if (channel < channels) {
#pragma unroll 4
            for (unsigned position = part * positions_per_part + threadIdx.y; position < end; position += blockDim.y) {
                const size_t at = (size_t(picture) * positions + position) * channels + channel;
                float value[W], factor[W];
                load<W>(a + at, value);
                if (b) load<W>(b + at, factor);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += b ? value[c] * factor[c] : value[c];
            }
        }
        add_columns<W>(sum, shared);
        if (threadIdx.y == 0 && channel < channels) {
#pragma unroll
            for (unsigned c = 0; c < W; c++) sum[c] *= scale;
            store<W>(sums + size_t(blockIdx.y) * channels + channel, sum);
        }
    });
}

// `x * factor + offset` with a factor and, if there is one, an offset of each channel of each picture, `[pictures, channels]`.
KERNEL(
    gate, const Value *__restrict__ x, const float *__restrict__ factors, const float *__restrict__ offsets,
    Value *__restrict__ y, unsigned positions, unsigned channels, unsigned items, unsigned pack
) {
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x;
    if (item >= items) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned packs = channels / W, channel = item % packs * W, picture = item / packs / positions;
        const size_t at = size_t(item) * W, of_picture = size_t(picture) * channels + channel;
        float value[W], factor[W], offset[W] = {};
        load<W>(x + at, value);
        load<W>(factors + of_picture, factor);
        if (offsets) load<W>(offsets + of_picture, offset);
#pragma unroll
        for (unsigned c = 0; c < W; c++) value[c] = value[c] * factor[c] + offset[c];
        store<W>(y + at, value);
    });
}
