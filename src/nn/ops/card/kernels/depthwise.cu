// Depthwise convolution of channels-last maps: each channel with a kernel of its own, `[taps, channels]`.
//
// A thread has W neighbouring channels. The usual kernels are compiled in a form of their own, in which a thread takes TILE neighbouring
// columns, so that each value that it reads serves all taps of a row that meet it; any other kernel, and any dilation, takes one
// column at a time. Taps beyond the edge are left out, not multiplied by zero: a weight that is infinite must not spoil the result.
#include "columns.cuh"

// Columns of a row that a thread takes at once.
constexpr unsigned TILE = 4;

// The sizes of a convolution: those of the input, of the result, of the kernel.
struct Window {
    unsigned height, width, high, wide, channels, kernel_high, kernel_wide, stride, padding, dilation;

    __device__ size_t input(unsigned picture, unsigned y, unsigned x, unsigned channel) const {
        return ((size_t(picture) * height + y) * width + x) * channels + channel;
    }
    __device__ size_t result(unsigned picture, unsigned y, unsigned x, unsigned channel) const {
        return ((size_t(picture) * high + y) * wide + x) * channels + channel;
    }
};

#define WINDOW_ARGUMENTS                                                                                                     \
    unsigned height, unsigned width, unsigned high, unsigned wide, unsigned channels, unsigned kernel_high,                  \
        unsigned kernel_wide, unsigned stride, unsigned padding, unsigned dilation
#define WINDOW                                                                                                               \
    Window { height, width, high, wide, channels, kernel_high, kernel_wide, stride, padding, dilation }

// What a thread works on where each has some columns of a row: `tiles` a row of `rows` a picture.
template <unsigned W> struct Place {
    unsigned channel, tile, row, picture;

    __device__ Place(unsigned item, unsigned channels, unsigned tiles, unsigned rows) {
        const unsigned packs = channels / W, line = item / packs / tiles;
        channel = item % packs * W;
        tile = item / packs % tiles;
        row = line % rows;
        picture = line / rows;
    }
};

__device__ inline unsigned item_of_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }

// A bound that is not a number is none; what is not a number stays so.
__device__ inline float clamped(float value, float low, float high) {
    if (value < low) return low;
    return value > high ? high : value;
}

// The weights of a row of K taps.
template <unsigned K, unsigned W>
__device__ inline void load_taps(const float *weights, unsigned row, unsigned channels, unsigned channel, float (&taps)[K][W]) {
#pragma unroll
    for (unsigned tap = 0; tap < K; tap++) load<W>(weights + size_t(row * K + tap) * channels + channel, taps[tap]);
}

