// Batch normalisation over rows of channels.
#include "activation.cuh"
#include "columns.cuh"

// Joins the moments of `count` values with those of `more` others: Chan, Golub and LeVeque (1979).
__device__ inline void join_moments(
    float count, float &mean, float &squares, float more, float more_mean, float more_squares
) {
    if (more == 0.0f) return;
    const float delta = more_mean - mean, share = more / (count + more);
    mean += delta * share;
    squares += more_squares + delta * delta * count * share;
}

// Joins the moments that the threads of a column have; the threads of its first row get them all. `shared` has room for 2 W + 1
// values a thread.
template <unsigned W>
__device__ inline void join_columns(float count, float (&mean)[W], float (&squares)[W], float *shared) {
    const unsigned threads = blockDim.x * blockDim.y, own = threadIdx.y * blockDim.x + threadIdx.x;
    float *counts = shared + 2 * W * threads;
    counts[own] = count;
#pragma unroll
    for (unsigned i = 0; i < W; i++) {
        shared[2 * i * threads + own] = mean[i];
        shared[(2 * i + 1) * threads + own] = squares[i];
    }
    for (unsigned half = blockDim.y / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.y < half) {
            const unsigned other = own + half * blockDim.x;
            const float more = counts[other];
#pragma unroll
            for (unsigned i = 0; i < W; i++) {
                join_moments(
                    count, mean[i], squares[i], more, shared[2 * i * threads + other], shared[(2 * i + 1) * threads + other]
                );
                shared[2 * i * threads + own] = mean[i];
                shared[(2 * i + 1) * threads + own] = squares[i];
            }
            count += more;
            counts[own] = count;
        }
    }
}

// Mean and sum of squared differences from it of each channel over the rows of each block, `[blocks, channels]`: the method of
// Welford (1962), to which values far from zero do no harm.
KERNEL(
    moments, const Value *__restrict__ x, float *__restrict__ means, float *__restrict__ squares, unsigned rows,
    unsigned channels, unsigned rows_per_block, unsigned width
) {
    SHARED(float, shared, (2 * WIDE<Value> + 1) * MAX_THREADS);
    const Columns columns{rows, channels, rows_per_block};
    with_width<Value>(width, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        float mean[W] = {}, square[W] = {}, count = 0.0f;
        if (channel < channels) {
#pragma unroll 4
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W];
                load<W>(x + columns.at(row, channel), value);
                count += 1.0f;
                const float share = 1.0f / count;
#pragma unroll
                for (unsigned i = 0; i < W; i++) {
                    const float delta = value[i] - mean[i];
                    mean[i] += delta * share;
                    square[i] += delta * (value[i] - mean[i]);
                }
            }
        }
        join_columns<W>(count, mean, square, shared);
        if (threadIdx.y == 0 && channel < channels) {
            store<W>(means + columns.at(blockIdx.y, channel), mean);
            store<W>(squares + columns.at(blockIdx.y, channel), square);
        }
    });
}

// Joins the `parts` that `moments` gives: mean, biased variance and `1 / sqrt(variance + eps)` of each channel.
KERNEL(
    join_parts_of_moments, const float *__restrict__ means, const float *__restrict__ squares, float *__restrict__ mean,
    float *__restrict__ variance, float *__restrict__ inverse_deviation, unsigned rows, unsigned channels,
    unsigned rows_per_block, unsigned parts, float eps
) {
    SHARED(float, shared, 3 * MAX_THREADS);
    const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
    float count = 0.0f, own_mean[1] = {}, own_squares[1] = {};
    if (channel < channels) {
        for (unsigned part = threadIdx.y; part < parts; part += blockDim.y) {
            const float more = min(rows_per_block, rows - part * rows_per_block);
            const size_t at = size_t(part) * channels + channel;
            join_moments(count, own_mean[0], own_squares[0], more, means[at], squares[at]);
            count += more;
        }
    }
    join_columns<1>(count, own_mean, own_squares, shared);
    if (threadIdx.y == 0 && channel < channels) {
        const float biased = own_squares[0] / rows;
        mean[channel] = own_mean[0];
        variance[channel] = biased;
        inverse_deviation[channel] = 1.0f / sqrtf(biased + eps);
    }
}

