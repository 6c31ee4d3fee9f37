#include "textflag.h"

// func prlimit(l *Limit) int64
TEXT ·prlimit(SB), NOSPLIT, $0-16
	MOVQ	$302, AX	// prlimit64
	MOVQ	$0, DI		// this process
	MOVQ	$7, SI		// RLIMIT_NOFILE
	MOVQ	$0, DX		// no new limit
	MOVQ	l+0(FP), R10
	SYSCALL
	MOVQ	AX, ret+8(FP)
	RET