// A kernel of K times K taps with a stride of S, in tiles.
template <unsigned K, unsigned S> struct Tiled {
    static_assert(TILE % S == 0, "tiles begin at a step");

    template <unsigned W>
    __device__ static void forward(
        const Value *x, const float *weights, const float *bias, Value *y, Window window, unsigned items, float low, float high
    ) {
        if (item_of_thread() >= items) return;
        const unsigned tiles = (window.wide + TILE - 1) / TILE;
        const Place<W> place(item_of_thread(), window.channels, tiles, window.high);
        const unsigned first = place.tile * TILE;
        float sums[TILE][W] = {};
        if (bias) {
#pragma unroll
            for (unsigned t = 0; t < TILE; t++) load<W>(bias + place.channel, sums[t]);
        }
#pragma unroll 1
        for (unsigned ky = 0; ky < K; ky++) {
            const unsigned iy = place.row * S + ky - window.padding;
            if (iy >= window.height) continue;
            float taps[K][W];
            load_taps<K, W>(weights, ky, window.channels, place.channel, taps);
            const Value *line = x + window.input(place.picture, iy, 0, place.channel);
#pragma unroll
            for (unsigned i = 0; i < (TILE - 1) * S + K; i++) {
                const unsigned ix = first * S + i - window.padding;
                if (ix >= window.width) continue;
                float value[W];
                load<W>(line + size_t(ix) * window.channels, value);
#pragma unroll
                for (unsigned t = 0; t < TILE; t++) {
                    if (i < t * S || i - t * S >= K) continue;
#pragma unroll
                    for (unsigned c = 0; c < W; c++) sums[t][c] += value[c] * taps[i - t * S][c];
                }
            }
        }
#pragma unroll
        for (unsigned t = 0; t < TILE; t++) {
            if (first + t >= window.wide) continue;
#pragma unroll
            for (unsigned c = 0; c < W; c++) sums[t][c] = clamped(sums[t][c], low, high);
            store<W>(y + window.result(place.picture, place.row, first + t, place.channel), sums[t]);
        }
    }

    // The gradient of the input: each of its positions gathers from the results that saw it. Tiles begin where the first tap meets
    // a result, so that it is known beforehand which tap meets which: the first may begin ahead of the row.
    template <unsigned W>
    __device__ static void of_input(const float *weights, const Value *grad, Value *of_x, Window window, unsigned items) {
        if (item_of_thread() >= items) return;
        const unsigned ahead = window.padding % S, tiles = (window.width + ahead + TILE - 1) / TILE;
        const Place<W> place(item_of_thread(), window.channels, tiles, window.height);
        const unsigned first = place.tile * TILE - ahead, met = (first + window.padding) / S;
        constexpr unsigned BEFORE = (K - 1) / S;
        float sums[TILE][W] = {};
#pragma unroll 1
        for (unsigned ky = 0; ky < K; ky++) {
            const unsigned at = place.row + window.padding - ky, oy = at / S;
            // What lies ahead of the map is a large number.
            if (place.row + window.padding < ky || at % S != 0 || oy >= window.high) continue;
            float taps[K][W];
            load_taps<K, W>(weights, ky, window.channels, place.channel, taps);
            const Value *line = grad + window.result(place.picture, oy, 0, place.channel);
#pragma unroll
            for (unsigned i = 0; i <= BEFORE + (TILE - 1) / S; i++) {
                const unsigned ox = met + i - BEFORE;
                if (ox >= window.wide) continue;
                float slope[W];
                load<W>(line + size_t(ox) * window.channels, slope);
#pragma unroll
                for (unsigned t = 0; t < TILE; t++) {
                    // Of column t the tap `kx` meets the result `met + (t - kx) / S`.
                    if (t + BEFORE * S < i * S || t + BEFORE * S - i * S >= K) continue;
#pragma unroll
                    for (unsigned c = 0; c < W; c++) sums[t][c] += slope[c] * taps[t + BEFORE * S - i * S][c];
                }
            }
        }
#pragma unroll
        for (unsigned t = 0; t < TILE; t++) {
            // Ahead of the row it is a large number, too.
            if (first + t >= window.width) continue;
            store<W>(of_x + window.input(place.picture, place.row, first + t, place.channel), sums[t]);
        }
    }

    // The gradient of the weights, `[parts, taps, channels]`, to be joined: a block has a row of taps and a share of the tiles.
    template <unsigned W>
    __device__ static void of_weights(
        const Value *x, const Value *grad, float *parts, Window window, unsigned rows, unsigned tiles_per_block, float *shared
    ) {
        const unsigned channel = (blockIdx.x * blockDim.x + threadIdx.x) * W, ky = blockIdx.y % K, part = blockIdx.y / K;
        const unsigned tiles = (window.wide + TILE - 1) / TILE;
        const unsigned end = min((part + 1) * tiles_per_block, rows * tiles);
        float sums[K][W] = {};
        if (channel < window.channels) {
#pragma unroll 1
            for (unsigned tile = part * tiles_per_block + threadIdx.y; tile < end; tile += blockDim.y) {
                const unsigned row = tile / tiles, first = tile % tiles * TILE, picture = row / window.high;
                const unsigned iy = row % window.high * S + ky - window.padding;
                if (iy >= window.height) continue;
                float slope[TILE][W] = {};
                const Value *of_row = grad + (size_t(row) * window.wide + first) * window.channels + channel;
#pragma unroll
                for (unsigned t = 0; t < TILE; t++) {
                    if (first + t < window.wide) load<W>(of_row + size_t(t) * window.channels, slope[t]);
                }
                const Value *line = x + window.input(picture, iy, 0, channel);
#pragma unroll
                for (unsigned i = 0; i < (TILE - 1) * S + K; i++) {
                    const unsigned ix = first * S + i - window.padding;
                    if (ix >= window.width) continue;
                    float value[W];
                    load<W>(line + size_t(ix) * window.channels, value);
#pragma unroll
                    for (unsigned t = 0; t < TILE; t++) {
                        if (i < t * S || i - t * S >= K || first + t >= window.wide) continue;
#pragma unroll
                        for (unsigned c = 0; c < W; c++) sums[i - t * S][c] += value[c] * slope[t][c];
                    }
                }
            }
        }
#pragma unroll
        for (unsigned kx = 0; kx < K; kx++) {
            add_columns<W>(sums[kx], shared);
            if (threadIdx.y == 0 && channel < window.channels) {
                store<W>(parts + (size_t(part * K + ky) * K + kx) * window.channels + channel, sums[kx]);
            }
        }
    }
};

