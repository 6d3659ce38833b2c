// One kernel as a program: launches come in on the standard input, results and faults go out on the standard output.
//
//   in:  counts of groups 3 x u32 · group size 3 x u32 · bytes of parameters u32 · buffers u32 · schedules u32 · parameters ·
//        for each buffer: bytes u64, output u32, content
//   out: 0 u32, then the content of each output; or 1 u32, bytes of words u32, words
//
// Every launch runs once for each schedule from the same buffers; all of them must end with the same bytes.
#include "cuda_host.h"
#include KERNEL_FILE

constexpr unsigned MAX_BUFFERS = 16, MAX_PARAMS = 31 * 1024, GUARD_BYTES = 64;
constexpr unsigned char GUARD = 0xC3;

struct Buffer {
    uint64_t bytes;
    unsigned is_output;
    char* content; // as it came
    char* first;   // after the first schedule
};

static unsigned params_bytes;
static __attribute__((aligned(16))) char params[MAX_PARAMS];
static Buffer buffers[MAX_BUFFERS];
static char* working[MAX_BUFFERS]; // what the kernel sees
static unsigned buffer_count;

static unsigned next_buffer;
static void* take_buffer() { return working[next_buffer++]; }

// Braces make the buffers be taken in their order.
struct Call {
    template <class P, class... A> Call(void (*kernel)(P, A...), const P& parameters, A... arguments) { kernel(parameters, arguments...); }
};

template <class P, class... A> void call(void (*kernel)(P, A...)) {
    next_buffer = 0;
    Call{kernel, *(const P*)params, (A)take_buffer()...};
}

template <class P, class... A> bool suits(void (*)(P, A...)) { return sizeof(P) <= MAX_PARAMS && sizeof...(A) == buffer_count; }

static void run_thread() { call(KERNEL_NAME); }

static void take(void* to, size_t bytes) {
    if (bytes > 0 && fread(to, bytes, 1, stdin) != 1) exit(feof(stdin) ? 0 : 3);
}

static void give(const void* from, size_t bytes) {
    if (bytes > 0 && fwrite(from, bytes, 1, stdout) != 1) exit(3);
}

// The process ends: stacks of threads that wait for ever are not tidied up.
static void refuse(const char* words) {
    unsigned head[2] = {1, (unsigned)strlen(words)};
    give(head, sizeof head);
    give(words, head[1]);
    fflush(stdout);
    _Exit(0);
}

// What the guards around a buffer and the buffer itself say after a schedule.
static void inspect(unsigned k, uint64_t seed) {
    char words[160];
    const Buffer& buffer = buffers[k];
#ifndef __SANITIZE_ADDRESS__
    for (unsigned at = 0; at < GUARD_BYTES; at++) {
        bool is_before = (unsigned char)working[k][(int)at - (int)GUARD_BYTES] != GUARD;
        if (is_before || (unsigned char)working[k][buffer.bytes + at] != GUARD) {
            snprintf(words, sizeof words, "guard: a write %s buffer %u (schedule %llu)", is_before ? "before" : "beyond", k, (unsigned long long)seed);
            refuse(words);
        }
    }
#endif
    if (!buffer.is_output && memcmp(working[k], buffer.content, buffer.bytes) != 0) {
        snprintf(words, sizeof words, "input: buffer %u was written to (schedule %llu)", k, (unsigned long long)seed);
        refuse(words);
    }
    if (seed == 0) {
        memcpy(buffer.first, working[k], buffer.bytes);
        return;
    }
    for (uint64_t at = 0; at < buffer.bytes; at++) {
        if (working[k][at] != buffer.first[at]) {
            snprintf(words, sizeof words, "schedules: byte %llu of buffer %u differs in schedule %llu", (unsigned long long)at, k, (unsigned long long)seed);
            refuse(words);
        }
    }
}

static void run(dim3 groups, dim3 size, unsigned schedules) {
    for (unsigned k = 0; k < schedules; k++) {
        // The first two are fixed, the others drawn.
        uint64_t seed = k < 2 ? k : 1000003ull * k;
        for (unsigned b = 0; b < buffer_count; b++) memcpy(working[b], buffers[b].content, buffers[b].bytes);
        if (!host::run_grid(groups, size, run_thread, seed)) {
            char words[640];
            snprintf(words, sizeof words, "threads: %s (schedule %llu)", host::fault, (unsigned long long)seed);
            refuse(words);
        }
        for (unsigned b = 0; b < buffer_count; b++) inspect(b, seed);
    }
}

int main() {
    for (;;) {
        unsigned head[9];
        take(head, sizeof head);
        params_bytes = head[6];
        buffer_count = head[7];
        if (params_bytes > MAX_PARAMS || buffer_count > MAX_BUFFERS) refuse("launch: out of range");
        // Beyond what a launch brings a kernel must not look: there lies what no number should be.
        memset(params, 0xFF, sizeof params);
        take(params, params_bytes);
        if (!suits(KERNEL_NAME)) refuse("launch: parameters or buffers do not suit the kernel");
        char* allocated[MAX_BUFFERS];
        for (unsigned k = 0; k < buffer_count; k++) {
            Buffer& buffer = buffers[k];
            take(&buffer.bytes, sizeof buffer.bytes);
            take(&buffer.is_output, sizeof buffer.is_output);
            buffer.content = (char*)malloc(buffer.bytes + 1);
            buffer.first = (char*)malloc(buffer.bytes + 1);
            take(buffer.content, buffer.bytes);
#ifdef __SANITIZE_ADDRESS__
            // Its own allocation, to the byte: the sanitizer sees the first one beyond.
            allocated[k] = working[k] = (char*)malloc(buffer.bytes);
#else
            allocated[k] = (char*)malloc(buffer.bytes + 2 * GUARD_BYTES);
            memset(allocated[k], GUARD, buffer.bytes + 2 * GUARD_BYTES);
            working[k] = allocated[k] + GUARD_BYTES;
#endif
        }
        run({head[0], head[1], head[2]}, {head[3], head[4], head[5]}, head[8]);
        unsigned fine = 0;
        give(&fine, sizeof fine);
        for (unsigned k = 0; k < buffer_count; k++) {
            if (buffers[k].is_output) give(buffers[k].first, buffers[k].bytes);
            free(buffers[k].content);
            free(buffers[k].first);
            free(allocated[k]);
        }
        fflush(stdout);
    }
}
