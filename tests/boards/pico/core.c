// A Cortex-M0+ core for rp2040js: runs what touches registers, RAM, flash, ROM, the divider and the
// locks beside the core, and stops before any other instruction, which rp2040js then executes itself:
// peripherals, exceptions, sleep. Cycles are those that rp2040js counts. tests/test_pico_core.py
// compares it with another emulator; addon.c makes it a module for node.
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// the words of the state, as in core.mjs; PENDING: whether an interrupt waits to be let through
enum { SP = 13, LR = 14, PC = 15, N, Z, C, V, HANDLER, MASKED, PENDING,
       LOCKS, DIVIDEND, DIVISOR, QUOTIENT, REMAINDER, READY };

#define CPUID 0xd0000000 // which core this is: 0

typedef struct {
    uint32_t start, size;
    uint8_t *bytes;
} Memory;

static Memory ram = {0x20000000, 0, NULL}, flash = {0x10000000, 0, NULL}, rom = {0, 0, NULL};
static uint32_t *state;

// Where n bytes at an address are; NULL: not in this memory, or not aligned.
static inline uint8_t *in(const Memory *memory, uint32_t address, uint32_t n, uint32_t aligned) {
    uint32_t at = address - memory->start;
    return at < memory->size && memory->size - at >= n && !(address & (aligned - 1))
        ? memory->bytes + at : NULL;
}

static inline uint8_t *readable(uint32_t address, uint32_t n, uint32_t aligned) {
    uint8_t *p = in(&ram, address, n, aligned);
    if (!p) p = in(&flash, address, n, aligned);
    return p ? p : in(&rom, address, n, aligned);
}

static inline uint32_t word(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, 4);
    return value;
}

static inline uint32_t half(const uint8_t *p) {
    uint16_t value;
    memcpy(&value, p, 2);
    return value;
}

// The divider and the locks beside the core (SIO): false for all else that is there.
static bool sio_read(uint32_t address, uint32_t *value) {
    const uint32_t at = address - 0xd0000000;
    if (address == CPUID) {
        *value = 0;
    } else if (at >= 0x100 && at < 0x180 && !(at & 3)) {
        const uint32_t lock = 1u << (at - 0x100) / 4;
        *value = state[LOCKS] & lock ? 0 : lock;
        state[LOCKS] |= lock;
    } else switch (at) {
    case 0x60: case 0x68: *value = state[DIVIDEND]; break;
    case 0x64: case 0x6c: *value = state[DIVISOR]; break;
    case 0x70:
        *value = state[QUOTIENT];
        state[READY] &= ~2u;
        break;
    case 0x74: *value = state[REMAINDER]; break;
    case 0x78: *value = state[READY]; break;
    default: return false;
    }
    return true;
}

static bool sio_write(uint32_t address, uint32_t value) {
    const uint32_t at = address - 0xd0000000;
    if (at >= 0x100 && at < 0x180 && !(at & 3)) {
        state[LOCKS] &= ~(1u << (at - 0x100) / 4);
        return true;
    }
    if (at < 0x60 || at > 0x74 || at & 3) return false;
    state[DIVIDEND + (at < 0x70 ? at >> 2 & 1 : 2 + (at >> 2 & 1))] = value;
    if (at < 0x70) {
        const bool is_signed = at & 8;
        const uint32_t x = state[DIVIDEND], y = state[DIVISOR];
        uint32_t quotient = ~0u, rest = x;
        if (y == 0) {
            if (is_signed && x >> 31) quotient = 1;
        } else if (!is_signed) {
            quotient = x / y;
            rest = x % y;
        } else if (y == ~0u) {
            quotient = 0 - x;
            rest = 0;
        } else {
            quotient = (uint32_t)((int32_t)x / (int32_t)y);
            rest = (uint32_t)((int32_t)x % (int32_t)y);
        }
        state[QUOTIENT] = quotient;
        state[REMAINDER] = rest;
    }
    state[READY] = 3;
    return true;
}