// Any kernel, a column at a time.
struct Single {
    template <unsigned W>
    __device__ static void forward(
        const Value *x, const float *weights, const float *bias, Value *y, Window window, unsigned items, float low, float high
    ) {
        if (item_of_thread() >= items) return;
        const Place<W> place(item_of_thread(), window.channels, window.wide, window.high);
        float sum[W] = {};
        if (bias) load<W>(bias + place.channel, sum);
        for (unsigned ky = 0; ky < window.kernel_high; ky++) {
            const unsigned iy = place.row * window.stride + ky * window.dilation - window.padding;
            if (iy >= window.height) continue;
            for (unsigned kx = 0; kx < window.kernel_wide; kx++) {
                const unsigned ix = place.tile * window.stride + kx * window.dilation - window.padding;
                if (ix >= window.width) continue;
                float value[W], tap[W];
                load<W>(x + window.input(place.picture, iy, ix, place.channel), value);
                load<W>(weights + size_t(ky * window.kernel_wide + kx) * window.channels + place.channel, tap);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += value[c] * tap[c];
            }
        }
#pragma unroll
        for (unsigned c = 0; c < W; c++) sum[c] = clamped(sum[c], low, high);
        store<W>(y + window.result(place.picture, place.row, place.tile, place.channel), sum);
    }

    template <unsigned W>
    __device__ static void of_input(const float *weights, const Value *grad, Value *of_x, Window window, unsigned items) {
        if (item_of_thread() >= items) return;
        const Place<W> place(item_of_thread(), window.channels, window.width, window.height);
        const unsigned y = place.row + window.padding, x = place.tile + window.padding;
        float sum[W] = {};
        for (unsigned ky = 0; ky < window.kernel_high; ky++) {
            const unsigned at = y - ky * window.dilation, oy = at / window.stride;
            if (y < ky * window.dilation || at % window.stride != 0 || oy >= window.high) continue;
            for (unsigned kx = 0; kx < window.kernel_wide; kx++) {
                const unsigned from = x - kx * window.dilation, ox = from / window.stride;
                if (x < kx * window.dilation || from % window.stride != 0 || ox >= window.wide) continue;
                float slope[W], tap[W];
                load<W>(grad + window.result(place.picture, oy, ox, place.channel), slope);
                load<W>(weights + size_t(ky * window.kernel_wide + kx) * window.channels + place.channel, tap);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += slope[c] * tap[c];
            }
        }
        store<W>(of_x + window.input(place.picture, place.row, place.tile, place.channel), sum);
    }

