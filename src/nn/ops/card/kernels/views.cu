// Views of pictures, random ones and those of evaluation: cut, resized with an antialiased filter, mirrored, turned, adjusted in colour,
// changed by the operations of a policy, normalised, erased. Every
// step rounds as the processor's does, which is as Pillow does, so that the result is the same to the bit.
//
// A pixel on the way is a word of three bytes. What is done to each picture is in its row of `plans`.
#include "common.cuh"

// The words of a plan; views.rs writes them in this order.
enum Plan : unsigned {
    // The first byte of the cut's pixels, packed RGB, the bytes from one row to the next, and its columns.
    PIXELS,
    STRIDE,
    WIDTH,
    // The first of the cut's columns, resized downwards.
    MIDDLE,
    // Of each way the first word of its taps, the words of one result and the bits behind the point.
    DOWN,
    DOWN_STEP,
    DOWN_BITS,
    ACROSS,
    ACROSS_STEP,
    ACROSS_BITS,
    // 1 left to right, 2 upside down.
    MIRRORED,
    // Whether it is turned, and the six numbers that tell from where, 16 bits behind the point.
    TURNED,
    TURN,
    // Rows and columns that are erased: the first of each, and their numbers.
    ERASED = TURN + 6,
    ADJUSTMENTS = ERASED + 4,
    // Up to four pairs of what is adjusted and by how much.
    FIRST_ADJUSTMENT,
    PLAN_WORDS = FIRST_ADJUSTMENT + 8,
};

enum Adjustment : unsigned { BRIGHTNESS, CONTRAST, SATURATION, HUE };

// The words of an operation of a policy, as views.rs writes them: what is done, by how much, and from where pixels come.
enum Change : unsigned { WHAT, BY, FROM, CHANGE_WORDS = FROM + 6 };

enum Operation : unsigned {
    NOTHING,
    // Pixels from elsewhere.
    MOVE,
    // Each pixel between its own grey and itself, or beyond; between the mean of its neighbourhood and itself.
    COLOUR,
    SHARPNESS,
    // Levels by a table.
    BRIGHTEN,
    STEEPEN,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE,
};

constexpr unsigned LEVELS = 256;

