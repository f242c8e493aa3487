// Pooling of channels-last maps over windows; a thread has W neighbouring channels of a position.
#include "columns.cuh"

// The positions from `begin` up to `end`, and the number of them with those of the padding, which count as well.
struct Range {
    unsigned begin, end, all;
};

// What window `i` has of an axis.
__device__ inline Range range_of(unsigned i, unsigned size, unsigned kernel, unsigned stride, unsigned padding) {
    const unsigned start = i * stride, end = min(start + kernel, size + 2 * padding);
    return {max(start, padding) - padding, min(end - min(padding, end), size), end - start};
}

// The windows of an axis that have position `i`.
__device__ inline Range containing(unsigned i, unsigned count, unsigned kernel, unsigned stride, unsigned padding) {
    const unsigned at = i + padding, behind = max(at + 1, kernel) - kernel;
    return {(behind + stride - 1) / stride, min(at / stride + 1, count), 0};
}

// The windows of a map: its sizes, those of the result and of the window, the same step and padding on both axes.
struct Windows {
    unsigned height, width, high, wide, channels, kernel_high, kernel_wide, stride, padding;

    __device__ size_t pixel(unsigned picture, unsigned y, unsigned x) const {
        return ((size_t(picture) * height + y) * width + x) * channels;
    }
    __device__ size_t result(unsigned picture, unsigned y, unsigned x) const {
        return ((size_t(picture) * high + y) * wide + x) * channels;
    }
    __device__ Range rows_of(unsigned y) const { return range_of(y, height, kernel_high, stride, padding); }
    __device__ Range columns_of(unsigned x) const { return range_of(x, width, kernel_wide, stride, padding); }
    __device__ Range rows_with(unsigned y) const { return containing(y, high, kernel_high, stride, padding); }
    __device__ Range columns_with(unsigned x) const { return containing(x, wide, kernel_wide, stride, padding); }
};

#define WINDOWS_ARGUMENTS                                                                                                    \
    unsigned height, unsigned width, unsigned high, unsigned wide, unsigned channels, unsigned kernel_high,                  \
        unsigned kernel_wide, unsigned stride, unsigned padding
#define WINDOWS                                                                                                              \
    Windows { height, width, high, wide, channels, kernel_high, kernel_wide, stride, padding }

// What a thread has: some channels of a position of a map.
template <unsigned W> struct Place {
    unsigned channel, x, y, picture;

    __device__ Place(unsigned item, unsigned channels, unsigned wide, unsigned high) {
        const unsigned packs = channels / W, position = item / packs, line = position / wide;
        channel = item % packs * W;
        x = position % wide;
        y = line % high;
        picture = line / high;
    }
};

__device__ inline unsigned item_of_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

__device__ inline bool is_lost(float value) { return value != value; }

// The first largest value of each window, where one that is not a number is larger than all.
KERNEL(largest, const Value *__restrict__ x, Value *__restrict__ y, WINDOWS_ARGUMENTS, unsigned items, unsigned pack) {
    if (item_of_thread() >= items) return;
    const Windows windows = WINDOWS;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const Place<W> place(item_of_thread(), windows.channels, windows.wide, windows.high);
        const Range rows = windows.rows_of(place.y);
        const Range columns = windows.columns_of(place.x);
        float most[W];
#pragma unroll
        for (unsigned c = 0; c < W; c++) most[c] = -INFINITY;
        for (unsigned row = rows.begin; row < rows.end; row++) {
            for (unsigned column = columns.begin; column < columns.end; column++) {
                float value[W];
                load<W>(x + windows.pixel(place.picture, row, column) + place.channel, value);
#pragma unroll
                for (unsigned c = 0; c < W; c++) most[c] = value[c] > most[c] || is_lost(value[c]) ? value[c] : most[c];
            }
        }
        store<W>(y + windows.result(place.picture, place.y, place.x) + place.channel, most);
    });
}

