// Passes over rows of channels: sums of columns, and what differs from channel to channel.
#include "activation.cuh"
#include "columns.cuh"

// Sums of the columns of `a` over the rows of each block, `[blocks, channels]`, or of the products of `a` and `b`.
KERNEL(
    column_sums, const Value *__restrict__ a, const Value *__restrict__ b, float *__restrict__ sums, unsigned rows,
    unsigned channels, unsigned rows_per_block, unsigned width
) {
    SHARED(float, shared, MAX_THREADS *WIDE<Value>);
    const Columns columns{rows, channels, rows_per_block};
    with_width<Value>(width, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        float sum[W] = {};
        if (channel < channels) {
#pragma unroll 4
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W], factor[W];
                load<W>(a + columns.at(row, channel), value);
                if (b) load<W>(b + columns.at(row, channel), factor);
#pragma unroll
                for (unsigned i = 0; i < W; i++) sum[i] += b ? value[i] * factor[i] : value[i];
            }
        }
        add_columns<W>(sum, shared);
        if (threadIdx.y == 0 && channel < channels) store<W>(sums + columns.at(blockIdx.y, channel), sum);
    });
}

// `act((x + bias) * scale + addend)` with a bias and a scale a channel; each but x may be missing.
KERNEL(
    channelwise, const Value *__restrict__ x, const float *__restrict__ bias, const float *__restrict__ scale,
    const Value *__restrict__ addend, Value *__restrict__ y, unsigned rows, unsigned channels, unsigned rows_per_block,
    unsigned act, unsigned width
) {
    const Columns columns{rows, channels, rows_per_block};
    with_width<Value>(width, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        if (channel >= channels) return;
        float offset[W] = {}, factor[W];
#pragma unroll
        for (unsigned i = 0; i < W; i++) factor[i] = 1.0f;
        if (bias) load<W>(bias + channel, offset);
        if (scale) load<W>(scale + channel, factor);
        with_activation(act, [&](auto a) {
#pragma unroll 2
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W], more[W] = {};
                load<W>(x + columns.at(row, channel), value);
                if (addend) load<W>(addend + columns.at(row, channel), more);
#pragma unroll
                for (unsigned i = 0; i < W; i++) {
                    const float scaled = (value[i] + offset[i]) * factor[i];
                    value[i] = activated<decltype(a)::value>(addend ? scaled + more[i] : scaled);
                }
                store<W>(y + columns.at(row, channel), value);
            }
        });
    });
}
