// CUDA's way of running kernels, on the processor, for tests: what common.cuh includes where nvcc does not compile.
//
// Every thread of a block is a fiber with a stack of its own, so that barriers and exchanges within a warp mean what they mean on
// a card. Between two barriers the fibers run in an order drawn by chance (the same at each launch), blocks as well; shared memory
// is not-a-number until it is written. So a barrier that is missing shows, as does one that not every thread of a block
// reaches, an address that is not aligned as a card asks for, and a launch beyond a card's limits or with arguments of other types.
#pragma once

#include <csetjmp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __device__
#define __grid_constant__

// bfloat16: the upper half of a float, rounded to the nearest, ties to even.
struct __nv_bfloat16 {
    uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float wide;
    memcpy(&wide, &bits, sizeof wide);
    return wide;
}

inline __nv_bfloat16 __float2bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return {0x7fff};
    return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
// A thread gives way to others at barriers only.
inline unsigned atomicAdd(unsigned *at, unsigned value) {
    const unsigned before = *at;
    *at += value;
    return before;
}

namespace emulated {

struct Index {
    unsigned x, y, z;
};

constexpr size_t STACK = 64 * 1024;
constexpr size_t SHARED_BYTES = 48 * 1024;
constexpr unsigned WARP = 32, MOST_THREADS = 256;

enum class State { Ready, AtBarrier, AtWarp, Finished };

struct Fiber {
    ucontext_t first;
    jmp_buf place;
    bool begun = false;
    State state = State::Ready;
    // Where it waits: the line, and which lanes of its warp it waits for.
    int line = 0;
    unsigned lanes = 0;
    Index thread{};
    unsigned number = 0;
    std::unique_ptr<char[]> stack{new char[STACK]};
};

using Run = void (*)(void **);

// What runs the blocks of a launch on one thread of the processor.
struct Machine {
    std::vector<std::unique_ptr<Fiber>> fibers;
    Fiber *current = nullptr;
    jmp_buf scheduler;
    Index block{}, grid{}, threads{};
    Run run = nullptr;
    void **args = nullptr;
    std::string error;
    uint64_t chance = 0;
    // What lanes of each warp give each other.
    uint64_t given[MOST_THREADS];
    alignas(128) char shared[SHARED_BYTES];
    size_t shared_used = 0;
    std::vector<std::pair<const void *, size_t>> shared_sites;

    unsigned draw(unsigned below) {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        return unsigned((chance >> 33) % below);
    }
};

inline Machine &machine() {
    static thread_local std::unique_ptr<Machine> own{new Machine};
    return *own;
}

// Leaves a fiber for the scheduler, until it is resumed.
__attribute__((noinline)) inline void leave() {
    Machine &m = machine();
    if (_setjmp(m.current->place) == 0) _longjmp(m.scheduler, 1);
}

inline void fiber_main() {
    for (;;) {
        Machine &m = machine();
        m.run(m.args);
        m.current->state = State::Finished;
        leave();
    }
}

__attribute__((noinline)) inline void resume(Machine &m, Fiber &fiber) {
    m.current = &fiber;
    if (_setjmp(m.scheduler) != 0) return;
    if (fiber.begun) _longjmp(fiber.place, 1);
    fiber.begun = true;
    getcontext(&fiber.first);
    fiber.first.uc_stack.ss_sp = fiber.stack.get();
    fiber.first.uc_stack.ss_size = STACK;
    fiber.first.uc_link = nullptr;
    makecontext(&fiber.first, fiber_main, 0);
    setcontext(&fiber.first);
}

// Ends the launch with an error, from within a fiber, which is never resumed.
[[noreturn]] inline void fail(const std::string &what) {
    Machine &m = machine();
    if (m.error.empty()) m.error = what;
    for (;;) {
        m.current->state = State::Finished;
        leave();
    }
}

inline void wait(State state, int line, unsigned lanes) {
    Fiber &fiber = *machine().current;
    fiber.state = state;
    fiber.line = line;
    fiber.lanes = lanes;
    leave();
}

inline void block_barrier(int line) { wait(State::AtBarrier, line, 0); }
inline void warp_barrier(unsigned lanes, int line) { wait(State::AtWarp, line, lanes); }

// What lane `from(own lane)` of the warp gives; one's own value from a lane that is not there.
template <class T, class From> T exchange(unsigned lanes, T value, int line, From from) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "too large to be exchanged");
    Machine &m = machine();
    const unsigned own = m.current->number, lane = own % WARP, other = from(lane);
    memcpy(&m.given[own], &value, sizeof value);
    warp_barrier(lanes, line);
    if (other < WARP) {
        if (!(lanes >> other & 1)) fail("an exchange with a lane that takes no part, line " + std::to_string(line));
        memcpy(&value, &m.given[own - lane + other], sizeof value);
    }
    warp_barrier(lanes, line);
    return value;
}

