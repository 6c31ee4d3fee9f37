#include "textflag.h"

// func cloneAndRun(image *uint64, first uintptr) uintptr
//
// Calls clone3 with the clone_args at the start of image and returns what it
// returns in the parent. The child shares the memory, the stack pointer and the
// thread pointer of the thread that called, while that thread goes on. So the
// child must not touch the stack, not even to read, and must not call into Go;
// it never returns. It has no signal handlers (CLONE_CLEAR_SIGHAND), so nothing
// else can run on its behalf. What it uses is in registers and in the image:
//
//	R13	the image
//	R12	the step to run, at first: word number first of the image
//
// A step is { call, 6 arguments, result, where else the result goes } in nine
// words; see image.go. The first that fails ends the child with its result left
// for the parent. The last is execve.
TEXT ·cloneAndRun(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	image+0(FP), R13
	MOVQ	first+8(FP), R12
	LEAQ	(R13)(R12*8), R12
	MOVQ	$435, AX		// clone3
	MOVQ	R13, DI
	MOVQ	$88, SI			// sizeof(struct clone_args)
	SYSCALL
	TESTQ	AX, AX
	JZ	child
	MOVQ	AX, ret+16(FP)
	RET

child:
	MOVQ	0(R12), AX
	MOVQ	8(R12), DI
	MOVQ	16(R12), SI
	CMPQ	AX, $-1			// callFormat
	JEQ	format
	CMPQ	AX, $-2			// callLoad
	JEQ	load
	MOVQ	24(R12), DX
	MOVQ	32(R12), R10
	MOVQ	40(R12), R8
	MOVQ	48(R12), R9
	SYSCALL

done:	// AX is the result
	MOVQ	AX, 56(R12)
	CMPQ	AX, $0xfffffffffffff001	// -4095: from here on it is an error
	JCC	fail
	MOVQ	64(R12), R8
	TESTQ	R8, R8
	JZ	next
	MOVQ	AX, (R13)(R8*1)

next:
	ADDQ	$72, R12
	JMP	child

load:	// the word at DI
	MOVQ	(DI), AX
	JMP	done

format:	// DI as decimal digits, and a NUL, to SI
	MOVQ	$10, BX
	XORQ	CX, CX
	MOVQ	DI, AX

count:	// CX: how many digits
	XORQ	DX, DX
	DIVQ	BX
	INCQ	CX
	TESTQ	AX, AX
	JNZ	count
	MOVB	$0, (SI)(CX*1)
	MOVQ	DI, AX

digit:
	XORQ	DX, DX
	DIVQ	BX
	ADDQ	$48, DX			// '0'
	DECQ	CX
	MOVB	DX, (SI)(CX*1)
	TESTQ	CX, CX
	JNZ	digit
	XORQ	AX, AX
	JMP	done

fail:
	MOVQ	$231, AX		// exit_group
	MOVQ	$127, DI
	SYSCALL
	INT	$3			// not reached
