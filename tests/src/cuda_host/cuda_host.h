// CUDA C++ on the processor: enough of the language and its runtime to execute this project's kernels, with checks.
//
// A thread of a group runs until it waits (a barrier, a shuffle, a vote) or ends; only a thread that waits keeps a stack of its own.
// The order of groups and threads is the natural one, its opposite, or drawn from a seed. Shared memory is filled with a pattern of that seed before each group.
// Faults end the launch with a sentence: threads that wait for each other for ever, at different barriers, or for one that has ended.
#pragma once
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// One group runs at a time, so its memory may be static; the section is where the pattern goes.
#define __shared__ static __attribute__((section("cuda_shared")))
#define __constant__ static const
#define __noinline__ __attribute__((noinline))

struct uint3 { unsigned x, y, z; };
struct dim3 { unsigned x, y, z; };
struct uchar2 { unsigned char x, y; };
struct uchar3 { unsigned char x, y, z; };
struct __align__(4) uchar4 { unsigned char x, y, z, w; };
struct __align__(8) float2 { float x, y; };
struct float3 { float x, y, z; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(8) uint2 { unsigned x, y; };
struct __align__(16) uint4 { unsigned x, y, z, w; };
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }

extern "C" unsigned char __start_cuda_shared[] __attribute__((weak));
extern "C" unsigned char __stop_cuda_shared[] __attribute__((weak));

namespace host {

constexpr unsigned WARP = 32, MAX_THREADS = 1024, STACK_BYTES = 256 * 1024;

// ---- stacks -------------------------------------------------------------------------------------------------------------------

#if defined(__x86_64__)
struct Place { void* stack_pointer; };
extern "C" void cuda_host_switch(void** from, void* to);
asm(".text\n.weak cuda_host_switch\ncuda_host_switch:\n"
    "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
    "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
    "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");
inline void change(Place& from, Place& to) { cuda_host_switch(&from.stack_pointer, to.stack_pointer); }
inline void prepare(Place& place, char* stack, void (*entry)()) {
    void** top = (void**)(((uintptr_t)stack + STACK_BYTES) & ~(uintptr_t)15);
    *--top = nullptr;       // keeps the stack aligned as after a call
    *--top = (void*)entry;  // where `ret` goes
    for (int saved = 0; saved < 6; saved++) *--top = nullptr;
    place.stack_pointer = top;
}
#else
#include <ucontext.h>
struct Place { ucontext_t context; };
inline void change(Place& from, Place& to) { swapcontext(&from.context, &to.context); }
inline void prepare(Place& place, char* stack, void (*entry)()) {
    getcontext(&place.context);
    place.context.uc_stack.ss_sp = stack;
    place.context.uc_stack.ss_size = STACK_BYTES;
    place.context.uc_link = nullptr;
    makecontext(&place.context, entry, 0);
}
#endif

// ---- one group ----------------------------------------------------------------------------------------------------------------

enum State { FRESH, READY, AT_BARRIER, AT_WARP, ENDED };

struct Stack {
    Place place;
    char* bytes;
};

struct Thread {
    uint3 index;
    State state;
    Stack* stack;      // kept only while it waits
    int line;          // where it waits
    unsigned mask;     // lanes that it waits for
    unsigned exchanges; // how many it has been part of
};

// In which order threads and groups run: seed 0 the natural one, 1 its opposite, any other one is drawn.
struct Schedule {
    uint64_t seed, state;

    unsigned below(unsigned bound) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        return (unsigned)((state >> 33) % bound);
    }

    void arrange(unsigned* list, unsigned count) {
        for (unsigned k = 0; seed > 0 && k + 1 < count; k++) {
            unsigned other = seed == 1 ? count - 1 - k : k + below(count - k);
            if (seed == 1 && other <= k) break;
            unsigned kept = list[k];
            list[k] = list[other];
            list[other] = kept;
        }
    }
};

inline Thread threads[MAX_THREADS];
inline unsigned thread_count, current;
inline uint64_t slots[MAX_THREADS][2]; // what each lane shows to its warp; two, so that nobody has to wait before showing again
inline Stack stacks[MAX_THREADS];
inline Stack* free_stacks[MAX_THREADS];
inline unsigned stack_count, free_count;
inline Place scheduler;
inline Stack* running;
inline unsigned order[MAX_THREADS], next_fresh;
inline void (*body)();
inline char fault[512];
inline Schedule schedule;
inline Place nowhere; // what is left behind by a stack that is not needed any more

inline uint3 thread_index, group_index;
inline dim3 group_size, group_counts;

inline void complain(const char* words, int line, unsigned thread) {
    if (fault[0] == 0) {
        snprintf(fault, sizeof fault, "%s (line %d, thread %u of group %u,%u,%u)", words, line, thread, group_index.x, group_index.y, group_index.z);
    }
}

