// Elementwise activations and their derivatives: the arithmetic and the answers for kinks and for what is not a number are those
// of activation.rs, and so are the numbers.
#ifndef ACTIVATION_CUH
#define ACTIVATION_CUH
#include "common.cuh"

enum Activation : unsigned { IDENTITY, RELU, RELU6, HARDSWISH, SILU, GELU, SIGMOID, HARDSIGMOID };

__device__ inline float clamp_low(float x) { return x < 0.0f ? 0.0f : x; }

__device__ inline float relu6(float x) {
    const float low = clamp_low(x);
    return low > 6.0f ? 6.0f : low;
}

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// The standard normal's distribution function. Not 1 + erf, in which small values cancel.
__device__ inline float normal_cdf(float x) { return 0.5f * erfcf(-0.70710678f * x); }

template <unsigned ACT> __device__ inline float activated(float x) {
    switch (ACT) {
    case RELU: return clamp_low(x);
    case RELU6: return relu6(x);
    case HARDSWISH: return x * relu6(x + 3.0f) * (1.0f / 6.0f);
    case SILU: return x * sigmoid(x);
    case GELU: return x * normal_cdf(x);
    case SIGMOID: return sigmoid(x);
    case HARDSIGMOID: return relu6(x + 3.0f) * (1.0f / 6.0f);
    default: return x;
    }
}

// The gradient at the argument x from that at the result.
template <unsigned ACT> __device__ inline float activation_gradient(float x, float grad) {
    switch (ACT) {
    case RELU: return x <= 0.0f ? 0.0f : grad;
    case RELU6: return x > 0.0f && x < 6.0f ? grad : 0.0f;
    case HARDSWISH:
        if (x >= 3.0f) return grad;
        return x <= -3.0f ? 0.0f : grad * (x * (1.0f / 3.0f) + 0.5f);
    case SILU: {
        const float s = sigmoid(x);
        return grad * (s * (1.0f + x * (1.0f - s)));
    }
    case GELU: return grad * (normal_cdf(x) + x * 0.39894228f * expf(-0.5f * x * x));
    case SIGMOID: {
        const float s = sigmoid(x);
        return grad * (s * (1.0f - s));
    }
    case HARDSIGMOID: return x > -3.0f && x < 3.0f ? grad * (1.0f / 6.0f) : 0.0f;
    default: return grad;
    }
}

// Calls `body` with the activation as a Constant, so that the choice stays outside of its loops.
template <class Body> __device__ inline void with_activation(unsigned act, Body body) {
    switch (act) {
    case RELU: return body(Constant<RELU>());
    case RELU6: return body(Constant<RELU6>());
    case HARDSWISH: return body(Constant<HARDSWISH>());
    case SILU: return body(Constant<SILU>());
    case GELU: return body(Constant<GELU>());
    case SIGMOID: return body(Constant<SIGMOID>());
    case HARDSIGMOID: return body(Constant<HARDSIGMOID>());
    default: return body(Constant<IDENTITY>());
    }
}

// The gradient before a clamp whose result lies between two bounds, which are not a number where there is none: zero on them.
__device__ inline float clamp_gradient(float result, float low, float high, float grad) {
    return result <= low || result >= high ? 0.0f : grad;
}

#endif