// Products and sums of their own, which are rounded each: what is truncated afterwards must not depend on one that is not.
#ifdef __CUDACC__
__device__ inline float product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double product(double a, double b) { return __dmul_rn(a, b); }
__device__ inline float float_of(unsigned bits) { return __uint_as_float(bits); }
#else
inline float product(float a, float b) { return a * b; }
inline double product(double a, double b) { return a * b; }
inline float float_of(unsigned bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
#endif

struct Colour {
    unsigned levels[3];

    __device__ static Colour of(unsigned word) { return {{word & 255u, word >> 8 & 255u, word >> 16 & 255u}}; }
    __device__ unsigned word() const { return levels[0] | levels[1] << 8 | levels[2] << 16; }
    __device__ unsigned grey() const { return (levels[0] * 19595u + levels[1] * 38470u + levels[2] * 7471u + 0x8000u) >> 16; }
};

__device__ inline unsigned byte_at(const unsigned *words, size_t at) { return words[at / 4] >> (at % 4 * 8) & 255u; }

// Three sums of levels times taps, each rounded to a level.
struct Levels {
    int sums[3];

    __device__ explicit Levels(unsigned bits) : sums{1 << (bits - 1), 1 << (bits - 1), 1 << (bits - 1)} {}
    __device__ Colour colour(unsigned bits) const {
        Colour colour;
        for (unsigned c = 0; c < 3; c++) {
            const int level = sums[c] >> bits;
            colour.levels[c] = level < 0 ? 0 : level > 255 ? 255 : unsigned(level);
        }
        return colour;
    }
};

// The columns of each cut, resized to `side` rows: a thread for each pixel, a row of blocks for each picture.
KERNEL(
    down, const unsigned *__restrict__ pixels, const unsigned *__restrict__ plans, const unsigned *__restrict__ taps,
    unsigned *__restrict__ middle, unsigned side
) {
    const unsigned *plan = plans + size_t(blockIdx.y) * PLAN_WORDS;
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x, width = plan[WIDTH], y = item / width, x = item % width;
    if (y >= side) return;
    const unsigned *own = taps + plan[DOWN] + size_t(y) * plan[DOWN_STEP];
    Levels levels(plan[DOWN_BITS]);
    for (unsigned tap = 0; tap < own[1]; tap++) {
        const size_t at = plan[PIXELS] + size_t(own[0] + tap) * plan[STRIDE] + x * 3;
        for (unsigned c = 0; c < 3; c++) levels.sums[c] += int(byte_at(pixels, at + c)) * int(own[2 + tap]);
    }
    middle[size_t(plan[MIDDLE]) + item] = levels.colour(plan[DOWN_BITS]).word();
}

// Their rows, resized to `side` columns and mirrored: `[pictures, side, side]`.
KERNEL(
    across, const unsigned *__restrict__ middle, const unsigned *__restrict__ plans, const unsigned *__restrict__ taps,
    unsigned *__restrict__ squares, unsigned side
) {
    const unsigned *plan = plans + size_t(blockIdx.y) * PLAN_WORDS;
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x, y = item / side, x = item % side;
    if (y >= side) return;
    const unsigned *own = taps + plan[ACROSS] + size_t(x) * plan[ACROSS_STEP];
    const unsigned *row = middle + plan[MIDDLE] + size_t(y) * plan[WIDTH] + own[0];
    Levels levels(plan[ACROSS_BITS]);
    for (unsigned tap = 0; tap < own[1]; tap++) {
        const Colour colour = Colour::of(row[tap]);
        for (unsigned c = 0; c < 3; c++) levels.sums[c] += int(colour.levels[c]) * int(own[2 + tap]);
    }
    const unsigned to_x = plan[MIRRORED] & 1u ? side - 1 - x : x, to_y = plan[MIRRORED] & 2u ? side - 1 - y : y;
    squares[(size_t(blockIdx.y) * side + to_y) * side + to_x] = levels.colour(plan[ACROSS_BITS]).word();
}

// A pixel of the square once all are moved: the nearest to where six numbers say that it comes from, black outside.
__device__ inline Colour moved(const unsigned *square, const unsigned *from, unsigned side, unsigned x, unsigned y) {
    const int from_x = int(from[0] + x * from[2] + y * from[4]) >> 16, from_y = int(from[1] + x * from[3] + y * from[5]) >> 16;
    if (from_x < 0 || from_y < 0 || unsigned(from_x) >= side || unsigned(from_y) >= side) return Colour::of(0);
    return Colour::of(square[size_t(from_y) * side + unsigned(from_x)]);
}

// A pixel of the square once it is turned, where it is.
__device__ inline Colour turned(const unsigned *square, const unsigned *plan, unsigned side, unsigned x, unsigned y) {
    return plan[TURNED] ? moved(square, plan + TURN, side, x, y) : Colour::of(square[size_t(y) * side + x]);
}

// Between two levels, or beyond the second, cut to a whole one.
__device__ inline unsigned blend(unsigned from, unsigned to, float factor) {
    const float mixed = float(from) + product(factor, float(to) - float(from));
    return mixed <= 0.0f ? 0u : mixed >= 255.0f ? 255u : unsigned(mixed);
}

// Turns the hue by `shift` of 256 steps, in Pillow's 8-bit HSV.
__device__ inline Colour with_hue(Colour colour, unsigned shift) {
    const unsigned r = colour.levels[0], g = colour.levels[1], b = colour.levels[2];
    const unsigned most = max(max(r, g), b), least = min(min(r, g), b);
    if (most == least) return colour;
    const float range = float(most - least);
    const float of_r = float(most - r) / range, of_g = float(most - g) / range, of_b = float(most - b) / range;
    float hue;
    if (r == most) {
        hue = of_b - of_g;
    } else if (g == most) {
        hue = float(2.0 + double(of_r) - double(of_b));
    } else {
        hue = float(4.0 + double(of_g) - double(of_r));
    }
    hue = float(fmod(double(hue) / 6.0 + 1.0, 1.0));
    const unsigned h = (unsigned(product(double(hue), 255.0)) + shift) & 255u;
    const unsigned s = unsigned(product(double(range / float(most)), 255.0));
    if (s == 0) return {{most, most, most}};
    const float sixth = product(float(h), 6.0f) / 255.0f, whole = floorf(sixth);
    const double rest = double(sixth - whole), saturation = double(float(double(s) / 255.0)), value = double(most);
    const auto level = [&](double share) { return unsigned(round(product(value, share))); };
    const unsigned p = level(1.0 - saturation), q = level(1.0 - product(saturation, rest));
    const unsigned t = level(1.0 - product(saturation, 1.0 - rest));
    switch (unsigned(whole) % 6) {
    case 0: return {{most, t, p}};
    case 1: return {{q, most, p}};
    case 2: return {{p, most, t}};
    case 3: return {{p, q, most}};
    case 4: return {{t, p, most}};
    default: return {{most, p, q}};
    }
}

// The colour after the first `count` adjustments.
__device__ inline Colour adjusted(Colour colour, const unsigned *plan, unsigned count, unsigned mean) {
    for (unsigned i = 0; i < count; i++) {
        const unsigned what = plan[FIRST_ADJUSTMENT + 2 * i], by = plan[FIRST_ADJUSTMENT + 2 * i + 1];
        if (what == HUE) {
            colour = with_hue(colour, by);
            continue;
        }
        const unsigned from = what == BRIGHTNESS ? 0u : what == CONTRAST ? mean : colour.grey();
        for (unsigned c = 0; c < 3; c++) colour.levels[c] = blend(from, colour.levels[c], float_of(by));
    }
    return colour;
}

// Of the block's sum of greys the mean, rounded to a level. `shared` has room for a value of each thread.
__device__ inline unsigned block_mean(unsigned sum, unsigned pixels, unsigned *shared) {
    shared[threadIdx.x] = sum;
    for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    __syncthreads();
    return unsigned(double(shared[0]) / double(pixels) + 0.5);
}

// The mean grey of each picture where its contrast is adjusted; a block for each. Sums of whole numbers have no order.
KERNEL(
    greys, const unsigned *__restrict__ squares, const unsigned *__restrict__ plans, unsigned *__restrict__ means, unsigned side
) {
    SHARED(unsigned, shared, MAX_THREADS);
    const unsigned *plan = plans + size_t(blockIdx.x) * PLAN_WORDS;
    const unsigned count = plan[ADJUSTMENTS], pixels = side * side;
    unsigned before = 0, sum = 0;
    while (before < count && plan[FIRST_ADJUSTMENT + 2 * before] != CONTRAST) before++;
    if (before < count) {
        for (unsigned i = threadIdx.x; i < pixels; i += blockDim.x) {
            const Colour colour = turned(squares + size_t(blockIdx.x) * pixels, plan, side, i % side, i / side);
            sum += adjusted(colour, plan, before, 0).grey();
        }
    }
    const unsigned mean = block_mean(sum, pixels, shared);
    if (threadIdx.x == 0) means[blockIdx.x] = mean;
}

// The squares with all adjustments, before the operations of policies.
KERNEL(
    adjust, const unsigned *__restrict__ squares, const unsigned *__restrict__ plans, const unsigned *__restrict__ means,
    unsigned *__restrict__ adjusted_squares, unsigned side
) {
    const unsigned *plan = plans + size_t(blockIdx.y) * PLAN_WORDS;
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x, y = item / side, x = item % side;
    if (y >= side) return;
    const size_t first = size_t(blockIdx.y) * side * side;
    const Colour colour = turned(squares + first, plan, side, x, y);
    adjusted_squares[first + item] = adjusted(colour, plan, plan[ADJUSTMENTS], means[blockIdx.y]).word();
}

// What an operation makes of a level of a channel of which each level is counted.
__device__ inline unsigned level_after(const unsigned *change, const unsigned *counts, unsigned level, unsigned mean) {
    switch (change[WHAT]) {
    case BRIGHTEN: return blend(0u, level, float_of(change[BY]));
    case STEEPEN: return blend(mean, level, float_of(change[BY]));
    case POSTERIZE: return level & change[BY];
    case SOLARIZE: return level < change[BY] ? level : LEVELS - 1 - level;
    case AUTOCONTRAST: {
        unsigned low = 0, high = LEVELS - 1;
        while (low < high && counts[low] == 0) low++;
        while (low < high && counts[high] == 0) high--;
        if (low == high) return level;
        const double scale = 255.0 / double(high - low);
        const double stretched = product(double(level), scale) + product(-double(low), scale);
        return stretched <= 0.0 ? 0u : stretched >= 255.0 ? 255u : unsigned(stretched);
    }
    default: {
        unsigned all = 0, below = 0, last = 0;
        for (unsigned i = 0; i < LEVELS; i++) {
            if (i == level) below = all;
            all += counts[i];
            if (counts[i]) last = counts[i];
        }
        const unsigned step = (all - last) / 255;
        return step == 0 ? level : min((step / 2 + below) / step, 255u);
    }
    }
}

// The tables of the operations that go by levels, `[pictures, 3, 256]`; a block for each picture. Counts are whole numbers: their sums
// have no order.
KERNEL(
    level_tables, const unsigned *__restrict__ squares, const unsigned *__restrict__ changes, unsigned *__restrict__ tables,
    unsigned side
) {
    SHARED(unsigned, counts, 3 * LEVELS);
    SHARED(unsigned, shared, MAX_THREADS);
    const unsigned *change = changes + size_t(blockIdx.x) * CHANGE_WORDS;
    const unsigned pixels = side * side, *square = squares + size_t(blockIdx.x) * pixels;
    if (change[WHAT] < BRIGHTEN) return;
    for (unsigned i = threadIdx.x; i < 3 * LEVELS; i += blockDim.x) counts[i] = 0;
    __syncthreads();
    const bool by_counts = change[WHAT] >= AUTOCONTRAST;
    unsigned sum = 0;
    if (by_counts || change[WHAT] == STEEPEN) {
        for (unsigned i = threadIdx.x; i < pixels; i += blockDim.x) {
            const Colour colour = Colour::of(square[i]);
            sum += colour.grey();
            for (unsigned c = 0; by_counts && c < 3; c++) atomicAdd(counts + c * LEVELS + colour.levels[c], 1u);
        }
    }
    const unsigned mean = block_mean(sum, pixels, shared);
    for (unsigned i = threadIdx.x; i < 3 * LEVELS; i += blockDim.x) {
        const unsigned level = i % LEVELS;
        tables[size_t(blockIdx.x) * 3 * LEVELS + i] = level_after(change, counts + (i - level), level, mean);
    }
}

// A pixel smoothed with its eight neighbours, among which it counts five times; those at the edge stay.
__device__ inline Colour smoothed(const unsigned *square, unsigned side, unsigned x, unsigned y) {
    const size_t at = size_t(y) * side + x;
    const Colour own = Colour::of(square[at]);
    if (x == 0 || y == 0 || x + 1 == side || y + 1 == side) return own;
    unsigned sums[3] = {4 * own.levels[0], 4 * own.levels[1], 4 * own.levels[2]};
    for (unsigned i = 0; i < 9; i++) {
        const Colour near = Colour::of(square[at + i / 3 * side + i % 3 - side - 1]);
        for (unsigned c = 0; c < 3; c++) sums[c] += near.levels[c];
    }
    return {{(2 * sums[0] + 13) / 26, (2 * sums[1] + 13) / 26, (2 * sums[2] + 13) / 26}};
}

// One operation of each picture's policy.
KERNEL(
    operate, const unsigned *__restrict__ squares, const unsigned *__restrict__ changes, const unsigned *__restrict__ tables,
    unsigned *__restrict__ changed, unsigned side
) {
    const unsigned *change = changes + size_t(blockIdx.y) * CHANGE_WORDS, what = change[WHAT];
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x, y = item / side, x = item % side;
    if (y >= side) return;
    const size_t first = size_t(blockIdx.y) * side * side;
    const unsigned *square = squares + first;
    Colour colour = what == MOVE ? moved(square, change + FROM, side, x, y) : Colour::of(square[item]);
    if (what == COLOUR || what == SHARPNESS) {
        const unsigned grey = colour.grey();
        const Colour from = what == COLOUR ? Colour{{grey, grey, grey}} : smoothed(square, side, x, y);
        for (unsigned c = 0; c < 3; c++) colour.levels[c] = blend(from.levels[c], colour.levels[c], float_of(change[BY]));
    } else if (what >= BRIGHTEN) {
        const unsigned *table = tables + size_t(blockIdx.y) * 3 * LEVELS;
        for (unsigned c = 0; c < 3; c++) colour.levels[c] = table[c * LEVELS + colour.levels[c]];
    }
    changed[first + item] = colour.word();
}

// The views, `[pictures, side, side, 3]`: each level of each channel has its value in `values`, what is erased is zero. Without means the
// squares are adjusted already.
KERNEL(
    finish, const unsigned *__restrict__ squares, const unsigned *__restrict__ plans, const unsigned *__restrict__ means,
    const float *__restrict__ values, Value *__restrict__ views, unsigned side
) {
    const unsigned *plan = plans + size_t(blockIdx.y) * PLAN_WORDS;
    const unsigned item = blockIdx.x * blockDim.x + threadIdx.x, y = item / side, x = item % side;
    if (y >= side) return;
    const size_t first = size_t(blockIdx.y) * side * side;
    const Colour colour = means ? adjusted(turned(squares + first, plan, side, x, y), plan, plan[ADJUSTMENTS], means[blockIdx.y])
                                : Colour::of(squares[first + item]);
    const bool erased = y - plan[ERASED] < plan[ERASED + 2] && x - plan[ERASED + 1] < plan[ERASED + 3];
    for (unsigned c = 0; c < 3; c++) {
        views[(first + item) * 3 + c] = from_float<Value>(erased ? 0.0f : values[c * 256 + colour.levels[c]]);
    }
}