    // A block has one tap and a share of the columns.
    template <unsigned W>
    __device__ static void of_weights(
        const Value *x, const Value *grad, float *parts, Window window, unsigned rows, unsigned tiles_per_block, float *shared
    ) {
        const unsigned channel = (blockIdx.x * blockDim.x + threadIdx.x) * W, taps = window.kernel_high * window.kernel_wide;
        const unsigned tap = blockIdx.y % taps, part = blockIdx.y / taps;
        const unsigned ky = tap / window.kernel_wide * window.dilation, kx = tap % window.kernel_wide * window.dilation;
        const unsigned end = min((part + 1) * tiles_per_block, rows * window.wide);
        float sum[W] = {};
        if (channel < window.channels) {
            for (unsigned tile = part * tiles_per_block + threadIdx.y; tile < end; tile += blockDim.y) {
                const unsigned row = tile / window.wide, picture = row / window.high;
                const unsigned iy = row % window.high * window.stride + ky - window.padding;
                const unsigned ix = tile % window.wide * window.stride + kx - window.padding;
                if (iy >= window.height || ix >= window.width) continue;
                float value[W], slope[W];
                load<W>(x + window.input(picture, iy, ix, channel), value);
                load<W>(grad + size_t(tile) * window.channels + channel, slope);
#pragma unroll
                for (unsigned c = 0; c < W; c++) sum[c] += value[c] * slope[c];
            }
        }
        add_columns<W>(sum, shared);
        if (threadIdx.y == 0 && channel < window.channels) store<W>(parts + size_t(blockIdx.y) * window.channels + channel, sum);
    }
};

// The three passes of a way to do them; the first two have a thread for each of `items`.
#define PASSES(name, ...)                                                                                                    \
    KERNEL(                                                                                                                  \
        forward_##name, const Value *__restrict__ x, const float *__restrict__ weights, const float *__restrict__ bias,      \
        Value *__restrict__ y, WINDOW_ARGUMENTS, unsigned items, float low, float top, unsigned pack                         \
    ) {                                                                                                                      \
        with_width<Value>(pack, [&](auto w) {                                                                                \
            __VA_ARGS__::template forward<decltype(w)::value>(x, weights, bias, y, WINDOW, items, low, top);                 \
        });                                                                                                                  \
    }                                                                                                                        \
    KERNEL(                                                                                                                  \
        input_##name, const float *__restrict__ weights, const Value *__restrict__ grad, Value *__restrict__ of_x,           \
        WINDOW_ARGUMENTS, unsigned items, unsigned pack                                                                      \
    ) {                                                                                                                      \
        with_width<Value>(pack, [&](auto w) {                                                                                \
            __VA_ARGS__::template of_input<decltype(w)::value>(weights, grad, of_x, WINDOW, items);                          \
        });                                                                                                                  \
    }                                                                                                                        \
    KERNEL(                                                                                                                  \
        weights_##name, const Value *__restrict__ x, const Value *__restrict__ grad, float *__restrict__ parts,              \
        WINDOW_ARGUMENTS, unsigned rows, unsigned tiles_per_block, unsigned pack                                             \
    ) {                                                                                                                      \
        SHARED(float, shared, MAX_THREADS *WIDE<Value>);                                                                     \
        with_width<Value>(pack, [&](auto w) {                                                                                \
            __VA_ARGS__::template of_weights<decltype(w)::value>(x, grad, parts, WINDOW, rows, tiles_per_block, shared);     \
        });                                                                                                                  \
    }

PASSES(any, Single)
PASSES(3_1, Tiled<3, 1>)
PASSES(3_2, Tiled<3, 2>)
PASSES(5_1, Tiled<5, 1>)
PASSES(5_2, Tiled<5, 2>)
PASSES(7_1, Tiled<7, 1>)
PASSES(7_2, Tiled<7, 2>)