inline void *shared_memory(const void *site, size_t bytes) {
    Machine &m = machine();
    for (const auto &[known, at] : m.shared_sites) {
        if (known == site) return m.shared + at;
    }
    const size_t at = (m.shared_used + 127) / 128 * 128;
    if (at + bytes > SHARED_BYTES) fail("more shared memory than a block may have");
    // Not-a-number, as float.
    memset(m.shared + at, 0xff, bytes);
    m.shared_used = at + bytes;
    m.shared_sites.emplace_back(site, at);
    return m.shared + at;
}

inline void check_aligned(const void *pointer, size_t bytes) {
    if (reinterpret_cast<uintptr_t>(pointer) % bytes != 0) fail("an address that is not a multiple of " + std::to_string(bytes));
}

// Lets go the lanes of a warp that all wait for each other; whether there were any.
inline bool release_warp(Machine &m, unsigned first, unsigned count) {
    bool released = false;
    for (unsigned i = first; i < count && i < first + WARP; i++) {
        Fiber &fiber = *m.fibers[i];
        if (fiber.state != State::AtWarp) continue;
        const unsigned lanes = fiber.lanes;
        const int line = fiber.line;
        if (!(lanes >> (i - first) & 1)) m.error = "a thread outside of its own mask, line " + std::to_string(line);
        for (unsigned lane = 0; lane < WARP; lane++) {
            if (!(lanes >> lane & 1)) continue;
            const bool there = first + lane < count;
            const Fiber *other = there ? m.fibers[first + lane].get() : nullptr;
            if (!there || other->state != State::AtWarp || other->lanes != lanes || other->line != line) {
                m.error = "not every lane of the mask takes part, line " + std::to_string(line);
            }
        }
        if (!m.error.empty()) return false;
        for (unsigned lane = 0; lane < WARP; lane++) {
            if (lanes >> lane & 1) m.fibers[first + lane]->state = State::Ready;
        }
        released = true;
    }
    return released;
}

// Lets go the threads of a block that all wait at one barrier.
inline void release_block(Machine &m, unsigned count) {
    const int line = m.fibers[0]->line;
    for (unsigned i = 0; i < count; i++) {
        const Fiber &fiber = *m.fibers[i];
        if (fiber.state != State::AtBarrier || fiber.line != line) m.error = "a barrier that not every thread of the block reaches";
    }
    for (unsigned i = 0; i < count; i++) m.fibers[i]->state = State::Ready;
}

inline void run_block(Machine &m, unsigned count) {
    m.shared_used = 0;
    m.shared_sites.clear();
    std::vector<unsigned> ready;
    for (unsigned i = 0; i < count; i++) m.fibers[i]->state = State::Ready;
    for (;;) {
        ready.clear();
        bool finished = true;
        for (unsigned i = 0; i < count; i++) {
            if (m.fibers[i]->state == State::Ready) ready.push_back(i);
            finished &= m.fibers[i]->state == State::Finished;
        }
        if (finished) return;
        for (unsigned left = unsigned(ready.size()); left > 0; left--) {
            const unsigned pick = m.draw(left);
            resume(m, *m.fibers[ready[pick]]);
            std::swap(ready[pick], ready[left - 1]);
            if (!m.error.empty()) return;
        }
        bool released = false, waiting = false;
        for (unsigned first = 0; first < count; first += WARP) released |= release_warp(m, first, count);
        for (unsigned i = 0; i < count; i++) waiting |= m.fibers[i]->state == State::AtBarrier;
        if (m.error.empty() && !released && waiting) release_block(m, count);
        if (!m.error.empty()) return;
    }
}

// How the host's side names the types of arguments: see launch.rs.
template <class T> struct Kind {
    static std::string name() { return "t" + std::to_string(sizeof(T)); }
};
template <> struct Kind<float> { static std::string name() { return "f"; } };
template <> struct Kind<double> { static std::string name() { return "d"; } };
template <> struct Kind<unsigned> { static std::string name() { return "u"; } };
template <> struct Kind<__nv_bfloat16> { static std::string name() { return "h"; } };
template <class T> struct Kind<T *> { static std::string name() { return "w" + Kind<T>::name(); } };
template <class T> struct Kind<const T *> { static std::string name() { return "r" + Kind<T>::name(); } };

struct Kernel {
    Run run;
    std::vector<std::string> kinds;
};

inline std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}

template <auto KERNEL_FUNCTION> struct Caller;
template <class... Args, void (*FUNCTION)(Args...)> struct Caller<FUNCTION> {
    template <size_t... I> static void call(void **args, std::index_sequence<I...>) {
        FUNCTION(*static_cast<std::remove_const_t<Args> *>(args[I])...);
    }
    static void run(void **args) { call(args, std::index_sequence_for<Args...>()); }
    static Kernel kernel() { return {run, {Kind<std::remove_const_t<Args>>::name()...}}; }
};