// Run until this many cycles are over, or before an instruction that is not done here; the cycles.
static uint32_t run(uint32_t limit) {
    uint32_t *const r = state;
    uint32_t pc = r[PC] & ~1u, n = r[N] << 31, z = !r[Z], c = r[C], v = r[V], cycles = 0;
    Memory code = {0, 0, NULL}; // where the instructions are
    uint8_t *p;

// flags: n by its highest bit, z is 0 if Z is set, c and v are 0 or 1
#define RESULT(to, value) (n = z = (to) = (value))
#define ADD(to, x, y, carry) do { \
        uint32_t a = (x), b = (y); \
        uint64_t sum = (uint64_t)a + b + (carry); \
        n = z = (uint32_t)sum; \
        c = sum >> 32; \
        v = ((a ^ n) & (b ^ n)) >> 31; \
        (to) = n; \
    } while (0)
#define LOAD(to, address, bytes, value) do { \
        if (!(p = readable(address, bytes, bytes))) goto stop; \
        (to) = (value); \
        spent = 2; \
    } while (0)
#define STORE(address, bytes, value) do { \
        uint32_t data = (value); \
        if (!(p = in(&ram, address, bytes, bytes))) goto stop; \
        memcpy(p, &data, bytes); \
        spent = 2; \
    } while (0)
#define LOAD_WORD(to, address) do { \
        const uint32_t from = (address); \
        if ((p = readable(from, 4, 4))) { \
            (to) = word(p); \
            spent = 2; \
        } else { \
            if (!sio_read(from, &unused)) goto stop; \
            (to) = unused; \
        } \
    } while (0)
#define STORE_WORD(address, value) do { \
        const uint32_t at = (address), data = (value); \
        if ((p = in(&ram, at, 4, 4))) { \
            memcpy(p, &data, 4); \
            spent = 2; \
        } else if (!sio_write(at, data)) { \
            goto stop; \
        } \
    } while (0)
