

    .section .vectors, "ax"
    .org 0x000                      
    s32e a0, a5, -16
    s32e a1, a5, -12
    s32e a2, a5, -8
    s32e a3, a5, -4
    rfwo
    .org 0x040                      
underflow4:
    l32e a0, a5, -16
    l32e a1, a5, -12
    l32e a2, a5, -8
    l32e a3, a5, -4
    rfwu
    .org 0x080                      
    s32e a0, a9, -16
    l32e a0, a1, -12
    s32e a1, a9, -12
    s32e a2, a9, -8
    s32e a3, a9, -4
    s32e a4, a0, -32
    s32e a5, a0, -28
    s32e a6, a0, -24
    s32e a7, a0, -20
    rfwo
    .org 0x0c0                      
underflow8:
    l32e a0, a9, -16
    l32e a1, a9, -12
    l32e a2, a9, -8
    l32e a7, a1, -12
    l32e a3, a9, -4
    l32e a4, a7, -32
    l32e a5, a7, -28
    l32e a6, a7, -24
    l32e a7, a7, -20
    rfwu
    .org 0x100                      
    s32e a0, a13, -16
    l32e a0, a1, -12
    s32e a1, a13, -12
    s32e a2, a13, -8
    s32e a3, a13, -4
    s32e a4, a0, -48
    s32e a5, a0, -44
    s32e a6, a0, -40
    s32e a7, a0, -36
    s32e a8, a0, -32
    s32e a9, a0, -28
    s32e a10, a0, -24
    s32e a11, a0, -20
    rfwo
    .org 0x140                      
underflow12:
    l32e a0, a13, -16
    l32e a1, a13, -12
    l32e a2, a13, -8
    l32e a11, a1, -12
    l32e a3, a13, -4
    l32e a4, a11, -48
    l32e a5, a11, -44
    l32e a6, a11, -40
    l32e a7, a11, -36
    l32e a8, a11, -32
    l32e a9, a11, -28
    l32e a10, a11, -24
    l32e a11, a11, -20
    rfwu
    .org 0x300                      
    wsr a0, excsave1
    j exception
    .org 0x340
    wsr a0, excsave1
    j exception
    .org 0x3c0                      
    j fatal
    .org 0x400

exception:
    rsr a0, exccause
    beqi a0, 4, interrupt
    beqi a0, 5, movsp_exception
    beqz a0, illegal
    j fatal

interrupt:                          
    movi a0, 0
    wsr a0, intenable
    rsr a0, excsave1
    rsync
    rfe

movsp_exception:                    
    rsr a0, windowbase
    rotw -1                         
    rsr a2, ps
    extui a3, a2, 8, 4              
    xor a3, a3, a4
    rsr a4, excsave1
    slli a3, a3, 8
    xor a2, a2, a3
    wsr a2, ps
    rsync
    bbci a4, 31, to_underflow4
    rotw -1
    bbci a8, 30, to_underflow8
    rotw -1
    j underflow12
to_underflow4:
    j underflow4
to_underflow8:
    j underflow8

    .literal_position
    .literal registers_at, registers
illegal:                            
    l32r a0, registers_at
    s32i a1, a0, 4
    s32i a2, a0, 8
    s32i a3, a0, 12
    s32i a4, a0, 16
    s32i a5, a0, 20
    s32i a6, a0, 24
    s32i a7, a0, 28
    s32i a8, a0, 32
    s32i a9, a0, 36
    s32i a10, a0, 40
    s32i a11, a0, 44
    s32i a12, a0, 48
    s32i a13, a0, 52
    s32i a14, a0, 56
    s32i a15, a0, 60
    rsr a1, excsave1
    s32i a1, a0, 0
    rsr a2, sar
    s32i a2, a0, 64
    rsr a2, epc1                    
    movi a3, -4
    and a3, a2, a3
    l32i a4, a3, 0
    l32i a5, a3, 4
    ssa8l a2
    src a4, a5, a4
    extui a5, a4, 16, 8             
    movi a6, 0xa2
    movi a7, 0
    beq a5, a6, mul_high
    addi a6, a6, 16
    movi a7, 1
    beq a5, a6, mul_high
    j fatal
mul_high:
    extui a5, a4, 0, 4
    bnez a5, fatal
    extui a5, a4, 8, 4              
    addx4 a5, a5, a0
    l32i a8, a5, 0
    extui a5, a4, 4, 4              
    addx4 a5, a5, a0
    l32i a9, a5, 0
    extui a10, a8, 0, 16
    extui a11, a8, 16, 16
    extui a12, a9, 0, 16
    extui a13, a9, 16, 16
    mull a14, a10, a12
    extui a14, a14, 16, 16
    mull a15, a11, a12
    add a14, a14, a15               
    mull a15, a10, a13
    extui a10, a14, 0, 16
    add a15, a15, a10
    extui a15, a15, 16, 16
    extui a14, a14, 16, 16
    add a14, a14, a15
    mull a15, a11, a13
    add a14, a14, a15
    beqz a7, mul_high_done
    movi a10, 0
    bge a8, a10, 1f
    sub a14, a14, a9
1:  bge a9, a10, mul_high_done
    sub a14, a14, a8