// `1 / sqrt(variance + eps)` of each channel.
KERNEL(
    inverse_deviation, const float *__restrict__ variance, float *__restrict__ inverse, unsigned channels, float eps
) {
    const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel < channels) inverse[channel] = 1.0f / sqrtf(variance[channel] + eps);
}

// Running statistics that a batch's have moved a share; `unbiased` is what its biased variance is multiplied with.
KERNEL(
    mix_running, const float *__restrict__ running_mean, const float *__restrict__ running_variance,
    const float *__restrict__ mean, const float *__restrict__ variance, float *__restrict__ new_mean,
    float *__restrict__ new_variance, unsigned channels, float share, float unbiased
) {
    const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) return;
    new_mean[channel] = (1.0f - share) * running_mean[channel] + share * mean[channel];
    new_variance[channel] = (1.0f - share) * running_variance[channel] + share * unbiased * variance[channel];
}

// What a thread needs to know of its W channels.
template <unsigned W> struct Affine {
    float mean[W], inverse[W], scale[W], beta[W];

    __device__ void load_from(
        const float *mean_of, const float *inverse_of, const float *gamma_of, const float *beta_of, unsigned channel
    ) {
        load<W>(mean_of + channel, mean);
        load<W>(inverse_of + channel, inverse);
        load<W>(gamma_of + channel, scale);
        load<W>(beta_of + channel, beta);
#pragma unroll
        for (unsigned i = 0; i < W; i++) scale[i] *= inverse[i];
    }

    // The activation's input. Differences first: the sum of a product and a shift would lose values far from zero.
    __device__ float normalised(unsigned i, float x) const { return (x - mean[i]) * scale[i] + beta[i]; }
};

// Calls `body` with the number of channels of this thread, the first of them and what it needs to know of them, unless it has none.
template <class Body>
__device__ inline void with_affine(
    const Columns &columns, const float *mean, const float *inverse, const float *gamma, const float *beta, unsigned width,
    Body body
) {
    with_width<Value>(width, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        if (channel >= columns.channels) return;
        Affine<W> affine;
        affine.load_from(mean, inverse, gamma, beta, channel);
        body(w, channel, affine);
    });
}

// `act((x - mean) * inverse * gamma + beta + addend)`; the addend may be missing.
KERNEL(
    normalise, const Value *__restrict__ x, const Value *__restrict__ addend, const float *__restrict__ mean,
    const float *__restrict__ inverse, const float *__restrict__ gamma, const float *__restrict__ beta, Value *__restrict__ y,
    unsigned rows, unsigned channels, unsigned rows_per_block, unsigned act, unsigned width
) {
    const Columns columns{rows, channels, rows_per_block};
    with_affine(columns, mean, inverse, gamma, beta, width, [&](auto w, unsigned channel, const auto &affine) {
        constexpr unsigned W = decltype(w)::value;
        with_activation(act, [&](auto a) {
            constexpr unsigned ACT = decltype(a)::value;
#pragma unroll 2
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W], more[W] = {};
                load<W>(x + columns.at(row, channel), value);
                if (addend) load<W>(addend + columns.at(row, channel), more);
#pragma unroll
                for (unsigned i = 0; i < W; i++) {
                    const float before = affine.normalised(i, value[i]);
                    value[i] = activated<ACT>(addend ? before + more[i] : before);
                }
                store<W>(y + columns.at(row, channel), value);
            }
        });
    });
}

