// Layer normalisation of rows.
#include "columns.cuh"
#include "rows.cuh"

// Mean and `1 / sqrt(variance + eps)` of a row; as on the processor, the variance is that of differences.
struct Moments {
    float mean, inverse;
};

template <unsigned W> __device__ inline Moments moments_of(const Value *row, unsigned channels, float eps) {
    const float share = 1.0f / channels;
    float sum = 0.0f, squares = 0.0f;
    for_lane<W>(channels, [&](unsigned at) {
        float value[W];
        load<W>(row + at, value);
#pragma unroll
        for (unsigned i = 0; i < W; i++) sum += value[i];
    });
    const float mean = warp_sum(sum) * share;
    for_lane<W>(channels, [&](unsigned at) {
        float value[W];
        load<W>(row + at, value);
#pragma unroll
        for (unsigned i = 0; i < W; i++) squares += (value[i] - mean) * (value[i] - mean);
    });
    return {mean, 1.0f / sqrtf(warp_sum(squares) * share + eps)};
}

// `(x - mean) * inverse * gamma + beta` of each row.
KERNEL(
    normalise, const Value *__restrict__ x, const float *__restrict__ gamma, const float *__restrict__ beta,
    Value *__restrict__ y, unsigned rows, unsigned channels, float eps, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const size_t first = size_t(row) * channels;
        const Moments moments = moments_of<W>(x + first, channels, eps);
        for_lane<W>(channels, [&](unsigned at) {
            float value[W], scale[W], shift[W];
            load<W>(x + first + at, value);
            load<W>(gamma + at, scale);
            load<W>(beta + at, shift);
#pragma unroll
            for (unsigned i = 0; i < W; i++) value[i] = (value[i] - moments.mean) * moments.inverse * scale[i] + shift[i];
            store<W>(y + first + at, value);
        });
    });
}

// The gradient of x, with `h = (x - mean) * inverse` and `g = grad * gamma`: `inverse * (g - mean(g) - h * mean(g * h))`. Either
// is left out where there is no room for it: that gradient, and the rows' moments, which `affine_sums` takes.
KERNEL(
    input_gradient, const Value *__restrict__ x, const Value *__restrict__ grad, const float *__restrict__ gamma,
    Value *__restrict__ of_x, float *__restrict__ means, float *__restrict__ inverses, unsigned rows, unsigned channels,
    float eps, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const size_t first = size_t(row) * channels;
        const Moments moments = moments_of<W>(x + first, channels, eps);
        if (means && threadIdx.x == 0) {
            means[row] = moments.mean;
            inverses[row] = moments.inverse;
        }
        if (!of_x) return;
        const auto for_values = [&](auto body) {
            for_lane<W>(channels, [&](unsigned at) {
                float value[W], slope[W], scale[W];
                load<W>(x + first + at, value);
                load<W>(grad + first + at, slope);
                load<W>(gamma + at, scale);
                body(at, value, slope, scale);
            });
        };
        float sum = 0.0f, product = 0.0f;
        for_values([&](unsigned, const float *value, const float *slope, const float *scale) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) {
                sum += slope[i] * scale[i];
                product += (value[i] - moments.mean) * slope[i] * scale[i];
            }
        });
        const float share = 1.0f / channels, mean = warp_sum(sum) * share;
        const float mean_of_products = warp_sum(product) * moments.inverse * share;
        for_values([&](unsigned at, float (&value)[W], const float *slope, const float *scale) {
#pragma unroll
            for (unsigned i = 0; i < W; i++) {
                const float h = (value[i] - moments.mean) * moments.inverse;
                value[i] = moments.inverse * (slope[i] * scale[i] - mean - h * mean_of_products);
            }
            store<W>(of_x + first + at, value);
        });
    });
}

// Sums over the rows of each block, `[blocks, channels]`, of `grad * (x - mean) * inverse` and of `grad`: the parts of the gradients
// of gamma and beta.
KERNEL(
    affine_sums, const Value *__restrict__ x, const Value *__restrict__ grad, const float *__restrict__ means,
    const float *__restrict__ inverses, float *__restrict__ products, float *__restrict__ sums, unsigned rows, unsigned channels,
    unsigned rows_per_block, unsigned pack
) {
    SHARED(float, shared, MAX_THREADS *WIDE<Value>);
    const Columns columns{rows, channels, rows_per_block};
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        float sum[W] = {}, product[W] = {};
        if (channel < channels) {
#pragma unroll 2
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W], slope[W];
                load<W>(x + columns.at(row, channel), value);
                load<W>(grad + columns.at(row, channel), slope);
                const float mean = means[row], inverse = inverses[row];
#pragma unroll
                for (unsigned i = 0; i < W; i++) {
                    sum[i] += slope[i];
                    product[i] += slope[i] * ((value[i] - mean) * inverse);
                }
            }
        }
        add_columns<W>(sum, shared);
        add_columns<W>(product, shared);
        if (threadIdx.y == 0 && channel < channels) {
            store<W>(sums + columns.at(blockIdx.y, channel), sum);
            store<W>(products + columns.at(blockIdx.y, channel), product);
        }
    });
}