// Runs fresh threads one after the other; the first one that waits keeps this stack, and another one goes on.
inline void work() {
    while (next_fresh < thread_count) {
        current = order[next_fresh++];
        thread_index = threads[current].index;
        threads[current].state = READY;
        body();
        threads[current].state = ENDED;
        // A thread that waited has left the fresh ones to others.
        if (threads[current].stack != nullptr) break;
    }
    threads[current].stack = nullptr;
    free_stacks[free_count++] = running;
    change(nowhere, scheduler);
}

inline void wait(State state, int line, unsigned mask) {
    unsigned own = current;
    Thread& thread = threads[own];
    thread.state = state;
    thread.line = line;
    thread.mask = mask;
    thread.stack = running;
    change(thread.stack->place, scheduler);
    current = own;
    thread_index = thread.index;
}

inline void resume(unsigned index) {
    threads[index].state = READY;
    current = index;
    running = threads[index].stack;
    change(scheduler, running->place);
}

inline void start_fresh() {
    if (free_count == 0) {
        Stack& stack = stacks[stack_count++];
        stack.bytes = (char*)malloc(STACK_BYTES);
        free_stacks[free_count++] = &stack;
    }
    running = free_stacks[--free_count];
    prepare(running->place, running->bytes, work);
    change(scheduler, running->place);
}

// Lets the lanes of one warp go whose whole mask has arrived.
inline bool release_warp(unsigned first) {
    for (unsigned lane = 0; lane < WARP && first + lane < thread_count; lane++) {
        const Thread& thread = threads[first + lane];
        if (thread.state != AT_WARP) continue;
        unsigned list[WARP], count = 0;
        bool is_complete = true;
        for (unsigned other = 0; other < WARP; other++) {
            if ((thread.mask >> other & 1u) == 0) continue;
            unsigned index = first + other;
            if (index >= thread_count || threads[index].state == ENDED) {
                complain("a lane of the mask has ended or was never there", thread.line, first + lane);
                return false;
            }
            const Thread& peer = threads[index];
            is_complete = is_complete && peer.state == AT_WARP && peer.mask == thread.mask;
            list[count++] = index;
        }
        if ((thread.mask >> lane & 1u) == 0) {
            complain("a lane is not in its own mask", thread.line, first + lane);
            return false;
        }
        if (!is_complete) continue;
        for (unsigned k = 1; k < count; k++) {
            if (threads[list[k]].line != threads[list[0]].line) {
                complain("lanes of one mask wait at different places", thread.line, first + lane);
                return false;
            }
        }
        schedule.arrange(list, count);
        for (unsigned k = 0; k < count; k++) resume(list[k]);
        return true;
    }
    return false;
}

// Lets all threads of the group go when every one that has not ended is at the same barrier.
inline bool release_group() {
    unsigned list[MAX_THREADS], count = 0, alive = 0;
    for (unsigned index = 0; index < thread_count; index++) {
        alive += threads[index].state != ENDED;
        if (threads[index].state == AT_BARRIER) list[count++] = index;
    }
    if (count == 0 || count != alive) return false;
    for (unsigned k = 1; k < count; k++) {
        if (threads[list[k]].line != threads[list[0]].line) {
            complain("threads wait at different barriers", threads[list[k]].line, list[k]);
            return false;
        }
    }
    schedule.arrange(list, count);
    for (unsigned k = 0; k < count; k++) resume(list[k]);
    return true;
}

__attribute__((no_sanitize("address"))) inline void fill_shared(uint64_t seed) {
    uint64_t state = seed * 0x9e3779b97f4a7c15ull + 0x0123456789abcdefull;
    for (volatile unsigned char* at = __start_cuda_shared; at < __stop_cuda_shared; at++) {
        state = state * 6364136223846793005ull + 1442695040888963407ull;
        *at = (unsigned char)(state >> 56);
    }
}

inline void run_group() {
    for (unsigned index = 0; index < thread_count; index++) {
        unsigned x = index % group_size.x, rest = index / group_size.x;
        threads[index] = {{x, rest % group_size.y, rest / group_size.y}, FRESH, nullptr, 0, 0, 0};
        order[index] = index;
    }
    schedule.arrange(order, thread_count);
    next_fresh = 0;
    while (next_fresh < thread_count) start_fresh();
    for (bool has_moved = true; has_moved && fault[0] == 0;) {
        has_moved = false;
        for (unsigned first = 0; first < thread_count && fault[0] == 0; first += WARP) has_moved |= release_warp(first);
        if (fault[0] == 0 && !has_moved) has_moved = release_group();
    }
    for (unsigned index = 0; index < thread_count; index++) {
        if (threads[index].state != ENDED) complain("threads wait for each other for ever", threads[index].line, index);
    }
}