// Sums over the rows of each block, `[blocks, channels]`, of the gradient at the activation's input and of its product with
// `(x - mean)`. Where the `result` of a sum behind a clamp is given, that gradient follows from it, and is written to `before`.
KERNEL(
    gradient_sums, const Value *__restrict__ x, const Value *__restrict__ grad, const Value *__restrict__ result,
    const float *__restrict__ mean, const float *__restrict__ inverse, const float *__restrict__ gamma,
    const float *__restrict__ beta, Value *__restrict__ before, float *__restrict__ sums, float *__restrict__ products,
    unsigned rows, unsigned channels, unsigned rows_per_block, float low, float high, unsigned act, unsigned width
) {
    SHARED(float, shared, MAX_THREADS *WIDE<Value>);
    const Columns columns{rows, channels, rows_per_block};
    with_width<Value>(width, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const unsigned channel = columns.channel<W>();
        float sum[W] = {}, product[W] = {};
        if (channel < channels) {
            Affine<W> affine;
            affine.load_from(mean, inverse, gamma, beta, channel);
            with_activation(act, [&](auto a) {
                constexpr unsigned ACT = decltype(a)::value;
#pragma unroll 2
                for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                    float value[W], slope[W], seen[W];
                    load<W>(x + columns.at(row, channel), value);
                    load<W>(grad + columns.at(row, channel), slope);
                    if (result) {
                        load<W>(result + columns.at(row, channel), seen);
#pragma unroll
                        for (unsigned i = 0; i < W; i++) slope[i] = clamp_gradient(seen[i], low, high, slope[i]);
                        store<W>(before + columns.at(row, channel), slope);
                    }
#pragma unroll
                    for (unsigned i = 0; i < W; i++) {
                        const float at_input = activation_gradient<ACT>(affine.normalised(i, value[i]), slope[i]);
                        sum[i] += at_input;
                        product[i] += at_input * (value[i] - affine.mean[i]);
                    }
                }
            });
        }
        add_columns<W>(sum, shared);
        add_columns<W>(product, shared);
        if (threadIdx.y == 0 && channel < channels) {
            store<W>(sums + columns.at(blockIdx.y, channel), sum);
            store<W>(products + columns.at(blockIdx.y, channel), product);
        }
    });
}

// Joins the `parts` that `gradient_sums` gives: the gradients of gamma and beta.
KERNEL(
    join_parts_of_gradients, const float *__restrict__ sums, const float *__restrict__ products,
    const float *__restrict__ inverse, float *__restrict__ of_gamma, float *__restrict__ of_beta, unsigned channels,
    unsigned parts
) {
    SHARED(float, shared, MAX_THREADS);
    const unsigned channel = blockIdx.x * blockDim.x + threadIdx.x;
    float sum[1] = {}, product[1] = {};
    if (channel < channels) {
        for (unsigned part = threadIdx.y; part < parts; part += blockDim.y) {
            sum[0] += sums[size_t(part) * channels + channel];
            product[0] += products[size_t(part) * channels + channel];
        }
    }
    add_columns<1>(sum, shared);
    add_columns<1>(product, shared);
    if (threadIdx.y == 0 && channel < channels) {
        of_beta[channel] = sum[0];
        of_gamma[channel] = product[0] * inverse[channel];
    }
}

// The gradient of x. With the gradients of gamma and beta also what flows through the batch's statistics; `share` is one by the
// number of rows.
KERNEL(
    input_gradient, const Value *__restrict__ x, const Value *__restrict__ grad, const float *__restrict__ mean,
    const float *__restrict__ inverse, const float *__restrict__ gamma, const float *__restrict__ beta,
    const float *__restrict__ of_gamma, const float *__restrict__ of_beta, Value *__restrict__ of_x, unsigned rows,
    unsigned channels, unsigned rows_per_block, float share, unsigned act, unsigned width
) {
    const Columns columns{rows, channels, rows_per_block};
    with_affine(columns, mean, inverse, gamma, beta, width, [&](auto w, unsigned channel, const auto &affine) {
        constexpr unsigned W = decltype(w)::value;
        float offset[W] = {}, slope[W] = {};
        if (of_gamma) {
            load<W>(of_beta + channel, offset);
            load<W>(of_gamma + channel, slope);
#pragma unroll
            for (unsigned i = 0; i < W; i++) {
                offset[i] *= affine.scale[i] * share;
                slope[i] *= affine.scale[i] * affine.inverse[i] * share;
            }
        }
        with_activation(act, [&](auto a) {
            constexpr unsigned ACT = decltype(a)::value;
#pragma unroll 2
            for (unsigned row = columns.first_row(); row < columns.end_row(); row += blockDim.y) {
                float value[W], to[W];
                load<W>(x + columns.at(row, channel), value);
                load<W>(grad + columns.at(row, channel), to);
#pragma unroll
                for (unsigned i = 0; i < W; i++) {
                    const float at_input = activation_gradient<ACT>(affine.normalised(i, value[i]), to[i]);
                    to[i] = at_input * affine.scale[i] - offset[i] - (value[i] - affine.mean[i]) * slope[i];
                }
                store<W>(of_x + columns.at(row, channel), to);
            }
        });
    });
}