// The mean of each window.
KERNEL(mean, const Value *__restrict__ x, Value *__restrict__ y, WINDOWS_ARGUMENTS, unsigned items, unsigned pack) {
    if (item_of_thread() >= items) return;
    const Windows windows = WINDOWS;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const Place<W> place(item_of_thread(), windows.channels, windows.wide, windows.high);
        const Range rows = windows.rows_of(place.y);
        const Range columns = windows.columns_of(place.x);
        float sum[W] = {};
        for (unsigned row = rows.begin; row < rows.end; row++) {
            for (unsigned column = columns.begin; column < columns.end; column++) {
                float value[W];
                load<W>(x + windows.pixel(place.picture, row, column) + place.channel, value);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += value[c];
            }
        }
        const float share = 1.0f / (rows.all * columns.all);
#pragma unroll
        for (unsigned c = 0; c < W; c++) sum[c] *= share;
        store<W>(y + windows.result(place.picture, place.y, place.x) + place.channel, sum);
    });
}

// The gradient of `largest`: a position has that of each window whose first largest value it is. The windows are looked through
// once more instead of adding from each of them to where its maximum is, for which threads would have to wait for each other.
KERNEL(
    largest_gradient, const Value *__restrict__ x, const Value *__restrict__ y, const Value *__restrict__ grad,
    Value *__restrict__ of_x, WINDOWS_ARGUMENTS, unsigned items, unsigned pack
) {
    if (item_of_thread() >= items) return;
    const Windows windows = WINDOWS;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const Place<W> place(item_of_thread(), windows.channels, windows.width, windows.height);
        const Range rows = windows.rows_with(place.y);
        const Range columns = windows.columns_with(place.x);
        const auto is = [](float value, float most) { return value == most || (is_lost(value) && is_lost(most)); };
        float own[W], sum[W] = {};
        load<W>(x + windows.pixel(place.picture, place.y, place.x) + place.channel, own);
        for (unsigned row = rows.begin; row < rows.end; row++) {
            for (unsigned column = columns.begin; column < columns.end; column++) {
                const size_t at = windows.result(place.picture, row, column) + place.channel;
                float most[W];
                load<W>(y + at, most);
                bool first[W], any = false;
#pragma unroll
                for (unsigned c = 0; c < W; c++) any |= first[c] = is(own[c], most[c]);
                const Range ys = windows.rows_of(row);
                const Range xs = windows.columns_of(column);
                for (unsigned other_y = ys.begin; any && other_y <= place.y; other_y++) {
                    const unsigned end = other_y == place.y ? place.x : xs.end;
                    for (unsigned other_x = xs.begin; any && other_x < end; other_x++) {
                        float other[W];
                        load<W>(x + windows.pixel(place.picture, other_y, other_x) + place.channel, other);
                        any = false;
#pragma unroll
                        for (unsigned c = 0; c < W; c++) any |= first[c] = first[c] && !is(other[c], most[c]);
                    }
                }
                if (!any) continue;
                float slope[W];
                load<W>(grad + at, slope);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += first[c] ? slope[c] : 0.0f;
            }
        }
        store<W>(of_x + windows.pixel(place.picture, place.y, place.x) + place.channel, sum);
    });
}

// The gradient of `mean`: a position has its share of that of each window that it is in.
KERNEL(
    mean_gradient, const Value *__restrict__ grad, Value *__restrict__ of_x, WINDOWS_ARGUMENTS, unsigned items, unsigned pack
) {
    if (item_of_thread() >= items) return;
    const Windows windows = WINDOWS;
    with_width<Value>(pack, [&](auto w) {
        constexpr unsigned W = decltype(w)::value;
        const Place<W> place(item_of_thread(), windows.channels, windows.width, windows.height);
        const Range rows = windows.rows_with(place.y);
        const Range columns = windows.columns_with(place.x);
        float sum[W] = {};
        for (unsigned row = rows.begin; row < rows.end; row++) {
            const Range ys = windows.rows_of(row);
            for (unsigned column = columns.begin; column < columns.end; column++) {
                const Range xs = windows.columns_of(column);
                const float share = 1.0f / (ys.all * xs.all);
                float slope[W];
                load<W>(grad + windows.result(place.picture, row, column) + place.channel, slope);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += share * slope[c];
            }
        }
        store<W>(of_x + windows.pixel(place.picture, place.y, place.x) + place.channel, sum);
    });
}