inline uint64_t common_factor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// Runs a grid. False after a fault, whose words are in `fault`; nothing can be run after that.
inline bool run_grid(dim3 groups, dim3 size, void (*kernel)(), uint64_t seed) {
    schedule = {seed, seed};
    group_counts = groups;
    group_size = size;
    thread_count = size.x * size.y * size.z;
    body = kernel;
    uint64_t total = (uint64_t)groups.x * groups.y * groups.z;
    // A step that shares no factor with the count visits every group once.
    uint64_t step = seed == 0 ? 1 : total - 1, at = seed == 0 ? 0 : total - 1;
    if (seed > 1) {
        at = schedule.below(1u << 30) % total;
        for (step = 1 + schedule.below(1u << 20); common_factor(step, total) != 1;) step++;
    }
    for (uint64_t k = 0; k < total; k++, at = (at + step) % total) {
        group_index = {(unsigned)(at % groups.x), (unsigned)(at / groups.x % groups.y), (unsigned)(at / groups.x / groups.y)};
        fill_shared(seed + at);
        run_group();
        if (fault[0] != 0) return false;
    }
    return true;
}

// ---- what lanes show each other -----------------------------------------------------------------------------------------------

template <class T> void show(T value, unsigned mask, int line) {
    static_assert(sizeof(T) <= 8, "a lane shows at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof value);
    slots[current][threads[current].exchanges & 1u] = bits;
    wait(AT_WARP, line, mask);
    threads[current].exchanges++;
}

template <class T> T shown(unsigned lane) {
    T value;
    unsigned index = current / WARP * WARP + lane % WARP;
    memcpy(&value, &slots[index][(threads[current].exchanges - 1u) & 1u], sizeof value);
    return value;
}

template <class T> T exchange(T value, unsigned mask, unsigned from, int line) {
    show(value, mask, line);
    return shown<T>(from);
}

inline unsigned vote(bool is_set, unsigned mask, int line) {
    show<unsigned>(is_set, mask, line);
    unsigned votes = 0;
    for (unsigned lane = 0; lane < WARP; lane++) {
        if (mask >> lane & 1u) votes |= (shown<unsigned>(lane) != 0 ? 1u : 0u) << lane;
    }
    return votes;
}

inline unsigned lane() { return current % WARP; }

} // namespace host

// ---- the language ----------------------------------------------------------------------------------------------------------------

#define threadIdx host::thread_index
#define blockIdx host::group_index
#define blockDim host::group_size
#define gridDim host::group_counts
#define warpSize 32
#define __syncthreads() host::wait(host::AT_BARRIER, __LINE__, 0)
#define __syncwarp(...) host::wait(host::AT_WARP, __LINE__, host::mask_or_all(__VA_ARGS__))
#define __shfl_sync(mask, value, from) host::exchange(value, mask, (unsigned)(from), __LINE__)
#define __shfl_xor_sync(mask, value, bits) host::exchange(value, mask, host::lane() ^ (unsigned)(bits), __LINE__)
#define __shfl_down_sync(mask, value, by) host::exchange(value, mask, host::lane() + (unsigned)(by) < 32u ? host::lane() + (unsigned)(by) : host::lane(), __LINE__)
#define __shfl_up_sync(mask, value, by) host::exchange(value, mask, host::lane() >= (unsigned)(by) ? host::lane() - (unsigned)(by) : host::lane(), __LINE__)
#define __ballot_sync(mask, is_set) host::vote(is_set, mask, __LINE__)
#define __any_sync(mask, is_set) (host::vote(is_set, mask, __LINE__) != 0u)
#define __all_sync(mask, is_set) (host::vote(is_set, mask, __LINE__) == (mask))
namespace host { inline unsigned mask_or_all(unsigned mask = 0xffffffffu) { return mask; } }

template <class T> T __ldg(const T* at) { return *at; }
template <class T> T atomicAdd(T* at, T value) { T old = *at; *at = old + value; return old; }
template <class T> T atomicMax(T* at, T value) { T old = *at; *at = old < value ? value : old; return old; }
template <class T> T atomicMin(T* at, T value) { T old = *at; *at = value < old ? value : old; return old; }
template <class T> T atomicOr(T* at, T value) { T old = *at; *at = old | value; return old; }
template <class T> T atomicExch(T* at, T value) { T old = *at; *at = value; return old; }
template <class T> T atomicCAS(T* at, T expected, T value) { T old = *at; if (old == expected) *at = value; return old; }
inline unsigned min(unsigned a, unsigned b) { return b < a ? b : a; }
inline unsigned max(unsigned a, unsigned b) { return a < b ? b : a; }
inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline unsigned __float_as_uint(float value) { unsigned bits; memcpy(&bits, &value, sizeof bits); return bits; }
inline float __uint_as_float(unsigned bits) { float value; memcpy(&value, &bits, sizeof value); return value; }
inline int __float_as_int(float value) { return (int)__float_as_uint(value); }
inline float __int_as_float(int bits) { return __uint_as_float((unsigned)bits); }
inline int __ffs(int bits) { return __builtin_ffs(bits); }
inline int __clz(int bits) { return bits == 0 ? 32 : __builtin_clz((unsigned)bits); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline float __saturatef(float value) { return fminf(fmaxf(value, 0.0f), 1.0f); }
inline float rsqrtf(float value) { return 1.0f / sqrtf(value); }