#define IMM5 (op >> 6 & 31)
#define IMM8 (op & 255)
#define RD r[op & 7]
#define RN r[op >> 3 & 7]
#define RM r[op >> 6 & 7]
#define R8 r[op >> 8 & 7]

    while (cycles < limit) {
        if (pc - code.start >= code.size) {
            code = in(&ram, pc, 4, 2) ? ram : in(&flash, pc, 4, 2) ? flash : rom;
            code.size -= 2; // for the second half of BL
            if (pc - code.start >= code.size) break;
        }
        p = code.bytes + (pc - code.start);
        const uint32_t op = half(p);
        uint32_t next = pc + 2, spent = 1, unused;
        switch (op >> 11) {
        case 0: // LSLS
            if (IMM5) c = RN >> (32 - IMM5) & 1;
            RESULT(RD, RN << IMM5);
            break;
        case 1: // LSRS
            unused = RN;
            c = unused >> (IMM5 ? IMM5 - 1 : 31) & 1;
            RESULT(RD, IMM5 ? unused >> IMM5 : 0);
            break;
        case 2: // ASRS
            unused = RN;
            c = unused >> (IMM5 ? IMM5 - 1 : 31) & 1;
            RESULT(RD, (uint32_t)((int32_t)unused >> (IMM5 ? IMM5 : 31)));
            break;
        case 3: // ADDS, SUBS
            switch (op >> 9 & 3) {
            case 0: ADD(RD, RN, RM, 0); break;
            case 1: ADD(RD, RN, ~RM, 1); break;
            case 2: ADD(RD, RN, op >> 6 & 7, 0); break;
            default: ADD(RD, RN, ~(op >> 6 & 7), 1);
            }
            break;
        case 4: RESULT(R8, IMM8); break; // MOVS
        case 5: ADD(unused, R8, ~IMM8, 1); break; // CMP
        case 6: ADD(R8, R8, IMM8, 0); break;
        case 7: ADD(R8, R8, ~IMM8, 1); break;
        case 8:
            if (op >> 10 & 1) { // of all registers
                const uint32_t d = (op >> 4 & 8) | (op & 7), m = op >> 3 & 15;
                uint32_t value = m == PC ? pc + 4 : r[m];
                switch (op >> 8 & 3) {
                case 0: // ADD
                    value += d == PC ? pc + 4 : r[d];
                    // fall through
                case 2: // MOV
                    if (d == PC) {
                        next = value & ~1u;
                        spent = 2;
                    } else {
                        r[d] = d == SP ? value & ~3u : value;
                    }
                    break;
                case 1: // CMP
                    if (d == PC || m == PC) goto stop;
                    ADD(unused, r[d], ~value, 1);
                    break;
                default: // BX, BLX
                    if ((op & 7) || m == PC || (r[HANDLER] && value >> 28 == 15)) goto stop;
                    if (op & 128) r[LR] = next | 1;
                    next = value & ~1u;
                    spent = 2;
                }
                break;
            }
            switch (op >> 6 & 15) {
            case 0: RESULT(RD, RD & RN); break;
            case 1: RESULT(RD, RD ^ RN); break;
            case 2: case 3: case 4: case 7: { // LSLS, LSRS, ASRS, RORS
                const uint32_t by = RN & 255, x = RD;
                const int32_t signed_x = (int32_t)x;
                uint32_t value = x;
                if (by) switch (op >> 6 & 15) {
                case 2:
                    value = by < 32 ? x << by : 0;
                    c = by <= 32 ? x >> (32 - by) % 32 & 1 : 0;
                    if (by == 32) c = x & 1;
                    break;
                case 3:
                    value = by < 32 ? x >> by : 0;
                    c = by <= 32 ? x >> (by - 1) & 1 : 0;
                    break;
                case 4:
                    value = (uint32_t)(signed_x >> (by < 32 ? by : 31));
                    c = (uint32_t)(signed_x >> (by < 32 ? by - 1 : 31)) & 1;
                    break;
                default:
                    value = x >> by % 32 | x << (32 - by % 32) % 32;
                    c = value >> 31;
                }
                RESULT(RD, value);
                break;
            }
            case 5: ADD(RD, RD, RN, c); break;
            case 6: ADD(RD, RD, ~RN, c); break;
            case 8: RESULT(unused, RD & RN); break;
            case 9: ADD(RD, 0, ~RN, 1); break;
            case 10: ADD(unused, RD, ~RN, 1); break;
            case 11: ADD(unused, RD, RN, 0); break;
            case 12: RESULT(RD, RD | RN); break;
            case 13: RESULT(RD, RD * RN); break;
            case 14: RESULT(RD, RD & ~RN); break;
            default: RESULT(RD, ~RN);
            }
            break;
        case 9: LOAD(R8, ((pc + 4) & ~3u) + 4 * IMM8, 4, word(p)); break;
        case 10: case 11: {
            const uint32_t address = RN + RM;
            switch (op >> 9 & 7) {
            case 0: STORE_WORD(address, RD); break;
            case 1: STORE(address, 2, RD); break;
            case 2: STORE(address, 1, RD); break;
            case 3:
                if (address == CPUID) RD = 0; // asked for as a byte, too
                else LOAD(RD, address, 1, (uint32_t)(int8_t)*p);
                break;
            case 4: LOAD_WORD(RD, address); break;
            case 5: LOAD(RD, address, 2, half(p)); break;
            case 6: LOAD(RD, address, 1, *p); break;
            default: LOAD(RD, address, 2, (uint32_t)(int16_t)half(p));
            }
            break;
        }
        case 12: STORE_WORD(RN + 4 * IMM5, RD); break;
        case 13: LOAD_WORD(RD, RN + 4 * IMM5); break;
        case 14: STORE(RN + IMM5, 1, RD); break;
        case 15: LOAD(RD, RN + IMM5, 1, *p); break;
        case 16: STORE(RN + 2 * IMM5, 2, RD); break;
        case 17: LOAD(RD, RN + 2 * IMM5, 2, half(p)); break;
        case 18: STORE(r[SP] + 4 * IMM8, 4, R8); break;
        case 19: LOAD(R8, r[SP] + 4 * IMM8, 4, word(p)); break;
        case 20: R8 = ((pc + 4) & ~3u) + 4 * IMM8; break; // ADR
        case 21: R8 = r[SP] + 4 * IMM8; break;
        case 22:
        case 23:
            switch (op >> 8 & 15) {
            case 0: // ADD, SUB SP
                r[SP] += (op & 128 ? -4 : 4) * (op & 127);
                break;
            case 2: { // SXTH, SXTB, UXTH, UXTB
                const uint32_t x = RN;
                RD = op >> 6 & 2 ? (op >> 6 & 1 ? x & 255 : x & 65535)
                    : op >> 6 & 1 ? (uint32_t)(int8_t)x : (uint32_t)(int16_t)x;
                break;
            }
            case 4: case 5: { // PUSH
                const uint32_t size = 4 * __builtin_popcount(op & 511);
                if (!(p = in(&ram, r[SP] - size, size, 4))) goto stop;
                for (int i = 0; i < 8; i++) {
                    if (op >> i & 1) {
                        memcpy(p, r + i, 4);
                        p += 4;
                    }
                }
                if (op & 256) memcpy(p, r + LR, 4);
                r[SP] -= size;
                spent += __builtin_popcount(IMM8);
                break;
            }
            case 12: case 13: { // POP
                const uint32_t size = 4 * __builtin_popcount(op & 511);
                if (!(p = in(&ram, r[SP], size, 4))) goto stop;
                if (op & 256) {
                    next = word(p + size - 4);
                    if (r[HANDLER] && next >> 28 == 15) goto stop;
                    next &= ~1u;
                    spent += 2;
                }
                for (int i = 0; i < 8; i++) {
                    if (op >> i & 1) {
                        r[i] = word(p);
                        p += 4;
                        spent++;
                    }
                }
                r[SP] += size;
                break;
            }
            case 10: { // REV, REV16, REVSH
                const uint32_t x = __builtin_bswap32(RN);
                if ((op >> 6 & 3) == 2) goto stop;
                RD = op >> 6 & 2 ? (uint32_t)(int16_t)(x >> 16) : op >> 6 & 1 ? x >> 16 | x << 16 : x;
                break;
            }
            case 6: // CPSIE, CPSID
                if (op == 0xb672) r[MASKED] = 1;
                else if (op == 0xb662 && !r[PENDING]) r[MASKED] = 0;
                else goto stop;
                break;
            case 15: // NOP, SEV: there is no other core
                if (op != 0xbf00 && op != 0xbf40) goto stop;
                break;
            default: goto stop;
            }
            break;
        case 24: case 25: { // STMIA, LDMIA
            const uint32_t size = 4 * __builtin_popcount(IMM8), base = op >> 8 & 7;
            const uint32_t address = r[base];
            p = op >> 11 & 1 ? readable(address, size, 4) : in(&ram, address, size, 4);
            if (!p) goto stop;
            for (int i = 0; i < 8; i++) {
                if (op >> i & 1) {
                    if (op >> 11 & 1) r[i] = word(p);
                    else memcpy(p, r + i, 4);
                    p += 4;
                    spent++;
                }
            }
            if (!(op >> 11 & op >> base & 1)) r[base] = address + size;
            break;
        }
        case 26: case 27: { // B, if
            bool is;
            switch (op >> 9 & 7) {
            case 0: is = !z; break;
            case 1: is = c; break;
            case 2: is = n >> 31; break;
            case 3: is = v; break;
            case 4: is = c && z; break;
            case 5: is = n >> 31 == v; break;
            case 6: is = n >> 31 == v && z; break;
            default: goto stop; // UDF, SVC
            }
            if (is != (op >> 8 & 1)) {
                next = pc + 4 + 2 * (uint32_t)(int8_t)op;
                spent = 2;
            }
            break;
        }
        case 28: // B
            next = pc + 4 + (uint32_t)((int32_t)(op << 21) >> 20);
            spent = 2;
            break;
        case 30: { // BL and what has to do with interrupts
            const uint32_t second = half(p + 2), sign = op >> 10 & 1;
            if ((second & 0xd000) != 0xd000) {
                if (op == 0xf3bf && (second & 0xffc0) == 0x8f40) { // DSB, DMB, ISB
                } else if (op == 0xf3ef && (second & 0xf0ff) == 0x8010) { // MRS PRIMASK
                    r[second >> 8 & 15] = r[MASKED];
                } else if (op >> 4 == 0xf38 && second == 0x8810) { // MSR PRIMASK
                    if (!(r[op & 15] & 1) && r[PENDING]) goto stop;
                    r[MASKED] = r[op & 15] & 1;
                } else {
                    goto stop;
                }
                next = pc + 4;
                spent = 3;
                break;
            }
            const uint32_t i1 = (second >> 13 & 1) == sign, i2 = (second >> 11 & 1) == sign;
            r[LR] = (pc + 4) | 1;
            next = pc + 4 + ((0u - sign) << 24 | i1 << 23 | i2 << 22 | (op & 1023) << 12
                             | (second & 2047) << 1);
            spent = 3;
            break;
        }
        default: goto stop;
        }
        pc = next;
        cycles += spent;
    }
stop:
    r[PC] = pc;
    r[N] = n >> 31;
    r[Z] = !z;
    r[C] = c;
    r[V] = v;
    return cycles;
}