mul_high_done:
    extui a5, a4, 12, 4             
    addx4 a5, a5, a0
    s32i a14, a5, 0
    addi a2, a2, 3
    wsr a2, epc1
    rsr a3, lend                    
    bne a2, a3, 2f
    rsr a3, lcount
    beqz a3, 2f
    addi a3, a3, -1
    wsr a3, lcount
    rsr a2, lbeg
    wsr a2, epc1
2:  l32i a2, a0, 64
    wsr a2, sar
    l32i a1, a0, 0
    wsr a1, excsave1
    l32i a1, a0, 4
    l32i a2, a0, 8
    l32i a3, a0, 12
    l32i a4, a0, 16
    l32i a5, a0, 20
    l32i a6, a0, 24
    l32i a7, a0, 28
    l32i a8, a0, 32
    l32i a9, a0, 36
    l32i a10, a0, 40
    l32i a11, a0, 44
    l32i a12, a0, 48
    l32i a13, a0, 52
    l32i a14, a0, 56
    l32i a15, a0, 60
    rsr a0, excsave1
    rsync
    rfe

    .literal_position
    .literal stack_at, _estack
    .literal fatal_at, fatal_error
    .literal ps_start, 0x40000      
fatal:                              
    rsr a2, windowbase
    movi a3, 1
    ssl a2
    sll a3, a3
    wsr a3, windowstart
    rsync
    l32r a1, stack_at
    l32r a3, ps_start
    wsr a3, ps
    rsync
    rsr a6, exccause
    rsr a7, epc1
    rsr a8, excvaddr
    movi a0, 0
    l32r a4, fatal_at
    callx4 a4
1:  j 1b

    .literal_position
    .literal vectors_at, _vectors
    .literal start_at, start
    .global _start
    .type _start, @function
_start:
    movi a0, 0
    wsr a0, intenable
    wsr a0, lcount
    l32r a2, vectors_at
    wsr a2, vecbase
    movi a2, 1
    wsr a2, windowstart
    movi a3, 0
    wsr a3, windowbase
    rsync
    movi a0, 0
    movi a2, 1
    wsr a2, cpenable                
    l32r a1, stack_at
    l32r a2, ps_start
    wsr a2, ps
    rsync
    l32r a4, start_at
    callx4 a4
1:  j 1b


    .literal_position
    # six frames of 8 registers: more than this core's 32, so that all of the callers' are stored
    .literal spill_deep_at, spill_deep
    .global spill_windows
    .type spill_windows, @function
spill_windows:
    entry a1, 32
    movi a10, 4
    l32r a8, spill_deep_at
    callx8 a8
    retw
    .type spill_deep, @function
    .literal_position
    .literal spill_deep2_at, spill_deep
    .align 4
spill_deep:
    entry a1, 32
    beqz a2, 1f
    addi a10, a2, -1
    l32r a8, spill_deep2_at
    callx8 a8
1:  retw


    .literal_position
    .literal spill_at, spill_windows
    .global setjmp
    .type setjmp, @function
    .align 4
setjmp:
    entry a1, 32
    l32r a8, spill_at
    callx8 a8
    addi a3, a1, -16
    l32i a4, a3, 0
    s32i a4, a2, 0
    l32i a4, a3, 4
    s32i a4, a2, 4
    l32i a4, a3, 8
    s32i a4, a2, 8
    l32i a4, a3, 12
    s32i a4, a2, 12
    extui a5, a0, 30, 2             
    blti a5, 2, 2f
    addi a6, a1, 32                 
    addi a6, a6, -12
    l32i a6, a6, 0                  
    slli a7, a5, 4
    sub a6, a6, a7                  
    addi a7, a2, 16
    addi a5, a5, -1
1:  l32i a4, a6, 0
    s32i a4, a7, 0
    l32i a4, a6, 4
    s32i a4, a7, 4
    l32i a4, a6, 8
    s32i a4, a7, 8
    l32i a4, a6, 12
    s32i a4, a7, 12
    addi a6, a6, 16
    addi a7, a7, 16
    addi a5, a5, -1
    bnez a5, 1b
2:  s32i a0, a2, 64
    movi a2, 0
    retw


    .global longjmp
    .type longjmp, @function
    .align 4
longjmp:
    entry a1, 32
    rsr a5, windowbase              
    movi a4, 1
    ssl a5
    sll a4, a4
    wsr a4, windowstart
    rsync
    addi a6, a1, -16                
    l32i a4, a2, 0
    s32i a4, a6, 0
    l32i a4, a2, 4
    s32i a4, a6, 4
    l32i a4, a2, 8
    s32i a4, a6, 8
    l32i a4, a2, 12
    s32i a4, a6, 12
    l32i a0, a2, 64
    extui a5, a0, 30, 2
    blti a5, 2, 2f
    l32i a6, a2, 4                  
    addi a6, a6, -12
    l32i a6, a6, 0                  
    slli a7, a5, 4
    sub a6, a6, a7
    addi a7, a2, 16
    addi a5, a5, -1
1:  l32i a4, a7, 0
    s32i a4, a6, 0
    l32i a4, a7, 4
    s32i a4, a6, 4
    l32i a4, a7, 8
    s32i a4, a6, 8
    l32i a4, a7, 12
    s32i a4, a6, 12
    addi a6, a6, 16
    addi a7, a7, 16
    addi a5, a5, -1
    bnez a5, 1b
2:  movi a4, 1
    moveqz a3, a4, a3
    mov a2, a3
    retw

    .section .bss
    .align 4
registers:
    .space 80
