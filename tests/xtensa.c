/* A program for qemu's board LX60: runs the engine once for its results, and some times more for the
 * count of its instructions. xtensa_emulator.py puts the job into memory and reads what is printed. */
#include "../native_module/aifes.h"

typedef uint32_t function(const aifes_net *net, aifes_buffer *b, uint32_t at, uint32_t end);

int aifes_load(aifes_net *net, aifes_memory *memory);
function aifes_run, aifes_run_samples, none;

typedef struct {
    aifes_net *net;
    const uint8_t *results;
    uint32_t length, loops, n_ops, n_ends;
    aifes_memory memory;
    aifes_buffer ends[2 * AIFES_MAX_ENDS];
} job;

#define JOB ((job *)0x01000000)
#define UART(offset) (*(volatile uint32_t *)(0xfd050020 + (offset)))

static void put_char(char c)
{
    while (!(UART(0x14) & 0x20)) {
    }
    UART(0) = c;
}

static void put_hex(uint32_t value, int digits)
{
    while (digits--) {
        put_char("0123456789abcdef"[value >> 4 * digits & 15]);
    }
}

void fatal_error(uint32_t cause, uint32_t pc, uint32_t address)
{
    put_char('!');
    put_hex(cause, 8);
    put_hex(pc, 8);
    put_hex(address, 8);
    put_char('\n');
    for (;;) {
    }
}

/* 2 instructions */
__asm__(".text\n .p2align 2\n none: entry a1, 16\n retw\n");

/* Clock ticks, 25 instructions each */
static uint32_t ticks(function *volatile f, uint32_t loops)
{
    aifes_buffer b[2 * AIFES_MAX_ENDS];
    uint32_t from, to;
    __asm volatile("rsr %0, ccount" : "=r"(from));
    while (loops--) {
        uint32_t at = 0;
        do {
            for (uint32_t i = 0; i < JOB->n_ends; i++) {
                b[i].data = JOB->ends[i].data;
                b[i].n = JOB->ends[i].n;
                b[i].is_float = AIFES_FLOAT;
            }
            at = f(JOB->net, b, at, JOB->n_ops);
        } while (at && f != none);
    }
    __asm volatile("rsr %0, ccount" : "=r"(to));
    return to - from;
}

void start(void)
{
    function *run = AIFES_FLOAT ? aifes_run_samples : aifes_run;
    if (aifes_load(JOB->net, &JOB->memory) != 1) {
        put_char('!');
    }
    ticks(run, 1);
    for (uint32_t i = 0; i < JOB->length; i++) {
        put_hex(JOB->results[i], 2);
    }
    put_char(' ');
    put_hex(ticks(run, JOB->loops) - ticks(none, JOB->loops), 8);
    put_char('\n');
    for (;;) {
    }
}