struct Registered {
    Registered(const char *module, const char *name, Kernel kernel) { kernels()[std::string(module) + "/" + name] = kernel; }
};

inline std::string misfit(const Kernel &kernel, const char *const *kinds, unsigned count) {
    if (kernel.kinds.size() != count) {
        return std::to_string(count) + " arguments for one of " + std::to_string(kernel.kinds.size());
    }
    for (unsigned i = 0; i < count; i++) {
        const std::string &wanted = kernel.kinds[i], given = kinds[i];
        const bool absent = given == "n" && (wanted[0] == 'r' || wanted[0] == 'w');
        if (given != wanted && !absent) return "argument " + std::to_string(i) + " is " + given + ", not " + wanted;
    }
    return "";
}

inline void launch(Machine &m, const std::string &name, const char *const *kinds, unsigned arg_count) {
    const auto found = kernels().find(name);
    if (found == kernels().end()) {
        m.error = "there is no such kernel";
        return;
    }
    m.error = misfit(found->second, kinds, arg_count);
    const uint64_t threads = uint64_t(m.threads.x) * m.threads.y * m.threads.z;
    const uint64_t blocks = uint64_t(m.grid.x) * m.grid.y * m.grid.z;
    if (threads == 0 || threads > MOST_THREADS || blocks == 0 || m.grid.x > 0x7fffffff || m.grid.y > 0xffff || m.grid.z > 0xffff) {
        m.error = "a launch beyond the limits";
    }
    if (!m.error.empty()) return;
    const unsigned count = unsigned(threads);
    while (m.fibers.size() < count) m.fibers.emplace_back(new Fiber);
    for (unsigned i = 0; i < count; i++) {
        m.fibers[i]->number = i;
        m.fibers[i]->thread = {i % m.threads.x, i / m.threads.x % m.threads.y, i / m.threads.x / m.threads.y};
    }
    m.run = found->second.run;
    m.chance = 0x9e3779b97f4a7c15;
    // Blocks in an order of some step from some beginning.
    uint64_t step = m.draw(0x7fffffff) % blocks;
    const auto divides = [](uint64_t a, uint64_t b) {
        while (b != 0) std::swap(a %= b, b);
        return a;
    };
    while (divides(step, blocks) != 1) step = (step + 1) % blocks + (blocks == 1);
    uint64_t at = m.draw(0x7fffffff) % blocks;
    for (uint64_t i = 0; i < blocks && m.error.empty(); i++, at = (at + step) % blocks) {
        m.block = {unsigned(at % m.grid.x), unsigned(at / m.grid.x % m.grid.y), unsigned(at / m.grid.x / m.grid.y)};
        run_block(m, count);
    }
    // Fibers that were left in the middle are of no use.
    if (!m.error.empty()) m.fibers.clear();
}

} // namespace emulated

#define threadIdx (emulated::machine().current->thread)
#define blockIdx (emulated::machine().block)
#define blockDim (emulated::machine().threads)
#define gridDim (emulated::machine().grid)

#define __syncthreads() emulated::block_barrier(__LINE__)
#define __syncwarp(lanes) emulated::warp_barrier(lanes, __LINE__)
#define __shfl_xor_sync(lanes, value, bits)                                                                                  \
    emulated::exchange(lanes, value, __LINE__, [=](unsigned lane) { return lane ^ unsigned(bits); })
#define __shfl_down_sync(lanes, value, by)                                                                                   \
    emulated::exchange(lanes, value, __LINE__, [=](unsigned lane) { return lane + unsigned(by); })
#define __shfl_sync(lanes, value, from)                                                                                      \
    emulated::exchange(lanes, value, __LINE__, [=](unsigned) { return unsigned(from); })

// `emulated_module` is the file's name with that of its type of values.
#define KERNEL(name, ...)                                                                                                    \
    static void name(__VA_ARGS__);                                                                                           \
    static const emulated::Registered name##_registered(emulated_module, #name, emulated::Caller<name>::kernel());           \
    static void name(__VA_ARGS__)

#define SHARED(type, name, count)                                                                                            \
    static const char name##_site = 0;                                                                                       \
    type *const name = static_cast<type *>(emulated::shared_memory(&name##_site, sizeof(type) * (count)))

#define CHECK_ALIGNED(pointer, bytes) emulated::check_aligned(pointer, bytes)

// Runs a kernel. `args` are pointers to its arguments and `kinds` their types; null, or why it failed, until the thread's next.
extern "C" const char *headstart_emulated_launch(
    const char *kernel, const unsigned *grid, const unsigned *threads, void **args, const char *const *kinds, unsigned count
) {
    emulated::Machine &m = emulated::machine();
    m.error.clear();
    m.grid = {grid[0], grid[1], grid[2]};
    m.threads = {threads[0], threads[1], threads[2]};
    m.args = args;
    emulated::launch(m, kernel, kinds, count);
    return m.error.empty() ? nullptr : m.error.c_str();
}
