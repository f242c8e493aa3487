// Softmax cross-entropy of rows of logits with a share of each class.
#include "columns.cuh"
#include "rows.cuh"

// What each row costs: the sum over classes of their shares times their negative log-probabilities. A class without a share must
// not spoil it with zero times infinity.
KERNEL(
    costs, const Value *__restrict__ logits, const float *__restrict__ shares, float *__restrict__ costs_of_rows, unsigned rows,
    unsigned classes, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const Value *own = logits + size_t(row) * classes;
        const float *own_shares = shares + size_t(row) * classes;
        const Exponentials all = exponentials_of<W>(own, classes, 1.0f);
        const float rest = logf(all.sum);
        float cost = 0.0f;
        for_lane<W>(classes, [&](unsigned at) {
            float value[W], share[W];
            load<W>(own + at, value);
            load<W>(own_shares + at, share);
#pragma unroll
            for (unsigned i = 0; i < W; i++) cost += share[i] == 0.0f ? 0.0f : share[i] * (all.most - value[i] + rest);
        });
        cost = warp_sum(cost);
        if (threadIdx.x == 0) costs_of_rows[row] = cost;
    });
}

// The sum of what the rows cost, times `scale`; one block, whose threads are one above the other.
KERNEL(total, const float *__restrict__ costs_of_rows, float *__restrict__ loss, unsigned rows, float scale) {
    SHARED(float, shared, MAX_THREADS);
    float sum[1] = {};
    for (unsigned row = threadIdx.y; row < rows; row += blockDim.y) sum[0] += costs_of_rows[row];
    add_columns<1>(sum, shared);
    if (threadIdx.y == 0) loss[0] = sum[0] * scale;
}

// The gradient of the logits from the loss's: `(softmax * sum of shares - share) * grad * scale`.
KERNEL(
    gradient, const Value *__restrict__ logits, const float *__restrict__ shares, const float *__restrict__ grad,
    Value *__restrict__ of_logits, unsigned rows, unsigned classes, float scale, unsigned pack
) {
    const unsigned row = row_of_warp();
    if (row >= rows) return;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const size_t first = size_t(row) * classes;
        const Exponentials all = exponentials_of<W>(logits + first, classes, 1.0f);
        float sum = 0.0f;
        for_lane<W>(classes, [&](unsigned at) {
            float share[W];
            load<W>(shares + first + at, share);
#pragma unroll
            for (unsigned i = 0; i < W; i++) sum += share[i];
        });
        const float factor = grad[0] * scale, of_softmax = warp_sum(sum) / all.sum;
        for_lane<W>(classes, [&](unsigned at) {
            float value[W], share[W];
            load<W>(logits + first + at, value);
            load<W>(shares + first + at, share);
#pragma unroll
            for (unsigned i = 0; i < W; i++) value[i] = (expf(value[i] - all.most) * of_softmax - share[i]) * factor;
            store<W>(of_logits + first + at, value);
        });
    });
}
