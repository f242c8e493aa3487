// Updates of many parameters at once. The arithmetic is that of optim/rules.rs, the host's side card/optimizer.rs.
#include "reduce.cuh"

// A parameter and what belongs to it; pointers are null where a rule does not keep it.
struct Parameter {
    float *values;
    const float *grad;
    float *first, *second;
    const float *source;
    unsigned count, first_block;
    float rate, decay, shrink, root;
};

// As many as are launched together: a kernel's arguments have 4 KB.
struct Parameters {
    Parameter list[48];
};

constexpr unsigned BLOCK_VALUES = 4096;

// The parameter that this block is for: the last of `count` whose first block is none behind.
__device__ inline const Parameter &parameter_of_block(const Parameters &all, unsigned count) {
    unsigned low = 0, high = count;
    while (high - low > 1) {
        const unsigned middle = (low + high) / 2;
        if (all.list[middle].first_block <= blockIdx.x) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return all.list[low];
}

// Calls `body` with the number of neighbours and the place of the first, until the threads have had all of the block's values.
template <class Body> __device__ inline void for_each_value(const Parameter &parameter, unsigned width, Body body) {
    const unsigned begin = (blockIdx.x - parameter.first_block) * BLOCK_VALUES;
    const unsigned end = min(begin + BLOCK_VALUES, parameter.count);
    const unsigned packed = width == 1 ? begin : end - (end - begin) % 4;
    for (unsigned at = begin + threadIdx.x * 4; at < packed; at += blockDim.x * 4) body(Constant<4>(), at);
    for (unsigned at = packed + threadIdx.x; at < end; at += blockDim.x) body(Constant<1>(), at);
}

// The gradients of W values, with the part that pulls them to their source.
template <unsigned W>
__device__ inline void load_gradient(const Parameter &parameter, unsigned at, const float (&values)[W], float pull, float (&grad)[W]) {
    load<W>(parameter.grad + at, grad);
    if (parameter.source) {
        float source[W];
        load<W>(parameter.source + at, source);
#pragma unroll
        for (unsigned i = 0; i < W; i++) grad[i] += pull * (values[i] - source[i]);
    }
}

// Sums of squares of the gradient of each block's values. In double, so that huge gradients do not overflow.
KERNEL(
    square_sums, const __grid_constant__ Parameters parameters, double *__restrict__ parts, unsigned count,
    unsigned first_part, float pull, unsigned width
) {
    SHARED(double, shared, MAX_THREADS / WARP_SIZE);
    const Parameter &parameter = parameter_of_block(parameters, count);
    double sum = 0.0;
    for_each_value(parameter, width, [&](auto w, unsigned at) {
        constexpr unsigned W = decltype(w)::value;
        float values[W], grad[W];
        load<W>(parameter.values + at, values);
        load_gradient<W>(parameter, at, values, pull, grad);
#pragma unroll
        for (unsigned i = 0; i < W; i++) sum += double(grad[i]) * double(grad[i]);
    });
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) parts[first_part + blockIdx.x] = sum;
}

__device__ inline bool is_finite(double norm) { return norm <= 1.7976931348623157e308; }

// The norm of the gradient and what it is multiplied with so that it is at most `most`: PyTorch's formula. Where the one `before` was not
// finite, this one is not either. One block.
KERNEL(
    clip_factor, const double *__restrict__ parts, const double *__restrict__ before, double *__restrict__ norm_and_factor,
    unsigned count, float most
) {
    SHARED(double, shared, MAX_THREADS / WARP_SIZE);
    double sum = 0.0;
    for (unsigned part = threadIdx.x; part < count; part += blockDim.x) sum += parts[part];
    sum = block_sum(sum, shared);
    if (threadIdx.x == 0) {
        const double norm = before && !is_finite(before[0]) ? before[0] : sqrt(sum), factor = double(most) / (norm + 1e-6);
        norm_and_factor[0] = norm;
        norm_and_factor[1] = factor < 1.0 ? factor : 1.0;
    }
}

// What the gradient is multiplied with; whether its norm is finite, for nothing is changed otherwise.
__device__ inline bool clip(const double *norm_and_factor, float &factor) {
    factor = norm_and_factor ? float(norm_and_factor[1]) : 1.0f;
    return !norm_and_factor || is_finite(norm_and_factor[0]);
}

// Gradient descent with momentum, where there is a first moment.
KERNEL(
    descend, const __grid_constant__ Parameters parameters, const double *__restrict__ norm_and_factor, unsigned count,
    float momentum, float ahead, float kept, float pull, unsigned width
) {
    float factor;
    if (!clip(norm_and_factor, factor)) return;
    const Parameter &parameter = parameter_of_block(parameters, count);
    for_each_value(parameter, width, [&](auto w, unsigned at) {
        constexpr unsigned W = decltype(w)::value;
        float values[W], grad[W], first[W];
        load<W>(parameter.values + at, values);
        load_gradient<W>(parameter, at, values, pull, grad);
        if (parameter.first) load<W>(parameter.first + at, first);
#pragma unroll
        for (unsigned i = 0; i < W; i++) {
            float step = grad[i] * factor + parameter.decay * values[i];
            if (parameter.first) {
                first[i] = momentum * first[i] + step;
                step = ahead * step + kept * first[i];
            }
            values[i] -= parameter.rate * step;
        }
        if (parameter.first) store<W>(parameter.first + at, first);
        store<W>(parameter.values + at, values);
    });
}

// Adam.
KERNEL(
    adam, const __grid_constant__ Parameters parameters, const double *__restrict__ norm_and_factor, unsigned count,
    float new_first, float old_second, float new_second, float eps, float pull, unsigned width
) {
    float factor;
    if (!clip(norm_and_factor, factor)) return;
    const Parameter &parameter = parameter_of_block(parameters, count);
    for_each_value(parameter, width, [&](auto w, unsigned at) {
        constexpr unsigned W = decltype(w)::value;
        float values[W], grad[W], first[W], second[W];
        load<W>(parameter.values + at, values);
        load_gradient<W>(parameter, at, values, pull, grad);
        load<W>(parameter.first + at, first);
        load<W>(parameter.second + at, second);
#pragma unroll
        for (unsigned i = 0; i < W; i++) {
            const float slope = grad[i] * factor + parameter.decay * values[i];
            first[i] += new_first * (slope - first[i]);
            second[i] = second[i] * old_second + new_second * slope * slope;
            values[i] = values[i] * parameter.shrink - parameter.rate * first[i] / (sqrtf(second[i]) / parameter.root + eps);
        }
        store<W>(parameter.first + at, first);
        store<W>(parameter.second + at, second);
        store<W>(parameter.values + at, values);
    });
}
